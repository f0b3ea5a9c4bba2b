import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from idp.dev.demo_api import create_demo_api
from idp.dev.demo_app import create_demo_app, fingerprint, wanted_by
from idp.protocol.claims import ACR_TWO_FACTORS
from tests.dev.conftest import TEMPLATES, render
from tests.dev.provider import API, APP, ISSUER, Hosts, LittleProvider

STATIC: Path = TEMPLATES / "static"


@pytest.fixture
async def browser(hosts: Hosts, provider: LittleProvider) -> AsyncIterator[httpx2.AsyncClient]:
    transport = hosts.transport()
    hosts.apps[ISSUER] = provider.app()
    hosts.apps[API] = create_demo_api(issuer=ISSUER, audience=API, required_scope="demo.read", transport=transport)
    hosts.apps[APP] = create_demo_app(
        issuer=ISSUER,
        client_id="demo",
        client_secret="secret",
        app_url=APP,
        api_url=API,
        session_secret="k" * 32,
        render=render,
        static=Mount("/static", StaticFiles(directory=STATIC)),
        transport=transport,
    )
    async with httpx2.AsyncClient(transport=transport, base_url=APP, follow_redirects=True) as client:
        yield client


async def sign_in(browser: httpx2.AsyncClient) -> str:
    page = await browser.get("/sign-in")
    assert (page.status_code, str(page.url)) == (200, f"{APP}/")
    return page.text


async def start(browser: httpx2.AsyncClient) -> dict[str, str]:
    """What the app asks the provider for, without going there."""
    sent = await browser.get("/sign-in", follow_redirects=False)
    return {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}


async def press(browser: httpx2.AsyncClient, action: str, page: str) -> httpx2.Response:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return await browser.post(action, data={"csrf": found[1]})


async def hangs_up(scope: Scope, receive: Receive, send: Send) -> None:
    raise httpx2.ConnectError("refused")


def shown(page: str, element: str) -> str:
    found = re.search(rf'id="{element}"[^>]*>([^<]*)<', page)
    assert found is not None
    return found[1]


async def test_a_visitor_is_told_what_the_app_is_and_how_to_sign_in(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/")
    assert 'id="sign-in" href="http://localhost:9001/sign-in"' in page.text
    assert "set-cookie" not in page.headers


async def test_pages_carry_the_strict_policy_and_are_not_stored(browser: httpx2.AsyncClient) -> None:
    headers = (await browser.get("/")).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_layouts_files_are_served_and_may_be_cached(browser: httpx2.AsyncClient) -> None:
    files = re.findall(r"<link [^>]*href=\"([^\"]+)\"", (await browser.get("/")).text)
    assert files == ["demo.css", "demo.svg"]
    for file in files:
        answer = await browser.get(f"/static/{file}")
        assert answer.status_code == 200
        assert "cache-control" not in answer.headers


async def test_the_sign_in_request_has_pkce_state_and_nonce(browser: httpx2.AsyncClient) -> None:
    asked = await start(browser)
    assert asked["redirect_uri"] == f"{APP}/callback"
    assert asked["scope"] == "openid profile email offline_access demo.read"
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= asked.keys()


async def test_a_person_signs_in_and_sees_who_the_provider_says_they_are(browser: httpx2.AsyncClient) -> None:
    page = await sign_in(browser)
    assert 'Hello, <span id="person">Ana &lt;b&gt;Example&lt;/b&gt;</span>' in page
    assert "ana@example.com" in page
    assert shown(page, "expires").endswith("UTC")


async def test_no_token_reaches_the_browser(browser: httpx2.AsyncClient, provider: LittleProvider) -> None:
    page = await sign_in(browser)
    assert re.search(r"eyJ[\w-]+\.", page) is None  # a JWT; in random text "eyJ" stands now and then
    assert provider.refresh_token not in page
    (cookie,) = browser.cookies.jar
    assert cookie.name == "demo_app_session_9001"
    assert len(cookie.value or "") < 300
    assert shown(page, "refresh-token-fingerprint") == fingerprint(provider.refresh_token)


async def test_the_cookie_is_lax_and_out_of_reach_of_scripts(browser: httpx2.AsyncClient) -> None:
    sent = await browser.get("/sign-in", follow_redirects=False)
    assert {"httponly", "samesite=lax", "path=/"} <= set(sent.headers["set-cookie"].lower().split("; "))


async def test_the_session_is_another_one_after_each_sign_in(browser: httpx2.AsyncClient) -> None:
    first = await sign_in(browser)
    second = await sign_in(browser)
    assert (await press(browser, "/call-api", first)).status_code == 403
    assert (await press(browser, "/call-api", second)).status_code == 200


async def test_the_api_accepts_the_apps_token(browser: httpx2.AsyncClient) -> None:
    answer = await press(browser, "/call-api", await sign_in(browser))
    assert shown(answer.text, "api-status") == "200"
    assert "&#34;client_id&#34;: &#34;demo&#34;" in answer.text


async def test_where_the_api_wants_more_the_app_asks_the_provider_for_it_and_calls_again(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    """RFC 9470: the provider is asked for what the challenge names, of the same person."""
    page = await sign_in(browser)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf is not None
    sent = await browser.post("/read-payroll", data={"csrf": csrf[1]}, follow_redirects=False)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert (asked["acr_values"], asked["max_age"]) == (ACR_TWO_FACTORS, "300")
    assert asked["id_token_hint"].count(".") == 2
    assert asked["code_challenge_method"] == "S256"
    provider.access_token_claims = {"acr": ACR_TWO_FACTORS, "amr": ["pwd", "otp", "mfa"], "auth_time": int(time.time())}
    there = await browser.get(sent.headers["location"])
    assert shown(there.text, "api-status") == "200"
    assert "not for real" in there.text
    again = await press(browser, "/read-payroll", there.text)
    assert shown(again.text, "api-status") == "200", "nobody is sent away who proved enough"


async def test_an_api_that_is_never_content_sends_nobody_in_a_circle(browser: httpx2.AsyncClient) -> None:
    """The provider cannot, or will not, do what the API wants."""
    page = await press(browser, "/read-payroll", await sign_in(browser))
    assert shown(page.text, "api-status") == "401"
    assert "insufficient_user_authentication" in page.text
    assert shown((await browser.get("/sign-in")).text, "person")
    assert "api-status" not in (await browser.get("/")).text


async def test_a_refusal_of_the_api_is_shown_with_its_challenge(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    page = await sign_in(browser)
    provider.keys.clear()
    answer = await press(browser, "/call-api", page)
    assert shown(answer.text, "api-status") == "401"
    assert "invalid_token" in answer.text


async def test_a_refresh_shows_that_the_refresh_token_rotated(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    page = await sign_in(browser)
    before = provider.refresh_token
    after = (await press(browser, "/refresh", page)).text
    assert fingerprint(before) in after
    assert shown(after, "refresh-token-fingerprint") == fingerprint(provider.refresh_token)
    assert "The refresh token rotated" in after
    assert provider.requests_of_tokens[-1]["scope"] == "openid profile email offline_access demo.read"


async def test_a_refresh_token_that_stays_is_said_to_stay(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.rotates = False
    page = (await press(browser, "/refresh", await sign_in(browser))).text
    assert "The refresh token stayed the same" in page


async def test_without_a_refresh_token_there_is_no_refresh_button(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.offline = False
    page = await sign_in(browser)
    assert 'id="refresh"' not in page
    assert "gave no refresh token" in page


async def test_two_refreshes_at_once_never_present_one_refresh_token_twice(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    page = await sign_in(browser)
    answers = await asyncio.gather(*(press(browser, "/refresh", page) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    presented = [form["refresh_token"] for form in provider.requests_of_tokens[1:]]
    assert len(set(presented)) == len(presented) == 5


async def test_an_ended_grant_is_explained_and_offers_to_sign_in_again(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    page = await sign_in(browser)
    provider.refresh_token = "revoked"
    answer = await press(browser, "/refresh", page)
    assert shown(answer.text, "error") == "invalid_grant"
    assert "it was used, expired or revoked" in answer.text
    assert 'id="try-again" href="http://localhost:9001/sign-in"' in answer.text


async def test_a_token_that_expires_at_once_is_not_refreshed_behind_the_apps_back(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.access_token_seconds = 30
    await sign_in(browser)
    assert [form["grant_type"] for form in provider.requests_of_tokens] == ["authorization_code"]


async def test_signing_out_ends_the_apps_session_and_points_to_the_provider(
    browser: httpx2.AsyncClient,
) -> None:
    page = await sign_in(browser)
    cookies = dict(browser.cookies)
    answer = await press(browser, "/sign-out", page)
    assert str(answer.url) == f"{APP}/signed-out"
    assert 'id="provider" href="http://localhost:9000/"' in answer.text
    browser.cookies.update(cookies)  # a copy of the cookie opens nothing any more
    assert 'id="sign-in"' in (await browser.get("/")).text


async def test_signing_out_everywhere_goes_by_the_provider_with_the_id_token_and_comes_back(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    page = await sign_in(browser)
    cookies = dict(browser.cookies)
    answer = await press(browser, "/sign-out-everywhere", page)
    assert str(answer.url) == f"{APP}/signed-out/everywhere"
    assert "You are signed out here and at the provider" in answer.text
    (asked,) = provider.logouts
    assert asked["post_logout_redirect_uri"] == f"{APP}/signed-out/callback"
    assert asked["client_id"] == "demo"
    assert asked["id_token_hint"].count(".") == 2
    assert len(asked["state"]) >= 20
    browser.cookies.update(cookies)
    assert 'id="sign-in"' in (await browser.get("/")).text


async def test_its_page_may_post_on_to_the_provider_and_nowhere_else(browser: httpx2.AsyncClient) -> None:
    policy = (await browser.get("/")).headers["content-security-policy"]
    assert policy.endswith(f"; form-action 'self' {ISSUER}")


async def test_a_provider_without_logout_is_said_to_have_none_and_the_app_stays_signed_in(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.metadata = {"end_session_endpoint": None}
    answer = await press(browser, "/sign-out-everywhere", await sign_in(browser))
    assert (answer.status_code, shown(answer.text, "error")) == (502, "unverifiable")
    assert 'id="sign-out-app"' in (await browser.get("/")).text


@pytest.mark.parametrize("state", [{}, {"state": ""}, {"state": "invented"}])
async def test_nobody_is_told_of_a_sign_out_that_this_browser_did_not_start(
    browser: httpx2.AsyncClient, state: dict[str, str]
) -> None:
    answer = await browser.get("/signed-out/callback", params=state)
    assert (answer.status_code, shown(answer.text, "error")) == (400, "mismatching_state")


@pytest.mark.parametrize("action", ["/call-api", "/read-payroll", "/refresh", "/sign-out", "/sign-out-everywhere"])
@pytest.mark.parametrize("body", [{}, {"csrf": ""}, {"csrf": "guessed"}, {"csrf": "é"}])
async def test_a_post_without_the_sessions_token_does_nothing(
    browser: httpx2.AsyncClient, provider: LittleProvider, action: str, body: dict[str, str]
) -> None:
    await sign_in(browser)
    answer = await browser.post(action, data=body)
    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert len(provider.requests_of_tokens) == 1
    assert 'id="sign-out-app"' in (await browser.get("/")).text


@pytest.mark.parametrize("action", ["/call-api", "/read-payroll", "/refresh", "/sign-out", "/sign-out-everywhere"])
async def test_nothing_happens_by_get_or_without_a_session(browser: httpx2.AsyncClient, action: str) -> None:
    assert (await browser.get(action)).status_code == 405
    assert (await browser.post(action, data={"csrf": ""})).status_code == 403


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "You said no"),
        ("server_error", "a problem of its own"),
        ("invalid_scope", "asked for more than it may have"),
        ("brand_new_error", "an error that this app does not know"),
    ],
)
async def test_an_error_from_the_provider_is_said_in_plain_words(
    browser: httpx2.AsyncClient, error: str, words: str
) -> None:
    asked = await start(browser)
    answer = await browser.get(
        "/callback",
        params={"error": error, "error_description": "<b>Why</b>", "state": asked["state"], "iss": ISSUER},
    )
    assert answer.status_code == 400
    assert words in answer.text
    assert shown(answer.text, "error") == error
    assert "&lt;b&gt;Why&lt;/b&gt;" in answer.text
    assert 'id="try-again"' in answer.text


@pytest.mark.parametrize("state", [{}, {"state": ""}, {"state": "invented"}])
@pytest.mark.parametrize("outcome", [{"code": "c"}, {"error": "access_denied", "error_description": "Call 555-0100"}])
async def test_an_answer_to_nothing_this_browser_started_is_refused_and_its_words_are_not_shown(
    browser: httpx2.AsyncClient, state: dict[str, str], outcome: dict[str, str]
) -> None:
    await start(browser)
    answer = await browser.get("/callback", params={**outcome, **state, "iss": ISSUER})
    assert shown(answer.text, "error") == "mismatching_state"
    assert "555-0100" not in answer.text


@pytest.mark.parametrize("iss", [{}, {"iss": "https://other.example"}, {"iss": ""}])
@pytest.mark.parametrize("outcome", [{"code": "c"}, {"error": "access_denied"}])
async def test_an_answer_from_another_issuer_is_refused(
    browser: httpx2.AsyncClient, provider: LittleProvider, iss: dict[str, str], outcome: dict[str, str]
) -> None:
    asked = await start(browser)
    answer = await browser.get("/callback", params={**outcome, **iss, "state": asked["state"]})
    assert shown(answer.text, "error") == "wrong_issuer"
    assert provider.requests_of_tokens == []


async def test_an_answer_without_a_code_is_explained(browser: httpx2.AsyncClient) -> None:
    asked = await start(browser)
    answer = await browser.get("/callback", params={"state": asked["state"], "iss": ISSUER})
    assert answer.status_code == 400
    assert 'id="try-again"' in answer.text


async def test_an_api_that_is_down_is_said_to_be_down(browser: httpx2.AsyncClient, hosts: Hosts) -> None:
    page = await sign_in(browser)
    hosts.apps[API] = hangs_up
    answer = await press(browser, "/call-api", page)
    assert shown(answer.text, "api-status") == "no answer"
    assert "The API could not be reached" in answer.text


async def test_a_callback_opened_again_changes_nothing(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/sign-in")
    callback = page.history[-1].url
    assert (await browser.get(callback)).status_code == 400
    assert 'id="sign-out-app"' in (await browser.get("/")).text


@pytest.mark.parametrize(
    "different",
    [
        {"nonce": "another"},
        {"iss": "https://other.example"},
        {"aud": "another"},
        {"aud": "another", "azp": "demo"},
        {"exp": 1},
        {"iat": 9_999_999_999},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
)
async def test_an_id_token_that_does_not_fit_signs_nobody_in(
    browser: httpx2.AsyncClient, provider: LittleProvider, different: dict[str, object]
) -> None:
    provider.id_token_claims = different
    answer = await browser.get("/sign-in")
    assert (answer.status_code, shown(answer.text, "error")) == (502, "unverifiable")
    assert 'id="sign-in"' in (await browser.get("/")).text


async def test_userinfo_about_another_person_signs_nobody_in(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.subject_of_userinfo = "eve"
    assert shown((await browser.get("/sign-in")).text, "error") == "wrong_person"


async def test_a_discovery_document_of_another_issuer_is_refused(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.metadata["issuer"] = "https://other.example"
    assert shown((await browser.get("/sign-in")).text, "error") == "wrong_issuer"


async def test_a_provider_that_is_down_is_named_and_found_again(
    browser: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.alive = False
    answer = await browser.get("/sign-in")
    assert (answer.status_code, shown(answer.text, "error")) == (502, "unreachable")
    provider.alive = True
    await sign_in(browser)


async def test_a_page_that_does_not_exist_says_so(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/nothing")
    assert answer.status_code == 404
    assert "There is no such page here" in answer.text


@pytest.mark.parametrize(
    ("challenge", "wanted"),
    [
        ("", {}),
        ('Bearer error="invalid_token", acr_values="a"', {}),
        ('Bearer realm="x", error="insufficient_user_authentication", max_age="5"', {"max_age": "5"}),
        (
            'Bearer error="insufficient_user_authentication", acr_values="a b", max_age="0", redirect_uri="https://evil"',
            {"acr_values": "a b", "max_age": "0"},
        ),
        (f'Bearer error="insufficient_user_authentication", acr_values="{"a" * 300}"', {}),
    ],
)
def test_only_what_rfc_9470_names_is_taken_from_a_challenge(challenge: str, wanted: dict[str, str]) -> None:
    assert wanted_by(challenge) == wanted
