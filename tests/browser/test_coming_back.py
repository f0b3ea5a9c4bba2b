"""Journeys of people who lost something, or from whom something was taken, with and without JavaScript."""

import secrets

import pyotp
import pytest
from playwright.sync_api import Page, expect

from idp.account import email_links
from idp.web import own, recoveries
from idp.web.notices import NOT_ME
from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, press, sign_in
from tests.browser.pages import no_mail_yet
from tests.mail import mailed_link, text_of
from tests.signin.reading import eventually
from tests.signin.test_recovery import after_the_wait

pytestmark = pytest.mark.slow

NEW, NEWER = "seven bright green umbrellas", "eight dark blue parasols here"


def newcomer(app: App, name: str) -> str:
    """A person of this test alone."""
    email = f"{name}.{secrets.token_hex(4)}@example.test"
    app.provider.create_user(email)
    return email


def mailed(app: App, email: str, link_page: str) -> str:
    """The link in the newest mail to this address that leads to this page."""
    eventually(app.provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mails = [mail for mail in app.mails.mails if mail["to"] == email and f"{link_page}/" in text_of(mail)]
    return app.provider.issuer + mailed_link(mails[-1], link_page)


def set_password(page: Page, link: str, password: str) -> None:
    page.goto(link)
    page.locator("#password").fill(password)
    press(page, "#continue")
    expect(page.locator("h1")).to_have_text("Your new password counts")


def at_the_app(page: Page, app: App) -> None:
    allow(page)
    page.wait_for_url(f"{app.site.origin}/callback*")


def test_a_forgotten_password_is_replaced_on_the_way_to_the_app(windows: Windows, app: App, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    email = newcomer(app, "forgetful")
    no_mail_yet(app)
    page.goto(app.url())
    page.locator("#username").fill(email)
    press(page, "#continue")
    press(page, "#recover")
    press(page, "#continue")
    set_password(page, mailed(app, email, recoveries.PAGE), NEW)
    press(page, "#continue")
    page.locator("#password").fill(NEW)
    press(page, "#continue")
    at_the_app(page, app)


def test_who_lost_everything_gets_back_in_after_the_wait(windows: Windows, app: App, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    email = newcomer(app, "unlucky")
    page.goto(f"{app.provider.issuer}{own.AUTHENTICATOR}")
    sign_in(page, email)
    page.locator("#code").fill(pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", "")).now())
    press(page, "#continue")
    page.context.clear_cookies()
    no_mail_yet(app)

    page.goto(app.url())
    page.locator("#username").fill(email)
    press(page, "#continue")
    press(page, "#recover")
    press(page, "#continue")
    set_password(page, mailed(app, email, recoveries.PAGE), NEW)
    press(page, "#continue")
    page.locator("#password").fill(NEW)
    press(page, "#continue")
    press(page, "#recover")
    press(page, "#continue")
    link = mailed(app, email, recoveries.PAGE)
    page.goto(link)
    expect(page.locator("h1")).to_have_text("Not yet")
    after_the_wait(app.provider)
    set_password(page, link, NEWER)
    page.goto(app.url())
    sign_in(page, email, NEWER)
    at_the_app(page, app)


def test_a_stolen_session_is_ended_from_another_device(windows: Windows, app: App, javascript: bool) -> None:
    thief, person = windows.page(java_script_enabled=javascript), windows.page(java_script_enabled=javascript)
    email = newcomer(app, "robbed")
    for page in (thief, person):
        page.goto(f"{app.provider.issuer}{own.SESSIONS}")
        sign_in(page, email)
    with person.expect_navigation():
        person.get_by_role("button", name="End it").click()
    thief.reload()
    expect(thief.locator("#username, #password").first).to_be_visible()
    person.reload()
    expect(person.locator("h1")).to_have_text("Where you are signed in")


def test_a_sign_in_that_was_not_theirs_is_stopped_by_the_mail(windows: Windows, app: App, javascript: bool) -> None:
    thief, person = windows.page(java_script_enabled=javascript), windows.page(java_script_enabled=javascript)
    email = newcomer(app, "watchful")
    no_mail_yet(app)
    thief.goto(f"{app.provider.issuer}{own.SECURITY}")
    sign_in(thief, email)
    person.goto(mailed(app, email, NOT_ME))
    press(person, "#continue")
    expect(person.locator("h1")).to_have_text("The account is locked")
    thief.reload()
    expect(thief.locator("#username, #password").first).to_be_visible()
    set_password(person, mailed(app, email, recoveries.PAGE), NEW)
    person.goto(app.url())
    sign_in(person, email, NEW)
    at_the_app(person, app)


def test_a_change_of_address_is_made_and_undone(windows: Windows, app: App, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    email = newcomer(app, "moving")
    new = f"new.{email}"
    page.goto(f"{app.provider.issuer}{own.EMAIL}")
    sign_in(page, email)
    no_mail_yet(app)
    page.locator("#email").fill(new)
    press(page, "#continue")
    page.goto(mailed(app, email, email_links.PAGE))
    press(page, "#continue")
    page.goto(mailed(app, new, email_links.PAGE))
    press(page, "#continue")
    expect(page.locator("h1")).to_have_text("Your address was changed")
    page.goto(f"{app.provider.issuer}{own.SECURITY}")
    assert new in page.locator("main").inner_text()

    page.goto(mailed(app, email, NOT_ME))
    assert f"{email} is the address of the account again" in page.locator("main").inner_text()
    press(page, "#continue")
    set_password(page, mailed(app, email, recoveries.PAGE), NEW)
    page.goto(app.url())
    sign_in(page, email, NEW)
    at_the_app(page, app)
