"""The whole journey of a person: demo app, sign-in, consent, back in the app, API, refresh, and out again."""

import re
import time

import httpx2
import pyotp
import pytest
from playwright.sync_api import Page, expect

from idp.web import own
from tests.browser.chrome import Windows
from tests.browser.conftest import Development, allow, developing, name_oneself, press, sign_in
from tests.provider import TLS


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def test_a_person_signs_in_to_the_demo_app_uses_it_and_signs_out(
    windows: Windows, development: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(development.app)
    press(page, "#sign-in")
    expect(page).to_have_title("Sign in to Demo app · Development sign-in")
    sign_in(page, development.email, development.password)
    if page.locator("#allow").count():
        assert "Demo app" in text(page, "h1")
        allow(page)
    page.wait_for_url(f"{development.app}/")
    assert text(page, "#person") == "Ana Example"

    press(page, "#call-api")
    assert text(page, "#api-status") == "200"
    assert "The API checked the access token" in text(page, "#api-answer")

    before = text(page, "#refresh-token-fingerprint"), text(page, "#access-token-fingerprint")
    press(page, "#refresh")
    assert "rotated" in text(page, "#refresh-result")
    after = text(page, "#refresh-token-fingerprint"), text(page, "#access-token-fingerprint")
    assert before[0] != after[0]
    assert before[1] != after[1]
    press(page, "#call-api")
    assert text(page, "#api-status") == "200"

    press(page, "#sign-out-app")
    assert text(page, "h1") == "You are signed out of this app"
    press(page, "#sign-in")  # still signed in at the provider: nothing is asked
    page.wait_for_url(f"{development.app}/")
    press(page, "#sign-out-app")

    press(page, "#provider")
    assert text(page, "h1") == "You are signed in"
    press(page, "#sign-out")
    assert text(page, "h1") == "You are signed out"
    page.goto(development.app)
    press(page, "#sign-in")
    assert page.locator("#username").input_value() == ""


def test_a_person_steps_up_for_what_is_more_sensitive(
    windows: Windows, tmp_path_factory: pytest.TempPathFactory, javascript: bool
) -> None:
    """From the button in the app to the API's answer, by a password and a device that is set up on the way."""
    with developing(tmp_path_factory.mktemp("stepping"), email_codes="off") as development:
        page = windows.page(java_script_enabled=javascript)
        page.goto(f"{development.app}/sign-in")
        sign_in(page, development.email, development.password)
        allow(page)
        press(page, "#read-payroll")
        assert "Demo app asks you to confirm that it is you." in text(page, "main")
        assert page.locator("#username").get_attribute("readonly") is not None
        page.locator("#password").fill(development.password)
        press(page, "#continue")
        secret = text(page, "#secret").replace(" ", "")
        page.locator("#code").fill(pyotp.TOTP(secret).now())
        press(page, "#continue")
        page.wait_for_url(f"{development.app}/#api")
        assert text(page, "#api-status") == "200"
        assert '"acr": "urn:idp:acr:mfa"' in text(page, "#api-answer")
        press(page, "#read-payroll")
        assert text(page, "#api-status") == "200"


def test_a_person_signs_in_by_the_link_of_a_mail_and_confirms_by_the_code_of_another(
    windows: Windows, tmp_path_factory: pytest.TempPathFactory, javascript: bool
) -> None:
    """In development mode, where mails are caught: the way past the password, and what it is not enough for."""
    with developing(tmp_path_factory.mktemp("mailing")) as development:
        page = windows.page(java_script_enabled=javascript)
        page.goto(f"{development.app}/sign-in")
        name_oneself(page, development.email)
        press(page, "#send-code")
        expect(page).to_have_title(re.compile("^Enter the code from the mail"))
        open_mail(page, development, 1)
        with page.expect_navigation():
            page.locator("#text a").click()
        assert "Press the button" in text(page, "main")
        press(page, "#continue")
        allow(page)
        page.wait_for_url(f"{development.app}/")
        assert '"mca"' in text(page, "#id-token-claims")

        press(page, "#read-payroll")
        page.locator("#password").fill(development.password)
        press(page, "#continue")
        press(page, "#send")
        waiting = page.url
        open_mail(page, development, 2)
        code = re.search(r"[0-9]{4} [0-9]{4}", text(page, "#text"))
        assert code is not None
        page.goto(waiting)
        if javascript:
            with page.expect_navigation():  # the eighth digit sends it
                page.locator("#email-code").press_sequentially(code[0])
        else:
            page.locator("#email-code").fill(code[0])
            press(page, "#continue")
        page.wait_for_url(f"{development.app}/#api")
        assert text(page, "#api-status") == "200"
        assert '"acr": "urn:idp:acr:mfa"' in text(page, "#api-answer")


def open_mail(page: Page, development: Development, number: int) -> None:
    """The `number`th that was caught, as soon as it is there."""
    url = f"{development.provider}/dev/mail/{number}"
    deadline = time.monotonic() + 20
    while httpx2.get(url, verify=TLS).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    page.goto(url)


def test_a_person_signs_out_through_the_demo_app_and_comes_back_to_it(
    windows: Windows, development: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    allow(page)
    page.wait_for_url(f"{development.app}/")
    press(page, "#sign-out-everywhere")
    page.wait_for_url(f"{development.app}/signed-out/everywhere")
    assert text(page, "h1") == "You are signed out here and at the provider"
    page.goto(development.provider)
    assert text(page, "h1") == "Nothing to do here"
    page.goto(f"{development.app}/sign-in")
    assert page.locator("#username").input_value() == ""


def test_a_person_who_says_no_is_told_so_by_the_app(
    windows: Windows, development: Development, javascript: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(development.provider)
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    page.goto(f"{development.provider}{own.APPS}")
    if page.locator("form[action$='/withdraw']").count():
        press(page, "form[action$='/withdraw'] button")
    assert "No app has access" in text(page, "main")
    page.goto(f"{development.app}/sign-in")
    press(page, "#deny")
    assert text(page, "#error") == "access_denied"
    press(page, "#try-again")
    press(page, "#allow")
    page.wait_for_url(f"{development.app}/")
    assert text(page, "#person") == "Ana Example"


def test_a_mistake_on_the_way_costs_nothing(windows: Windows, development: Development, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(f"{development.app}/sign-in")
    name_oneself(page, "somebody@example.test")
    page.locator("#password").fill("not the password")
    press(page, "#continue")
    expect(page).to_have_title(re.compile("^Error: "))
    press(page, "button[form=switch]:not([name])")
    sign_in(page, development.email, development.password)
    allow(page)
    page.wait_for_url(f"{development.app}/")


def test_the_demo_apps_data_say_whom_they_are_about(windows: Windows, development: Development) -> None:
    page = windows.page()
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    allow(page)
    page.wait_for_url(f"{development.app}/")
    assert development.provider in text(page, "#id-token-claims")
    assert development.email in text(page, "#userinfo")
    assert "offline_access" in text(page, "#scope")


def test_the_mail_catcher_shows_a_message(windows: Windows, development: Development, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(f"{development.provider}/dev/mail")
    press(page, "#send-test")
    page.get_by_role("link", name="A test message").first.click()
    assert "The mail catcher works." in text(page, "#text")
    assert "<strong>" in text(page, "#html-source")


def test_development_mode_says_so_on_every_page(windows: Windows, development: Development) -> None:
    page = windows.page()
    for url in (development.app, development.provider, f"{development.provider}/nowhere"):
        page.goto(url)
        assert "Development mode" in text(page, ".ribbon")
