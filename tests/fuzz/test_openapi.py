"""Every endpoint, driven by schemathesis from a description that is made of the routes."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.fuzz.ground import NAMES, OPERATIONS, Ground, check, laid, parameters_of
from tests.oauth.wire import attempt_of
from tests.provider import Browser, Provider, forms
from tests.races.swarm import basic

HEADERS = ("Origin",)


def value(known: list[str]) -> dict[str, Any]:
    return {"anyOf": [{"enum": known}, {"type": "string"}]} if known else {"type": "string"}


def operation(ground: Ground, path: str, method: str) -> dict[str, Any]:
    fields = {name: value(ground.known[name]) for name in NAMES if name in ground.known} | {"other": {"type": "string"}}
    described: dict[str, Any] = {"responses": {"default": {"description": "anything but a failure"}}}
    described["parameters"] = [
        *(
            {"in": "path", "name": name, "required": True, "schema": value(ground.known.get(name, []))}
            for name in parameters_of(path)
        ),
        *({"in": "header", "name": name, "schema": {"enum": ground.known[name]}} for name in HEADERS),
        *({"in": "query", "name": name, "schema": schema} for name, schema in fields.items() if method == "GET"),
    ]
    if method == "POST":
        form = {"schema": {"type": "object", "properties": fields}}
        described["requestBody"] = {"content": {"application/x-www-form-urlencoded": form}}
    return described


def description(ground: Ground) -> dict[str, Any]:
    """The provider itself serves none: what its parameters mean is said by discovery and the specifications."""
    paths: dict[str, dict[str, Any]] = {}
    for path, method in OPERATIONS:
        paths.setdefault(path, {})[method.lower()] = operation(ground, path, method)
    return {"openapi": "3.1.0", "info": {"title": "idp", "version": "1"}, "paths": paths}


@pytest.fixture(scope="module")
def ana(provider: Provider) -> Browser:
    return Browser(provider.issuer)


@pytest.fixture(scope="module")
def ground(provider: Provider, ana: Browser) -> Ground:
    """With a sign-in on its way in Ana's browser, and tokens of hers."""
    ground = laid(provider)
    app = ground.apps["confidential"]
    tokens, code = app.tokens(ana, scope="openid offline_access"), app.code(ana)
    page = ana.open(app.url(prompt="login"))
    ground.known = {
        "attempt": [attempt_of(page).removeprefix("/signin/")],
        "client_id": [each.client_id for each in ground.apps.values()],
        "client_secret": [app.basic[1], ground.apps["by post"].basic[1]],
        "code": [code.code],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256", "plain"],
        "code_verifier": [code.verifier or ""],
        "csrf": [form.fields["csrf"] for form in forms(page.text)],
        "decision": ["allow", "deny"],
        "error": ["invalid_request"],
        "file": ["idp.css"],
        "form": ["identify", "password", "consent"],
        "grant_type": ["authorization_code", "refresh_token", "client_credentials", "password"],
        "id_token_hint": [tokens["id_token"]],
        "max_age": ["0", "-1", "9" * 30],
        "prompt": ["none", "login", "consent", "select_account", "none login", "create"],
        "redirect_uri": [*ground.callbacks, "https://evil.test/"],
        "refresh_token": [tokens["refresh_token"]],
        "response_mode": ["query", "form_post", "fragment"],
        "response_type": ["code", "token"],
        "scope": ["openid", "openid profile email offline_access", "reports.read"],
        "token": [tokens["access_token"], tokens["refresh_token"], tokens["id_token"]],
        "username": ["ana@example.test"],
        "Origin": [provider.issuer, "null", "https://app.example.com", "https://evil.test"],
        "Authorization": [f"Bearer {tokens['access_token']}", basic(app.client)["Authorization"], "Basic !", "Bearer"],
    }
    return ground


@pytest.fixture(scope="module")
def schema(ground: Ground) -> Iterator[Any]:
    loaded = schemathesis.openapi.from_dict(description(ground))
    loaded.config.update(base_url=ground.provider.issuer)
    yield loaded
    ground.provider.check_log()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_sent_no_endpoint_fails(ground: Ground, ana: Browser, schema: Any, path: str, method: str) -> None:
    cookies = st.sampled_from([None, dict(ana.http.cookies), {f"idp_session_{ground.provider.port}": "x"}])
    authorization = st.sampled_from([None, *ground.known["Authorization"]])

    @given(
        case=schema[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE),
        cookies=cookies,
        authorization=authorization,
    )
    @settings(max_examples=settings().max_examples // 10, suppress_health_check=list(HealthCheck))
    def sent(case: Any, cookies: dict[str, str] | None, authorization: str | None) -> None:
        headers = {"Authorization": authorization} if authorization else None
        check(ground, case.call(headers=headers, cookies=cookies, allow_redirects=False))

    sent()


def test_no_endpoint_is_left_out(ground: Ground) -> None:
    described = description(ground)["paths"]
    assert {(path, method.upper()) for path, methods in described.items() for method in methods} == set(OPERATIONS)
    assert len(OPERATIONS) > 25
