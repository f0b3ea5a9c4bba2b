"""JWTs that nobody should believe, at every endpoint that reads one: most bear the provider's own, true signature."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote_plus

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.oauth.wire import FORM, App, claims_of, forge_of, part, raw_get, register, send, status_of, userinfo
from tests.protocol.hostile import HOSTILE
from tests.protocol.hostile.claims import expired
from tests.protocol.hostile.good import THEIRS, Good, Named, changed, fits_a_header, jwk
from tests.provider import Browser, Provider, answer_of

pytestmark = pytest.mark.slow


def in_header(app: App, token: str) -> httpx2.Response | None:
    return userinfo(app.provider, token) if fits_a_header(token) and len(token) < 20_000 else None


def in_body(app: App, token: str) -> httpx2.Response:
    body = f"access_token={quote_plus(token, errors='surrogatepass')}"
    return send("POST", f"{app.provider.issuer}/userinfo", content=body, headers={"Content-Type": FORM})


def introspected(app: App, token: str) -> httpx2.Response:
    body = f"token={quote_plus(token, errors='surrogatepass')}"
    url, headers = f"{app.provider.issuer}/introspect", {"Content-Type": FORM}
    return send("POST", url, content=body, headers=headers, auth=app.basic)


def as_hint(app: App, token: str) -> httpx2.Response | None:
    """In an authorization request of nobody, which is judged before anybody is looked for."""
    hint = quote_plus(token, errors="surrogatepass")
    if not hint or len(hint) > 15_000:
        return None
    return send("GET", f"{app.provider.issuer}{app.url(prompt='none')}&id_token_hint={hint}")


@dataclass(frozen=True)
class Reader:
    """An endpoint that reads a JWT: how one is shown to it (None: it cannot be), and whether it believed.

    `kind` is the member of a token response that it accepts.
    """

    kind: str
    show: Callable[[App, str], httpx2.Response | None]
    believed: Callable[[httpx2.Response], bool]


def by_status(answer: httpx2.Response) -> bool:
    assert answer.status_code in (200, 400, 401, 413), answer.status_code
    return answer.status_code == 200


def by_description(answer: httpx2.Response) -> bool:
    assert answer.status_code in (200, 400, 413), answer.status_code
    return answer.status_code == 200 and answer.json().get("token_type") == "Bearer"


def by_error(answer: httpx2.Response) -> bool:
    """A hint that was believed names a person, who is not signed in."""
    assert answer.status_code in (303, 400), answer.status_code
    return answer.status_code == 303 and answer_of(answer)["error"] == "login_required"


READERS = {
    "userinfo, in the header": Reader("access_token", in_header, by_status),
    "userinfo, in the body": Reader("access_token", in_body, by_status),
    "introspection": Reader("access_token", introspected, by_description),
    "an id_token_hint": Reader("id_token", as_hint, by_error),
}
SECONDS = 5  # for one token, on a machine that does much else


@pytest.fixture(scope="module")
def tokens(app: App, ana: Browser) -> dict[str, Any]:
    return app.tokens(ana)


@pytest.fixture(scope="module")
def good_ones(provider: Provider, tokens: dict[str, Any]) -> dict[str, Good]:
    """Each kind of token, with the key that the provider signs it by."""
    key = load_pem_private_key(forge_of(provider).private_key, None)
    assert isinstance(key, RSAPrivateKey)
    return {kind: Good(key, part(tokens[kind], 0), claims_of(tokens[kind])) for kind in ("access_token", "id_token")}


@pytest.fixture(scope="module")
def good(good_ones: dict[str, Good]) -> Good:
    return good_ones["access_token"]


def believed(provider: Provider, token: str) -> bool:
    """By userinfo."""
    answer = userinfo(provider, token)
    if answer.status_code == 401:
        assert 'error="invalid_token", error_description="The ' in answer.headers["www-authenticate"]
    return by_status(answer)


@pytest.mark.parametrize("group", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_tk_16_no_hostile_token_is_believed_by_any_endpoint(
    app: App, good_ones: dict[str, Good], reader: Reader, group: Callable[[Good], Named]
) -> None:
    """The attacker sends a token with a fault that some library somewhere did not see, some of them to break us."""
    good = good_ones[reader.kind]
    genuine = reader.show(app, good.token)
    assert genuine is not None
    assert reader.believed(genuine), "what is refused below is refused for its fault alone"
    for name, token in group(good):
        began = time.monotonic()
        answer = reader.show(app, token)
        assert answer is None or not reader.believed(answer), name
        assert time.monotonic() - began < SECONDS, name


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_rt_14_no_endpoint_believes_a_token_of_another_kind(app: App, tokens: dict[str, Any], reader: Reader) -> None:
    """The attacker shows a refresh token or an ID token as an access token, or the other way round."""
    for kind in {"access_token", "id_token", "refresh_token"} - {reader.kind}:
        answer = reader.show(app, tokens[kind])
        assert answer is not None
        assert not reader.believed(answer), kind


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server of the attacker's that notes who comes."""
    visits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visits.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", visits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_tk_03_a_key_that_comes_with_the_token_is_never_fetched(
    provider: Provider, good: Good, listener: tuple[str, list[str]]
) -> None:
    """The attacker's token says where to fetch its key."""
    url, visits = listener
    headers: list[dict[str, Any]] = [
        {"jwk": jwk(THEIRS), "kid": f"{url}/kid"},
        {"jku": f"{url}/jwks"},
        {"x5u": f"{url}/certificate"},
        {"kid": f"{url}/jwks"},
    ]
    for header in headers:
        assert not believed(provider, good.with_(changed(good.header, **header), key=THEIRS)), header
    time.sleep(0.2)
    assert visits == []


CLAIM_FAULTS: dict[str, dict[str, Any]] = {
    "sub other": {"sub": "0" * 32},
    "sub empty": {"sub": ""},
    "grant of nobody": {"grant": "0" * 32},
    "grant empty": {"grant": ""},
    "grant in capitals": {"grant": "GRANT"},
    "grant path": {"grant": "../../x"},
    "grant statement": {"grant": "' OR 1=1 --"},
}


@pytest.mark.parametrize("change", CLAIM_FAULTS.values(), ids=CLAIM_FAULTS.keys())
def test_tk_08_a_token_with_a_wrong_claim_is_not_believed_although_we_signed_it(
    provider: Provider, good: Good, change: dict[str, Any]
) -> None:
    """The attacker got a token signed whose names are not what they should be."""
    real = json.loads(json.dumps(change).replace("GRANT", good.claims["grant"].upper()))
    assert not believed(provider, good.with_(None, changed(good.claims, **real)))


def test_tk_08_an_expired_token_is_not_believed_and_the_leeway_is_half_a_minute(provider: Provider, good: Good) -> None:
    """Clocks differ; an expired token must not live for long on that account."""
    now = int(time.time())
    assert not [name for name, token in expired(good) if believed(provider, token)]
    for claims, right in (
        ({"exp": now - 20}, True),
        ({"exp": now - 35}, False),
        ({"nbf": now + 20, "iat": now + 20}, True),
        ({"iat": now + 60}, False),
        ({"nbf": now + 60}, False),
    ):
        assert believed(provider, good.with_(None, changed(good.claims, **claims))) == right, claims


@pytest.mark.parametrize(
    "scope", [..., None, "", "email", "openidx", "xopenid", "OPENID", ["openid"], {"openid": 1}, 1], ids=repr
)
def test_tk_07_a_token_without_the_scope_openid_gets_nothing(provider: Provider, good: Good, scope: object) -> None:
    """The attacker's token says its scope in another shape than the check expects."""
    token = good.with_(None, changed(good.claims, scope=scope))
    assert userinfo(provider, token).status_code == (403 if isinstance(scope, str) or scope is ... else 401)


def test_tk_07_a_token_for_another_api_is_told_apart_by_its_audience(provider: Provider, ana: Browser) -> None:
    """An API must be able to refuse a token that was made for another one."""
    for audience in ("https://one.example.com", "https://two.example.com"):
        app = register(provider, audience=(audience,))
        claims = claims_of(app.tokens(ana)["access_token"])
        assert claims["aud"] == audience
    both = register(provider, audience=("https://one.example.com", "https://two.example.com"))
    assert claims_of(both.tokens(ana)["access_token"])["aud"] == ["https://one.example.com", "https://two.example.com"]


def test_tk_11_a_token_of_ten_megabytes_does_not_get_in(provider: Provider, good: Good) -> None:
    """The attacker sends a token of ten megabytes, in the header and in the body, for us to read and to verify."""
    head, body, signature = good.parts
    token = f"{head}.{body}{'A' * 10_000_000}.{signature}".encode()
    began = time.monotonic()
    try:
        in_header = raw_get(provider, b"/userinfo", b"Authorization: Bearer " + token)
    except ConnectionError:
        in_header = b""  # closed before it was sent to its end
    assert in_header == b"" or status_of(in_header) in (400, 401, 413, 431)
    in_body = send(
        "POST", f"{provider.issuer}/userinfo", content=b"access_token=" + token, headers={"Content-Type": FORM}
    )
    assert (in_body.status_code, in_body.json()["error"]) == (413, "invalid_request")
    assert time.monotonic() - began < 5
    assert believed(provider, good.token)
