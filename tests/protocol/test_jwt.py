import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as library
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from idp.protocol import jwt
from idp.protocol.errors import InvalidToken
from tests.protocol.samples import ISSUER, SECONDS

API = "https://api.example.com"
OURS = rsa.generate_private_key(65537, 2048)
THEIRS = rsa.generate_private_key(65537, 2048)
SPKI = OURS.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PEM = OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
HEADER = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
CLAIMS = {"iss": ISSUER, "sub": "ana", "aud": API, "iat": SECONDS, "exp": SECONDS + 900, "jti": "j1"}
NAN, INFINITY = float("nan"), float("inf")


def public(key: rsa.RSAPrivateKey, kid: str) -> RSAKey:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return RSAKey.import_key(pem, {"kid": kid, "use": "sig", "alg": "RS256"})


KEYS = KeySet([public(OURS, "k1"), public(rsa.generate_private_key(65537, 2048), "k2")])


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(content: Any) -> str:
    """A header or payload; text stands for itself, so that it may be no JSON at all."""
    return encode((content if isinstance(content, str) else json.dumps(content)).encode())


def signed(header: Any = None, claims: Any = None, key: rsa.RSAPrivateKey = OURS) -> str:
    """A token by hand, without a library that would refuse to make it. The signature is right."""
    content = f"{part(HEADER if header is None else header)}.{part(CLAIMS if claims is None else claims)}"
    return f"{content}.{encode(key.sign(content.encode(), padding.PKCS1v15(), SHA256()))}"


def verify(
    token: str, *, typ: str = "at+jwt", audience: str | None = API, keys: KeySet = KEYS, now: int = SECONDS
) -> dict[str, Any]:
    return jwt.verify(token, keys, typ=typ, issuer=ISSUER, audience=audience, now=now)


def refused(token: str, *, typ: str = "at+jwt", audience: str | None = API, keys: KeySet = KEYS) -> str:
    with pytest.raises(InvalidToken) as caught:
        verify(token, typ=typ, audience=audience, keys=keys)
    assert caught.value.description == "The token is not valid."
    return caught.value.reason


def changed(**claims: Any) -> dict[str, Any]:
    """The claims with changes; ... takes one out."""
    return {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}


GOOD = signed()


def test_a_token_of_ours_gives_its_claims() -> None:
    assert verify(GOOD) == CLAIMS


def test_a_token_signed_by_the_library_gives_its_claims() -> None:
    key = RSAKey.generate_key(2048, {"kid": "k3"})
    assert verify(library.encode(HEADER | {"kid": "k3"}, dict(CLAIMS), key), keys=KeySet([key])) == CLAIMS


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_type_is_read_as_a_media_type(typ: str) -> None:
    """RFC 9068 section 4, RFC 7515 section 4.1.9."""
    assert verify(signed(HEADER | {"typ": typ}))


@pytest.mark.parametrize("expected", ["JWT", "jwt"])
def test_the_type_that_is_expected_may_be_written_in_any_case(expected: str) -> None:
    assert verify(signed(HEADER | {"typ": "JWT"}), typ=expected)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "none ", "", None, 0, [], ["none"], ["RS256"]], ids=repr
)
@pytest.mark.parametrize("signature", ["", "right", "e30", "AA"])
@pytest.mark.parametrize("more", [{}, {"typ": "JWT"}, {"kid": None}], ids=["ours", "typ", "kid"])
def test_tk_01_a_token_that_says_it_is_not_signed_is_refused(
    algorithm: Any, signature: str, more: dict[str, Any]
) -> None:
    """Anybody can write a token that asks not to be verified."""
    header, payload, right = signed(HEADER | {"alg": algorithm} | more).split(".")
    refused(f"{header}.{payload}.{right if signature == 'right' else signature}")


def test_tk_01_a_header_without_an_algorithm_is_refused() -> None:
    """The attacker leaves alg out of the header, for a default to be taken."""
    refused(signed({"kid": "k1", "typ": "at+jwt"}))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256"])
@pytest.mark.parametrize("secret", [PEM, PEM.strip(), SPKI, b"", b"k1"], ids=["PEM", "stripped", "DER", "empty", "kid"])
def test_tk_01_the_public_key_is_not_a_shared_secret(algorithm: str, secret: bytes) -> None:
    """Everybody has the public key: whoever makes HMAC of it signs as us where the header picks the algorithm."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    content = f"{part(HEADER | {'alg': algorithm})}.{part(CLAIMS)}"
    refused(f"{content}.{encode(hmac.digest(secret, content.encode(), digest))}")


@pytest.mark.parametrize(
    "algorithm", ["RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", "HS256", "A128KW"]
)
def test_tk_01_a_right_signature_under_another_name_is_refused(algorithm: str) -> None:
    """The attacker names another algorithm beside a signature that is right by RS256."""
    refused(signed(HEADER | {"alg": algorithm}))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_tk_01_no_other_algorithm_of_the_same_key_is_accepted(algorithm: str) -> None:
    """The attacker gets a token signed by our key with another algorithm, and the key does not say what it is for."""
    key = RSAKey.import_key(OURS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), {"kid": "k1"})
    token = library.encode(HEADER | {"alg": algorithm}, dict(CLAIMS), key, algorithms=[algorithm])
    refused(token, keys=KeySet([key]))


SHARED = b"a secret of thirty-two characters"


@pytest.mark.parametrize(
    "keys",
    [
        KeySet([OctKey.import_key(SHARED, {"kid": "k1"})]),
        KeySet([ECKey.generate_key("P-256", {"kid": "k1"})]),
        KeySet([]),
    ],
    ids=["shared secret", "elliptic curve", "none"],
)
def test_tk_01_a_key_of_another_kind_verifies_nothing(keys: KeySet) -> None:
    """The attacker signs by HMAC under a kid that names a shared secret, an elliptic curve key, or nothing."""
    content = f"{part(HEADER | {'alg': 'HS256'})}.{part(CLAIMS)}"
    refused(f"{content}.{encode(hmac.digest(SHARED, content.encode(), 'sha256'))}", keys=keys)
    refused(GOOD, keys=keys)


def test_tk_03_a_key_that_the_token_brings_with_it_is_not_used() -> None:
    """The attacker signs with a key of their own and sends it along, or says where to get it."""
    theirs = public(THEIRS, "k1").as_dict(private=False)
    headers: list[dict[str, Any]] = [
        {"jwk": theirs},
        {"jwk": {"kty": "RSA", "kid": "k1"}},
        {"jku": "https://evil.test/jwks"},
        {"x5u": "https://evil.test/cert"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
    ]
    for more in headers:
        for kid in ({"kid": "k1"}, {"kid": "evil"}, {"kid": None}):
            refused(signed(HEADER | more | kid, key=THEIRS))
        assert "signature" in refused(signed({"alg": "RS256", "kid": "k1", "typ": "at+jwt", "x5t": "AAAA"}, key=THEIRS))


KIDS = [
    *(
        "../../../etc/passwd",
        "/dev/null",
        "' OR 1=1 --",
        "k1' --",
        "k1\x00",
        "\x00",
        "k1 ",
        " k1",
        "K1",
        "k",
        "k12",
        "",
    ),
    *("k" * 10_000, "k" * 200, "é", "\ud800", "https://evil.test/jwks", "%6b1"),
    *(None, 0, 1, True, 1.5, [], ["k1"], {}, {"k1": "k1"}),
]


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: f"{json.dumps(kid)[:24]} {len(str(kid))}")
def test_tk_04_a_kid_that_is_not_exactly_ours_is_a_miss(kid: Any) -> None:
    """A kid that is looked up as a path, in SQL or as a URL lets the attacker choose the key."""
    refused(signed(HEADER | {"kid": kid}))
    refused(signed(HEADER | {"kid": kid}, key=THEIRS))


@pytest.mark.parametrize("keys", [KEYS, KeySet([public(OURS, "k1")])], ids=["two keys", "one key"])
def test_tk_04_a_token_without_a_kid_is_refused_even_if_there_is_one_key(keys: KeySet) -> None:
    """The attacker leaves kid out, for the server to try its keys one by one or to take the only one."""
    refused(signed({"alg": "RS256", "typ": "at+jwt"}), keys=keys)


def test_tk_04_the_key_of_another_kid_does_not_verify() -> None:
    """The attacker names another key of ours than the one that signed."""
    assert "signature" in refused(signed(HEADER | {"kid": "k2"}))


def test_tk_04_a_kid_that_stands_twice_in_the_set_names_the_first_key() -> None:
    """The attacker gets a key of his own into the set, under a kid that stands there already."""
    keys = KeySet([public(OURS, "k1"), public(THEIRS, "k1")])
    assert verify(GOOD, keys=keys)
    refused(signed(key=THEIRS), keys=keys)


def test_tk_04_a_key_that_is_no_longer_published_verifies_nothing() -> None:
    """The attacker shows a token of a key that was withdrawn."""
    refused(GOOD, keys=KeySet([public(THEIRS, "k2")]))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "", None, "at", "at+jwt ", "application/application/at+jwt", "dpop+jwt"])
def test_tk_21_an_id_token_is_not_an_access_token(typ: str | None) -> None:
    """RFC 9068 section 2.1: both are signed by the same key, and only the type tells them apart."""
    refused(signed(HEADER | {"typ": typ}))
    refused(signed({"alg": "RS256", "kid": "k1"}))


@pytest.mark.parametrize("typ", [["at+jwt"], {"at+jwt": 1}, 1, True], ids=repr)
def test_tk_21_a_type_that_is_no_text_is_refused(typ: Any) -> None:
    """The attacker's type is a list, an object or a number, so that a comparison of texts goes wrong."""
    refused(signed(HEADER | {"typ": typ}))


def test_tk_21_an_access_token_is_not_an_id_token() -> None:
    """The attacker shows an access token where an ID token is expected."""
    refused(GOOD, typ="JWT")
    assert verify(signed(HEADER | {"typ": "JWT"}), typ="JWT")


@pytest.mark.parametrize("aud", [API, [API], [API, ISSUER], ["https://other.example.com", API]], ids=str)
def test_tk_07_an_audience_that_holds_ours_is_accepted(aud: Any) -> None:
    """An honest app's token is for this API, alone or among others, and is no forgery."""
    assert verify(signed(claims=changed(aud=aud)))["aud"] == aud


@pytest.mark.parametrize(
    "aud",
    [
        *(..., None, "", [], {}, 0, 1, True, "https://other.example.com", ["https://other.example.com"], ISSUER),
        *(API[:-1], API[1:], API + "/", API.upper(), f" {API}", f"{API} {ISSUER}", [[API]], [API, 1], [API, None]),
        *({API: 1}, [{}], "*", ["*"], f'["{API}"]'),
    ],
    ids=lambda aud: "missing" if aud is ... else json.dumps(aud),
)
def test_tk_07_any_other_audience_is_refused(aud: Any) -> None:
    """A token for one API that another accepts lets the first act as the person at the second."""
    refused(signed(claims=changed(aud=aud)))


@pytest.mark.parametrize("aud", [..., API, "https://other.example.com", ["a", "b"]], ids=str)
def test_who_serves_every_audience_accepts_every_audience(aud: Any) -> None:
    assert verify(signed(claims=changed(aud=aud)), audience=None)


@pytest.mark.parametrize("aud", [1, {}, [1], [["a"]]], ids=str)
def test_tk_07_a_malformed_audience_is_refused_even_there(aud: Any) -> None:
    """The attacker's audience is neither text nor a list of texts, at a server that looks for none."""
    refused(signed(claims=changed(aud=aud)), audience=None)


@pytest.mark.parametrize(
    "iss",
    [
        *(..., None, "", "https://evil.test", ISSUER + "/", ISSUER.upper(), ISSUER[:-1], "http://id.example.com"),
        *([ISSUER], [ISSUER, "https://evil.test"], {ISSUER: 1}, 1, True),
    ],
    ids=lambda iss: "missing" if iss is ... else json.dumps(iss),
)
def test_az_09_a_token_of_another_issuer_is_refused(iss: Any) -> None:
    """The attacker shows a token of another issuer, or of one whose name is nearly ours."""
    refused(signed(claims=changed(iss=iss)))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": SECONDS + 1},
        {"exp": SECONDS},
        {"exp": SECONDS - jwt.LEEWAY + 1},
        {"iat": SECONDS + jwt.LEEWAY},
        {"iat": 0},
        {"nbf": SECONDS},
        {"nbf": SECONDS + jwt.LEEWAY},
        {"nbf": 0},
    ],
    ids=str,
)
def test_tk_08_a_time_that_holds_within_the_leeway_is_accepted(claims: dict[str, Any]) -> None:
    """An honest app's token is within its times, or off by no more than clocks differ."""
    assert verify(signed(claims=changed(**claims)))


def test_tk_08_the_leeway_is_at_most_a_minute() -> None:
    """The attacker uses an expired token, and gets a minute at most out of the leeway for wrong clocks."""
    assert 0 <= jwt.LEEWAY <= 60


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": SECONDS - jwt.LEEWAY},
        {"exp": SECONDS - jwt.LEEWAY - 1},
        {"exp": 0},
        {"exp": -1},
        {"exp": ...},
        {"iat": SECONDS + jwt.LEEWAY + 1},
        {"iat": SECONDS + 3600},
        {"nbf": SECONDS + jwt.LEEWAY + 1},
        {"nbf": SECONDS + 3600},
    ],
    ids=str,
)
def test_tk_08_a_time_that_does_not_hold_is_refused(claims: dict[str, Any]) -> None:
    """The attacker shows a token that has expired, never expires, or is not valid yet."""
    refused(signed(claims=changed(**claims)))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "", str(SECONDS), str(SECONDS + 900), SECONDS + 0.5, float(SECONDS), 1e300, INFINITY),
        *(-INFINITY, NAN, [SECONDS], {}, [], {"value": SECONDS}),
    ],
    ids=repr,
)
def test_tk_08_a_time_that_is_no_whole_number_is_refused(name: str, value: Any) -> None:
    """Every comparison with NaN is false, so that a token that expires at NaN never does."""
    refused(signed(claims=changed(**{name: value})))


@pytest.mark.parametrize("exp", ["1e400", "-1e400", "1" + "0" * 5000, "1e10", "01", "0x7FFFFFFF", "1_800_000_000"])
def test_tk_08_a_number_that_json_or_python_cannot_hold_is_refused(exp: str) -> None:
    """The attacker's token expires at a number that is too large, or written as JSON does not allow."""
    refused(signed(claims=json.dumps(CLAIMS).replace(str(SECONDS + 900), exp)))


def test_the_clock_is_the_callers() -> None:
    later = SECONDS + 900 + jwt.LEEWAY
    assert verify(GOOD, now=later - 1)
    with pytest.raises(InvalidToken):
        verify(GOOD, now=later)
    with pytest.raises(InvalidToken):
        verify(GOOD, now=SECONDS - jwt.LEEWAY - 1)


H, P, S = GOOD.split(".")
DEEP = "[" * 6000 + "]" * 6000
SHAPES = {
    "empty": "",
    "dots": "..",
    "no dot": H,
    "one dot": f"{H}.{P}",
    "three dots": f"{GOOD}.",
    "four dots": f"{H}.{P}.{S}.{S}.{S}",
    "leading dot": f".{GOOD}",
    "no header": f".{P}.{S}",
    "no payload": f"{H}..{S}",
    "no signature": f"{H}.{P}.",
    "padding": f"{GOOD}==",
    "padded header": f"{H}=.{P}.{S}",
    "newline": f"{GOOD}\n",
    "space before": f" {GOOD}",
    "space within": f"{H}. {P}.{S}",
    "NUL": f"{GOOD}\x00",
    "base64 of another alphabet": GOOD.replace("-", "+").replace("_", "/") + "+/",
    "a letter beyond ASCII": f"{H}.{P}.é{S}",
    "a lone surrogate": f"{H}.{P}.\ud800",
    "full-width dots": GOOD.replace(".", "．"),
    "JSON serialisation": json.dumps({"protected": H, "payload": P, "signature": S}),
    "general JSON serialisation": json.dumps({"payload": P, "signatures": [{"protected": H, "signature": S}]}),
    "a scheme before it": f"Bearer {GOOD}",
    "too long": GOOD + "A" * jwt.MAX_LENGTH,
    "10 MB": "A" * 10_000_000,
    "10 MB of dots": "." * 10_000_000,
    "header is no JSON": f"{encode(b'{')}.{P}.{S}",
    "header is no object": f"{part([1])}.{P}.{S}",
    "header is null": f"{part('null')}.{P}.{S}",
    "header is not UTF-8": f"{encode(bytes([255, 254]))}.{P}.{S}",
    "deep header": f"{part(DEEP)}.{P}.{S}",
    "refresh token": f"{'0' * 32}.0.{'A' * 43}",
}


@pytest.mark.parametrize("token", SHAPES.values(), ids=SHAPES)
def test_tk_11_what_is_not_a_compact_token_is_refused_cleanly(token: str) -> None:
    """The attacker sends what is no compact token: parts too many or too few, padding, JSON, nesting, 10 MB."""
    refused(token)


SIGNED_OVER = {
    "deep payload": DEEP,
    "deep object": '{"a":' * 1500 + "1" + "}" * 1500,
    "a list": "[]",
    "text": '"text"',
    "null": "null",
    "a number": "1",
    "nothing": "",
    "two objects": "{}{}",
    "no JSON": "{",
    "NUL": "\x00",
}


@pytest.mark.parametrize("claims", SIGNED_OVER.values(), ids=SIGNED_OVER)
def test_tk_11_what_is_signed_but_no_claims_is_refused_cleanly(claims: str) -> None:
    """Joserfc lets RecursionError through: an error page for whoever can get such a payload signed."""
    refused(signed(claims=claims))


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"crit": ["exp"], "exp": 1},
        HEADER | {"crit": ["b64"], "b64": False},
        HEADER | {"b64": False},
        HEADER | {"crit": []},
        HEADER | {"crit": "b64", "b64": True},
        HEADER | {"made_up": 1},
        HEADER | {"cty": "A" * 1000},
        HEADER | {"zip": "DEF"},
        HEADER | {"enc": "A256GCM"},
    ],
    ids=lambda header: json.dumps(header)[48:80],
)
def test_tk_11_a_header_that_asks_for_more_is_refused(header: dict[str, Any]) -> None:
    """RFC 7515 section 4.1.11: what is critical and not understood must not be passed over."""
    refused(signed(header))


def test_duplicate_members_count_once_and_the_last_one_counts_for_every_check() -> None:
    """RFC 7519 section 4. The danger is that one check reads the first and another the last."""
    twice = json.dumps(CLAIMS)[:-1]
    assert verify(signed(claims=f'{twice},"sub":"bob"}}'))["sub"] == "bob"
    refused(signed(claims=f'{twice},"exp":1}}'))
    refused(signed(claims=f'{twice},"aud":"https://other.example.com"}}'))
    refused(signed(json.dumps(HEADER)[:-1] + ',"typ":"JWT"}'))
    refused(signed(json.dumps(HEADER)[:-1] + ',"kid":"k2"}'))
    refused(signed(json.dumps(HEADER)[:-1] + ',"alg":"none"}'))


def test_tk_17_a_signature_of_something_else_is_refused() -> None:
    """The attacker strips the signature, fills it with zeros, makes one himself, or moves one to another token."""
    header, payload, _ = signed(claims=changed(sub="bob")).split(".")
    zeros = encode(bytes(256))
    for token in (
        f"{header}.{payload}.",
        f"{header}.{payload}.{S}",
        f"{header}.{payload}.{zeros}",
        f"{H}.{P}.{zeros}",
        f"{H}.{P}.{encode(b'')}",
        f"{H}.{P}.{encode(bytes(64))}",
        f"{H}.{P}.{encode(b'1' * 255)}",
        f"{H}.{P}.{S}AAAA",
        signed(key=THEIRS),
        f"{P}.{H}.{S}",
    ):
        refused(token)


def test_tk_17_a_flipped_bit_anywhere_in_the_signature_is_refused() -> None:
    """The attacker flips one bit of a signature."""
    signature = base64.urlsafe_b64decode(S + "==")
    for position in range(0, len(signature) * 8, 37):
        flipped = bytearray(signature)
        flipped[position // 8] ^= 1 << position % 8
        assert "signature" in refused(f"{H}.{P}.{encode(bytes(flipped))}")


# In the manner of Wycheproof (json_web_signature, rsa_signature): what is nearly a token of ours, each with one fault.
PRIVATE = OURS.private_numbers()
N = PRIVATE.public_numbers.n
CONTENT = f"{H}.{P}".encode()
RIGHT = base64.urlsafe_b64decode(S + "==")
SHA256_OID, NULL = bytes.fromhex("0609608648016503040201"), bytes.fromhex("0500")
EVIL = changed(sub="bob")


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, len(content)]) + content


def digest_info(algorithm: bytes = SHA256_OID + NULL, digest: bytes = hashlib.sha256(CONTENT).digest()) -> bytes:
    return der(0x30, der(0x30, algorithm), der(0x04, digest))


def raw_signature(info: bytes, head: bytes = b"\x00\x01", fill: bytes = b"\xff", rest: bytes = b"") -> bytes:
    """RSA with our private key of a block that PKCS #1 v1.5 would not have made."""
    block = head + fill * (256 - len(head) - 1 - len(info) - len(rest)) + b"\x00" + info + rest
    return pow(int.from_bytes(block), PRIVATE.d, N).to_bytes(256)


def by(hashed: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding, key: rsa.RSAPrivateKey = OURS) -> bytes:
    return key.sign(CONTENT, scheme, hashed)


def pss(salt: int) -> padding.AsymmetricPadding:
    return padding.PSS(padding.MGF1(hashes.SHA256()), salt)


SIGNATURES = {
    "empty": b"",
    "one byte": b"\x00",
    "zero": bytes(256),
    "one": (1).to_bytes(256),
    "the modulus": N.to_bytes(256),
    "the modulus less one": (N - 1).to_bytes(256),
    "all bits": b"\xff" * 256,
    "its negative": (N - int.from_bytes(RIGHT)).to_bytes(256),
    "more than the modulus": (int.from_bytes(RIGHT) + N).to_bytes(257),
    "a zero before it": b"\x00" + RIGHT,
    "a zero after it": RIGHT + b"\x00",
    "first byte gone": RIGHT[1:],
    "last byte gone": RIGHT[:-1],
    "half": RIGHT[:128],
    "backwards": RIGHT[::-1],
    "twice": RIGHT * 2,
    "the digest": hashlib.sha256(CONTENT).digest(),
    "the content": CONTENT,
    "by another key": by(hashes.SHA256(), padding.PKCS1v15(), THEIRS),
    "SHA-1": by(hashes.SHA1(), padding.PKCS1v15()),  # noqa: S303
    "SHA-384": by(hashes.SHA384(), padding.PKCS1v15()),
    "SHA-512": by(hashes.SHA512(), padding.PKCS1v15()),
    "SHA3-256": by(hashes.SHA3_256(), padding.PKCS1v15()),
    "PSS": by(hashes.SHA256(), pss(32)),
    "PSS without salt": by(hashes.SHA256(), pss(0)),
    "HMAC with the public key": hmac.digest(PEM, CONTENT, "sha256"),
    "block of type 0": raw_signature(digest_info(), head=b"\x00\x00", fill=b"\x00"),
    "block of type 2": raw_signature(digest_info(), head=b"\x00\x02"),
    "no leading zero": raw_signature(digest_info(), head=b"\x01"),
    "filled with zeros": raw_signature(digest_info(), fill=b"\x00"),
    "filled with FE": raw_signature(digest_info(), fill=b"\xfe"),
    "garbage after the digest": raw_signature(digest_info(), rest=b"\x00" * 64),
    "no NULL": raw_signature(digest_info(SHA256_OID)),
    "NULL that is full": raw_signature(digest_info(SHA256_OID + bytes.fromhex("0501ff"))),
    "garbage in the algorithm": raw_signature(digest_info(SHA256_OID + NULL + b"\x04\x20" + b"x" * 32)),
    "OID of SHA-1": raw_signature(digest_info(bytes.fromhex("06052b0e03021a") + NULL)),
    "no OID": raw_signature(digest_info(NULL)),
    "no digest info": raw_signature(hashlib.sha256(CONTENT).digest()),
    "digest cut": raw_signature(digest_info(digest=hashlib.sha256(CONTENT).digest()[:31])),
    "digest of nothing": raw_signature(digest_info(digest=hashlib.sha256().digest())),
    "digest of the payload": raw_signature(digest_info(digest=hashlib.sha256(P.encode()).digest())),
    "digest of the header": raw_signature(digest_info(digest=hashlib.sha256(H.encode()).digest())),
    "length in two bytes": raw_signature(b"\x30\x81" + digest_info()[1:]),
    "length without end": raw_signature(b"\x30\x80" + digest_info()[2:] + b"\x00\x00"),
}


def signed_otherwise(content: str, joined: str | None = None) -> str:
    """A token whose signature is of something else than its first two parts as they stand."""
    return f"{content}.{encode(OURS.sign((joined or content).encode(), padding.PKCS1v15(), SHA256()))}"


def respelt(text: str) -> str:
    """The same bytes in base64url, but for the bits of the last letter that hold nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


JWS = {
    "alg swapped afterwards": f"{part(HEADER | {'alg': 'RS512'})}.{P}.{S}",
    "alg none afterwards": f"{part(HEADER | {'alg': 'none'})}.{P}.{S}",
    "alg HS256 afterwards": f"{part(HEADER | {'alg': 'HS256'})}.{P}.{S}",
    "typ added afterwards": f"{part(HEADER | {'cty': 'JWT'})}.{P}.{S}",
    "header in another order": f"{part(dict(reversed(HEADER.items())))}.{P}.{S}",
    "header with a space": f"{part(json.dumps(HEADER) + ' ')}.{P}.{S}",
    "payload changed": f"{H}.{part(EVIL)}.{S}",
    "payload with a space": f"{H}.{part(json.dumps(CLAIMS) + ' ')}.{S}",
    "payload empty": f"{H}..{S}",
    "header empty": f".{P}.{S}",
    "all empty": "..",
    "parts exchanged": f"{P}.{H}.{S}",
    "signature of another payload": f"{H}.{P}.{signed(claims=EVIL).rsplit('.', 1)[1]}",
    "kid twice, the last one another": signed(json.dumps(HEADER)[:-1] + ',"kid":"k2"}'),
    "alg twice, the last one another": signed(json.dumps(HEADER)[:-1] + ',"alg":"PS256"}'),
    "kid of the other key": signed(HEADER | {"kid": "k2"}),
    "b64 false": signed_otherwise(f"{part(HEADER | {'b64': False, 'crit': ['b64']})}.{P}"),
    "b64 false and signed so": signed_otherwise(
        f"{part(HEADER | {'b64': False, 'crit': ['b64']})}.{P}",
        f"{part(HEADER | {'b64': False, 'crit': ['b64']})}.{json.dumps(CLAIMS)}",
    ),
    "b64 false without crit": signed_otherwise(f"{part(HEADER | {'b64': False})}.{P}"),
    "detached payload": f"{H}..{S}",
    "crit unknown": signed(HEADER | {"crit": ["x"], "x": 1}),
    "signed without the dot": signed_otherwise(f"{H}.{P}", H + P),
    "signed without the header": signed_otherwise(f"{H}.{P}", P),
    "signed before it was encoded": signed_otherwise(f"{H}.{P}", f"{json.dumps(HEADER)}.{json.dumps(CLAIMS)}"),
    "padding in the header, signed so": signed_otherwise(f"{H}=.{P}"),
    "padding in the signature": f"{GOOD}==",
    "signature in the alphabet of MIME": f"{H}.{P}.{base64.b64encode(RIGHT).rstrip(b'=').decode()}+/",
    "header in hexadecimal": f"{json.dumps(HEADER).encode().hex()}.{P}.{S}",
    "spare bits of the signature set": f"{H}.{P}.{respelt(S)}",
    "space before": f" {GOOD}",
    "space after": f"{GOOD} ",
    "line break after": f"{GOOD}\r\n",
    "line break in the signature": f"{H}.{P}.{S[:64]}\n{S[64:]}",
    "tab in the payload": f"{H}.{P[:8]}\t{P[8:]}.{S}",
    "NUL after": f"{GOOD}\x00",
    "comment after": f"{GOOD}#",
    "two tokens": f"{GOOD}.{GOOD}",
    "JSON serialisation, flattened": json.dumps({"protected": H, "payload": P, "signature": S}),
    "JSON serialisation, general": json.dumps({"payload": P, "signatures": [{"protected": H, "signature": S}]}),
    "JSON in place of the header": f"{json.dumps(HEADER)}.{P}.{S}",
    "encrypted": f"{part({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.{S}.{P}.{P}.{S}",
} | {f"signature: {name}": f"{H}.{P}.{encode(signature)}" for name, signature in SIGNATURES.items()}


def test_the_invalid_signatures_are_made_as_the_valid_one_is() -> None:
    """What is refused below is refused for its fault alone."""
    assert raw_signature(digest_info()) == RIGHT
    assert signed_otherwise(f"{H}.{P}") == GOOD
    assert GOOD not in JWS.values()
    assert len(JWS) > 60


@pytest.mark.parametrize("token", JWS.values(), ids=JWS)
def test_tk_16_what_is_nearly_a_token_of_ours_is_none(token: str) -> None:
    """The attacker sends a token with a fault that some library somewhere did not see."""
    refused(token)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCDwxyz0189-_.=+/ \n"))
def test_tk_17_a_token_with_any_character_changed_is_refused(position: int, character: str) -> None:
    """Also the last one, whose low bits hold nothing: one token has one spelling."""
    token = GOOD[:position] + character + GOOD[position + 1 :]
    if token == GOOD:
        assert verify(token) == CLAIMS
    else:
        refused(token)


@given(st.one_of(st.text(), st.text("AZaz09-_."), st.lists(st.text("AZaz09-_"), min_size=3, max_size=3).map(".".join)))
def test_no_text_is_a_token_and_none_raises_anything_but_invalid_token(token: str) -> None:
    refused(token)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"]), JSON))
def test_a_header_of_any_kind_that_we_signed_raises_nothing_but_invalid_token(header: dict[str, Any]) -> None:
    try:
        verify(signed(HEADER | header))
    except InvalidToken:
        return
    assert {name: value for name, value in header.items() if name in HEADER}.items() <= HEADER.items()


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "sub", "jti", "scope"]), JSON))
def test_claims_of_any_kind_that_we_signed_raise_nothing_but_invalid_token(claims: dict[str, Any]) -> None:
    try:
        found = verify(signed(claims=CLAIMS | claims))
    except InvalidToken:
        return
    assert found["iss"] == ISSUER
    assert API in found["aud"]
    assert {type(found[name]) for name in ("exp", "iat", "nbf") if name in found} == {int}
    assert found["exp"] > SECONDS - jwt.LEEWAY
