"""The revocation endpoint, over HTTP (RFC 7009)."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.oauth.test_introspect import INACTIVE, told
from tests.oauth.wire import App, claims_of, events, granted, register, send, userinfo
from tests.provider import CALLBACK, Browser, Provider


def revoke(app: App, token: str, **more: str) -> httpx2.Response:
    data, auth = {"token": token} | more, None
    if app.client["token_endpoint_auth_method"] == "none":
        data["client_id"] = app.client_id
    else:
        auth = app.basic
    return send("POST", f"{app.provider.issuer}/revoke", data=data, auth=auth)


def revoked(app: App, token: str, **more: str) -> None:
    answer = revoke(app, token, **more)
    assert (answer.status_code, answer.content) == (200, b"")


def test_rt_17_a_revoked_refresh_token_ends_its_family_and_no_other(provider: Provider, app: App, ana: Browser) -> None:
    """Who stole a refresh token, or an access token that came of it, goes on after the app revoked it."""
    first, other = app.tokens(ana), app.tokens(ana)
    second = granted(app.refresh(first["refresh_token"]))
    revoked(app, second["refresh_token"])
    for tokens in (first, second):
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert userinfo(provider, tokens["access_token"]).status_code == 401
        assert told(app, tokens["access_token"]) == INACTIVE
    assert userinfo(provider, other["access_token"]).status_code == 200
    assert app.refresh(other["refresh_token"]).status_code == 200


def test_an_old_generation_revokes_as_well(app: App, ana: Browser) -> None:
    first = app.tokens(ana)["refresh_token"]
    second = granted(app.refresh(first))["refresh_token"]
    third = granted(app.refresh(second))["refresh_token"]
    revoked(app, first)
    assert told(app, third) == INACTIVE


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "made_up"])
def test_in_04_a_revoked_access_token_ends_alone_whatever_the_hint(
    provider: Provider, app: App, ana: Browser, hint: str | None
) -> None:
    """An access token leaked, and who has it shows it everywhere that looks."""
    tokens = app.tokens(ana)
    revoked(app, tokens["access_token"], **({} if hint is None else {"token_type_hint": hint}))
    assert told(app, tokens["access_token"]) == INACTIVE
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert told(app, tokens["refresh_token"])["active"] is True
    fresh = granted(app.refresh(tokens["refresh_token"]))["access_token"]
    assert userinfo(provider, fresh).status_code == 200


def test_a_token_that_a_client_got_for_itself_is_revoked(provider: Provider) -> None:
    service = register(provider, "Service", (), grant_types=("client_credentials",), scope="reports.read")
    first, second = (granted(service.post({"grant_type": "client_credentials"}))["access_token"] for _ in range(2))
    revoked(service, first)
    assert [told(service, token)["active"] for token in (first, second)] == [False, True]


def test_revoking_twice_is_as_good_as_once(app: App, ana: Browser) -> None:
    tokens = app.tokens(ana)
    for kind in ("access_token", "refresh_token", "access_token", "refresh_token"):
        revoked(app, tokens[kind])
    assert events(app.provider, "token.revoked", app.client_id) >= 2


def test_in_04_nobody_revokes_a_token_of_another_client_or_learns_of_it(
    provider: Provider, app: App, ana: Browser
) -> None:
    """The attacker revokes what an app was given, or learns from the answer whether it counts."""
    other = register(provider, "Another")
    tokens = app.tokens(ana)
    before = events(provider, "token.not_revoked", other.client_id)
    nothing = revoke(other, "x")
    for kind in ("access_token", "refresh_token"):
        answer = revoke(other, tokens[kind])
        assert (answer.status_code, answer.content) == (nothing.status_code, nothing.content)
        assert told(app, tokens[kind])["active"] is True
    assert events(provider, "token.not_revoked", other.client_id) == before + 2


def test_in_04_an_id_token_is_said_to_be_none_that_can_be_revoked(app: App, ana: Browser) -> None:
    """An app believes that it revoked something, because the answer to an ID token is 200."""
    answer = revoke(app, app.tokens(ana)["id_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "0" * 32 + ".0." + "A" * 43, "' OR '1'='1", "t" * 20_000])
def test_what_is_no_token_is_answered_like_one_that_is_over(app: App, token: str) -> None:
    revoked(app, token)


def test_a_public_client_revokes_what_it_was_given(provider: Provider, ana: Browser) -> None:
    phone = register(provider, "Phone", public=True)
    token = phone.tokens(ana)["refresh_token"]
    revoked(phone, token)
    assert phone.refresh(token).json()["error"] == "invalid_grant"


def test_ca_01_a_confidential_client_revokes_nothing_without_its_secret(
    provider: Provider, app: App, ana: Browser
) -> None:
    """Somebody who holds a token and knows the client id ends the access of the app's people."""
    token = app.tokens(ana)["refresh_token"]
    for auth, more in ((None, {}), (None, {"client_id": app.client_id}), ((app.client_id, "wrong"), {})):
        answer = send("POST", f"{provider.issuer}/revoke", data={"token": token} | more, auth=auth)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert told(app, token)["active"] is True


@pytest.mark.parametrize("body", ["", "token=", "token=a&token=b", "token=a%00b", "token=%ff"])
def test_what_is_no_request_is_refused(app: App, body: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = send("POST", f"{app.provider.issuer}/revoke", content=body, headers=headers, auth=app.basic)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_in_08_a_registered_page_may_revoke_and_no_other_may_read_the_answer(app: App) -> None:
    """A page of another site posts a revocation from its visitor's browser, and reads what came of it."""
    origin = CALLBACK.rpartition("/")[0]
    for method in ("OPTIONS", "POST"):
        for asked, allowed in ((origin, origin), ("https://evil.example", None), ("null", None)):
            answer = send(method, f"{app.provider.issuer}/revoke", headers={"Origin": asked})
            assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.slow
def test_in_05_what_ends_on_the_command_line_is_refused_at_once(provider: Provider, app: App) -> None:
    """Access was ended by the operator, and is used on a worker that has not heard of it."""
    ends: dict[str, Callable[[dict[str, Any]], tuple[str, str]]] = {
        "token": lambda tokens: ("token", tokens["access_token"]),
        "grant": lambda tokens: ("grant", claims_of(tokens["access_token"])["grant"]),
        "session": lambda tokens: ("session", claims_of(tokens["id_token"])["sid"]),
        "user": lambda tokens: ("user", claims_of(tokens["id_token"])["sub"]),
        "client": lambda tokens: ("client", app.client_id),
    }
    for name, end in ends.items():
        tokens = app.tokens(Browser(provider.issuer), scope="openid")
        assert told(app, tokens["access_token"])["active"] is True
        provider.cli("revoke", *end(tokens))
        assert told(app, tokens["access_token"]) == INACTIVE, name
        assert userinfo(provider, tokens["access_token"]).status_code == 401, name
        still = app.refresh(tokens["refresh_token"]).status_code == 200
        assert still == (name == "token"), name
