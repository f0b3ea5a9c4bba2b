"""The introspection endpoint, over HTTP (RFC 7662)."""

from typing import Any

import httpx2
import pytest

from idp.web import own
from tests.oauth.wire import App, claims_of, granted, register, send, sql
from tests.provider import Browser, Provider

INACTIVE = {"active": False}


def introspect(app: App, token: str, **more: str) -> httpx2.Response:
    data = {"token": token} | more
    return send("POST", f"{app.provider.issuer}/introspect", data=data, auth=app.basic)


def told(app: App, token: str, **more: str) -> dict[str, Any]:
    answer = introspect(app, token, **more)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def api(provider: Provider) -> App:
    """An API that introspects."""
    return register(provider, "Reports API", (), grant_types=("client_credentials",), scope="reports.read")


@pytest.fixture(scope="module")
def caller(provider: Provider, api: App) -> App:
    """An app that calls the API."""
    return register(provider, "Caller", audience=("https://reports.example.com", api.client_id))


def test_an_access_token_that_counts_is_described_to_its_client(app: App, ana: Browser) -> None:
    token = app.tokens(ana)["access_token"]
    claims = claims_of(token)
    assert told(app, token) == {
        "active": True,
        "token_type": "Bearer",
        **{name: claims[name] for name in ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti")},
        **{name: claims[name] for name in ("auth_time", "acr", "amr")},
    }


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "made_up"])
def test_in_04_a_wrong_hint_changes_nothing(app: App, ana: Browser, hint: str) -> None:
    """The attacker says that a token is of another kind, for it to be looked up in the wrong place."""
    tokens = app.tokens(ana)
    for kind in ("access_token", "refresh_token"):
        assert told(app, tokens[kind], token_type_hint=hint)["active"] is True


def test_a_refresh_token_is_described_to_its_client_and_not_used(app: App, ana: Browser) -> None:
    token = app.tokens(ana)["refresh_token"]
    first = told(app, token)
    assert first == told(app, token)
    assert first.keys() == {"active", "iss", "sub", "client_id", "scope", "iat", "exp"}
    assert app.refresh(token).status_code == 200


def test_a_refresh_token_is_worth_what_its_client_may_still_have(provider: Provider) -> None:
    """The operator takes a scope from an app, and then the refresh token itself."""
    app = register(provider, "Reduced", scope="openid email")
    token = app.tokens(Browser(provider.issuer), scope="openid email")["refresh_token"]
    assert told(app, token)["scope"] == "openid email"
    provider.cli("client", "update", app.client_id, "--scope", "openid")
    assert told(app, token)["scope"] == "openid"
    provider.cli("client", "update", app.client_id, "--grant-type", "authorization_code")
    assert told(app, token) == INACTIVE
    assert app.refresh(token).status_code == 400


def test_rt_14_a_refresh_token_never_looks_like_an_access_token(app: App, ana: Browser) -> None:
    """An API that introspects is shown a refresh token as if it were an access token."""
    assert "token_type" not in told(app, app.tokens(ana)["refresh_token"])


def test_an_api_learns_of_tokens_that_are_for_it(api: App, caller: App, ana: Browser) -> None:
    token = caller.tokens(ana)["access_token"]
    assert told(api, token)["aud"] == ["https://reports.example.com", api.client_id]
    assert told(api, token)["sub"] == claims_of(token)["sub"]


def test_in_01_who_has_no_part_in_a_token_learns_nothing(
    provider: Provider, app: App, api: App, caller: App, ana: Browser
) -> None:
    """Another app, an API that the token is not for, and an API that is shown a refresh token ask about it."""
    stranger = register(provider, "Stranger", audience=("https://reports.example.com",))
    theirs, others = caller.tokens(ana), app.tokens(ana)
    for client, token in (
        (stranger, theirs["access_token"]),
        (stranger, theirs["refresh_token"]),
        (api, theirs["refresh_token"]),
        (api, theirs["id_token"]),
        (api, others["access_token"]),
        (app, theirs["access_token"]),
    ):
        assert told(client, token) == INACTIVE
    assert app.refresh(others["refresh_token"]).status_code == 200
    assert caller.refresh(theirs["refresh_token"]).status_code == 200, "asking about it ended nothing"


def test_ca_01_in_01_nobody_asks_without_proving_who_it_is(provider: Provider, app: App, ana: Browser) -> None:
    """Somebody who holds a token asks whether it still counts: with no secret, a wrong one, or as a public client."""
    token = app.tokens(ana)["access_token"]
    public = register(provider, "Phone", public=True)
    url = f"{provider.issuer}/introspect"
    attempts = (
        send("POST", url, data={"token": token}),
        send("POST", url, data={"token": token, "client_id": app.client_id}),
        send("POST", url, data={"token": token, "client_id": public.client_id}),
        send("POST", url, data={"token": public.tokens(ana)["access_token"], "client_id": public.client_id}),
        send("POST", url, data={"token": token}, auth=(app.client_id, "wrong")),
        send("POST", url, data={"token": token}, headers={"Authorization": f"Bearer {token}"}),
    )
    for answer in attempts:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="token"'


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "..", "a.0.c", "é", "\u202e", "' OR '1'='1", "0" * 32 + ".0." + "A" * 43, "t" * 20_000]
)
def test_in_10_what_is_no_token_is_not_active_and_nothing_more(app: App, token: str) -> None:
    """Strangers send an endless number of invented tokens."""
    assert told(app, token) == INACTIVE


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("token=", 400), ("token=a&token=b", 400), ("token=a%00b", 400), ("token=%ff", 400), ("{}", 400)],
)
def test_what_is_no_request_is_refused(app: App, body: str, status: int) -> None:
    url = f"{app.provider.issuer}/introspect"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = send("POST", url, content=body, headers=headers, auth=app.basic)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


def test_a_wrong_method_or_media_type_is_refused(app: App) -> None:
    url = f"{app.provider.issuer}/introspect"
    assert send("GET", f"{url}?token=x", auth=app.basic).status_code == 405
    assert send("POST", url, json={"token": "x"}, auth=app.basic).status_code == 400


def test_rt_01_the_access_tokens_of_a_reused_family_are_inactive(app: App, ana: Browser) -> None:
    """A stolen refresh token was used; what the thief got with it must not count any more."""
    first = app.tokens(ana)
    second = granted(app.refresh(first["refresh_token"]))
    third = granted(app.refresh(second["refresh_token"]))
    assert told(app, first["refresh_token"]) == INACTIVE
    assert told(app, third["access_token"])["active"] is True, "asking about an old one is not using it"
    assert app.refresh(first["refresh_token"]).status_code == 400
    for tokens in (first, second, third):
        assert told(app, tokens["access_token"]) == INACTIVE
        assert told(app, tokens["refresh_token"]) == INACTIVE


def test_the_generation_before_is_active_while_it_would_be_taken(app: App, ana: Browser) -> None:
    first = app.tokens(ana)["refresh_token"]
    granted(app.refresh(first))
    assert told(app, first)["active"] is True  # within the grace of 10 s


def test_lo_03_what_ended_with_the_session_is_inactive_and_offline_access_is_not(provider: Provider, app: App) -> None:
    """Somebody signs out, and goes on with the tokens of that session."""
    browser = Browser(provider.issuer)
    bound, offline = app.tokens(browser, scope="openid"), app.tokens(browser, scope="openid offline_access")
    browser.open("/")
    browser.submit(action="/sign-out")
    assert [told(app, bound[kind]) for kind in ("access_token", "refresh_token")] == [INACTIVE, INACTIVE]
    assert told(app, offline["access_token"])["active"] is True


@pytest.mark.parametrize("column", ["users", "clients"])
def test_in_09_tokens_of_who_was_disabled_are_inactive(provider: Provider, api: App, column: str) -> None:
    """An account or an app is switched off, and its tokens are used on."""
    gone = register(provider, f"Gone with {column}", audience=(api.client_id,))
    tokens = gone.tokens(Browser(provider.issuer))
    assert told(api, tokens["access_token"])["active"] is True
    key, value = (
        ("id", claims_of(tokens["access_token"])["sub"]) if column == "users" else ("client_id", gone.client_id)
    )
    disable = f"UPDATE {column} SET disabled_at = ? WHERE {key} = ?"  # noqa: S608
    sql(provider, disable, "2026-01-01T00:00:00.000000Z", value)
    try:
        assert told(api, tokens["access_token"]) == INACTIVE
    finally:
        sql(provider, disable, None, value)


def test_co_04_withdrawn_consent_is_seen_at_once(provider: Provider, app: App) -> None:
    """An app goes on with its tokens after the person took back what they allowed."""
    browser = Browser(provider.issuer)
    tokens = app.tokens(browser)
    browser.open(own.APPS)
    browser.submit(action=f"/apps/{app.client_id}/withdraw")
    assert [told(app, tokens[kind]) for kind in ("access_token", "refresh_token")] == [INACTIVE, INACTIVE]


def test_a_token_that_a_client_got_for_itself_is_described(api: App) -> None:
    token = granted(api.post({"grant_type": "client_credentials"}))["access_token"]
    found = told(api, token)
    assert (found["sub"], found["client_id"], found["active"]) == (api.client_id, api.client_id, True)
    assert "auth_time" not in found


def test_in_05_a_token_of_a_deleted_client_is_inactive(provider: Provider, api: App) -> None:
    """A service was deleted, and its last token is shown to the API that it is for."""
    service = register(
        provider, "Service", (), grant_types=("client_credentials",), scope="reports.read", audience=(api.client_id,)
    )
    token = granted(service.post({"grant_type": "client_credentials"}))["access_token"]
    assert told(api, token)["active"] is True
    provider.cli("client", "delete", service.client_id)
    assert told(api, token) == INACTIVE
