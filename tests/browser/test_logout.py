"""Signing out through an app, as a browser does it: posts, pictures and redirects of another site."""

import pytest
from playwright.sync_api import expect

from tests.browser.chrome import Windows
from tests.browser.conftest import App, press
from tests.browser.pages import home, signed_in
from tests.browser.sites import BEGINNING


def form(app: App, **fields: str) -> str:
    """The page of the app whose button signs people out."""
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    action = f"{app.provider.issuer}/logout"
    return f'{BEGINNING}<form method="post" action="{action}">{inputs}<button id="out">Sign out</button></form>'


@pytest.mark.parametrize("hint", [True, False], ids=["with its ID token", "with its client id"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_person_signs_out_and_comes_back_to_the_app(
    windows: Windows, app: App, javascript: bool, method: str, hint: bool
) -> None:
    page = windows.page(java_script_enabled=javascript)
    signed_in(page, app)
    who = {"id_token_hint": app.id_token()} if hint else {"client_id": app.client["client_id"]}
    asked = who | {"post_logout_redirect_uri": app.bye, "state": "s é"}
    if method == "get":
        page.goto(app.logout_url(**asked))
    else:
        app.site.pages["/leave"] = form(app, **asked)
        page.goto(f"{app.site.origin}/leave")
        press(page, "#out")
    if not hint:
        expect(page).to_have_title("Sign out? · Example sign-in")
        press(page, "#sign-out")
    page.wait_for_url(f"{app.bye}**")
    (visit,) = app.site.visits_of("/bye")
    assert visit.parameters == {"state": "s é"}
    page.goto(app.provider.issuer)
    expect(page.locator("h1")).to_have_text("Nothing to do here")


def test_cs_10_an_app_that_redirects_on_to_another_origin_is_reached(
    windows: Windows, app: App, javascript: bool
) -> None:
    """Chromium would hold a form-action of the question against each redirect that follows its form."""
    app.site.redirects["/bye"] = app.site.origin.replace("localhost", "127.0.0.1") + "/elsewhere"
    page = windows.page(java_script_enabled=javascript)
    signed_in(page, app)
    page.goto(app.logout_url(client_id=app.client["client_id"], post_logout_redirect_uri=app.bye))
    press(page, "#sign-out")
    page.wait_for_url("http://127.0.0.1:*/elsewhere")


def test_pictures_frames_and_links_of_another_site_sign_nobody_out(windows: Windows, app: App) -> None:
    page = windows.page()
    home(page, app)
    hint = app.logout_url(id_token_hint=app.id_token())
    app.site.pages["/trap"] = (
        f"{BEGINNING}<img src='{hint}'><img src='{app.logout_url()}'><a id='link' href='{app.logout_url()}'>Win</a>"
    )
    site = app.site.origin.replace("localhost", "127.0.0.1")  # a site is a host, whatever its port
    page.goto(f"{site}/trap", wait_until="networkidle")
    press(page, "#link")
    expect(page.locator("h1")).to_have_text("Sign out?")
    press(page, "#stay")
    expect(page.locator("h1")).to_have_text("You are signed in")
    windows.reports.clear()  # pictures that are none


def test_the_back_button_after_signing_out_shows_nobody(windows: Windows, app: App) -> None:
    page = windows.page()
    home(page, app)
    page.goto(app.logout_url())
    press(page, "#sign-out")
    page.go_back()
    page.reload()
    expect(page.locator("h1")).to_have_text("You are signed out")
    assert "Ana" not in page.locator("main").inner_text()
