"""A tab that waits notices that the person signed in in another one and goes on; back and forward lead on, too."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, name_oneself, press, sign_in
from tests.browser.sites import BEGINNING

FOCUS = "window.dispatchEvent(new Event('focus'))"


@pytest.fixture
def person(windows: Windows, app: App) -> BrowserContext:
    """Somebody who has allowed the app what it asks for, and is signed out."""
    context = windows.context()
    page = context.new_page()
    page.goto(app.url())
    sign_in(page)
    allow(page)
    page.goto(app.provider.issuer)
    press(page, "#sign-out")
    page.close()
    return context


def waiting_at(context: BrowserContext, app: App, step: str, **parameters: str) -> Page:
    page = context.new_page()
    page.goto(app.url(**parameters))
    if step == "password":
        name_oneself(page)
    return page


@pytest.mark.parametrize("step", ["identify", "password"])
def test_a_waiting_tab_goes_on_when_it_is_looked_at(person: BrowserContext, app: App, step: str) -> None:
    waiting = waiting_at(person, app, step, state="waiting")
    other = waiting_at(person, app, "identify")
    sign_in(other)
    other.wait_for_url(f"{app.site.origin}/callback**")
    waiting.bring_to_front()
    waiting.evaluate(FOCUS)
    waiting.wait_for_url(f"{app.site.origin}/callback?*state=waiting*")


def test_a_waiting_tab_that_has_still_something_to_ask_asks_it(person: BrowserContext, app: App) -> None:
    waiting = waiting_at(person, app, "identify", prompt="consent")
    other = waiting_at(person, app, "identify")
    sign_in(other)
    other.wait_for_url(f"{app.site.origin}/callback**")
    waiting.evaluate(FOCUS)
    expect(waiting.locator("#allow")).to_be_visible()


def test_a_tab_that_asks_for_a_fresh_password_goes_on_after_one_in_another_tab(
    person: BrowserContext, app: App
) -> None:
    first = waiting_at(person, app, "identify")
    sign_in(first)
    first.wait_for_url(f"{app.site.origin}/callback**")
    waiting = waiting_at(person, app, "identify", prompt="login", state="waiting")
    other = waiting_at(person, app, "identify", prompt="login")
    sign_in(other)
    other.wait_for_url(f"{app.site.origin}/callback**")
    waiting.evaluate(FOCUS)
    waiting.wait_for_url(f"{app.site.origin}/callback?*state=waiting*")


def test_a_tab_in_which_nothing_changed_stays_as_it_is(person: BrowserContext, app: App) -> None:
    waiting = waiting_at(person, app, "identify")
    waiting.locator("#username").fill("half an addr")
    waiting.evaluate(FOCUS)
    waiting.wait_for_timeout(300)
    assert waiting.locator("#username").input_value() == "half an addr"


def test_a_copy_of_a_tab_whose_sign_in_is_done_goes_on_too(person: BrowserContext, app: App) -> None:
    """Two tabs of one attempt: the second gets an answer of its own."""
    first = waiting_at(person, app, "password")
    second = person.new_page()
    second.goto(first.url)
    sign_in(first)
    first.wait_for_url(f"{app.site.origin}/callback**")
    second.evaluate(FOCUS)
    second.wait_for_url(f"{app.site.origin}/callback**")


def test_ten_tabs_all_end_at_the_app(person: BrowserContext, app: App) -> None:
    tabs = [waiting_at(person, app, "identify", state=f"tab-{number}") for number in range(10)]
    sign_in(tabs[0])
    for number, tab in enumerate(tabs):
        if number:
            tab.evaluate(FOCUS)
        tab.wait_for_url(f"{app.site.origin}/callback?*state=tab-{number}&*")


def test_tabs_opened_at_once_in_a_fresh_browser_all_end_at_the_app(windows: Windows, app: App) -> None:
    """Each of them was given a cookie before the others had theirs, and the browser keeps one."""
    context = windows.context()
    opener = context.new_page()
    opener.goto(app.site.origin)
    addresses = [app.url(state=f"tab-{number}") for number in range(6)]
    opener.evaluate("for (const address of arguments[0]) open(address)".replace("arguments[0]", repr(addresses)))
    while len(context.pages) < 7:
        opener.wait_for_timeout(50)
    tabs = context.pages[1:]
    for tab in tabs:
        tab.wait_for_selector("#username")
    sign_in(tabs[0])
    allow(tabs[0])
    for tab in tabs[1:]:
        tab.evaluate(FOCUS)
    for tab in tabs:
        tab.wait_for_url(f"{app.site.origin}/callback?*state=tab-*")
    assert len({visit.parameters["state"] for visit in app.site.visits_of("/callback")}) == 6


def test_an_authorization_request_posted_from_another_site_finds_who_is_signed_in(
    person: BrowserContext, app: App
) -> None:
    """A cross-site post brings no cookie; the address that follows it does."""
    page = waiting_at(person, app, "identify")
    sign_in(page)
    page.wait_for_url(f"{app.site.origin}/callback**")
    fields = "".join(
        f"<input name='{name}' value='{value}'>" for name, value in parse_qsl(urlsplit(app.url(state="posted")).query)
    )
    app.site.pages["/start"] = (
        f"{BEGINNING}<form method=post action='{app.provider.issuer}/authorize'>{fields}<button>Go</button></form>"
    )
    page.goto(app.site.origin.replace("localhost", "127.0.0.1") + "/start")
    page.locator("button").click()
    page.wait_for_url(f"{app.site.origin}/callback?*state=posted*")


def test_back_from_the_app_ends_in_a_working_page(person: BrowserContext, app: App) -> None:
    page = waiting_at(person, app, "identify")
    sign_in(page)
    page.wait_for_url(f"{app.site.origin}/callback**")
    page.go_back()
    page.wait_for_load_state()
    assert page.locator("h1").count() == 1
    page.goto(app.url())
    page.wait_for_url(f"{app.site.origin}/callback**")


def test_back_and_forward_within_the_sign_in(person: BrowserContext, app: App) -> None:
    page = waiting_at(person, app, "password")
    page.go_back()
    page.go_forward()
    page.locator("#password").wait_for()
    sign_in(page)
    page.wait_for_url(f"{app.site.origin}/callback**")


def test_back_to_the_first_page_and_another_name(person: BrowserContext, app: App) -> None:
    page = waiting_at(person, app, "identify")
    name_oneself(page, "someone@example.test")
    page.go_back()
    page.locator("#username").wait_for()
    if page.locator("form[action$='/password']").count():
        press(page, "button[form=switch]:not([name])")
    sign_in(page)
    page.wait_for_url(f"{app.site.origin}/callback**")
