"""Which web pages may read what the endpoints answer."""

import time

import pytest

from tests.oauth.wire import FORM, App, granted, register, send
from tests.provider import Browser, Provider

OURS = "https://spa.example.com:8443"
FOREIGN = (
    "https://evil.test",
    "null",
    "https://spa.example.com",
    "http://spa.example.com:8443",
    "https://spa.example.com:8443/",
    "https://spa.example.com:8443.evil.test",
    "https://SPA.example.com:8443",
    "https://xspa.example.com:8443",
    "https://spa.example.com:84430",
    "*",
    "https://*",
    "file://",
    "",
)


@pytest.fixture(scope="module")
def spa(provider: Provider) -> App:
    """An app in the browser."""
    return register(provider, redirect_uris=(f"{OURS}/cb",), public=True)


def preflight(provider: Provider, path: str, origin: str) -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = send("OPTIONS", provider.issuer + path, headers=asked)
    assert answer.status_code in (204, 405)
    return {name: value for name, value in answer.headers.items() if name in ("access-control-allow-origin", "vary")}


def test_cd_19_the_page_of_a_registered_app_reads_tokens_and_userinfo(
    provider: Provider, spa: App, ana: Browser
) -> None:
    """An app in the browser works without a server of its own."""
    assert preflight(provider, "/token", OURS) == {"access-control-allow-origin": OURS, "vary": "Origin"}
    code = spa.code(ana)
    data = {"grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri}
    answer = spa.post(data | {"code_verifier": code.verifier or ""}, headers={"Origin": OURS})
    assert answer.headers["access-control-allow-origin"] == OURS
    assert "access-control-allow-credentials" not in answer.headers
    assert preflight(provider, "/userinfo", OURS) == {"access-control-allow-origin": OURS, "vary": "Origin"}
    headers = {"Authorization": f"Bearer {granted(answer)['access_token']}", "Origin": OURS}
    told = send("GET", f"{provider.issuer}/userinfo", headers=headers)
    assert (told.status_code, told.headers["access-control-allow-origin"]) == (200, OURS)


def test_cd_19_a_registered_page_reads_errors_too(provider: Provider, spa: App) -> None:
    """An app must see why it was refused."""
    answer = spa.post({"grant_type": "authorization_code"}, headers={"Origin": OURS})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, OURS)
    refused = send("GET", f"{provider.issuer}/userinfo", headers={"Origin": OURS})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, OURS)
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_cd_19_no_other_origin_is_let_in_and_none_is_reflected(provider: Provider, spa: App, origin: str) -> None:
    """A hostile page, a sandboxed frame or a look-alike calls the endpoints from its visitor's browser."""
    for path in ("/token", "/userinfo"):
        assert "access-control-allow-origin" not in preflight(provider, path, origin)
        for method in ("GET", "POST"):
            headers = {"Origin": origin, "Content-Type": FORM}
            answer = send(method, provider.issuer + path, headers=headers, content=b"grant_type=x")
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [OURS, *FOREIGN])
def test_cd_19_authorize_and_the_sign_in_are_open_to_no_page(provider: Provider, spa: App, origin: str) -> None:
    """A page that could read the sign-in could sign its visitor in, and take the code."""
    url = provider.issuer + spa.url()
    for method in ("GET", "OPTIONS"):
        answer = send(method, url, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    page = send("GET", f"{provider.issuer}/", headers={"Origin": origin})
    assert not [name for name in page.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path", ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
)
@pytest.mark.parametrize("origin", [OURS, "https://anybody.test", "null"])
def test_what_is_public_is_open_to_every_page(provider: Provider, path: str, origin: str) -> None:
    answer = send("GET", provider.issuer + path, headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("origin", [OURS, *FOREIGN])
def test_cd_19_a_refusal_from_before_the_endpoint_is_read_by_the_same_pages(
    provider: Provider, spa: App, origin: str
) -> None:
    """A page that may not read the answers of the token endpoint reads those that are given before it is reached."""
    url = f"{provider.issuer}/token"
    send("POST", url, headers={"Origin": OURS})  # by now it is known
    for answer in (
        send("PUT", url, headers={"Origin": origin}),
        send("POST", url, content=b"a" * 70_000, headers={"Origin": origin, "Content-Type": FORM}),
        send("POST", url, headers={"Origin": origin, "X": "y" * 40_000}),
    ):
        assert answer.status_code in (405, 413, 431)
        assert (answer.headers.get("access-control-allow-origin") == origin) == (origin == OURS)


def test_a_new_app_is_let_in_soon_and_not_only_after_a_restart(provider: Provider, spa: App) -> None:
    origin = "https://new.example.com"
    assert "access-control-allow-origin" not in preflight(provider, "/token", origin)
    register(provider, redirect_uris=(f"{origin}/cb",), public=True)
    time.sleep(1.1)
    assert preflight(provider, "/token", origin)["access-control-allow-origin"] == origin
