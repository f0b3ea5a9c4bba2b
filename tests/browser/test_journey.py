"""The whole journey of a person: demo app, sign-in, consent, back in the app, API, refresh, and out again."""

from playwright.sync_api import Page, expect

from tests.browser.chrome import Windows
from tests.browser.conftest import Development, sign_in


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def test_a_person_signs_in_to_the_demo_app_uses_it_and_signs_out(
    windows: Windows, development: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(development.app)
    page.locator("#sign-in").click()
    expect(page).to_have_title("Sign in to Demo app · Development sign-in")
    sign_in(page, development.email, development.password)
    if page.locator("#allow").count():
        assert "Demo app" in text(page, "h1")
        page.locator("#allow").click()
    page.wait_for_url(f"{development.app}/")
    assert text(page, "#person") == "Ana Example"

    page.locator("#call-api").click()
    assert text(page, "#api-status") == "200"
    assert development.api in text(page, "#api-answer")

    before = text(page, "#refresh-token-fingerprint"), text(page, "#access-token-fingerprint")
    page.locator("#refresh").click()
    assert "rotated" in text(page, "#refresh-result")
    after = text(page, "#refresh-token-fingerprint"), text(page, "#access-token-fingerprint")
    assert before[0] != after[0]
    assert before[1] != after[1]
    page.locator("#call-api").click()
    assert text(page, "#api-status") == "200"

    page.locator("#sign-out-app").click()
    assert text(page, "h1") == "You are signed out of this app"
    page.locator("#sign-in").click()  # still signed in at the provider: nothing is asked
    page.wait_for_url(f"{development.app}/")
    page.locator("#sign-out-app").click()

    page.locator("#provider").click()
    assert text(page, "h1") == "You are signed in"
    page.locator("#sign-out").click()
    assert text(page, "h1") == "You are signed out"
    page.goto(development.app)
    page.locator("#sign-in").click()
    assert page.locator("#username").input_value() == ""


def test_a_person_who_says_no_is_told_so_by_the_app(
    windows: Windows, development: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(development.provider)
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    page.goto(development.provider)
    withdraw = page.locator("form[action$='/withdraw'] button")
    if withdraw.count():
        withdraw.click()
    assert "No app has access" in text(page, "main")
    page.goto(f"{development.app}/sign-in")
    page.locator("#deny").click()
    assert text(page, "#error") == "access_denied"
    page.locator("#try-again").click()
    page.locator("#allow").click()
    page.wait_for_url(f"{development.app}/")
    assert text(page, "#person") == "Ana Example"


def test_a_mistake_on_the_way_costs_nothing(windows: Windows, development: Development, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(f"{development.app}/sign-in")
    page.locator("#username").fill("somebody@example.test")
    page.locator("#continue").click()
    page.locator("#password").fill("not the password")
    page.locator("#continue").click()
    assert page.title().startswith("Error: ")
    page.get_by_role("button", name="Not you?").click()
    sign_in(page, development.email, development.password)
    if page.locator("#allow").count():
        page.locator("#allow").click()
    page.wait_for_url(f"{development.app}/")


def test_the_demo_apps_data_say_whom_they_are_about(windows: Windows, development: Development) -> None:
    page = windows.page()
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    if page.locator("#allow").count():
        page.locator("#allow").click()
    page.wait_for_url(f"{development.app}/")
    assert development.provider in text(page, "#id-token-claims")
    assert development.email in text(page, "#userinfo")
    assert "offline_access" in text(page, "#scope")


def test_the_mail_catcher_shows_a_message(windows: Windows, development: Development, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(f"{development.provider}/dev/mail")
    page.locator("#send-test").click()
    page.get_by_role("link", name="A test message").first.click()
    assert "The mail catcher works." in text(page, "#text")
    assert "<strong>" in text(page, "#html-source")


def test_development_mode_says_so_on_every_page(windows: Windows, development: Development) -> None:
    page = windows.page()
    for url in (development.app, development.provider, f"{development.provider}/nowhere"):
        page.goto(url)
        assert "Development mode" in text(page, ".ribbon")
