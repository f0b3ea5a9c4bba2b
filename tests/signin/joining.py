"""What the tests of sign-up do as somebody without an account does."""

import json

import httpx2

from tests.authenticators import Device
from tests.mail import Catcher, link_in
from tests.provider import Browser, Provider
from tests.signin.conftest import App
from tests.signin.passkeys import options_of
from tests.signin.reading import eventually, page_of, post, query, token_of

NEW = "zoe@example.test"  # as long as Ana's address
NEW_NAME = "Zoe Example"
NEW_PASSWORD = "wok plum fjord gravel"
PAGE = "/sign-up"
PEOPLE = "SELECT count(*) FROM users"
LINKS = "SELECT count(*) FROM handles WHERE kind = 'sign_up' AND used_at IS NULL"


def as_new(provider: Provider, mails: Catcher) -> None:
    """Only who was created by the operator is there, and no mail is on its way."""
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mails.clear()
    query(provider, "DELETE FROM users WHERE email NOT LIKE 'ana@%'")
    for table in ("sessions", "grants", "consents", "counters", "outbox", "attempts"):
        query(provider, f"DELETE FROM {table}")  # noqa: S608
    query(provider, "DELETE FROM handles WHERE kind <> 'challenge'")


def asked(app: App, provider: Provider, email: str = NEW, **parameters: str) -> Browser:
    """A browser in which somebody asked for an account."""
    browser = Browser(provider.issuer)
    browser.open(app.url(**{"prompt": "create"} | parameters))
    browser.submit(action=PAGE, username=email)
    return browser


def opened(browser: Browser, mails: Catcher, number: int = 1) -> httpx2.Response:
    """The page of the link in the newest mail."""
    return browser.open(link_in(mails.newest(number), PAGE))


def joined(browser: Browser, name: str = NEW_NAME, password: str = NEW_PASSWORD) -> httpx2.Response:
    return browser.submit(action=PAGE, name=name, password=password)


def with_passkey(browser: Browser, device: Device, name: str = NEW_NAME, flags: int | None = None) -> httpx2.Response:
    """As the page's script does, once a passkey was made on this device."""
    browser.open(f"{PAGE}?by=passkey")
    made = json.dumps(device.create(options_of(browser), flags=flags))
    browser._follow(post(browser, f"{PAGE}/passkey", csrf=token_of(browser), credential=made, name=name))
    return page_of(browser)
