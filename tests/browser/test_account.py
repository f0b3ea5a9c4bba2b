"""Passkeys on the account page, in Chromium: made, named, used, told to the browser, and removed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from idp.web import own
from tests.browser.chrome import Windows
from tests.browser.conftest import App, press, sign_in
from tests.browser.keys import Keys, device_of
from tests.provider import EMAIL, PASSWORD

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
    not_now(page)
    yield keys
    rows(app, "DELETE FROM credentials WHERE factor = 'passkey'")


def not_now(page: Page) -> None:
    if page.locator("#later").count():
        press(page, "#later")


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


def test_39_the_browser_forgets_the_last_passkey_too_and_learns_a_new_name(page: Page, app: App, keys: Keys) -> None:
    press(page, "#make-passkey")
    (made,) = keys.credentials
    assert made["userDisplayName"] == "Fay Example"
    app.provider.cli("user", "update", FAY, "--name", "Fay Other")
    page.reload()
    page.wait_for_load_state("networkidle")
    assert [each["userDisplayName"] for each in keys.credentials] == ["Fay Other"]
    app.provider.cli("user", "update", FAY, "--name", "Fay Example")
    press(page, ".apps form >> nth=0 >> button")
    assert names(page) == []
    for _ in range(100):
        if not keys.credentials:
            break
        page.wait_for_timeout(100)
    assert keys.credentials == []


def test_38_a_passkey_is_called_by_where_it_was_made_and_says_what_became_of_it(
    page: Page, app: App, keys: Keys
) -> None:
    press(page, "#make-passkey")
    today = datetime.now(UTC)
    assert names(page) == [f"Passkey on Linux, {today:%b %Y}"]
    about = page.locator(".apps .card").inner_text()
    assert f"Added on {today:%-d %b %Y} (UTC), last used on {today:%-d %b %Y} (UTC)" in about
    assert "Copied to your other devices" not in about
    keys.change(backupEligibility=True, backupState=True)
    rows(app, "DELETE FROM credentials WHERE factor = 'passkey'")
    synced = device_of(page, transport="usb", defaultBackupEligibility=True, defaultBackupState=True)
    page.goto(f"{app.provider.issuer}{own.PASSKEY}")
    keys.session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": keys.device})
    press(page, "#make-passkey")
    assert len(synced.credentials) == 1
    assert "Copied to your other devices" in page.locator(".apps .card").inner_text()


def test_7_15_a_new_password_says_whose_it_is_and_what_is_asked_before_it_is_typed(page: Page, app: App) -> None:
    app.provider.create_user("gus@example.test", name="Gus Example")
    page.goto(f"{app.provider.issuer}{own.PASSWORD}")
    sign_in(page, "gus@example.test", PASSWORD)
    not_now(page)
    username = page.locator("#username")
    assert (username.input_value(), username.get_attribute("autocomplete")) == ("gus@example.test", "username")
    assert username.get_attribute("readonly") is not None
    assert page.locator("#current").get_attribute("autocomplete") == "current-password"
    assert page.locator("#password").get_attribute("autocomplete") == "new-password"
    assert page.locator("#length").inner_text() == "12 to 256 characters."
    assert "was in a leak, is not taken" in page.locator("#rules").inner_text()
    page.locator("#current").fill(PASSWORD)
    page.locator("#password").fill("password1234")
    press(page, "#continue")
    assert "one of those that are tried first" in page.locator("[role=alert]").inner_text()


def test_31_the_secret_of_an_app_is_copied_as_an_app_takes_it(windows: Windows, app: App) -> None:
    context = windows.context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{app.provider.issuer}{own.AUTHENTICATOR}")
    sign_in(page, EMAIL, PASSWORD)
    not_now(page)
    shown = page.locator("#secret").inner_text()
    page.locator("[data-copy=secret]").click()
    expect(page.locator("[data-copy=secret] + [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown.replace(" ", "")
