"""Discovery and JWKS: what the provider says of itself, and that it is true."""

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest

from idp.protocol.errors import OAuthError
from tests.oauth.wire import App, register, send
from tests.provider import Browser, Provider, answer_of

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(scope="module")
def metadata(provider: Provider) -> dict[str, Any]:
    document: dict[str, Any] = send("GET", provider.issuer + PATHS[0]).json()
    return document


def test_both_documents_are_the_same(provider: Provider) -> None:
    first, second = (send("GET", provider.issuer + path) for path in PATHS)
    assert first.status_code == second.status_code == 200
    assert first.headers["content-type"] == second.headers["content-type"] == "application/json"
    assert first.json() == second.json()


def test_what_the_specifications_require_is_there(metadata: dict[str, Any]) -> None:
    """OpenID Connect Discovery section 3 and RFC 8414 section 2."""
    assert {
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "scopes_supported",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "claims_supported",
    } <= metadata.keys()
    assert "none" not in str(metadata["id_token_signing_alg_values_supported"]).lower()
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is False


def test_every_endpoint_is_on_the_issuer_and_exists(provider: Provider, metadata: dict[str, Any]) -> None:
    for name, value in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{provider.issuer}/"), name
            assert send("GET", value).status_code != 404, name


def test_what_is_offered_works_and_what_is_not_is_refused(
    provider: Provider, metadata: dict[str, Any], ana: Browser
) -> None:
    app = register(provider, scope=" ".join(metadata["scopes_supported"]))
    ana.sign_in(app.url(scope=" ".join(metadata["scopes_supported"])))
    for mode in metadata["response_modes_supported"]:
        assert ana.http.get(app.url(response_mode=mode)).status_code in (200, 303)
    for prompt in metadata["prompt_values_supported"]:
        answer = ana.http.get(app.url(prompt=prompt))
        assert answer.status_code in (200, 303)
        assert "error=" not in answer.headers.get("location", "")
    for method in metadata["token_endpoint_auth_methods_supported"]:
        register(provider, token_endpoint_auth_method=method)
    for grant in metadata["grant_types_supported"]:
        answer = app.post({"grant_type": grant})
        assert answer.json()["error"] in ("invalid_request", "unauthorized_client")
    for mode in {"fragment", "query", "form_post", "web_message", "query.jwt"} - {
        *metadata["response_modes_supported"]
    }:
        assert answer_of(ana.http.get(app.url(response_mode=mode)))["error"] == "invalid_request"


@pytest.mark.parametrize("path", [*PATHS, "/jwks"])
def test_the_public_documents_may_be_cached_and_by_get_alone(provider: Provider, path: str) -> None:
    answer = send("GET", provider.issuer + path)
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert send("HEAD", provider.issuer + path).status_code == 200
    for method in ("POST", "PUT", "DELETE"):
        refused = send(method, provider.issuer + path)
        assert (refused.status_code, refused.headers["cache-control"]) == (405, "no-store")


@pytest.mark.parametrize("path", [*PATHS, "/jwks", "/userinfo"])
def test_no_answer_can_be_asked_for_as_a_script(provider: Provider, path: str) -> None:
    plain = send("GET", provider.issuer + path)
    for name in ("callback", "jsonp", "cb", "jsoncallback"):
        answer = send("GET", f"{provider.issuer}{path}?{name}=evil")
        assert (answer.content, answer.headers.get("content-type")) == (
            plain.content,
            plain.headers.get("content-type"),
        )


def test_tk_22_the_published_keys_have_no_private_member(provider: Provider) -> None:
    """Whoever reads a private member of a key here signs as this provider."""
    answer = send("GET", f"{provider.issuer}/jwks")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.json().keys() == {"keys"}
    keys = answer.json()["keys"]
    assert len(keys) == 2, "the current key and the next one"
    assert len({key["kid"] for key in keys}) == 2
    for key in keys:
        assert key.keys() == {"kty", "kid", "use", "alg", "n", "e"}
        assert key.keys().isdisjoint(PRIVATE)
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
        assert len(base64.urlsafe_b64decode(key["n"] + "==")) == 256


def test_tk_22_a_key_that_somebody_may_not_have_seen_is_not_taken_into_use(provider: Provider) -> None:
    """An operator rotates twice in a hurry: whoever cached the keys would refuse what the newest one signs."""
    before = send("GET", f"{provider.issuer}/jwks").content
    done = provider.run("key", "rotate", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Not rotated" in done.stderr
    assert send("GET", f"{provider.issuer}/jwks").content == before


@pytest.mark.parametrize("path", ["/nowhere", "/.well-known/", "/.well-known/nothing", "/tokens", "/jwks/", "/token/"])
def test_what_is_not_there_is_404_and_redirects_nowhere(provider: Provider, path: str) -> None:
    answer = send("GET", provider.issuer + path)
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-Host"])
def test_ht_05_headers_that_would_change_the_request_are_ignored(app: App, header: str) -> None:
    """A filter in front of us looks at one address, and the attacker's header makes us answer for another."""
    value = "POST" if "Method" in header else "/token"
    answer = send("GET", app.provider.issuer + PATHS[0], headers={header: value})
    assert answer.json()["issuer"] == app.provider.issuer
    assert urlsplit(answer.json()["token_endpoint"]).netloc == urlsplit(app.provider.issuer).netloc


def test_every_error_code_has_a_page_that_says_what_it_means(provider: Provider) -> None:
    for error in {each.error for each in OAuthError.__subclasses__()}:
        page = send("GET", f"{provider.issuer}/errors/{error}")
        assert (page.status_code, f"<code>{error}</code>" in page.text) == (200, True), error


@pytest.mark.parametrize("error", ["made_up", "..%2f..%2fetc", "<script>", "INVALID_REQUEST", "%00", "é"])
def test_an_error_code_that_does_not_exist_has_none_and_is_not_repeated(provider: Provider, error: str) -> None:
    page = send("GET", f"{provider.issuer}/errors/{error}")
    assert page.status_code == 404
    assert error not in page.text


@pytest.mark.parametrize("reference", ["", "x", "<b>1-<b>1", "AAAA-BBBBB", "aaaa-bbbb", "AAAA-BBB%0a"])
def test_the_page_of_an_error_repeats_no_reference_that_is_none(provider: Provider, reference: str) -> None:
    page = send("GET", f"{provider.issuer}/errors/invalid_request?reference={reference}")
    assert (page.status_code, 'id="of"' in page.text) == (200, False)
