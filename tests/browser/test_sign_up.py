"""The way of somebody without an account: from an app by a mail to a name, a password or a passkey, and back."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chrome import Windows
from tests.browser.conftest import App, Development, allow, developing, press
from tests.browser.keys import device_of
from tests.browser.pages import invited, join_by_passkey
from tests.provider import TLS

NEW, PASSWORD = "zoe@example.test", "wok plum fjord gravel"


@pytest.fixture(scope="module")
def newcomers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """Development mode, with nobody but Ana."""
    folder: Path = tmp_path_factory.mktemp("newcomers")
    with developing(folder) as development:
        yield development


def mailed_link(development: Development, to: str) -> str:
    """In the newest mail to this address, from the mail catcher."""
    listed = httpx2.get(f"{development.provider}/dev/mail", verify=TLS).text
    for path in re.findall(r'href="(/dev/mail/[^"]+)"', listed):
        shown = httpx2.get(development.provider + path, verify=TLS).text
        found = re.search(r"https?://[^\s\"<]+/sign-up/[\w-]{43}", shown)
        if to in shown and found:
            return found[0]
    return ""


def asked(page: Page, development: Development, email: str) -> str:
    """The link, after somebody asked for an account on the way to the demo app."""
    page.goto(f"{development.app}/sign-in")
    press(page, "#sign-up")
    page.locator("#username").fill(email)
    press(page, "#continue")
    expect(page.locator("h1")).to_have_text("Look at your mail")
    for _ in range(100):
        if link := mailed_link(development, email):
            return link
        page.wait_for_timeout(100)
    pytest.fail("no mail came")


def test_88_somebody_makes_an_account_with_a_password_and_is_in_the_app(
    windows: Windows, newcomers: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    email = f"{javascript}-{NEW}".lower()
    page.goto(asked(page, newcomers, email))
    assert page.url == f"{newcomers.provider}/sign-up", "no address holds the link"
    assert page.locator("#username").input_value() == email
    assert page.locator("#password").get_attribute("autocomplete") == "new-password"
    page.locator("#name").fill("Zoe Example")
    page.locator("#password").fill("elevenchars")
    press(page, "#continue")
    expect(page).to_have_title(re.compile("^Error: "))
    assert page.locator("#name").input_value() == "Zoe Example"
    page.locator("#password").fill(PASSWORD)
    press(page, "#continue")
    assert page.locator("#username").input_value() == email
    page.locator("#password").fill(PASSWORD)
    press(page, "#continue")
    if page.locator("#later").count():
        press(page, "#later")
    allow(page)
    page.wait_for_url(f"{newcomers.app}/")
    assert page.locator("#person").inner_text() == "Zoe Example"


def test_34_somebody_makes_an_account_with_a_passkey_and_is_in_the_app(
    windows: Windows, newcomers: Development
) -> None:
    page = windows.page()
    keys = device_of(page)
    page.goto(asked(page, newcomers, "pia@example.test"))
    press(page, "#by-passkey")
    page.locator("#make-passkey").click()
    assert keys.credentials == [], "first the name"
    page.locator("#name").fill("Pia Example")
    keys.hand(there=True)
    with page.expect_navigation():
        page.locator("#make-passkey").click()
    page.wait_for_load_state("networkidle")
    if page.locator("#use-passkey").count():  # else the field has taken it by itself
        page.locator("#use-passkey").click()
    page.locator("#allow, #person").first.wait_for()
    allow(page)
    page.wait_for_url(f"{newcomers.app}/")
    assert page.locator("#person").inner_text() == "Pia Example"
    (credential,) = keys.credentials
    assert credential["isResidentCredential"]
    assert credential["userName"] == "pia@example.test"


def test_41_a_prompt_that_was_cancelled_leaves_a_page_that_works(page: Page, app: App) -> None:
    keys = device_of(page)
    keys.verifies(verified=False)
    join_by_passkey(page, app)
    page.locator("#make-passkey").click()
    told = page.locator("#new-passkey > [role=status]")
    expect(told).to_have_text("No passkey was made. Try again, or choose a password instead.")
    assert page.locator(".alert, .wrong").count() == 0
    keys.verifies(verified=True)
    press(page, "#make-passkey")
    expect(page.locator("h1")).to_have_text("Your account is ready")


@pytest.mark.parametrize("name", ["See evil.example", "a@evil.example", "https://evil.example"])
def test_a_name_that_looks_like_an_address_makes_no_passkey(page: Page, app: App, name: str) -> None:
    keys = device_of(page)
    page.goto(invited(app))
    press(page, "#by-passkey")
    page.locator("#name").fill(name)
    page.locator("#make-passkey").click()
    assert page.locator("#name").evaluate("input => input.validity.patternMismatch")
    assert keys.credentials == []
