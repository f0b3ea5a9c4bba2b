"""Codes that are late, guessed or set up by halves, and pages of a sign-in that come out of the browser's memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

import httpx2
import pytest

from idp.factors import message
from idp.factors.throttling import MOST_FAILURES
from idp.signin.second import MOST_MISSES
from idp.web import own
from tests.account.test_account import CODE, code_of, factors, secret_on, signed_in
from tests.authenticators import Device
from tests.mail import Catcher, code_in, link_in
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, forms, running
from tests.signin.conftest import App
from tests.signin.passkeys import given, use
from tests.signin.reading import (
    CODES,
    SESSIONS,
    count,
    eventually,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    step_of,
    token_of,
)
from tests.signin.test_email_codes import as_new, asked_for, told
from tests.signin.test_second_factor import allowed

JUST_IN_TIME, JUST_TOO_LATE = timedelta(minutes=9, seconds=50), timedelta(minutes=10, seconds=10)
WORST = "SELECT coalesce(max(count), 0) FROM failures"


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider where a code by mail is all that it takes."""
    folder = tmp_path_factory.mktemp("in-time")
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in") as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def letter(mailing: Provider, mail_server: Catcher) -> App:
    as_new(mailing, mail_server)
    return App(mailing.create_client())


def earlier(stored: str, by: timedelta) -> str:
    """A time as the database writes it."""
    return (datetime.fromisoformat(stored) - by).astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def make_old(provider: Provider, age: timedelta) -> None:
    """As if the newest mail had been sent so long ago: every time that is stored of mails is as much earlier."""
    ((newest,),) = query(provider, "SELECT sent_at FROM email_codes")
    how_long = age - (datetime.now(UTC) - datetime.fromisoformat(newest))
    for row, codes, sent_at, until in query(provider, "SELECT id, codes, sent_at, expires_at FROM email_codes"):
        aged = [
            [code, link, (datetime.fromisoformat(each) - how_long).isoformat()]
            for code, link, each in json.loads(codes)
        ]
        values = json.dumps(aged), earlier(sent_at, how_long), earlier(until, how_long), row
        query(provider, "UPDATE email_codes SET codes = ?, sent_at = ?, expires_at = ? WHERE id = ?", *values)
    for row, created_at, until in query(provider, "SELECT hash, created_at, expires_at FROM handles"):
        times = earlier(created_at, how_long), earlier(until, how_long)
        query(provider, "UPDATE handles SET created_at = ?, expires_at = ? WHERE hash = ?", *times, row)
    for row, mailed_at in query(provider, "SELECT id, mailed_at FROM attempts WHERE mailed_at IS NOT NULL"):
        query(provider, "UPDATE attempts SET mailed_at = ? WHERE id = ?", earlier(mailed_at, how_long), row)


def test_ot_09_a_mail_is_good_for_ten_minutes_and_five_tries() -> None:
    """The attacker has as long, and as many guesses, as these say."""
    assert (timedelta(minutes=10), 5) == (message.LIFETIME, message.MOST_TRIES)


@pytest.mark.parametrize("by", ["code", "link"])
def test_ot_09_just_before_ten_minutes_a_mail_is_good(
    mailing: Provider, mail_server: Catcher, letter: App, by: str
) -> None:
    """The attacker makes mails so slow that nobody can use what is in them."""
    browser = asked_for(mailing, letter)
    mail = mail_server.newest()
    make_old(mailing, JUST_IN_TIME)
    if by == "link":
        browser.open(link_in(mail))
        browser.submit(action="/email")
    else:
        browser.submit(action="/email", code=code_in(mail))
    assert "code" in allowed(browser)


@pytest.mark.parametrize("by", ["code", "link", "link that was opened in time"])
def test_ot_09_just_after_ten_minutes_a_mail_is_old(
    mailing: Provider, mail_server: Catcher, letter: App, by: str
) -> None:
    """The attacker reads a mail a moment after its ten minutes, or left its page open until then."""
    browser = asked_for(mailing, letter)
    mail = mail_server.newest()
    if by == "code":
        make_old(mailing, JUST_TOO_LATE)
        browser.submit(action="/email", code=code_in(mail))
        assert "ten minutes" in told(browser)
    elif by == "link":
        make_old(mailing, JUST_TOO_LATE)
        answer = browser.open(link_in(mail))
        assert (answer.status_code, heading_of(answer)) == (410, "This link counts no more")
    else:
        browser.open(link_in(mail))
        make_old(mailing, JUST_TOO_LATE)
        browser.submit(action="/email")
        assert "ten minutes" in told(browser)
    assert count(mailing, SESSIONS) == 0


def test_ot_09_of_two_mails_each_has_ten_minutes_of_its_own(
    mailing: Provider, mail_server: Catcher, letter: App
) -> None:
    """The attacker asks for another mail, so that an old one counts longer."""
    browser = asked_for(mailing, letter)
    first = code_in(mail_server.newest())
    make_old(mailing, timedelta(minutes=5))
    browser.submit(action="/send-code")
    second = code_in(mail_server.newest(2))
    make_old(mailing, timedelta(minutes=5, seconds=10))
    browser.submit(action="/email", code=first)
    assert "ten minutes" in told(browser)
    browser.submit(action="/email", code=second)
    assert "code" in allowed(browser)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider behind a proxy that says where requests come from."""
    with running(tmp_path_factory.mktemp("proxied"), trusted_proxies="127.0.0.1") as provider:
        provider.create_user()
        yield provider


@dataclass(frozen=True)
class Ana:
    """A person with an authenticator app, as her device has it, and her recovery codes."""

    provider: Provider
    app: App
    secret: str
    recovery_codes: list[str]

    def at_factor(self, address: str = "") -> Browser:
        """A browser that was never here, whose person knows the password and is asked for a code."""
        browser = Browser(self.provider.issuer)
        if address:
            browser.http.headers["X-Forwarded-For"] = address
        browser.open(self.app.url())
        browser.submit(action="/identify", username=EMAIL)
        browser.submit(action="/password", password=PASSWORD)
        assert step_of(browser) == "factor"
        return browser

    def guess(self, browser: Browser, code: str | None = None) -> httpx2.Response:
        """Posts a code, a wrong one by default, also where its page shows no field for it."""
        sent = self.wrong() if code is None else code
        path, token = path_of(browser), token_of(browser)
        return post(browser, f"{path}/factor", csrf=token, method="totp", code=sent)

    def wrong(self) -> str:
        near = {code_of(self.secret, steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


def ana(provider: Provider) -> Ana:
    """Ana sets up an app, and forgets her browsers."""
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    for table in ("sessions", "consents", "failures", "counters", "handles"):
        query(provider, f"DELETE FROM {table}")  # noqa: S608
    owner = signed_in(provider, own.AUTHENTICATOR)
    secret, codes = secret_on(page_of(owner)), CODE.findall(page_of(owner).text)
    owner.submit(code=code_of(secret, -1), name="Phone")
    query(provider, "DELETE FROM sessions")
    return Ana(provider, App(provider.create_client()), secret, codes)


def test_ot_03_wrong_codes_add_up_over_sign_ins_addresses_and_restarts(proxied: Provider) -> None:
    """The attacker, who has the password, begins anew, comes from elsewhere, and waits for a restart."""
    person, number = ana(proxied), 0
    for host in ("192.0.2.1", "198.51.100.2", "2001:db8::3"):
        browser = person.at_factor(host)
        assert count(proxied, WORST) == number, "the password resets nothing"
        for _ in range(MOST_MISSES - 1):
            assert person.guess(browser).status_code == 303
            number += 1
            assert count(proxied, WORST) == number
        proxied.stop()
        proxied.start()
    assert count(proxied, "SELECT count(*) FROM failures") == 1 + 3, "of the account, and of it from each network"


@pytest.mark.slow
def test_ot_03_after_a_hundred_wrong_codes_none_is_looked_at_and_a_passkey_still_signs_in(proxied: Provider) -> None:
    """The attacker, who has the password, tries codes from many addresses until one fits, or nothing works any more."""
    person, device = ana(proxied), Device(proxied.issuer)
    given(proxied, device)
    total = 100
    assert total == MOST_FAILURES
    for number in range(total):
        if number % MOST_MISSES == 0:
            browser = person.at_factor(f"192.0.2.{number}")
        assert person.guess(browser).status_code == 303, number
        assert count(proxied, WORST) == number + 1
    stranger = person.at_factor("198.51.100.1")
    for code in (None, code_of(person.secret), code_of(person.secret, 1)):
        answer = person.guess(stranger, code)
        assert (answer.status_code, heading_of(answer)) == (429, "This account is locked")
    assert (count(proxied, WORST), count(proxied, SESSIONS)) == (total, 0)
    owner = Browser(proxied.issuer)
    owner.open(person.app.url())
    use(owner, device)
    assert "code" in allowed(owner)


@pytest.fixture
def person(provider: Provider, app: App) -> Iterator[Ana]:
    yield ana(provider)
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    query(provider, "DELETE FROM sessions")


@pytest.mark.parametrize("how", ["abandoned", "wrong first code", "code of the old device", "no code"])
def test_ot_06_a_second_setup_that_is_not_finished_leaves_the_first_device(person: Ana, how: str) -> None:
    """The attacker, at an open browser, begins to set up a device of his own, so that the owner's counts no more."""
    provider, owner = person.provider, person.at_factor()
    owner.submit(action="/factor", code=code_of(person.secret))
    allowed(owner)
    before = query(provider, "SELECT * FROM credentials ORDER BY id")
    second = secret_on(owner.open(own.AUTHENTICATOR))
    assert second != person.secret
    if how == "wrong first code":
        owner.submit(code=person.wrong(), name="Mine")
    elif how == "code of the old device":
        owner.submit(code=code_of(person.secret, 1), name="Mine")
    elif how == "no code":
        owner.submit(code="", name="Mine")
    assert query(provider, "SELECT * FROM credentials ORDER BY id") == before
    assert factors(provider) == ["recovery", "totp"]
    browser = person.at_factor()
    person.guess(browser, code_of(second))
    browser.open(path_of(browser))
    assert step_of(browser) == "factor", "what was begun counts for nothing"
    browser.submit(action="/factor", code=code_of(person.secret, 1))
    assert "code" in allowed(browser)
    again = person.at_factor()
    again.submit(action="/factor", method="recovery", code=person.recovery_codes[0])
    assert "code" in allowed(again)


def go_back(browser: Browser, page: httpx2.Response, action: str, **fields: str) -> httpx2.Response:
    """Posts a form of a page that was left, and looks where that leads."""
    form = next(form for form in forms(page.text) if form.action.endswith(action))
    target = urljoin(str(page.url), form.action)
    return browser._follow(browser.http.post(target, data=form.fields | fields, headers={"Origin": browser.issuer}))


def at_attempt(browser: Browser, path: str) -> str | None:
    browser.open(path)
    return step_of(browser)


def test_mf_02_pages_of_earlier_steps_lead_to_the_step_where_the_sign_in_is(person: Ana) -> None:
    """The attacker presses the back button after each step and sends its page again, also with other answers."""
    provider, browser = person.provider, Browser(person.provider.issuer)
    browser.open(person.app.url())
    name_page = page_of(browser)
    browser.submit(action="/identify", username=EMAIL)
    password_page, path = page_of(browser), path_of(browser)
    browser.submit(action="/password", password=PASSWORD)
    factor_page = page_of(browser)
    assert step_of(browser) == "factor"
    for page, action, fields in (
        (name_page, "/identify", {"username": EMAIL}),
        (password_page, "/password", {"password": PASSWORD}),
        (password_page, "/password", {"password": "not the right one"}),
        (password_page, "/password", {"password": ""}),
    ):
        assert go_back(browser, page, action, **fields).status_code < 500
        assert at_attempt(browser, path) in ("factor", "password"), (action, fields)
        assert (count(provider, SESSIONS), count(provider, CODES)) == (0, 0)
        assert answer_of(browser.http.get(person.app.url(prompt="none")))["error"] == "login_required"
    if at_attempt(browser, path) == "password":
        browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "factor"
    code = code_of(person.secret)
    browser.submit(action="/factor", code=code)
    assert step_of(browser) == "consent"
    consent_page = page_of(browser)
    for page, action, fields in (
        (name_page, "/identify", {"username": EMAIL}),
        (password_page, "/password", {"password": PASSWORD}),
        (password_page, "/password", {"password": "not the right one"}),
        (factor_page, "/factor", {"method": "totp", "code": code}),
        (factor_page, "/factor", {"method": "totp", "code": code_of(person.secret, 1)}),
        (factor_page, "/factor", {"method": "recovery", "code": person.recovery_codes[0]}),
        (factor_page, "/factor", {"method": "recovery", "code": ""}),
    ):
        assert go_back(browser, page, action, **fields).status_code < 500
        assert at_attempt(browser, path) == "consent", (action, fields)
        assert (count(provider, SESSIONS), count(provider, CODES)) == (1, 0)
    before = query(provider, "SELECT * FROM credentials ORDER BY id")
    person.guess(browser, code_of(person.secret, 1))
    assert at_attempt(browser, path) == "consent"
    assert query(provider, "SELECT * FROM credentials ORDER BY id") == before, "nor by a form with the page's own token"
    answer = go_back(browser, consent_page, "/consent", decision="allow")
    assert "code" in answer_of(answer)
    for page, action, fields in (
        (consent_page, "/consent", {"decision": "allow"}),
        (factor_page, "/factor", {"method": "totp", "code": code_of(person.secret, 1)}),
        (password_page, "/password", {"password": PASSWORD}),
        (name_page, "/identify", {"username": EMAIL}),
    ):
        assert go_back(browser, page, action, **fields).status_code < 500
    assert count(provider, SESSIONS) == 1


def test_mf_02_a_form_of_another_way_counts_no_more_once_one_way_was_gone(
    mailing: Provider, mail_server: Catcher, letter: App
) -> None:
    """The attacker asks for a code by mail, goes another way, and then sends the form for the code all the same."""
    person = ana(mailing)
    eventually(mailing, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()
    browser = asked_for(mailing, person.app)
    mail_page, path, mailed = page_of(browser), path_of(browser), code_in(mail_server.newest())
    password_page = browser.open(f"{path}?by=password")
    browser.submit(action="/password", password=PASSWORD)
    factor_page = page_of(browser)
    assert step_of(browser) == "factor"
    for action in ("/email", "/send-code"):
        assert go_back(browser, mail_page, action, code=mailed).status_code < 500
        assert at_attempt(browser, path) == "factor", action
    assert count(mailing, SESSIONS) == 0
    browser.submit(action="/factor", method="recovery", code="AAAA-BBBB-CCCC-DDDD")
    go_back(browser, factor_page, "/factor", method="totp", code=code_of(person.secret))
    assert step_of(browser) == "consent"
    before = query(mailing, "SELECT * FROM credentials ORDER BY id"), count(mailing, SESSIONS)
    for page, action, fields in (
        (factor_page, "/factor", {"method": "recovery", "code": person.recovery_codes[0]}),
        (factor_page, "/factor", {"method": "email", "code": mailed}),
        (mail_page, "/email", {"code": mailed}),
        (password_page, "/password", {"password": PASSWORD}),
    ):
        assert go_back(browser, page, action, **fields).status_code < 500
        assert at_attempt(browser, path) == "consent", (action, fields)
    assert (query(mailing, "SELECT * FROM credentials ORDER BY id"), count(mailing, SESSIONS)) == before


def test_mf_02_a_form_for_the_code_counts_no_more_once_the_password_is_asked_for_again(person: Ana) -> None:
    """The attacker has used up the wrong codes of one sign-in, and goes back to the page that took them."""
    browser = person.at_factor()
    factor_page, path = page_of(browser), path_of(browser)
    for _ in range(MOST_MISSES):
        go_back(browser, factor_page, "/factor", method="totp", code=person.wrong())
    assert step_of(browser) == "password"
    for fields in (
        {"method": "totp", "code": code_of(person.secret)},
        {"method": "recovery", "code": person.recovery_codes[0]},
    ):
        assert go_back(browser, factor_page, "/factor", **fields).status_code < 500
        assert at_attempt(browser, path) == "password"
    assert count(person.provider, SESSIONS) == 0
    browser.submit(action="/password", password=PASSWORD)
    browser.submit(action="/factor", code=code_of(person.secret))
    assert step_of(browser) == "consent"
