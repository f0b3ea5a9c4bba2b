"""LG-02: no password, code, token, secret or cookie of a whole journey is in the log, the audit or the database."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.provider import (
    EMAIL,
    PASSWORD,
    TLS,
    Browser,
    Provider,
    answer_of,
    authorize_url,
    forms,
    pkce,
    redeem,
    running,
    token_request,
)

WRONG = "canary-of-a-mistyped-password"


def journey(provider: Provider, client: dict[str, str]) -> dict[str, str]:
    """Mistakes included; what of it is secret, by name."""
    browser, proof = Browser(provider.issuer), pkce()
    csrf: list[str] = []
    browser.http.event_hooks["response"].append(
        lambda answer: csrf.extend(
            form.fields["csrf"] for form in forms(answer.read().decode()) if "csrf" in form.fields
        )
    )
    url = authorize_url(client, proof.challenge, scope="openid email offline_access")
    browser.open(url)
    browser.submit(username=EMAIL)
    browser.submit(password=WRONG)
    browser.submit(password=PASSWORD)
    code = answer_of(browser.submit("allow", action="/consent"))["code"]
    redeem(provider, client, code, "a" * 43)
    code = answer_of(browser.open(url))["code"]
    tokens = redeem(provider, client, code, proof.verifier).json()
    refreshed = token_request(
        provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    ).json()
    for token in (tokens["access_token"], "canary-of-a-token"):
        httpx2.get(f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=30, verify=TLS)
        httpx2.get(f"{provider.issuer}/userinfo?access_token={token}", timeout=30, verify=TLS)
    for endpoint in ("introspect", "revoke"):
        for token in (tokens["access_token"], refreshed["refresh_token"], tokens["id_token"], "canary-of-a-token"):
            httpx2.post(
                f"{provider.issuer}/{endpoint}", data={"token": token}, auth=basic(client), timeout=30, verify=TLS
            )
    hints = {"id_token_hint": tokens["id_token"], "login_hint": "x", "prompt": "none"}
    browser.http.get(authorize_url(client, proof.challenge, **hints))
    # what is secret comes in the wrong parameter, and is refused
    for name in ("redirect_uri", "response_type", "scope", "prompt"):
        browser.http.get(authorize_url(client, proof.challenge, **{name: tokens["refresh_token"]}))
    redeem(provider, client, code, proof.verifier)  # a replay, which ends everything
    wrong = dict(client) | {"client_secret": "canary-of-a-secret"}
    token_request(provider, wrong, grant_type="refresh_token", refresh_token=refreshed["refresh_token"])
    session = next(value for name, value in browser.http.cookies.items() if "session" in name)
    browser_cookie = next(value for name, value in browser.http.cookies.items() if "browser" in name)
    browser.open("/")
    browser.submit(action="/sign-out")
    named = {f"form token {number}": token for number, token in enumerate(csrf)}
    return named | {
        "password": PASSWORD,
        "mistyped password": WRONG,
        "code": code,
        "verifier": proof.verifier,
        "access token": tokens["access_token"],
        "ID token": tokens["id_token"],
        "refresh token": tokens["refresh_token"],
        "next refresh token": refreshed["refresh_token"],
        "unknown token": "canary-of-a-token",
        "client secret": client["client_secret"],
        "wrong client secret": "canary-of-a-secret",
        "session cookie": session,
        "browser cookie": browser_cookie,
    }


def basic(client: dict[str, str]) -> tuple[str, str]:
    return client["client_id"], client["client_secret"]


def spellings(secret: str) -> set[bytes]:
    return {
        secret.encode(),
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        secret.replace(" ", "+").encode(),
        base64.b64encode(secret.encode()).rstrip(b"="),
        secret.encode().hex().encode(),
    }


@pytest.mark.slow
def test_lg02_no_secret_of_a_journey_is_written_anywhere(tmp_path: Path) -> None:
    """Whoever reads the log, the audit or the database looks there for a secret that opens something."""
    with running(tmp_path, log_level="debug") as provider:
        provider.create_user()
        secrets = journey(provider, provider.create_client())
        log = provider.log.read_bytes()
        assert log.count(b'"event":"request"') > 20
        explained = provider.cli("explain", "--last", "50")
        assert {each["endpoint"] for each in explained} >= {"/authorize", "/token", "/userinfo", "/revoke"}
        stored = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("idp.db*"))
        assert len(stored) > 100_000
        for name, secret in secrets.items():
            assert len(secret) > 12, name
            for spelling in spellings(secret):
                assert spelling not in log, name
                assert spelling not in stored, name
                assert spelling not in json.dumps(explained).encode(), name
        assert EMAIL.encode() not in log  # nor is anybody named in it


def test_a_line_of_the_log_names_the_route_and_never_the_address_of_an_attempt(
    provider: Provider, at_password: Browser
) -> None:
    assert at_password.page is not None
    attempt = at_password.page.url.path.rsplit("/", 1)[-1]
    assert attempt not in provider.log.read_text()
    assert any(line.get("path") == "/signin/{attempt}/identify" for line in provider.log_lines())
