"""The authorization endpoint, over HTTP."""

import re
import time

import pytest

from tests.oauth.wire import (
    App,
    attempt_of,
    claims_of,
    granted,
    parameters_of,
    post_authorize,
    register,
    send,
    userinfo,
)
from tests.provider import CALLBACK, EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, forms, pkce


def test_success_brings_back_the_code_the_state_and_the_issuer_each_once(app: App, ana: Browser) -> None:
    response = ana.sign_in(app.url())
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    answer = answer_of(response)
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("state-123", app.provider.issuer)


def test_without_state_none_comes_back(app: App, ana: Browser) -> None:
    assert answer_of(ana.sign_in(app.url(state=""))).keys() == {"code", "iss"}


def test_every_answer_of_a_sign_in_forbids_storing_it(app: App) -> None:
    browser = Browser(app.provider.issuer)
    page = browser.open(app.url())
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    done = browser.sign_in(app.url())
    assert (done.status_code, done.headers["cache-control"]) == (303, "no-store")


REFUSALS = {
    "response_type token": ({"response_type": "token"}, "unsupported_response_type"),
    "response_type id_token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "response_type code id_token": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "response_type none": ({"response_type": "none"}, "unsupported_response_type"),
    "response_type in capitals": ({"response_type": "CODE"}, "unsupported_response_type"),
    "response_type missing": ({"response_type": ""}, "invalid_request"),
    "no scope of the client's": ({"scope": "reports.write"}, "invalid_scope"),
    "scope malformed": ({"scope": 'openid "'}, "invalid_scope"),
    "scope of spaces": ({"scope": "  "}, "invalid_scope"),
    "challenge missing": ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    "challenge missing, method sent": ({"code_challenge": ""}, "invalid_request"),
    "plain PKCE": ({"code_challenge_method": "plain"}, "invalid_request"),
    "PKCE method missing": ({"code_challenge_method": ""}, "invalid_request"),
    "prompt unknown": ({"prompt": "dance"}, "invalid_request"),
    "prompt none beside login": ({"prompt": "none login"}, "invalid_request"),
    "max_age negative": ({"max_age": "-1"}, "invalid_request"),
    "max_age a word": ({"max_age": "abc"}, "invalid_request"),
    "max_age a fraction": ({"max_age": "1.5"}, "invalid_request"),
    "max_age astronomical": ({"max_age": "1" + "0" * 30}, "invalid_request"),
    "max_age in other digits": ({"max_age": "１２"}, "invalid_request"),  # that is the attack
    "response_mode fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "response_mode query.jwt": ({"response_mode": "query.jwt"}, "invalid_request"),
    "response_mode web_message": ({"response_mode": "web_message"}, "invalid_request"),
    "nonce too long": ({"nonce": "n" * 1025}, "invalid_request"),
    "request object": ({"request": "e30."}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.test/request"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
}


@pytest.mark.parametrize(("changes", "error"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_tells_the_app_the_error_its_state_and_the_issuer(
    app: App, changes: dict[str, str], error: str
) -> None:
    response = send("GET", app.provider.issuer + app.url(**changes))
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    answer = answer_of(response)
    assert answer.keys() == {"error", "error_description", "error_uri", "state", "iss"}
    assert answer["error"] == error
    meaning = send("GET", answer["error_uri"])
    assert (meaning.status_code, f"<code>{error}</code>" in meaning.text) == (200, True)
    assert f'id="of">{response.headers["x-request-id"]}<' in meaning.text
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", answer["error_description"])  # RFC 6749 section 4.1.2.1
    assert (answer["state"], answer["iss"]) == ("state-123", app.provider.issuer)
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers


def test_a_client_without_the_code_grant_is_refused_by_page(provider: Provider) -> None:
    """It has no redirect URI either, so that there is nobody to tell."""
    service = register(provider, redirect_uris=(), grant_types=("client_credentials",), scope="reports.read")
    response = send("GET", provider.issuer + service.url(redirect_uri=CALLBACK))
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.parametrize("client_id", ["", "nobody", "0" * 32, "' OR 1=1 --", "x" * 5000])
def test_an_unknown_client_is_told_to_the_person_and_never_redirected(app: App, client_id: str) -> None:
    response = send("GET", app.provider.issuer + app.url(client_id=client_id))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "text/html" in response.headers["content-type"]


def test_prompt_none_without_a_session_is_login_required(app: App) -> None:
    answer = answer_of(send("GET", app.provider.issuer + app.url(prompt="none")))
    assert (answer["error"], answer["state"], answer["iss"]) == ("login_required", "state-123", app.provider.issuer)


def test_prompt_none_with_a_session_but_without_consent_is_consent_required(
    provider: Provider, app: App, ana: Browser
) -> None:
    ana.sign_in(app.url())
    other = register(provider, "Other")
    assert answer_of(ana.open(other.url(prompt="none")))["error"] == "consent_required"


def test_prompt_none_with_session_and_consent_gives_a_code_and_asks_nothing(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    assert "code" in answer_of(ana.http.get(app.url(prompt="none")))


def test_prompt_none_with_a_scope_that_was_never_allowed_is_consent_required(provider: Provider, ana: Browser) -> None:
    app = register(provider)
    app.code(ana, scope="openid")
    assert answer_of(ana.open(app.url(scope="openid email", prompt="none")))["error"] == "consent_required"


def test_prompt_login_asks_for_the_password_again_and_renews_auth_time(app: App) -> None:
    browser = Browser(app.provider.issuer)
    before = claims_of(app.tokens(browser)["id_token"])
    cookies = dict(browser.http.cookies)
    asked = browser.open(app.url(prompt="login"))
    assert 'id="password"' in asked.text
    after = claims_of(app.tokens(browser, prompt="login")["id_token"])
    assert after["auth_time"] >= before["auth_time"]
    assert after["sub"] == before["sub"]
    assert dict(browser.http.cookies) != cookies


def test_prompt_consent_asks_again_for_what_was_allowed_before(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    page = ana.open(app.url(prompt="consent"))
    assert 'id="allow"' in page.text
    assert "code" in answer_of(ana.submit(action="/consent", button="allow"))


def test_prompt_login_and_consent_together_ask_for_both(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    assert 'id="password"' in ana.open(app.url(prompt="login consent")).text
    page = ana.submit(action="/password", password=PASSWORD)
    assert 'id="allow"' in page.text


def test_co_02_consent_is_not_skipped_by_any_other_way_to_the_next_page(provider: Provider, ana: Browser) -> None:
    """An app that was never allowed anything tries every request that is not Ana pressing the button."""
    ana.sign_in(register(provider).url())
    app = register(provider, "Hopeful")
    page = ana.open(app.url())
    assert 'id="allow"' in page.text
    attempt = attempt_of(page)
    form = next(form for form in forms(page.text) if form.action.endswith("/consent"))
    csrf = form.fields["csrf"]
    tries = [
        ana.http.get(f"{attempt}/consent"),
        ana.http.get(f"{attempt}/consent", params={"decision": "allow", "csrf": csrf}),
        ana.http.post(f"{attempt}/consent", data={}),
        ana.http.post(f"{attempt}/consent", data={"csrf": csrf}),
        ana.http.post(f"{attempt}/consent", data={"csrf": csrf, "decision": "ALLOW"}),
        ana.http.post(f"{attempt}/consent", data={"decision": "allow"}),
        ana.http.post(f"{attempt}/consent", params={"decision": "allow"}, data={"csrf": csrf}),
        ana.http.post(f"{attempt}/consent", data={"csrf": csrf, "decision": "allow"}, headers={"Origin": "null"}),
        ana.http.post(f"{attempt}/password", data={"csrf": csrf, "decision": "allow"}),
    ]
    for answer in tries:
        assert CALLBACK not in answer.headers.get("location", ""), answer.request
        assert answer.status_code < 500
    assert answer_of(ana.open(app.url(prompt="none")))["error"] == "consent_required"


def test_co_07_a_person_who_denies_gives_access_denied_with_state_and_iss_and_nothing_else(
    provider: Provider, ana: Browser
) -> None:
    """An app whose request Ana denies looks for a code in the answer, and then asks again without a page."""
    app = register(provider)
    ana.sign_in(register(provider).url())
    ana.open(app.url())
    answer = answer_of(ana.submit(action="/consent", button="deny"))
    assert answer.keys() == {"error", "error_description", "error_uri", "state", "iss"}
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "state-123", provider.issuer)
    assert answer_of(ana.open(app.url(prompt="none")))["error"] == "consent_required"


def test_consent_is_remembered_and_only_what_is_new_is_asked(provider: Provider, ana: Browser) -> None:
    app = register(provider)
    app.code(ana, scope="openid profile")
    assert "code" in answer_of(ana.open(app.url(scope="openid")))
    page = ana.open(app.url(scope="openid profile email"))
    assert "You allowed before" in page.text
    assert "code" in answer_of(ana.submit(action="/consent", button="allow"))
    assert "code" in answer_of(ana.open(app.url(scope="openid profile email", prompt="none")))


def test_max_age_lets_a_young_session_pass(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    assert "code" in answer_of(ana.open(app.url(max_age="3600")))
    assert "code" in answer_of(ana.open(app.url(max_age="999999999", prompt="none")))


def test_response_mode_query_may_be_asked_for(app: App, ana: Browser) -> None:
    assert "code" in answer_of(ana.sign_in(app.url(response_mode="query")))


def test_response_mode_form_post_gives_a_form_with_the_code_the_state_and_the_issuer(app: App, ana: Browser) -> None:
    proof = pkce()
    url = authorize_url(app.client, proof.challenge, response_mode="form_post")
    page = ana.sign_in(url)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    (form,) = forms(page.text)
    assert form.action == CALLBACK
    assert form.fields.keys() == {"code", "state", "iss"}
    assert (form.fields["state"], form.fields["iss"]) == ("state-123", app.provider.issuer)
    answer = app.post(
        {
            "grant_type": "authorization_code",
            "code": form.fields["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": proof.verifier,
        }
    )
    granted(answer)


def test_response_mode_form_post_brings_errors_as_a_form_too(app: App) -> None:
    page = send("GET", app.provider.issuer + app.url(response_mode="form_post", scope="nonsense"))
    (form,) = forms(page.text)
    assert form.action == CALLBACK
    assert form.fields.keys() == {"error", "error_description", "error_uri", "state", "iss"}
    assert form.fields["error"] == "invalid_scope"


def test_a_cross_site_post_becomes_a_get_of_ours_where_the_session_counts(app: App, ana: Browser) -> None:
    """A form on another site posts to /authorize: the browser sends no Lax cookie with it, but does with the GET."""
    ana.sign_in(app.url())
    stored = post_authorize(app.provider, parameters_of(app.url(state="posted", prompt="none")))
    assert stored.status_code == 303
    assert stored.headers["cache-control"] == "no-store"
    location = stored.headers["location"]
    assert re.fullmatch(r"/authorize/[A-Za-z0-9_-]{43}", location)
    assert "set-cookie" not in stored.headers
    answer = answer_of(ana.http.get(location))
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == "posted"


def test_a_posted_request_is_judged_at_the_get_and_may_be_reloaded(app: App) -> None:
    stored = post_authorize(app.provider, parameters_of(app.url(response_type="token")))
    for _ in range(2):
        answer = answer_of(send("GET", app.provider.issuer + stored.headers["location"]))
        assert answer["error"] == "unsupported_response_type"


def test_a_posted_sign_in_works_from_beginning_to_end(app: App) -> None:
    browser = Browser(app.provider.issuer)
    proof = pkce()
    parameters = parameters_of(authorize_url(app.client, proof.challenge))
    stored = post_authorize(app.provider, parameters)
    answer = answer_of(browser.sign_in(stored.headers["location"]))
    data = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": CALLBACK}
    granted(app.post(data | {"code_verifier": proof.verifier}))


def test_a_posted_request_gets_no_redirect_to_an_address_that_is_not_registered(app: App) -> None:
    stored = post_authorize(app.provider, parameters_of(app.url(redirect_uri="https://evil.test/")))
    response = send("GET", app.provider.issuer + stored.headers["location"])
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.parametrize("name", ["x" * 43, "%00", "..%2f..%2fetc", "%ff%fe", "' OR 1=1 --"])
def test_a_stored_request_that_nobody_posted_is_gone(app: App, name: str) -> None:
    response = send("GET", f"{app.provider.issuer}/authorize/{name}")
    assert response.status_code in (404, 410)


def test_a_post_with_parameters_in_the_query_has_none_in_its_body(app: App) -> None:
    response = send("POST", app.provider.issuer + app.url(), content=b"", headers={"Content-Type": "text/plain"})
    assert response.status_code == 400
    assert send("POST", app.provider.issuer + app.url(), data={"x": "1"}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_allowed(app: App, method: str) -> None:
    response = send(method, app.provider.issuer + app.url())
    assert response.status_code == 405
    assert "location" not in response.headers
    assert "access-control-allow-origin" not in response.headers


def test_parameters_that_nobody_knows_are_ignored(app: App, ana: Browser) -> None:
    """RFC 6749 section 3.1. What this provider does not have gives nothing and breaks nothing."""
    ana.sign_in(app.url())
    extra = {
        "display": "popup",
        "ui_locales": "de ../../etc/passwd",
        "acr_values": "urn:mace:incommon:iap:silver",
        "unheard_of": "1",
    }
    assert answer_of(ana.open(app.url(**extra))).keys() == {"code", "state", "iss"}


@pytest.mark.parametrize("value", ["{}", '{"userinfo": {"phone_number": {"essential": true}}}'])
def test_az_16_a_claims_parameter_gives_no_claim_and_no_failure(provider: Provider, ana: Browser, value: str) -> None:
    """The app asks by name for a claim that nobody allowed it."""
    app = register(provider)
    tokens = app.tokens(ana, scope="openid", claims=value)
    assert userinfo(provider, tokens["access_token"]).json().keys() == {"sub"}


def test_login_hint_fills_in_the_name_escaped(app: App) -> None:
    page = Browser(app.provider.issuer).open(app.url(login_hint='"><script>alert(1)</script>'))
    assert "<script>alert" not in page.text
    (form, *_) = forms(page.text)
    assert form.fields["username"] == '"><script>alert(1)</script>'


def test_az_10_prompt_none_never_gives_a_code_where_something_would_have_to_be_asked(
    provider: Provider, app: App
) -> None:
    """A hidden frame hopes for a code without a session, without consent, and with a session that is too old."""
    other = register(provider, "Frame")
    browser = Browser(provider.issuer)
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    browser.sign_in(app.url())
    assert answer_of(browser.open(other.url(prompt="none")))["error"] == "consent_required"
    assert answer_of(browser.open(app.url(prompt="none", max_age="0")))["error"] == "login_required"
    assert answer_of(browser.open(other.url(prompt="none", max_age="0")))["error"] == "login_required"
    assert "code" in answer_of(browser.open(app.url(prompt="none")))


@pytest.mark.slow
def test_az_13_a_session_older_than_max_age_is_asked_again(app: App) -> None:
    """An app that wants a fresh sign-in must not get an old one, nor a new date on it."""
    browser = Browser(app.provider.issuer)
    first = claims_of(app.tokens(browser)["id_token"])
    time.sleep(2.1)
    assert answer_of(browser.open(app.url(max_age="1", prompt="none")))["error"] == "login_required"
    assert "code" in answer_of(browser.open(app.url(max_age="60", prompt="none")))
    second = claims_of(app.tokens(browser, max_age="1")["id_token"])
    assert second["auth_time"] >= first["auth_time"] + 2
    assert (second["sub"], second["sid"]) == (first["sub"], first["sid"])


@pytest.mark.parametrize("demand", [{"prompt": "login"}, {"max_age": "0"}], ids=["prompt login", "max_age 0"])
def test_az_12_no_code_before_a_fresh_sign_in_whatever_is_reloaded_or_sent_again(
    provider: Provider, app: App, demand: dict[str, str]
) -> None:
    """With a live session, somebody at the keyboard cancels, goes back, and sends old addresses again."""
    browser = Browser(provider.issuer)
    browser.sign_in(app.url())
    url = app.url(**demand)
    page = browser.open(url)
    attempt = attempt_of(page)
    for again in (url, attempt, f"{attempt}/password", f"{attempt}/consent", f"{attempt}/switch", url):
        assert CALLBACK not in browser.open(again).headers.get("location", "")
    browser.open(attempt)
    assert CALLBACK not in browser.submit(action="/password", password="wrong").headers.get("location", "")
    answer = answer_of(browser.submit(action="/password", password=PASSWORD))
    assert "code" in answer
    finished = browser.open(attempt)
    assert CALLBACK not in finished.headers.get("location", ""), "a finished attempt asks again as well"


def test_az_12_another_person_who_signs_in_gets_a_session_of_their_own(provider: Provider, app: App) -> None:
    """Ben takes over at prompt=login in Ana's browser: nothing of his tokens is of her session or her person."""
    provider.create_user("ben@example.test", name="Ben Example")
    browser = Browser(provider.issuer)
    hers = app.tokens(browser)
    browser.open(app.url(prompt="login"))
    browser.submit(action="/switch")
    browser.submit(action="/identify", username="ben@example.test")
    response = browser.submit(action="/password", password=PASSWORD)
    assert 'id="allow"' in response.text, "what Ana allowed, Ben did not"
    browser.submit(action="/consent", button="allow")
    browser.open(app.url(login_hint="ben@example.test"))
    his = app.tokens(browser, login_hint="ben@example.test")
    before, after = claims_of(hers["id_token"]), claims_of(his["id_token"])
    assert before["sub"] != after["sub"]
    assert before["sid"] != after["sid"]
    assert userinfo(provider, hers["access_token"]).json()["email"] == EMAIL, "hers goes on beside his"
    assert userinfo(provider, his["access_token"]).json()["email"] == "ben@example.test"


def test_the_pages_name_the_app_and_who_is_asked(app: App) -> None:
    page = Browser(app.provider.issuer).open(app.url())
    assert app.client["client_name"] in page.text
    assert EMAIL not in page.text
