"""PyJWT, as a resource server: it knows the issuer, its own name and the address of the JWKS, and nothing else."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest

from tests.provider import EMAIL, TLS, Provider, running, token_request, tokens_for

API = "https://api.example.com"
# A key may be used once it has been published for so long, and for the 5 s in which every worker follows.
JWKS_MAX_AGE = 1
READY = JWKS_MAX_AGE + 5


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("provider"), jwks_max_age=f"{JWKS_MAX_AGE}s") as provider:
        provider.create_user()
        yield provider


class ResourceServer:
    """As PyJWT's documentation says to do it, with the checks of RFC 9068 section 4."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        metadata = httpx2.get(f"{issuer}/.well-known/openid-configuration", verify=TLS).json()
        self.keys = jwt.PyJWKClient(metadata["jwks_uri"])

    def accept(self, token: str, audience: str = API) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        required = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]
        key = self.keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["RS256"], audience=audience, issuer=self.issuer, options={"require": required}
        )
        return claims


@pytest.fixture
def api(provider: Provider) -> ResourceServer:
    return ResourceServer(provider.issuer)


@pytest.fixture(scope="module")
def client(provider: Provider) -> dict[str, Any]:
    return provider.create_client("--audience", API)


@pytest.fixture(scope="module")
def tokens(provider: Provider, client: dict[str, Any]) -> dict[str, Any]:
    return tokens_for(provider, client)


def test_it_accepts_an_access_token_of_a_person(
    provider: Provider, client: dict[str, Any], tokens: dict[str, Any], api: ResourceServer
) -> None:
    claims = api.accept(tokens["access_token"])
    assert claims["client_id"] == client["client_id"]
    assert claims["sub"] == provider.cli("user", "show", EMAIL)["sub"]
    assert set(claims["scope"].split()) == {"openid", "profile", "email"}


def test_it_accepts_an_access_token_of_a_service(provider: Provider, api: ResourceServer) -> None:
    service = provider.create_client(
        *("--grant-type", "client_credentials", "--scope", "reports.read", "--audience", API), redirect_uri=None
    )
    answer = token_request(provider, service, grant_type="client_credentials")
    claims = api.accept(answer.json()["access_token"])
    assert claims["sub"] == claims["client_id"] == service["client_id"]


def test_it_refuses_a_token_for_another_api(tokens: dict[str, Any], api: ResourceServer) -> None:
    with pytest.raises(jwt.InvalidAudienceError):
        api.accept(tokens["access_token"], "https://another.example.com")


def test_it_refuses_an_id_token_by_its_type_and_by_its_audience(
    tokens: dict[str, Any], client: dict[str, Any], api: ResourceServer
) -> None:
    """Attack: a client sends its ID token where an access token belongs."""
    with pytest.raises(jwt.InvalidTokenError, match="not an access token"):
        api.accept(tokens["id_token"])
    key = api.keys.get_signing_key_from_jwt(tokens["id_token"])
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=API, issuer=api.issuer)
    with pytest.raises(jwt.MissingRequiredClaimError):
        options: Any = {"require": ["client_id"]}
        jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=client["client_id"], options=options)


def test_it_goes_on_through_a_rotation_of_the_keys(
    provider: Provider, client: dict[str, Any], tokens: dict[str, Any], api: ResourceServer
) -> None:
    """Tokens of the old key and of the new one are good, for who has the keys of before and for who asks anew."""
    api.accept(tokens["access_token"])
    deadline = time.monotonic() + 30
    while (rotated := provider.run("key", "rotate", "--json")).returncode != 0:
        assert "may be used from" in rotated.stderr
        assert time.monotonic() < deadline
        time.sleep(READY / 6)
    before = jwt.get_unverified_header(tokens["access_token"])["kid"]
    while True:
        newer = tokens_for(provider, client)["access_token"]
        api.accept(newer)
        if jwt.get_unverified_header(newer)["kid"] != before:
            break
        assert time.monotonic() < deadline + 30
        time.sleep(0.5)
    for server in (api, ResourceServer(provider.issuer)):
        server.accept(tokens["access_token"])
        server.accept(newer)
