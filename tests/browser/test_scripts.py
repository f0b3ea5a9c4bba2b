"""XI-01: whatever somebody is called, nothing of it runs in a browser, and the policy has nothing to stop."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, press, sign_in
from tests.signin.payloads import XSS


def change(app: App, sql: str, *values: Any) -> None:
    with closing(sqlite3.connect(app.provider.folder / "data" / "idp.db", timeout=30)) as database, database:
        database.execute(sql, values)


@pytest.fixture
def called(app: App) -> Iterator[None]:
    yield
    rename(app, "Billing", "Ana Example")


def rename(app: App, client: str, person: str) -> None:
    change(app, "UPDATE clients SET client_name = ? WHERE client_id = ?", client, app.client["client_id"])
    change(app, "UPDATE users SET claims = ?", json.dumps({"name": person}))


def threes(texts: list[str]) -> list[list[str]]:
    return [texts[start : start + 3] for start in range(0, len(texts) - 2, 3)]


def check(page: Page) -> None:
    page.wait_for_load_state()
    assert "RAN" not in page.title().split("'")[0]
    assert page.evaluate("document.title !== 'RAN'")
    scripts = page.locator("script").evaluate_all("all => all.map((each) => new URL(each.src).pathname)")
    assert scripts in (["/static/idp.js"], ["/static/idp.js", "/static/passkey.js"], ["/static/form_post.js"])
    assert page.locator("iframe, object, embed, img").count() == 0
    assert page.url.startswith("http://localhost:")


# Each payload is somebody's name once; that each of them is text in every place is checked on the markup itself.
@pytest.mark.slow
def test_xi01_nothing_runs_on_any_page(windows: Windows, app: App, called: None) -> None:
    """The attacker's script is the name of an app or a person, what is typed, the state, or an address."""
    for client, person, typed in threes([*XSS, *XSS[:2]]):
        rename(app, client, person)
        page = windows.page()
        page.goto(app.url(prompt="consent", login_hint=person, state=typed))
        check(page)
        page.locator("#username").fill(typed)
        press(page, "#continue")
        check(page)
        press(page, "button[form=switch]:not([name])")
        sign_in(page)
        check(page)
        page.locator("h1").hover()
        allow(page)
        assert app.site.visits[-1].parameters["state"] == typed
        page.goto(app.provider.issuer)
        check(page)
        page.goto(f"{app.provider.issuer}/{quote(typed, safe='')}")
        check(page)
        page.context.close()
        windows.contexts.clear()


def test_xi01_nothing_runs_on_the_page_of_a_form_post(windows: Windows, app: App, called: None) -> None:
    """The attacker's script is a name or the state on the page that posts the answer to the app."""
    page = windows.page(java_script_enabled=True)
    page.route("**/static/form_post.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(app.url(response_mode="form_post"))
    sign_in(page)
    allow(page)
    for payload in XSS[::4]:
        rename(app, payload, payload)
        page.goto(app.url(response_mode="form_post", state=payload))
        check(page)
        press(page, "#continue")
        assert app.site.visits_of("/callback")[-1].parameters["state"] == payload


def test_cs_06_a_foreign_site_cannot_show_a_page_in_a_frame(windows: Windows, app: App) -> None:
    """The attacker's site lays a page of ours, unseen, over a button of his own; the browser is the judge."""
    for path in ("/", "/nowhere", app.url().removeprefix(app.provider.issuer)):
        app.site.pages["/framed"] = (
            f"<!doctype html><title>Frame</title><iframe src='{app.provider.issuer}{path}'></iframe>"
        )
        page = windows.page()
        page.goto(f"{app.site.origin}/framed")
        page.wait_for_timeout(300)
        assert all(frame.url.startswith(("chrome-error:", app.site.origin)) for frame in page.frames)
        assert any("frame-ancestors" in report or "X-Frame-Options" in report for report in windows.reports)
        windows.reports.clear()
