from urllib.parse import urlsplit

import pytest
from starlette.routing import Route

from idp.protocol import grants, metadata, scopes
from idp.protocol.authorize import Refused, judge
from idp.protocol.registration import Registration, register
from idp.routes import API, PAGES
from tests.protocol.samples import CALLBACK, CHALLENGE, CONFIDENTIAL, ISSUER, no_hint, params

DOCUMENT = metadata.document(ISSUER, ("de", "en"))
ENDPOINTS = {name: value for name, value in DOCUMENT.items() if name.endswith(("_endpoint", "_uri"))}


def test_pk_10_s256_is_the_one_challenge_method() -> None:
    """The attacker hopes that an app finds a weaker method than S256 in the discovery document, and uses it."""
    assert DOCUMENT["code_challenge_methods_supported"] == ["S256"]


def test_the_issuer_is_the_one_that_is_set() -> None:
    """OpenID Connect Discovery section 4.3: a client compares it with where it got the document."""
    assert DOCUMENT["issuer"] == ISSUER
    assert metadata.document("http://localhost:8000", ("en",))["issuer"] == "http://localhost:8000"


def test_what_openid_connect_discovery_and_rfc_8414_require_is_there() -> None:
    required = {
        *("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"),
        *("subject_types_supported", "id_token_signing_alg_values_supported"),
    }
    assert required <= set(DOCUMENT)
    assert DOCUMENT["subject_types_supported"] == ["public"]
    assert "RS256" in DOCUMENT["id_token_signing_alg_values_supported"]


def test_there_are_these_endpoints_and_all_are_the_issuers() -> None:
    assert set(ENDPOINTS) == {
        *("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "introspection_endpoint"),
        *("revocation_endpoint", "end_session_endpoint", "jwks_uri"),
    }
    assert all(url.startswith(f"{ISSUER}/") and not urlsplit(url).query for url in ENDPOINTS.values())


@pytest.mark.parametrize(
    "unsafe", ["none", "HS256", "plain", "password", "implicit", "token", "id_token", "fragment", "client_secret_jwt"]
)
def test_nothing_that_does_not_exist_is_advertised(unsafe: str) -> None:
    lists = {name: value for name, value in DOCUMENT.items() if isinstance(value, list)}
    found = {name for name, values in lists.items() if unsafe in values}
    # A public client authenticates by none, and a prompt may be none.
    harmless = {"prompt_values_supported"}
    harmless |= {f"{endpoint}_endpoint_auth_methods_supported" for endpoint in ("token", "revocation")}
    assert found <= (harmless if unsafe == "none" else set())


def test_request_objects_and_the_claims_parameter_are_said_not_to_exist() -> None:
    """Left out, request_uri_parameter_supported would mean true (OpenID Connect Discovery section 3)."""
    assert DOCUMENT["request_parameter_supported"] is False
    assert DOCUMENT["request_uri_parameter_supported"] is False


def test_the_issuer_is_promised_in_every_authorization_response() -> None:
    """RFC 9207 section 3."""
    assert DOCUMENT["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("method", DOCUMENT["token_endpoint_auth_methods_supported"])
def test_every_advertised_authentication_method_can_be_registered(method: str) -> None:
    wanted = Registration("Billing", (CALLBACK,), token_endpoint_auth_method=method)
    assert register("c1", wanted).token_endpoint_auth_method == method


@pytest.mark.parametrize("grant_type", DOCUMENT["grant_types_supported"])
def test_every_advertised_grant_type_is_one_of_the_token_endpoint(grant_type: str) -> None:
    assert grants.select(params(grant_type=grant_type), CONFIDENTIAL_WITH_ALL) == grant_type


CONFIDENTIAL_WITH_ALL = register("c1", Registration("All", (CALLBACK,), grant_types=grants.GRANTS))


@pytest.mark.parametrize("mode", DOCUMENT["response_modes_supported"])
@pytest.mark.parametrize("prompt", DOCUMENT["prompt_values_supported"])
@pytest.mark.parametrize("response_type", DOCUMENT["response_types_supported"])
def test_every_advertised_value_of_the_authorization_request_is_accepted(
    response_type: str, prompt: str, mode: str
) -> None:
    request = params(
        client_id="billing",
        redirect_uri=CALLBACK,
        response_type=response_type,
        response_mode=mode,
        prompt=prompt,
        code_challenge=CHALLENGE,
        code_challenge_method="S256",
    )
    try:
        asked, _ = judge(request, CONFIDENTIAL, no_hint)
    except Refused as refused:
        pytest.fail(refused.error.description)
    assert (asked.response_mode, asked.prompt) == (mode, (prompt,))


def test_every_standard_scope_is_advertised_and_every_claim_that_it_gives() -> None:
    assert set(DOCUMENT["scopes_supported"]) == scopes.USER_SCOPES
    assert {"sub", "email", "address", "phone_number", "name", "nonce", "sid", "auth_time"} <= set(
        DOCUMENT["claims_supported"]
    )


def test_nothing_is_listed_twice_and_no_list_is_empty() -> None:
    for name, value in DOCUMENT.items():
        if isinstance(value, list):
            assert len(value) == len(set(value)) > 0, name


def test_every_advertised_endpoint_has_a_route() -> None:
    paths = {route.path for route in (*API, *PAGES) if isinstance(route, Route)}
    assert {urlsplit(url).path for url in ENDPOINTS.values()} <= paths
