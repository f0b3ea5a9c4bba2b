"""Access tokens that nobody should believe, at userinfo: most bear the provider's own, true signature."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.oauth.wire import (
    FORM,
    App,
    Forge,
    claims_of,
    forge_of,
    part,
    raw_get,
    register,
    send,
    status_of,
    unpadded,
    userinfo,
)
from tests.provider import Browser, Provider


@pytest.fixture(scope="module")
def forge(provider: Provider) -> Forge:
    return forge_of(provider)


@pytest.fixture(scope="module")
def genuine(app: App, ana: Browser) -> str:
    return str(app.tokens(ana)["access_token"])


@pytest.fixture(scope="module")
def stranger() -> Forge:
    """The attacker's own key, under any kid he likes."""
    key = rsa.generate_private_key(65537, 2048)
    return Forge("attacker", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_jwk(forge: Forge) -> dict[str, str]:
    key = load_pem_private_key(forge.private_key, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.public_key().public_numbers()
    n, e = (unpadded(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "kid": forge.kid, "n": n, "e": e}


def believed(provider: Provider, token: str) -> bool:
    answer = userinfo(provider, token)
    if answer.status_code == 200:
        return True
    assert answer.status_code == 401, answer.status_code
    assert 'error="invalid_token", error_description="The token is not valid."' in answer.headers["www-authenticate"]
    return False


def test_the_forge_is_good_enough(provider: Provider, forge: Forge, genuine: str) -> None:
    """What is refused below is refused for its fault alone."""
    assert believed(provider, genuine)
    assert believed(provider, forge.sign(claims_of(genuine)))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, "none "], ids=repr)
def test_tk_01_a_token_without_a_signature_is_not_believed(
    provider: Provider, forge: Forge, genuine: str, alg: str | None
) -> None:
    """The attacker says that his token needs no signature."""
    head, body, signature = forge.sign(claims_of(genuine), alg=alg).split(".")
    for last in ("", signature, unpadded(b"\0")):
        assert not believed(provider, f"{head}.{body}.{last}")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", 256])
def test_tk_01_no_algorithm_but_rs256_is_believed(provider: Provider, forge: Forge, genuine: str, alg: object) -> None:
    """The attacker names another algorithm, so that the public key is taken for a shared secret."""
    assert not believed(provider, forge.sign(claims_of(genuine), alg=alg))
    jwk = next(key for key in send("GET", f"{provider.issuer}/jwks").json()["keys"] if key["kid"] == forge.kid)
    modulus = base64.urlsafe_b64decode(jwk["n"] + "==")
    signed = forge.sign(claims_of(genuine), alg=alg).rpartition(".")[0]
    for secret in (modulus, json.dumps(jwk).encode(), b""):
        forged = hmac.digest(secret, signed.encode(), hashlib.sha256)
        assert not believed(provider, f"{signed}.{unpadded(forged)}")


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


def test_tk_03_a_key_that_comes_with_the_token_is_never_used_nor_fetched(
    provider: Provider, forge: Forge, stranger: Forge, genuine: str, listener: tuple[str, list[str]]
) -> None:
    """The attacker's token brings its own key, or says where to fetch it."""
    url, visits = listener
    jwk = public_jwk(stranger)
    claims = claims_of(genuine)
    headers: list[dict[str, Any]] = [
        {"jwk": jwk},
        {"jwk": jwk, "kid": None},
        {"jwk": jwk | {"kid": forge.kid}, "kid": forge.kid},
        {"jku": f"{url}/jwks", "kid": stranger.kid},
        {"jku": f"{url}/jwks", "kid": forge.kid},
        {"x5u": f"{url}/certificate"},
        {"x5c": [base64.b64encode(b"certificate").decode()]},
        {"kid": forge.kid},
        {"kid": f"{url}/jwks"},
    ]
    for header in headers:
        assert not believed(provider, stranger.sign(claims, **header)), header
    time.sleep(0.2)
    assert visits == []


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../etc/passwd",
        "/dev/null",
        "' OR 1=1 --",
        "x' UNION SELECT private_key FROM signing_keys --",
        "|/bin/true",
        "a\0b",
        "",
        "x" * 9000,
        1,
        1.5,
        True,
        None,
        [],
        ["KID"],
        {"kid": "KID"},
        "KID ",
        "kid-in-capitals",
    ],
    ids=lambda kid: repr(kid)[:60],
)
def test_tk_04_a_strange_kid_is_a_plain_miss(provider: Provider, forge: Forge, genuine: str, kid: object) -> None:
    """The attacker's kid is a path, a statement, or no string at all."""
    real = json.loads(json.dumps(kid).replace("KID", forge.kid).replace("kid-in-capitals", forge.kid.upper()))
    if real != forge.kid:
        assert not believed(provider, forge.sign(claims_of(genuine), kid=real))


CLAIM_FAULTS: dict[str, dict[str, Any]] = {
    "iss missing": {"iss": None},
    "iss other": {"iss": "https://evil.test"},
    "iss with slash": {"iss": "ISSUER/"},
    "iss a list": {"iss": ["ISSUER"]},
    "sub missing": {"sub": None},
    "sub other": {"sub": "0" * 32},
    "sub a number": {"sub": 1},
    "sub a list": {"sub": ["SUB"]},
    "exp missing": {"exp": None},
    "exp past": {"exp": -100},
    "exp just past the leeway": {"exp": -31},
    "exp text": {"exp": "9999999999"},
    "exp fraction": {"exp": 9999999999.5},
    "exp true": {"exp": True},
    "exp list": {"exp": [9999999999]},
    "exp negative": {"exp": -9999999999},
    "iat ahead": {"iat": 3600},
    "iat text": {"iat": "0"},
    "nbf ahead": {"nbf": 3600},
    "nbf text": {"nbf": "0"},
    "nbf list": {"nbf": []},
    "grant of nobody": {"grant": "0" * 32},
    "grant path": {"grant": "../../x"},
    "grant with NUL": {"grant": "a\0b"},
}


@pytest.mark.parametrize("change", CLAIM_FAULTS.values(), ids=CLAIM_FAULTS.keys())
def test_tk_08_a_token_with_a_wrong_claim_is_not_believed_although_we_signed_it(
    provider: Provider, forge: Forge, genuine: str, change: dict[str, Any]
) -> None:
    """The attacker got a token signed whose times or names are not what they should be."""
    claims = claims_of(genuine)
    (name,) = change
    text = json.dumps(change[name]).replace("ISSUER", provider.issuer).replace("SUB", claims["sub"])
    value = json.loads(text)
    if name in ("exp", "iat", "nbf") and type(value) is int and abs(value) < 10_000:
        value += int(time.time())
    changed = {key: each for key, each in (claims | {name: value}).items() if each is not None}
    answer = userinfo(provider, forge.sign(changed))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "Infinity", "1" + "0" * 400, "1e3", "null"])
def test_tk_08_a_time_that_is_no_number_of_json_breaks_nothing(
    provider: Provider, forge: Forge, genuine: str, text: str
) -> None:
    """The attacker's token expires at infinity."""
    claims = json.dumps(claims_of(genuine) | {"exp": "EXP"}).replace('"EXP"', text)
    answer = userinfo(provider, forge.sign(claims.encode()))
    # A whole number, however large, is a time: such a token could come from us alone.
    assert answer.status_code == (200 if text.isdigit() else 401)


def test_tk_08_the_leeway_is_half_a_minute(provider: Provider, forge: Forge, genuine: str) -> None:
    """Clocks differ; an expired token must not live for long on that account."""
    claims, now = claims_of(genuine), int(time.time())
    assert believed(provider, forge.sign(claims | {"exp": now - 20}))
    assert not believed(provider, forge.sign(claims | {"exp": now - 35}))
    assert believed(provider, forge.sign(claims | {"nbf": now + 20, "iat": now + 20}))
    assert not believed(provider, forge.sign(claims | {"iat": now + 60}))


@pytest.mark.parametrize(
    "typ", ["JWT", "", None, "jwt+at", "at+jwt;x", "logout+jwt", 1, ["at+jwt"], "at+jwt "], ids=repr
)
def test_tk_21_a_token_of_another_type_is_no_access_token(
    provider: Provider, forge: Forge, genuine: str, typ: object
) -> None:
    """The attacker shows an ID token, or another JWT of ours, as an access token."""
    assert not believed(provider, forge.sign(claims_of(genuine), typ=typ))


@pytest.mark.parametrize("typ", ["at+JWT", "AT+JWT", "application/at+jwt"])
def test_tk_21_the_type_may_be_spelled_as_rfc_9068_allows(
    provider: Provider, forge: Forge, genuine: str, typ: str
) -> None:
    """An honest app's token spells its type in capitals or in full, and is not taken for a forgery."""
    assert believed(provider, forge.sign(claims_of(genuine), typ=typ))


@pytest.mark.parametrize(
    "scope", [None, "", "email", "openidx", "xopenid", "OPENID", ["openid"], {"openid": 1}, 1], ids=repr
)
def test_tk_07_a_token_without_the_scope_openid_gets_nothing(
    provider: Provider, forge: Forge, genuine: str, scope: object
) -> None:
    """The attacker's token says its scope in another shape than the check expects."""
    changed = {name: value for name, value in (claims_of(genuine) | {"scope": scope}).items() if value is not None}
    assert userinfo(provider, forge.sign(changed)).status_code in (401, 403)


def test_tk_07_a_token_for_another_api_is_told_apart_by_its_audience(provider: Provider, ana: Browser) -> None:
    """An API must be able to refuse a token that was made for another one."""
    for audience in ("https://one.example.com", "https://two.example.com"):
        app = register(provider, audience=(audience,))
        claims = claims_of(app.tokens(ana)["access_token"])
        assert claims["aud"] == audience
    both = register(provider, audience=("https://one.example.com", "https://two.example.com"))
    assert claims_of(both.tokens(ana)["access_token"])["aud"] == ["https://one.example.com", "https://two.example.com"]


def deep(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def jwe(header: dict[str, object]) -> str:
    return f"{unpadded(json.dumps(header).encode())}.x.y.z.w"


MALFORMED = {
    "four dots": "TOKEN.x.y",
    "two parts": "HEAD.BODY",
    "one part": "HEAD",
    "no signature": "HEAD.BODY.",
    "no body": "HEAD..SIGNATURE",
    "no head": ".BODY.SIGNATURE",
    "padded": "TOKEN=",
    "padded twice": "TOKEN==",
    "head padded": "HEAD=.BODY.SIGNATURE",
    "dot at the end": "TOKEN.",
    "space inside": "HEAD. BODY.SIGNATURE",
    "quoted": '"TOKEN"',
    "in standard base64": "HEAD.BODY.++++////",
    "twice": "TOKEN TOKEN",
    "with a comma": "TOKEN,TOKEN",
    "JSON serialisation": '{"payload":"BODY","protected":"HEAD","signature":"SIGNATURE"}',
    "head is a list": f"{unpadded(b'[]')}.BODY.SIGNATURE",
    "head is no JSON": f"{unpadded(b'{')}.BODY.SIGNATURE",
    "head is no UTF-8": f"{unpadded(bytes([255, 254]))}.BODY.SIGNATURE",
    "head is null": f"{unpadded(b'null')}.BODY.SIGNATURE",
    "head is deep": f"{unpadded(deep(1900))}.BODY.SIGNATURE",
    "head is very deep": "[" * 12_000 + ".BODY.SIGNATURE",
    "JWE, direct": jwe({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}),
    "JWE, expensive": jwe({"alg": "PBES2-HS256+A128KW", "p2c": 10**9, "p2s": "x"}),
}


@pytest.mark.parametrize("shape", MALFORMED.values(), ids=MALFORMED.keys())
def test_tk_11_and_tk_13_a_token_of_another_shape_is_refused_at_once(
    provider: Provider, genuine: str, shape: str
) -> None:
    """The attacker sends what a library chokes on: nesting, another serialisation, padding, encryption."""
    head, body, signature = genuine.split(".")
    token = shape.replace("TOKEN", genuine).replace("HEAD", head).replace("BODY", body).replace("SIGNATURE", signature)
    began = time.monotonic()
    for answer in (
        userinfo(provider, token),
        send("POST", f"{provider.issuer}/userinfo", data={"access_token": token}),
    ):
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("payload", [deep(1500), b"[" * 5000, b"[]", b"null", b'"text"', b"1", b"{", b"\xff", b""])
def test_tk_11_a_signed_payload_that_is_no_object_breaks_nothing(
    provider: Provider, forge: Forge, payload: bytes
) -> None:
    """The attacker's payload is nested thousands deep, or is no JSON object."""
    assert not believed(provider, forge.sign(payload))


def test_tk_11_a_token_of_ten_megabytes_does_not_get_in(provider: Provider, genuine: str) -> None:
    """The attacker sends a token of ten megabytes, in the header and in the body, for us to read and to verify."""
    head, body, signature = genuine.split(".")
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
    assert believed(provider, genuine)


def test_tk_17_a_signature_of_anything_else_is_none(
    provider: Provider, app: App, ana: Browser, forge: Forge, stranger: Forge, genuine: str
) -> None:
    """The attacker strips, empties, flips, borrows or forges the signature, or changes what it signs."""
    head, body, signature = genuine.split(".")
    other = app.tokens(ana)["access_token"].split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    flipped = bytes([raw[0] ^ 1, *raw[1:]])
    admin = unpadded(json.dumps(claims_of(genuine) | {"scope": "openid admin"}).encode())
    for token in (
        f"{head}.{body}.",
        f"{head}.{body}.{other[2]}",
        f"{head}.{other[1]}.{signature}",
        f"{head}.{admin}.{signature}",
        f"{head}.{body}.{unpadded(flipped)}",
        f"{head}.{body}.{unpadded(bytes(256))}",
        f"{head}.{body}.{unpadded(b'1' * 64)}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}{signature}",
        stranger.sign(claims_of(genuine), kid=forge.kid),
    ):
        assert not believed(provider, token)


def test_tk_17_a_token_signed_by_a_key_that_was_never_published_is_not_believed(
    provider: Provider, stranger: Forge, genuine: str
) -> None:
    """The attacker signs with a key of his own, under a name that nobody knows."""
    assert part(genuine, 0)["kid"] != stranger.kid
    assert not believed(provider, stranger.sign(claims_of(genuine)))
