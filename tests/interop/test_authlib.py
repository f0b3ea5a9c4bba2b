"""Authlib's OAuth 2 client, as a relying party; joserfc checks the ID token against the published keys."""

from typing import Any

import httpx2
import pytest
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client  # type: ignore[import-untyped]
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.provider import CALLBACK, EMAIL, TLS, Browser, Provider, pkce, tokens_for

SCOPE = "openid email offline_access"
BYE = "https://app.example.com/bye"
METHODS = ["client_secret_basic", "client_secret_post", "none"]


@pytest.fixture(scope="module", params=METHODS)
def client(request: pytest.FixtureRequest, provider: Provider) -> dict[str, Any]:
    method: str = request.param
    arguments = ["--public"] if method == "none" else ["--auth-method", method]
    return provider.create_client(*arguments, name=f"App that authenticates by {method}")


@pytest.fixture(scope="module")
def metadata(provider: Provider) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{provider.issuer}/.well-known/openid-configuration", verify=TLS).json()
    return found


def settings(client: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """The arguments of Authlib's clients. Its own renewal of tokens that are about to expire stays out of the way."""
    return {
        "client_id": client["client_id"],
        "client_secret": client.get("client_secret"),
        "token_endpoint_auth_method": client["token_endpoint_auth_method"],
        "scope": SCOPE,
        "redirect_uri": CALLBACK,
        "code_challenge_method": "S256",
        "token_endpoint": metadata["token_endpoint"],
        "leeway": 0,
        "trust_env": False,
    }


def verified(id_token: str, metadata: dict[str, Any], client: dict[str, Any], **expected: str) -> dict[str, Any]:
    """The claims, by the rules of OpenID Connect Core section 3.1.3.7."""
    keys = KeySet.import_key_set(httpx2.get(metadata["jwks_uri"], verify=TLS).json())
    token = jwt.decode(id_token, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    rules: dict[str, Any] = {"iss": metadata["issuer"], "aud": client["client_id"], **expected}
    demanded: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in rules.items()}
    jwt.JWTClaimsRegistry(**demanded).validate(token.claims)
    return token.claims


def test_a_person_signs_in_and_the_tokens_are_refreshed(
    provider: Provider, client: dict[str, Any], metadata: dict[str, Any]
) -> None:
    with OAuth2Client(**settings(client, metadata)) as app:
        verifier = pkce().verifier
        url, state = app.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="a nonce of its own"
        )
        sent_to = Browser(provider.issuer).sign_in(url).headers["location"]
        first = dict(
            app.fetch_token(
                metadata["token_endpoint"], authorization_response=sent_to, state=state, code_verifier=verifier
            )
        )
        claims = verified(first["id_token"], metadata, client, nonce="a nonce of its own")
        person = app.get(metadata["userinfo_endpoint"]).raise_for_status().json()
        assert person["sub"] == claims["sub"]
        assert person["email"] == EMAIL
        second = dict(app.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"]))
        assert second["refresh_token"] != first["refresh_token"]
        assert verified(second["id_token"], metadata, client, sub=claims["sub"])["auth_time"] == claims["auth_time"]
        assert app.get(metadata["userinfo_endpoint"]).raise_for_status().json() == person


def test_a_refusal_is_an_error_with_the_name_that_the_specification_gives_it(
    client: dict[str, Any], metadata: dict[str, Any]
) -> None:
    with OAuth2Client(**settings(client, metadata)) as app:
        with pytest.raises(OAuthError) as refused:
            app.fetch_token(metadata["token_endpoint"], code="never given", code_verifier=pkce().verifier)
        assert refused.value.error == "invalid_grant"
        with pytest.raises(OAuthError) as refused:
            app.refresh_token(metadata["token_endpoint"], refresh_token="never given")
        assert refused.value.error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_service_gets_a_token_for_itself(provider: Provider, metadata: dict[str, Any], method: str) -> None:
    arguments = ["--grant-type", "client_credentials", "--scope", "reports.read"]
    service = provider.create_client(*arguments, "--auth-method", method, redirect_uri=None)
    async with AsyncOAuth2Client(**settings(service, metadata) | {"scope": "reports.read"}) as app:
        tokens = dict(await app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials"))
    assert tokens["scope"] == "reports.read"
    assert "refresh_token" not in tokens


def test_tokens_are_introspected_and_revoked(provider: Provider, metadata: dict[str, Any]) -> None:
    client = provider.create_client()
    with OAuth2Client(**settings(client, metadata)) as app:
        verifier = pkce().verifier
        url, state = app.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
        sent_to = Browser(provider.issuer).sign_in(url).headers["location"]
        token = app.fetch_token(authorization_response=sent_to, state=state, code_verifier=verifier)
        for kind in ("access_token", "refresh_token"):
            asked = {"token": token[kind], "token_type_hint": kind}
            assert app.introspect_token(metadata["introspection_endpoint"], **asked).json()["active"] is True
            assert app.revoke_token(metadata["revocation_endpoint"], **asked).status_code == 200
            assert app.introspect_token(metadata["introspection_endpoint"], **asked).json() == {"active": False}


async def test_a_person_signs_out_through_the_app_and_comes_back(provider: Provider) -> None:
    client = provider.create_client("--post-logout-redirect-uri", BYE)
    browser = Browser(provider.issuer)
    id_token = tokens_for(provider, client, browser)["id_token"]
    app = OAuth().register(
        "idp",
        client_id=client["client_id"],
        server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
    )
    asked = await app.create_logout_url(BYE, id_token)
    assert browser.open(asked["url"]).headers["location"] == f"{BYE}?state={asked['state']}"
    assert "You are signed in" not in browser.open("/").text
    asked = await app.create_logout_url(BYE, client_id=client["client_id"], ui_locales="fr", logout_hint=EMAIL)
    tokens_for(provider, client, browser)
    assert "Sign out?" in browser.open(asked["url"]).text
    assert browser.submit().headers["location"] == f"{BYE}?state={asked['state']}"
