"""Every error page says what happened, whose turn it is, one next step, a reference that the log has, and the time."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.provider import EMAIL, TLS, Browser, Provider, authorize_url, pkce, running
from tests.signin.conftest import App
from tests.signin.reading import heading_of, path_of, post, query, reference_in, title_of, token_of

YOU, APP = "Your turn", "For the people who run the app"


def unknown_page(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get("/nowhere")


def wrong_method(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.post("/signed-out")


def too_large(browser: Browser, app: App) -> httpx2.Response:
    return post(browser, "/authorize", state="a" * 70_000)


def too_many_headers(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get("/", headers={f"x-{number}": "1" for number in range(100)})


def too_long_headers(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get("/", headers={"Cookie": "a=" + "b" * 33_000})


def malformed(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get(f"/authorize?client_id={app.client_id}&state=%00")


def unknown_client(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get("/authorize?client_id=never-was")


def wrong_redirect(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get(app.url(redirect_uri="https://evil.example/"))


def no_cookie(browser: Browser, app: App) -> httpx2.Response:
    browser.open(app.url())
    return httpx2.get(browser.issuer + path_of(browser), timeout=30, verify=TLS)


def gone(browser: Browser, app: App) -> httpx2.Response:
    return browser.http.get("/signin/never-was")


def forged(browser: Browser, app: App) -> httpx2.Response:
    browser.open(app.url())
    return post(browser, f"{path_of(browser)}/identify")


PROBLEMS = {
    unknown_page: (404, "There is no such page", YOU),
    wrong_method: (405, "That does not work here", APP),
    too_large: (413, "That was too much", APP),
    too_many_headers: (431, "That was too much", YOU),
    too_long_headers: (431, "That was too much", YOU),
    malformed: (400, "That was not understood", APP),
    unknown_client: (400, "This app is not known here", APP),
    wrong_redirect: (400, "You cannot be sent back to this app", APP),
    no_cookie: (400, "Your browser does not keep our cookie", YOU),
    gone: (410, "This sign-in is over", YOU),
    forged: (403, "This form could not be trusted", YOU),
}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.__name__)
def test_an_error_page_has_all_that_a_person_needs_to_go_on(
    provider: Provider, browser: Browser, app: App, problem: type
) -> None:
    status, heading, turn = PROBLEMS[problem]
    page = problem(browser, app)
    assert page.status_code == status
    assert heading_of(page) == heading
    assert title_of(page).startswith(f"Error: {heading}")
    assert re.search(r'<p class="lead">[^<]{20,}</p>', page.text)
    assert f'<h2 id="turn">{turn}</h2>\n<p>' in page.text
    assert page.text.count('class="act"') <= 1  # one next step
    assert "data-copy" in page.text
    found = re.search(r"<dd>(\d+ \w+ \d{4}, \d\d:\d\d:\d\d)\u00a0UTC</dd>", page.text)
    assert found is not None
    shown = datetime.strptime(found[1], "%d %B %Y, %H:%M:%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - shown) < timedelta(minutes=1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.__name__)
def test_the_reference_on_the_page_is_in_the_header_and_in_the_log(
    provider: Provider, browser: Browser, app: App, problem: type
) -> None:
    page = problem(browser, app)
    reference = page.headers["x-request-id"]
    assert reference_in(page) == reference
    (line,) = [line for line in provider.log_lines() if line["event"] == "request" and line["reference"] == reference]
    assert line["status"] == page.status_code


@pytest.mark.parametrize("problem", [malformed, unknown_client, wrong_redirect, forged, no_cookie, gone, too_large])
def test_the_log_has_the_reason_under_the_same_reference(
    provider: Provider, browser: Browser, app: App, problem: type
) -> None:
    reference = problem(browser, app).headers["x-request-id"]
    (line,) = [line for line in provider.log_lines() if line["event"] == "refused" and line["reference"] == reference]
    assert line["reason"]


def test_a_page_that_is_no_error_has_its_reference_too(provider: Provider, at_password: Browser, app: App) -> None:
    page = at_password.open(path_of(at_password))
    assert reference_in(page) == page.headers["x-request-id"]


def test_a_refused_sign_in_is_in_the_audit_under_the_reference_of_its_request(
    provider: Provider, at_password: Browser
) -> None:
    path, token = path_of(at_password), token_of(at_password)
    answer = post(at_password, f"{path}/password", csrf=token, password="wrong")
    found = query(provider, "SELECT event FROM audit WHERE request_id = ?", answer.headers["x-request-id"])
    assert found == [("sign_in.failed",)]


def test_a_rejected_address_is_not_shown(browser: Browser, app: App) -> None:
    page = wrong_redirect(browser, app)
    assert "evil.example" not in page.text
    assert "location" not in page.headers


@pytest.mark.parametrize(
    "path",
    ["/signin/{attempt}", "/signin/{attempt}/step", "/authorize/{request}", "/static/{file}", "/apps/{client_id}"],
)
def test_a_placeholder_is_a_value_like_any_other(browser: Browser, path: str) -> None:
    assert browser.http.get(quote(path)).status_code in (404, 410)


def test_references_differ_and_can_be_read_out(browser: Browser) -> None:
    references = {browser.http.get("/").headers["x-request-id"] for _ in range(50)}
    assert len(references) == 50
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", each) for each in references)


@pytest.mark.slow
def test_a_store_that_cannot_be_written_is_said_to_be_busy(tmp_path: Path) -> None:
    """Another process holds the write lock for longer than anybody waits."""
    with running(tmp_path) as provider:
        browser, client = Browser(provider.issuer), provider.create_client()
        browser.open(authorize_url(client, pkce().challenge))
        with closing(sqlite3.connect(provider.folder / "data" / "idp.db", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            page = browser.submit(username=EMAIL)
            database.execute("ROLLBACK")
        assert (page.status_code, heading_of(page)) == (503, "Busy at the moment")
        assert 2 <= int(page.headers["retry-after"]) <= 10
        assert reference_in(page) == page.headers["x-request-id"]
        browser.open(authorize_url(client, pkce().challenge))
        assert "data-step" in browser.submit(username=EMAIL).text
