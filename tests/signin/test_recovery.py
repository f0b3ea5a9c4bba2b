"""Getting back in by a mailed link, and locking an account by one: what each may do, and from when on."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx2
import pytest

from idp.web.notices import NOT_ME
from idp.web.recoveries import PAGE
from tests.mail import Catcher, mailed_link, text_of
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, pkce, running, token_request, tokens_for
from tests.signin.conftest import App
from tests.signin.reading import (
    SESSIONS,
    count,
    eventually,
    forget_events,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    step_of,
    stripped,
    token_of,
)
from tests.signin.test_second_factor import Device, allowed, codes_of, enrolled, secret_of, with_password

pytestmark = pytest.mark.slow

NEW = "seven bright green umbrellas"
NOBODY = "bob@example.test"  # as long as Ana's address
GONE = "dis@example.test"
CLAIMED = "cal@example.test"  # whose address nobody has shown to be theirs
EARLY, OVER, LOCKED = "Not yet", "This link does nothing any more", "The account is locked"
LIVE_GRANTS = "SELECT count(*) FROM grants WHERE ended_at IS NULL"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    settings = {"recovery_wait": "2h", "password_min_length_alone": "15"}
    with running(tmp_path_factory.mktemp("recovery"), smtp_url=mail_server.url, **settings) as provider:
        yield provider


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    """With Ana, who has a password, one who is disabled, and one whose address nobody verified."""
    eventually(installation, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    forget_events(installation)
    tables = "handles", "failures", "counters", "outbox", "credentials", "sessions", "grants", "consents", "users"
    for table in tables:
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    installation.create_user()
    installation.create_user(GONE)
    installation.cli("user", "disable", GONE)
    installation.cli("user", "create", CLAIMED, "--password-stdin", stdin=PASSWORD + "\n")
    mail_server.clear()
    return installation


@pytest.fixture
def app(provider: Provider) -> App:
    return App(provider.create_client())


@pytest.fixture
def strict_app(provider: Provider) -> App:
    """An app for which two factors are needed."""
    return App(provider.create_client("--second-factor", "required"))


def asked(provider: Provider, app: App, email: str = EMAIL) -> Browser:
    """A browser in which somebody said that they forgot their password."""
    browser = Browser(provider.issuer)
    browser.open(app.url())
    browser.open(f"{path_of(browser)}/recover")
    browser.submit(action="/recover", username=email)
    return browser


def lost(provider: Provider, app: App) -> Browser:
    """A browser in which somebody who knows Ana's password said that the second factor is lost."""
    browser = Browser(provider.issuer)
    with_password(browser, app.url())
    assert step_of(browser) == "factor"
    browser.open(f"{path_of(browser)}/recover")
    browser.submit(action="/recover")
    return browser


def settled(provider: Provider, mails: Catcher) -> None:
    """Nothing is on its way any more, and what came is forgotten."""
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mails.clear()


def opened(provider: Provider, link: str) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(link)
    return browser


def recovered(provider: Provider, link: str, password: str = NEW) -> Browser:
    browser = opened(provider, link)
    assert heading_of(page_of(browser)) == "Set a new password"
    browser.submit(action=PAGE, password=password)
    assert heading_of(page_of(browser)) == "Your new password counts"
    return browser


def outcome(provider: Provider, link: str) -> str:
    """What the link shows."""
    return heading_of(page_of(opened(provider, link)))


def after_the_wait(provider: Provider) -> None:
    """As if whatever has to wait had waited."""
    past = timedelta(hours=30)
    for user_id, starts in query(provider, "SELECT id, recovery_from FROM users WHERE recovery_from IS NOT NULL"):
        then = (datetime.fromisoformat(starts) - past).astimezone(UTC)
        stored = then.isoformat(timespec="microseconds")[:26] + "Z"
        query(provider, "UPDATE users SET recovery_from = ? WHERE id = ?", stored, user_id)
    for each, text in query(provider, "SELECT hash, data FROM handles WHERE kind = 'recovery'"):
        data = json.loads(text)
        if data["starts"]:
            data["starts"] = (datetime.fromisoformat(data["starts"]) - past).isoformat()
            query(provider, "UPDATE handles SET data = ? WHERE hash = ?", json.dumps(data), each)


def signs_in(provider: Provider, app: App, password: str, email: str = EMAIL) -> str | None:
    """The step that a password leads to."""
    browser = Browser(provider.issuer)
    with_password(browser, app.url(), email, password)
    return step_of(browser)


def two_factors(provider: Provider, app: App, device: Device) -> Browser:
    browser = Browser(provider.issuer)
    with_password(browser, app.url())
    browser.submit(action="/factor", code=device.code())
    assert step_of(browser) == "consent"
    return browser


def subjects(mails: Catcher, number: int) -> list[str]:
    mails.newest(number)
    return [str(mail["subject"]) for mail in mails.mails]


def factors_of(provider: Provider, email: str = EMAIL) -> set[str]:
    return {each["factor"] for each in provider.cli("user", "factors", email)}


def test_who_forgot_the_password_sets_a_new_one_and_goes_on_at_the_app(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    browser = asked(provider, app)
    assert f"<bdi>{EMAIL}</bdi>, a mail with a link is on its way" in page_of(browser).text
    mail = mail_server.newest()
    assert (mail["to"], mail["subject"]) == (EMAIL, "A new password for your account")
    browser.open(mailed_link(mail, PAGE))
    assert f'value="{EMAIL}"' in page_of(browser).text
    browser.submit(action=PAGE, password=NEW)
    assert heading_of(page_of(browser)) == "Your new password counts"
    go_on = re.search(r'href="(/signin/[^"]+)"', page_of(browser).text)
    assert go_on is not None
    browser.open(go_on[1])
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=NEW)
    assert "code" in allowed(browser)
    assert signs_in(provider, app, PASSWORD) == "password"
    assert "You are back in your account" in subjects(mail_server, 2)


def test_in_another_browser_the_link_works_and_leads_to_a_sign_in_of_its_own(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    asked(provider, app)
    elsewhere = recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert 'href="/confirm/home"' in page_of(elsewhere).text


def test_rc_03_a_reset_signs_nobody_in_and_leaves_the_second_factor(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker reads the person's mail, resets the password, and hopes that this is all that it takes."""
    enrolled(provider, strict_app)
    settled(provider, mail_server)
    asked(provider, app)
    browser = recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert browser.open("/account/security").url.path == "/confirm/security"
    assert signs_in(provider, app, NEW) == "factor"
    assert factors_of(provider) == {"password", "totp", "recovery"}


def test_rc_03_a_disabled_account_stays_disabled(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker whose account was disabled gets a link before or after, and hopes that it opens the account."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    provider.cli("user", "disable", EMAIL)
    assert outcome(provider, link) == OVER
    asked(provider, app, GONE)
    asked(provider, app)
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'decoy'", 2)
    assert len(mail_server.mails) == 1
    assert provider.run("user", "recover", GONE).returncode == 1


def test_rc_07_what_a_stranger_has_of_the_account_dies_with_the_reset(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker has a session and tokens of the account, and goes on using them after its owner has reset it."""
    thief = Browser(provider.issuer)
    tokens = tokens_for(provider, app.client, browser=thief)
    asked(provider, app)
    link = mailed_link(next(mail for mail in _mails(mail_server, 2) if PAGE in text_of(mail)), PAGE)
    recovered(provider, link)
    assert count(provider, SESSIONS) == count(provider, LIVE_GRANTS) == 0
    assert thief.open("/account/security").url.path == "/confirm/security"
    refreshed = token_request(
        provider, app.client, grant_type="refresh_token", refresh_token=tokens.get("refresh_token", "none")
    )
    assert refreshed.json()["error"] == "invalid_grant"


def _mails(mails: Catcher, number: int) -> list:  # type: ignore[type-arg]
    mails.newest(number)
    return mails.mails


def test_rc_13_looking_at_a_link_uses_nothing_up_and_using_it_uses_up_all(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """A scanner of mails opens every link before its reader does, and the attacker uses one again that was used."""
    asked(provider, app)
    asked(provider, app)
    first, second = (mailed_link(mail, PAGE) for mail in _mails(mail_server, 2))
    for _ in range(3):
        assert outcome(provider, first) == "Set a new password"
    late = opened(provider, second)
    recovered(provider, first)
    assert outcome(provider, first) == outcome(provider, second) == OVER
    late.submit(action=PAGE, password="another good one entirely")
    assert heading_of(page_of(late)) == OVER
    assert signs_in(provider, app, NEW) == "consent"


def test_rc_13_a_forged_way_back_leads_nowhere_else(provider: Provider, app: App) -> None:
    """The attacker sends a link to our page with an address of theirs as the place to go on."""
    for forged in ("https://evil.example", "//evil.example", "../evil", "x" * 300, ""):
        page = Browser(provider.issuer).open(f"/recovered?{urlencode({'to': forged})}")
        assert 'href="/confirm/home"' in page.text


def test_rc_14_the_page_keeps_its_link_to_itself(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker reads histories, logs and what pages tell other sites of where somebody came from."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    browser = opened(provider, link)
    page, secret = page_of(browser), link.rpartition("/")[2]
    assert page.url.path == PAGE
    assert secret not in page.text
    assert page.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert 'autocomplete="new-password"' in page.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    browser.submit(action=PAGE, password="ana@example.test")
    assert "That password cannot be used" in page_of(browser).text
    browser.submit(action=PAGE, password=NEW)
    assert secret not in provider.log.read_text()
    assert NEW not in provider.log.read_text()


def test_a_password_that_cannot_be_used_uses_nothing_up(provider: Provider, app: App, mail_server: Catcher) -> None:
    asked(provider, app)
    browser = opened(provider, mailed_link(mail_server.newest(), PAGE))
    for weak in ("short", "password1234", "ana@example.test", ""):
        answer = browser.submit(action=PAGE, password=weak)
        assert answer.status_code == 400
        assert 'class="wrong"' in answer.text
    browser.submit(action=PAGE, password=NEW)
    assert signs_in(provider, app, NEW) == "consent"


def test_en_01_asking_says_the_same_whether_or_not_somebody_has_the_address(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker asks for mails to find out who has an account here."""
    pages = []
    for email in (EMAIL, NOBODY, GONE, CLAIMED):
        browser = asked(provider, app, email)
        pages.append(stripped(page_of(browser)).replace(email, "ADDRESS"))
    assert len(set(pages)) == 1
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'decoy'", 2)
    assert {str(mail["to"]) for mail in _mails(mail_server, 2)} == {EMAIL, CLAIMED}
    assert count(provider, "SELECT count(*) FROM handles WHERE kind = 'recovery'") == 4


def test_strangers_fill_nobodys_inbox(provider: Provider, app: App, mail_server: Catcher) -> None:
    for _ in range(6):
        asked(provider, app)
    refused = page_of(asked(provider, app))
    assert (refused.status_code, heading_of(refused)) == (429, "Too many mails")
    assert int(refused.headers["retry-after"]) > 0
    assert len(_mails(mail_server, 6)) == 6


def test_who_types_no_address_is_asked_for_one(provider: Provider, app: App) -> None:
    for nothing in ("   ", "x" * 1000):
        browser = asked(provider, app, nothing)
        assert "Enter the e-mail address" in page_of(browser).text


def test_a_lost_second_factor_waits_and_is_taken_away_after_it(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    enrolled(provider, strict_app)
    settled(provider, mail_server)
    browser = lost(provider, app)
    assert "Its link counts from" in page_of(browser).text
    mail = next(mail for mail in _mails(mail_server, 1) if PAGE in text_of(mail))
    assert mail["subject"] == "Somebody asked for a way back into your account"
    link = mailed_link(mail, PAGE)
    assert outcome(provider, link) == EARLY
    after_the_wait(provider)
    recovered(provider, link)
    assert factors_of(provider) == {"password"}
    assert signs_in(provider, app, NEW) == "consent"


def test_asked_for_again_it_counts_no_sooner_and_no_later(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    enrolled(provider, strict_app)
    lost(provider, app)
    ((before,),) = query(provider, "SELECT recovery_from FROM users WHERE email = ?", EMAIL)
    lost(provider, app)
    assert query(provider, "SELECT recovery_from FROM users WHERE email = ?", EMAIL) == [(before,)]


def test_rc_03_both_factors_call_a_recovery_off(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker has the password and the mailbox, and waits; the person signs in meanwhile as always."""
    device, _ = enrolled(provider, strict_app)
    settled(provider, mail_server)
    lost(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    two_factors(provider, app, device)
    after_the_wait(provider)
    assert outcome(provider, link) == OVER
    assert factors_of(provider) == {"password", "totp", "recovery"}


def test_rc_03_the_password_alone_calls_nothing_off(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker who knows the password keeps the person, who lost the phone, from ever getting back in."""
    enrolled(provider, strict_app)
    settled(provider, mail_server)
    lost(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    assert signs_in(provider, app, PASSWORD) == "factor"
    after_the_wait(provider)
    assert outcome(provider, link) == "Set a new password"


def test_rc_04_a_changed_password_calls_links_in(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker asked for a link, and uses it after the person has changed the password."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    provider.cli("user", "set-password", EMAIL, "--password-stdin", stdin=NEW + "\n")
    assert outcome(provider, link) == OVER


def test_rc_05_a_link_of_one_kind_is_none_of_another(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker takes the secret of one link to the page of another one."""
    asked(provider, app)
    secret = mailed_link(mail_server.newest(), PAGE).rpartition("/")[2]
    assert outcome(provider, f"{NOT_ME}/{secret}") == OVER
    for forged in ("A" * 43, "x", "%00" * 43, secret[:-1] + "é"):
        assert heading_of(Browser(provider.issuer).open(f"{PAGE}/{forged}")) in (OVER, "There is no such page")


def test_rc_06_what_an_unverified_account_holds_goes_when_its_owner_comes(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker made an account with somebody's address, set it up for themselves, and waits for the owner."""
    attacker = Browser(provider.issuer)
    strict = App(provider.create_client("--second-factor", "required"))
    with_password(attacker, strict.url(), CLAIMED)
    attacker.submit(action="/enrol", code=Device(secret_of(attacker)).code(), name="Mine")
    allowed(attacker)
    asked(provider, app, CLAIMED)
    link = mailed_link(mail_server.newest(), PAGE)
    assert outcome(provider, link) == EARLY, "who was given the account by an operator, and has set it up, can stop it"
    after_the_wait(provider)
    recovered(provider, link)
    assert factors_of(provider, CLAIMED) == {"password"}
    assert count(provider, "SELECT count(*) FROM consents") == count(provider, SESSIONS) == 0
    assert provider.cli("user", "show", CLAIMED)["email_verified"] is True
    assert signs_in(provider, app, PASSWORD, CLAIMED) == "password"
    assert signs_in(provider, app, NEW, CLAIMED) == "consent"


def test_an_operators_link_sets_a_password_and_says_nothing_of_the_address(
    provider: Provider, app: App, strict_app: App
) -> None:
    link = provider.cli("user", "recover", CLAIMED)["link"]
    recovered(provider, link.removeprefix(provider.issuer))
    assert provider.cli("user", "show", CLAIMED)["email_verified"] is False
    enrolled(provider, strict_app)
    kept = provider.cli("user", "recover", EMAIL)["link"]
    recovered(provider, kept.removeprefix(provider.issuer))
    assert factors_of(provider) == {"password", "totp", "recovery"}
    link = provider.cli("user", "recover", EMAIL, "--second-factors")["link"]
    recovered(provider, link.removeprefix(provider.issuer), "an entirely other one")
    assert factors_of(provider) == {"password"}


def test_rc_17_the_person_is_told_of_what_an_operator_did(provider: Provider, app: App, mail_server: Catcher) -> None:
    """Somebody among those who run the provider sets a person's password, or makes a link for the account."""
    provider.cli("user", "set-password", EMAIL, "--password-stdin", stdin=NEW + "\n")
    provider.cli("user", "recover", EMAIL)
    assert subjects(mail_server, 2) == ["Your password was changed", "A way back into your account"]
    assert all("By: the people who run this service" in text_of(mail) for mail in mail_server.mails)


def test_a_sign_in_on_a_new_device_is_told_and_one_on_a_known_device_is_not(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    browser = Browser(provider.issuer)
    browser.http.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    browser.sign_in(app.url())
    assert subjects(mail_server, 2) == ["A new sign-in to your account", "An app has access to your account"]
    told = text_of(mail_server.mails[0])
    for fact in (f"Account: {EMAIL}", "App: Billing", "Device: Firefox on Linux", "Network address: 127.0.0.1", "UTC"):
        assert fact in told
    browser.open(app.url(prompt="login"))
    browser.submit(action="/password", password=PASSWORD)
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    assert len(mail_server.mails) == 2


def test_a_used_recovery_code_is_told(provider: Provider, app: App, strict_app: App, mail_server: Catcher) -> None:
    browser = Browser(provider.issuer)
    with_password(browser, strict_app.url())
    codes = codes_of(browser)
    browser.submit(action="/enrol", code=Device(secret_of(browser)).code(), name="Phone")
    with_password(other := Browser(provider.issuer), app.url())
    post(other, f"{path_of(other)}/factor", csrf=token_of(other), method="recovery", code=codes[0])
    assert "A recovery code was used" in subjects(mail_server, 4)


def test_who_was_not_it_locks_the_account_and_gets_back_in(provider: Provider, app: App, mail_server: Catcher) -> None:
    thief = Browser(provider.issuer)
    tokens_for(provider, app.client, browser=thief)
    link = mailed_link(mail_server.newest(), NOT_ME)
    person = opened(provider, link)
    assert heading_of(page_of(person)) == "Was it not you?"
    assert count(provider, SESSIONS) == 1
    mail_server.newest(2)
    mail_server.clear()
    person.submit(action=NOT_ME)
    assert heading_of(page_of(person)) == LOCKED
    assert count(provider, SESSIONS) == count(provider, LIVE_GRANTS) == 0
    assert signs_in(provider, app, PASSWORD) == "password"
    mail = mail_server.newest()
    assert "is locked" in text_of(mail)
    recovered(provider, mailed_link(mail, PAGE))
    assert signs_in(provider, App(provider.create_client()), NEW) == "consent"
    assert outcome(provider, link) == OVER


def test_rc_03_what_the_thief_set_up_waits_locked_and_goes(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker got in by the password and set up a second factor; the reset must not leave it to them."""
    thief = Browser(provider.issuer)
    with_password(thief, strict_app.url())
    device = Device(secret_of(thief))
    thief.submit(action="/enrol", code=device.code(), name="Mine")
    mail = next(mail for mail in _mails(mail_server, 2) if "was added" in str(mail["subject"]))
    locking = opened(provider, mailed_link(mail, NOT_ME))
    mail_server.clear()
    locking.submit(action=NOT_ME)
    told = mail_server.newest()
    assert told["subject"] == "Your account is locked"
    link = mailed_link(told, PAGE)
    assert outcome(provider, link) == EARLY
    asked(provider, app)
    again = mailed_link(mail_server.newest(2), PAGE)
    assert outcome(provider, again) == EARLY, "nor does another way leave the factor"
    after_the_wait(provider)
    recovered(provider, link)
    assert factors_of(provider) == {"password"}
    assert signs_in(provider, app, NEW) == "consent"


def test_rc_03_locking_a_disabled_account_opens_no_way_back(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker whose account was disabled locks it as not theirs, so that a recovery unlocks it."""
    Browser(provider.issuer).sign_in(app.url())
    link = mailed_link(mail_server.newest(), NOT_ME)
    mail_server.newest(2)
    provider.cli("user", "disable", EMAIL)
    mail_server.clear()
    opened(provider, link).submit(action=NOT_ME)
    asked(provider, app)
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'decoy'", 1)
    assert not mail_server.mails
    assert provider.cli("user", "show", EMAIL)["disowned_at"] is None


def test_an_operator_disables_and_enables_who_locked_the_account(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    Browser(provider.issuer).sign_in(app.url())
    mail_server.newest(2)
    opened(provider, mailed_link(mail_server.mails[0], NOT_ME)).submit(action=NOT_ME)
    link = mailed_link(mail_server.newest(3), PAGE)
    provider.cli("user", "disable", EMAIL)
    assert outcome(provider, link) == OVER
    provider.cli("user", "enable", EMAIL)
    assert signs_in(provider, App(provider.create_client()), PASSWORD) == "consent"


def test_rc_04_a_former_address_locks_nothing(provider: Provider, app: App, mail_server: Catcher) -> None:
    """Who has an address that once was the person's keeps old mails, and locks the account with them."""
    Browser(provider.issuer).sign_in(app.url())
    link = mailed_link(mail_server.newest(), NOT_ME)
    query(
        provider,
        "UPDATE users SET email = 'new@example.test', email_canonical = 'new@example.test' WHERE email = ?",
        EMAIL,
    )
    browser = opened(provider, link)
    assert heading_of(page_of(browser)) == OVER
    assert "new@example.test" not in page_of(browser).text
    assert count(provider, SESSIONS) == 1


@pytest.mark.parametrize("page", [PAGE, NOT_ME])
def test_cs_02_a_mailed_form_is_posted_from_its_page_alone(
    provider: Provider, app: App, mail_server: Catcher, page: str
) -> None:
    """The attacker's page posts the form from the browser in which its visitor has opened the link."""
    Browser(provider.issuer).sign_in(app.url())
    asked(provider, app)
    mail_server.newest(3)
    link = next(mailed_link(mail, page) for mail in mail_server.mails if f"{page}/" in text_of(mail))
    browser = opened(provider, link)
    token = token_of(browser)
    before = query(provider, "SELECT data, version FROM credentials"), query(provider, "SELECT used_at FROM handles")
    for origin, csrf in (
        (provider.issuer, None),
        (provider.issuer, ""),
        (provider.issuer, token[:-1]),
        ("https://evil.example", token),
        ("null", token),
    ):
        fields = {"password": NEW} | ({} if csrf is None else {"csrf": csrf})
        answer = post(browser, page, origin, **fields)
        assert (answer.status_code, heading_of(answer)) == (403, "This form could not be trusted")
    stranger = post(Browser(provider.issuer), page, provider.issuer, csrf=token, password=NEW)
    assert stranger.status_code == 410
    after = query(provider, "SELECT data, version FROM credentials"), query(provider, "SELECT used_at FROM handles")
    assert before == after


def test_ra_01_of_many_posts_of_one_link_one_counts(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker and the person send the form of one link at the same moment, many times."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    browsers = [opened(provider, link) for _ in range(6)]

    def send(number: int) -> httpx2.Response:
        browser = browsers[number]
        return post(browser, PAGE, csrf=token_of(browser), password=f"{NEW} number {number}")

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    winners = [number for number, answer in enumerate(answers) if answer.status_code == 303]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {303, 410}
    assert signs_in(provider, app, f"{NEW} number {winners[0]}") == "consent"
    eventually(provider, "SELECT count(*) FROM audit WHERE event = 'recovery.completed'", 1)


def test_a_reset_unlocks_who_was_locked_out_by_guesses(provider: Provider, app: App, mail_server: Catcher) -> None:
    asked(provider, app)
    for _ in range(2):
        signs_in(provider, app, "not the right one")
    query(provider, "UPDATE failures SET count = 100")
    refused = Browser(provider.issuer)
    with_password(refused, app.url())
    assert page_of(refused).status_code == 429
    recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert signs_in(provider, app, NEW) == "consent"


def test_without_mail_the_page_says_who_can_help(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("mute"), support="help@example.test") as provider:
        provider.create_user()
        client = provider.create_client()
        browser = Browser(provider.issuer)
        browser.open(authorize_url(client, pkce().challenge))
        browser.open(f"{path_of(browser)}/recover")
        text = page_of(browser).text
        assert "help@example.test" in text
        assert "Send the mail" not in text
        assert post(browser, f"{path_of(browser)}", csrf="x").status_code in (403, 405)


def test_lg_02_no_link_and_no_new_password_is_written_anywhere(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """Whoever reads the log, the audit or the database looks there for links that open or lock an account."""
    Browser(provider.issuer).sign_in(app.url())
    asked(provider, app)
    mail_server.newest(3)
    links = [mailed_link(mail, page) for mail in mail_server.mails for page in (PAGE, NOT_ME) if page in text_of(mail)]
    assert len(links) == 3
    opened(provider, links[0])
    recovered(provider, next(link for link in links if link.startswith(PAGE)))
    stored = b"".join(file.read_bytes() for file in (provider.folder / "data").glob("idp.db*"))
    assert EMAIL.encode() in stored
    for secret in (*(link.rpartition("/")[2] for link in links), NEW, PASSWORD):
        assert secret not in provider.log.read_text()
        assert secret.encode() not in stored
