"""Doing without a password: once two passkeys are there that stand alone, and with nobody left inside who knew it."""

from collections.abc import Iterator

import pytest

from idp.web import own
from tests.account.test_account import age, signed_in
from tests.authenticators import Device
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running
from tests.signin.passkeys import given
from tests.signin.reading import SESSIONS, count, page_of, post, query, step_of, token_of

ONE = "You have one passkey: add a second"
REMOVE = f"{own.PASSWORD}/remove"
PASSWORDS = "SELECT count(*) FROM credentials WHERE factor = 'password'"
REMOVED = "SELECT count(*) FROM audit WHERE event = 'factor.removed' AND details LIKE '%password%'"


@pytest.fixture
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("removal")) as provider:
        provider.create_user()
        yield provider


def test_a_password_goes_and_can_be_set_again(provider: Provider) -> None:
    browser, elsewhere = signed_in(provider, own.PASSWORD), signed_in(provider, own.PASSWORD)
    for _ in range(2):
        given(provider, Device(provider.issuer))
    browser.open(own.PASSWORD)
    query(provider, "UPDATE sessions SET acr = 'urn:idp:acr:mfa'")  # as if a passkey had been used in them
    browser.open(own.PASSWORD)
    page = browser.submit(action=REMOVE)
    assert "Your password was removed" in page.text
    assert count(provider, PASSWORDS) == 0
    assert count(provider, REMOVED) == 1
    assert count(provider, SESSIONS) == 1, "that of this browser"
    assert step_of(elsewhere) is None
    elsewhere.open(own.SECURITY)
    assert step_of(elsewhere) is not None
    stranger = Browser(provider.issuer)
    stranger.open(own.SECURITY)
    stranger.submit(action="/identify", username=EMAIL)
    stranger.submit(action="/password", password=PASSWORD)
    assert page_of(stranger).url.path != own.SECURITY
    browser.open(own.PASSWORD)
    assert "Your new password counts" in browser.submit(action=own.PASSWORD, password="seven bright umbrellas").text
    assert count(provider, PASSWORDS) == 1


@pytest.mark.parametrize("verifies", [(), (True,), (True, False)])
def test_a_password_stays_until_two_passkeys_stand_alone(provider: Provider, verifies: tuple[bool, ...]) -> None:
    browser = signed_in(provider, own.PASSWORD)
    for each in verifies:
        given(provider, Device(provider.issuer), verifies=each)
    query(provider, "UPDATE sessions SET acr = 'urn:idp:acr:mfa'")
    page = browser.open(own.PASSWORD)
    assert REMOVE not in page.text
    assert (ONE in browser.open(own.SECURITY).text) is (len(verifies) == 1)
    browser.open("/")
    answer = post(browser, REMOVE, csrf=token_of(browser))
    assert answer.headers["location"].startswith(f"{own.SECURITY}?")
    assert count(provider, PASSWORDS) == 1


def test_a_password_is_removed_with_fresh_proof_alone(provider: Provider) -> None:
    browser = signed_in(provider, own.PASSWORD)
    for _ in range(2):
        given(provider, Device(provider.issuer))
    query(provider, "UPDATE sessions SET acr = 'urn:idp:acr:mfa'")
    browser.open(own.PASSWORD)
    age(provider, browser)
    answer = post(browser, REMOVE, csrf=token_of(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, own.confirm(own.PASSWORD))
    assert count(provider, PASSWORDS) == 1
