"""Every link, form, picture, style and script of every page leads somewhere."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.reading import page_of

_LINK = re.compile(r'(?:href|src|action)="([^"]+)"')


def signed_in(browser: Browser, app: App) -> httpx2.Response:
    return browser.sign_in(app.url())


def two(browser: Browser, app: App) -> httpx2.Response:
    signed_in(browser, app)
    browser.open(app.url(prompt="select_account"))
    browser.submit(action="/switch")
    return browser.submit(username=BEN, password=BENS_PASSWORD)


def returning(browser: Browser, app: App) -> None:
    signed_in(browser, app)
    for name in [name for name in browser.http.cookies if "session" in name]:
        browser.http.cookies.delete(name)
    browser.open(app.url())


WAYS: dict[str, Callable[[Browser, App], object]] = {
    "identify": lambda browser, app: browser.open(app.url()),
    "password": lambda browser, app: (browser.open(app.url()), browser.submit(username=EMAIL)),
    "wrong": lambda browser, app: (browser.open(app.url()), browser.submit(username=EMAIL, password="wrong")),
    "consent": lambda browser, app: (browser.open(app.url()), browser.submit(username=EMAIL, password=PASSWORD)),
    "returning": returning,
    "select": lambda browser, app: (two(browser, app), browser.open(app.url(prompt="select_account"))),
    "home": lambda browser, app: (signed_in(browser, app), browser.open("/")),
    "home of two": lambda browser, app: (two(browser, app), browser.open("/")),
    "home of nobody": lambda browser, app: browser.open("/"),
    "sign out": lambda browser, app: (signed_in(browser, app), browser.open("/logout")),
    "not signed out": lambda browser, app: browser.open("/logout?client_id=nobody"),
    "signed out": lambda browser, app: browser.open("/signed-out"),
    "error code": lambda browser, app: browser.open("/errors/invalid_grant"),
    "not found": lambda browser, app: browser.open("/nowhere"),
    "no such app": lambda browser, app: browser.open("/authorize?client_id=nobody"),
    "over": lambda browser, app: browser.open("/signin/nowhere"),
    "form post": lambda browser, app: browser.sign_in(app.url(response_mode="form_post")),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_link_of_every_page_leads_somewhere(
    provider: Provider, browser: Browser, app: App, way: Callable[[Browser, App], object]
) -> None:
    way(browser, app)
    page = page_of(browser)
    links = {urljoin(str(page.url), unescape(link)) for link in _LINK.findall(page.text)}
    assert len(links) >= 3  # icon, style, script
    for link in links:
        if link.startswith(provider.issuer + "/"):
            answer: httpx2.Response = browser.http.get(link)
            # what takes posts alone says so to whoever opens its address
            assert answer.status_code in (200, 303, 405), link
            assert (
                answer.status_code != 405
                or urlsplit(link).path in ("/sign-out", "/switch-account", "/language")
                or "/apps/" in link
            )
        else:
            assert link == app.client["redirect_uris"][0], link
