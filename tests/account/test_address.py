"""Confirming an address: only by a link that was mailed to it, by the person whose account has it, and once."""

from collections.abc import Iterator

import pytest

from idp.web import own
from tests.mail import Catcher, link_in
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running
from tests.signin.reading import count, eventually, heading_of, page_of, post, query, token_of

pytestmark = pytest.mark.slow

CLAIMED, OTHER = "cal@example.test", "dan@example.test"
VERIFIED = "SELECT count(*) FROM users WHERE email_verified_at IS NOT NULL"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("addresses"), smtp_url=mail_server.url) as provider:
        provider.create_user()
        for email in (CLAIMED, OTHER):
            provider.cli("user", "create", email, "--password-stdin", stdin=PASSWORD + "\n")
        yield provider


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    """Two people whose addresses nobody has confirmed, beside Ana."""
    eventually(installation, "SELECT count(*) FROM outbox", 0)
    mail_server.clear()
    query(installation, "UPDATE users SET email_verified_at = NULL, email = email WHERE email NOT LIKE 'ana@%'")
    for table in ("sessions", "counters", "handles"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    return installation


def signed_in(provider: Provider, email: str = CLAIMED, page: str = own.ADDRESS) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(page)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=PASSWORD)
    return browser


def mailed(browser: Browser, mails: Catcher, number: int = 1) -> str:
    """The link that this person has just sent themselves."""
    browser.open(own.ADDRESS)
    browser.submit(action=own.ADDRESS)
    return link_in(mails.newest(number), own.ADDRESS)


def test_a_person_confirms_their_address_by_a_link_in_any_browser_that_is_theirs(
    provider: Provider, mail_server: Catcher
) -> None:
    browser = signed_in(provider, page=own.SECURITY)
    assert f'href="{own.ADDRESS}">Confirm your address</a>' in page_of(browser).text
    link = mailed(browser, mail_server)
    assert mail_server.newest()["to"] == CLAIMED
    elsewhere = Browser(provider.issuer)
    elsewhere.open(link)
    elsewhere.submit(action="/identify", username=CLAIMED)
    elsewhere.submit(action="/password", password=PASSWORD)
    assert count(provider, VERIFIED) == 1, "looking confirms nothing"
    elsewhere.submit(action="/confirm")
    assert heading_of(page_of(elsewhere)) == "Security"
    assert "Your address is confirmed." in page_of(elsewhere).text
    assert query(provider, "SELECT email FROM users WHERE email_verified_at IS NOT NULL ORDER BY 1") == [
        (EMAIL,),
        (CLAIMED,),
    ]
    assert count(provider, "SELECT count(*) FROM audit WHERE event = 'email.verified'") >= 1
    browser.open(own.ADDRESS)
    assert "Confirm your address" not in page_of(browser).text


def test_rc_05_the_link_of_one_person_confirms_nothing_for_another(provider: Provider, mail_server: Catcher) -> None:
    """The attacker, whose account has the victim's address, gets the victim to open his link; or opens one himself."""
    attacker, victim = signed_in(provider), signed_in(provider, OTHER)
    link = mailed(attacker, mail_server)
    victim.open(link)
    assert "Send the link" in page_of(victim).text
    post(victim, f"{own.ADDRESS}/confirm", csrf=token_of(victim))
    assert count(provider, VERIFIED) == 1
    theirs = mailed(victim, mail_server, 2)
    attacker.open(theirs)
    post(attacker, f"{own.ADDRESS}/confirm", csrf=token_of(attacker))
    assert count(provider, VERIFIED) == 1


def test_rc_05_nothing_is_confirmed_without_the_link(provider: Provider, mail_server: Catcher) -> None:
    """The attacker posts the form of the second page at once, guesses a link, or sends what a claim would say."""
    browser = signed_in(provider)
    mailed(browser, mail_server)
    for link in ("x" * 43, "x", "%00"):
        browser.http.get(f"{own.ADDRESS}/{link}")
        fields = {"csrf": token_of(browser), "email_verified": "true", "link": link, "verified": "true"}
        post(browser, f"{own.ADDRESS}/confirm", **fields)
        post(browser, own.ADDRESS, **fields)
    assert count(provider, VERIFIED) == 1


def test_rc_05_a_link_to_an_address_that_the_account_has_no_more_confirms_nothing(
    provider: Provider, mail_server: Catcher
) -> None:
    """The attacker has a link sent to his own address, and has the account's address changed before he opens it."""
    browser = signed_in(provider)
    link = mailed(browser, mail_server)
    browser.open(link)
    changed = "UPDATE users SET email = ?, email_canonical = ? WHERE email = ?"
    query(provider, changed, "victim@example.test", "victim@example.test", CLAIMED)
    try:
        post(browser, f"{own.ADDRESS}/confirm", csrf=token_of(browser))
        assert count(provider, VERIFIED) == 1
    finally:
        query(provider, changed, CLAIMED, CLAIMED, "victim@example.test")


def test_a_link_to_confirm_an_address_counts_once_and_for_an_hour(provider: Provider, mail_server: Catcher) -> None:
    browser = signed_in(provider)
    link = mailed(browser, mail_server)
    browser.open(link)
    token = token_of(browser)
    query(provider, "UPDATE handles SET expires_at = created_at WHERE kind = 'verification'")
    browser._follow(post(browser, f"{own.ADDRESS}/confirm", csrf=token))
    assert "That link was used, or is too old." in page_of(browser).text
    browser.open(mailed(browser, mail_server, 2))
    browser.submit(action="/confirm")
    query(provider, "UPDATE users SET email_verified_at = NULL WHERE email = ?", CLAIMED)
    browser.open(link)
    browser._follow(post(browser, f"{own.ADDRESS}/confirm", csrf=token_of(browser)))
    assert count(provider, VERIFIED) == 1


def test_rl_10_an_inbox_is_not_filled_from_an_account(provider: Provider, mail_server: Catcher) -> None:
    """The attacker, whose account has the victim's address, asks for one link after the other."""
    browser = signed_in(provider)
    for _ in range(6):
        browser.submit(action=own.ADDRESS)
    answer = browser.submit(action=own.ADDRESS)
    assert (answer.status_code, heading_of(answer)) == (429, "Too many mails")


def test_whoever_has_confirmed_their_address_has_nothing_to_do_here(provider: Provider, mail_server: Catcher) -> None:
    browser = signed_in(provider, EMAIL)
    assert heading_of(page_of(browser)) == "Security"
    mail_server.newest()  # of the sign-in
    browser.open("/")
    for path in (own.ADDRESS, f"{own.ADDRESS}/confirm"):
        answer = post(browser, path, csrf=token_of(browser))
        assert (answer.status_code, answer.headers["location"]) == (303, own.SECURITY)
    eventually(provider, "SELECT count(*) FROM outbox", 0)
    assert len(mail_server.mails) == 1
