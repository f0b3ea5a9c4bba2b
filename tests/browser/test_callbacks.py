"""Back to the app: by form post, through an app that redirects to another origin, and from a pop-up."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, sign_in
from tests.browser.sites import BEGINNING, Site, site


@pytest.fixture
def elsewhere() -> Iterator[Site]:
    """Another website of the same app: another origin."""
    with site() as served:
        yield served


@pytest.mark.parametrize("method", ["query", "form_post"])
def test_an_answer_reaches_the_app(windows: Windows, app: App, javascript: bool, method: str) -> None:
    page = windows.page(java_script_enabled=javascript)
    page.goto(app.url(response_mode=method, prompt="consent"))
    sign_in(page)
    allow(page)
    if method == "form_post" and not javascript:
        assert page.title().startswith("Back to Billing")
        page.locator("#continue").click()
    page.wait_for_url(f"{app.site.origin}/callback**")
    (visit,) = app.site.visits_of("/callback")
    assert visit.method == ("POST" if method == "form_post" else "GET")
    assert visit.parameters.keys() == {"code", "state", "iss"}
    assert (visit.parameters["state"], visit.parameters["iss"]) == ("state-123", app.provider.issuer)
    assert visit.referrer in ("", f"{app.provider.issuer}/")


def test_ru17_no_app_learns_where_on_our_site_somebody_came_from(windows: Windows, app: App) -> None:
    """An app reads in the Referer where on our site somebody came from, and what stood in that address."""
    page = windows.page()
    page.goto(app.url(response_mode="form_post", prompt="consent", login_hint="secret@example.test"))
    sign_in(page)
    allow(page)
    page.wait_for_url(f"{app.site.origin}/callback")
    assert [visit.referrer for visit in app.site.visits_of("/callback")] == [""]


@pytest.mark.parametrize("mode", ["query", "form_post"])
@pytest.mark.parametrize("decision", ["#allow", "#deny"])
def test_cs10_an_app_whose_callback_redirects_to_another_origin_is_reached(
    windows: Windows, app: App, elsewhere: Site, javascript: bool, decision: str, mode: str
) -> None:
    """Chromium would hold a form-action of the last page against each redirect that follows its form."""
    app.site.redirects["/callback"] = f"{elsewhere.origin}/welcome"
    page = windows.page(java_script_enabled=javascript)
    page.goto(app.url(prompt="consent", response_mode=mode))
    sign_in(page)
    page.locator(decision).click()
    if mode == "form_post" and not javascript:
        page.locator("#continue").click()
    page.wait_for_url(f"{elsewhere.origin}/welcome")


def test_cs10_also_where_the_password_is_the_last_that_is_asked(windows: Windows, app: App, elsewhere: Site) -> None:
    """An honest app redirects its callback to another origin, which a form-action of the password page would stop."""
    app.site.redirects["/callback"] = f"{elsewhere.origin}/welcome"
    page = windows.page()
    page.goto(app.url())
    sign_in(page)
    allow(page)
    page.goto(app.url(prompt="login"))
    sign_in(page)
    page.wait_for_url(f"{elsewhere.origin}/welcome")


def test_coming_back_to_a_form_post_waits_for_the_person(windows: Windows, app: App) -> None:
    page = windows.page()
    page.goto(app.url(response_mode="form_post", prompt="consent"))
    sign_in(page)
    allow(page)
    page.wait_for_url(f"{app.site.origin}/callback")
    page.go_back()
    page.wait_for_load_state()
    assert page.url.startswith(app.provider.issuer)
    page.wait_for_timeout(500)
    assert page.url.startswith(app.provider.issuer)


def test_the_window_that_opened_a_sign_in_hears_from_it(windows: Windows, app: App) -> None:
    """A pop-up keeps its opener on every page of the sign-in and at the callback."""
    app.site.pages["/callback"] = (
        f"{BEGINNING}<title>Done</title><script>"
        "opener.postMessage(location.search, location.origin); document.title = 'Told'</script>"
    )
    app.site.pages["/start"] = (
        f"{BEGINNING}<title>Start</title><button>Sign in</button><script>"
        "const heard = new Promise((tell) => addEventListener('message', (event) => tell(event.data)));"
        "document.querySelector('button').onclick = () => open('about:blank', 'popup', 'popup')</script>"
    )
    page = windows.page()
    page.goto(f"{app.site.origin}/start")
    with page.expect_popup() as opened:
        page.locator("button").click()
    popup = opened.value
    popup.goto(app.url(prompt="consent"))
    assert popup.evaluate("window.opener !== null")
    sign_in(popup, password="wrong")
    assert popup.evaluate("window.opener !== null")
    sign_in(popup)
    assert popup.evaluate("window.opener !== null")
    popup.locator("#allow").click()
    expect(popup).to_have_title("Told")
    assert "code=" in page.evaluate("heard")
