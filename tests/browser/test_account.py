"""Passkeys on the account page, in Chromium: made, named, used, told to the browser, and removed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from idp.web import own
from tests.browser.conftest import App, press, sign_in
from tests.browser.keys import Keys, device_of
from tests.provider import PASSWORD

FAY = "fay@example.test"


def rows(app: App, sql: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(app.provider.folder / "data" / "idp.db", timeout=30)) as database, database:
        return database.execute(sql).fetchall()


@pytest.fixture
def keys(page: Page, app: App) -> Iterator[Keys]:
    """A device at the page's computer; Fay, who has a password alone, is signed in and looks at the page."""
    if not rows(app, f"SELECT id FROM users WHERE email = '{FAY}'"):  # noqa: S608
        app.provider.create_user(FAY, name="Fay Example")
    rows(app, "DELETE FROM credentials WHERE factor = 'passkey'")
    keys = device_of(page)
    page.goto(f"{app.provider.issuer}{own.PASSKEY}")
    sign_in(page, FAY, PASSWORD)
    if page.locator("#later").count():
        press(page, "#later")
    yield keys
    rows(app, "DELETE FROM credentials WHERE factor = 'passkey'")


def names(page: Page) -> list[str]:
    return page.locator(".apps .card b").all_inner_texts()


def test_38_a_passkey_is_made_and_named_on_the_account_page_and_signs_in(page: Page, app: App, keys: Keys) -> None:
    expect(page.locator("h1")).to_have_text("Create a passkey")
    press(page, "#make-passkey")
    expect(page.locator("h1")).to_have_text("Security")
    assert len(names(page)) == 1
    page.locator("details summary").click()
    page.locator("#name-1").fill("Kitchen laptop")
    press(page, "details button")
    assert names(page) == ["Kitchen laptop"]
    page.context.clear_cookies()
    keys.hand(there=False)
    page.goto(f"{app.provider.issuer}{own.SECURITY}")
    page.wait_for_load_state("networkidle")
    keys.hand(there=True)
    press(page, "#use-passkey")
    expect(page.locator("h1")).to_have_text("Security")


def test_37_a_device_makes_no_second_passkey_and_says_why(page: Page, app: App, keys: Keys) -> None:
    press(page, "#make-passkey")
    page.goto(f"{app.provider.issuer}{own.PASSKEY}")
    page.locator("#make-passkey").click()
    expect(page.locator("#new-passkey [role=status]")).to_contain_text("on this device already")
    assert len(keys.credentials) == 1


def test_39_the_browser_forgets_a_passkey_that_was_removed_once_it_hears_which_ones_count(
    page: Page, app: App, keys: Keys
) -> None:
    press(page, "#make-passkey")
    other = device_of(page, transport="usb")
    page.goto(f"{app.provider.issuer}{own.PASSKEY}")
    keys.session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": keys.device})
    press(page, "#make-passkey")
    assert len(other.credentials) == 1
    assert len(names(page)) == 2
    press(page, ".apps li:nth-child(2) form >> nth=0 >> button")
    assert len(names(page)) == 1
    for _ in range(100):
        if not other.credentials:
            break
        page.wait_for_timeout(100)
    assert other.credentials == []  # the page that followed named the other one alone
