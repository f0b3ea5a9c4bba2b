"""Changing the address of an account: both addresses say yes, and the old one can take it back for some days."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from idp.account.email_links import PAGE
from idp.web import own
from idp.web.notices import NOT_ME
from idp.web.recoveries import PAGE as RECOVER
from tests.account.test_account import signed_in
from tests.mail import Catcher, mailed_link, text_of
from tests.provider import EMAIL, PASSWORD, Browser, Provider, forms, running
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.reading import count, eventually, forget_events, heading_of, page_of, post, query, token_of
from tests.signin.test_recovery import recovered

pytestmark = pytest.mark.slow

NEW, THIRD = "ana@elsewhere.test", "ana@third.test"
OVER = "This link does nothing any more"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("email"), smtp_url=mail_server.url) as provider:
        yield provider


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    """With Ana and Ben."""
    eventually(installation, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    forget_events(installation)
    for table in ("handles", "failures", "counters", "outbox", "credentials", "sessions", "users"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    installation.create_user()
    installation.create_user(BEN, BENS_PASSWORD, "Ben Example")
    mail_server.clear()
    return installation


def to(mails: Catcher, address: str, page: str, number: int = 1) -> str:
    """The link to this page in the newest mail to this address, once so many mails came."""
    mails.newest(number)
    return next(
        mailed_link(mail, page)
        for mail in reversed(mails.mails)
        if mail["to"] == address and f"{page}/" in text_of(mail)
    )


def asked(provider: Provider, mails: Catcher, new: str = NEW, email: str = EMAIL, password: str = PASSWORD) -> Browser:
    """A browser in which somebody asked for another address; the mail about the sign-in came before."""
    browser = signed_in(provider, own.EMAIL, email, password)
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mails.clear()
    browser.submit(action=own.EMAIL, email=new)
    return browser


def pressed(provider: Provider, link: str) -> httpx2.Response:
    browser = Browser(provider.issuer)
    browser.open(link)
    if forms(page_of(browser).text):
        browser.submit()
    return page_of(browser)


def changed(provider: Provider, mails: Catcher, new: str = NEW) -> None:
    asked(provider, mails, new)
    assert heading_of(pressed(provider, to(mails, EMAIL, PAGE))) == "One more address"
    assert heading_of(pressed(provider, to(mails, new, PAGE, 2))) == "Your address was changed"


def address_of(provider: Provider, sub: str) -> tuple[str, bool]:
    shown = provider.cli("user", "show", sub)
    return shown["email"], shown["email_verified"]


def sub_of(provider: Provider, email: str = EMAIL) -> str:
    return str(provider.cli("user", "show", email)["sub"])


def told(browser: Browser) -> str:
    found = re.search(r'role="(?:alert|status)"[^>]*>(?:<p>)?([^<]+)<', page_of(browser).text)
    return found[1] if found else ""


def test_an_address_changes_once_both_have_agreed(provider: Provider, mail_server: Catcher) -> None:
    sub = sub_of(provider)
    browser = asked(provider, mail_server)
    assert told(browser).startswith(f"A mail is on its way to {EMAIL}.")
    assert address_of(provider, sub) == (EMAIL, True)
    pressed(provider, to(mail_server, EMAIL, PAGE))
    assert address_of(provider, sub) == (EMAIL, True)
    pressed(provider, to(mail_server, NEW, PAGE, 2))
    assert address_of(provider, sub) == (NEW, True)
    last = mail_server.newest(3)
    assert (last["to"], last["subject"]) == (EMAIL, "The address of your account was changed")
    assert signed_in(provider, email=NEW).page is not None
    events = {event for (event,) in query(provider, "SELECT event FROM audit")}
    assert {"email_change.asked", "user.email_changed"} <= events


def test_rc_04_a_new_address_is_good_for_nothing_before_it_is_proved(provider: Provider, mail_server: Catcher) -> None:
    """The attacker changes the address to one that is not theirs, and signs in, resets or is told claims by it."""
    asked(provider, mail_server)
    pressed(provider, to(mail_server, EMAIL, PAGE))
    browser = Browser(provider.issuer)
    browser.open(own.SECURITY)
    browser.submit(action="/identify", username=NEW)
    browser.submit(action="/password", password=PASSWORD)
    assert "is not right" in page_of(browser).text
    assert count(provider, "SELECT count(*) FROM users WHERE email = ?", NEW) == 0


def test_rc_04_what_was_asked_before_a_reset_is_dead_after_it(provider: Provider, mail_server: Catcher) -> None:
    """The attacker in a session asks for a change, and confirms it after the person has recovered the account."""
    asked(provider, mail_server)
    old = to(mail_server, EMAIL, PAGE)
    pressed(provider, old)
    new = to(mail_server, NEW, PAGE, 2)
    recovered(provider, provider.cli("user", "recover", EMAIL)["link"].removeprefix(provider.issuer))
    assert heading_of(pressed(provider, new)) == OVER
    assert heading_of(pressed(provider, old)) == OVER
    assert address_of(provider, sub_of(provider)) == (EMAIL, True)


def test_rc_04_of_two_changes_that_wait_the_one_that_is_done_ends_the_other(
    provider: Provider, mail_server: Catcher
) -> None:
    """The attacker keeps the link of a change that was never finished, and uses it after the next one."""
    asked(provider, mail_server, THIRD)
    stale = to(mail_server, EMAIL, PAGE)
    changed(provider, mail_server)
    assert heading_of(pressed(provider, stale)) == OVER


def test_en_05_a_taken_address_is_told_to_its_owner_alone(provider: Provider, mail_server: Catcher) -> None:
    """The attacker with an account asks to change to other addresses, to find out which are taken."""
    for new in (NEW, BEN):
        browser = asked(provider, mail_server, new)
        assert told(browser).startswith(f"A mail is on its way to {EMAIL}.")
        link = to(mail_server, EMAIL, PAGE)
        assert heading_of(pressed(provider, link)) == "One more address"
        mail = mail_server.newest(2)
        assert mail["to"] == new
        query(provider, "DELETE FROM counters")
    assert "You have an account with it, so nothing was changed." in text_of(mail)
    assert f"{PAGE}/" not in text_of(mail)


def test_an_address_that_was_taken_meanwhile_is_refused(provider: Provider, mail_server: Catcher) -> None:
    asked(provider, mail_server)
    pressed(provider, to(mail_server, EMAIL, PAGE))
    link = to(mail_server, NEW, PAGE, 2)
    provider.create_user(NEW)
    refused = pressed(provider, link)
    assert (refused.status_code, heading_of(refused)) == (409, "This address cannot be used")


def test_who_had_the_address_takes_the_account_back(provider: Provider, mail_server: Catcher) -> None:
    sub = sub_of(provider)
    changed(provider, mail_server)
    link = to(mail_server, EMAIL, NOT_ME, 3)
    thief = signed_in(provider, email=NEW)
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    thieves = [mailed_link(mail, NOT_ME) for mail in mail_server.mails if mail["to"] == NEW and NOT_ME in text_of(mail)]
    mail_server.clear()
    browser = Browser(provider.issuer)
    browser.open(link)
    assert f"<bdi>{EMAIL}</bdi> is the address of the account again" in page_of(browser).text
    browser.submit(action=NOT_ME)
    assert heading_of(page_of(browser)) == "The account is locked"
    assert address_of(provider, sub) == (EMAIL, True)
    assert thief.open(own.SECURITY).url.path == "/confirm/security"
    recovered(provider, to(mail_server, EMAIL, RECOVER))
    for each in thieves:
        assert heading_of(pressed(provider, each)) == OVER
    assert signed_in(provider, password="seven bright green umbrellas").page is not None


def test_rc_04_an_old_link_restores_nothing_after_seven_days(provider: Provider, mail_server: Catcher) -> None:
    """Who has an address that was the person's long ago takes the account with a mail that they kept."""
    changed(provider, mail_server)
    link = to(mail_server, EMAIL, NOT_ME, 3)
    query(provider, "UPDATE users SET email_changed_at = '2026-01-01T00:00:00.000000Z' WHERE email = ?", NEW)
    assert heading_of(pressed(provider, link)) == OVER


def test_rc_04_a_thief_does_not_change_the_address_twice_to_lose_the_trace(
    provider: Provider, mail_server: Catcher
) -> None:
    """The attacker changes the address once more, so that the first owner's way back leads to one of their own."""
    changed(provider, mail_server)
    browser = signed_in(provider, own.EMAIL, NEW)
    browser.submit(action=own.EMAIL, email=THIRD)
    assert told(browser).startswith("Your address was changed less than seven days ago")


def test_the_old_address_is_told_what_happens_meanwhile(provider: Provider, mail_server: Catcher) -> None:
    changed(provider, mail_server)
    mail_server.newest(3)
    mail_server.clear()
    provider.cli("user", "set-password", NEW, "--password-stdin", stdin="seven bright green umbrellas\n")
    mail_server.newest(2)
    assert {str(mail["to"]) for mail in mail_server.mails} == {EMAIL, NEW}


@pytest.mark.parametrize(
    "bad", ["", "nonsense", "a@b@c", "x" * 300 + "@example.test", "a\u200b@example.test", EMAIL.upper()]
)
def test_un_02_what_is_no_new_address_is_refused(provider: Provider, mail_server: Catcher, bad: str) -> None:
    """The attacker types what is no address, hides characters in one, or takes another spelling of the same one."""
    browser = asked(provider, mail_server, bad)
    assert "That " in told(browser)
    assert count(provider, "SELECT count(*) FROM handles WHERE kind = 'email_change'") == 0


def test_cs_02_a_change_is_confirmed_on_its_page_alone(provider: Provider, mail_server: Catcher) -> None:
    """The attacker's page posts the form in the browser in which the person opened the link."""
    asked(provider, mail_server)
    browser = Browser(provider.issuer)
    browser.open(to(mail_server, EMAIL, PAGE))
    token = token_of(browser)
    for origin, csrf in ((provider.issuer, ""), ("https://evil.example", token), ("null", token)):
        assert post(browser, PAGE, origin, csrf=csrf).status_code == 403
    assert post(Browser(provider.issuer), PAGE, provider.issuer, csrf=token).status_code == 410
    assert len(mail_server.mails) == 1


def test_ra_01_a_link_that_is_pressed_many_times_counts_once(provider: Provider, mail_server: Catcher) -> None:
    """The attacker presses the button many times at once, for as many mails."""
    asked(provider, mail_server)
    browsers = []
    for _ in range(5):
        browsers.append(Browser(provider.issuer))
        browsers[-1].open(to(mail_server, EMAIL, PAGE))
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda browser: post(browser, PAGE, csrf=token_of(browser)).status_code, browsers))
    assert sorted(answers) == [303, 410, 410, 410, 410]
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    assert [str(mail["to"]) for mail in mail_server.mails] == [EMAIL, NEW]


def test_who_never_proved_the_old_address_proves_the_new_one_alone(provider: Provider, mail_server: Catcher) -> None:
    provider.cli("user", "create", "cal@example.test", "--password-stdin", stdin=PASSWORD + "\n")
    browser = signed_in(provider, own.EMAIL, "cal@example.test")
    browser.submit(action=own.EMAIL, email=NEW)
    assert heading_of(pressed(provider, to(mail_server, NEW, PAGE))) == "Your address was changed"
    assert address_of(provider, sub_of(provider, NEW)) == (NEW, True)
