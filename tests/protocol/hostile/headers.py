"""Headers that pick the algorithm or the key, bring one, or ask for more."""

import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.protocol.hostile.good import EVIL_URL, MISSING, THEIRS, Good, Named, changed, decode, encode, jwk, part

UNSIGNED: tuple[Any, ...] = (
    *("none", "None", "NONE", "nOnE", "none ", "", None, 0, True),
    *([], ["none"], ["RS256"], {"alg": "RS256"}),
)
OTHER_ALGORITHMS = (
    *("RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"),
    *("HS256", "HS384", "HS512", "RS1", "HS1", "rs256", "Rs256", " RS256", "RS256 ", "RS256\x00", "RS256,none"),
    *("dir", "A128KW", "RSA1_5", "RSA-OAEP", "ECDH-ES", "PBES2-HS256+A128KW", "SHA256withRSA", "RSA", "256"),
)


def algorithms(good: Good) -> Named:
    """The attacker says that no signature is needed, or names another algorithm."""
    _, payload, right = good.parts
    for alg in (*UNSIGNED, *OTHER_ALGORITHMS):
        header = changed(good.header, alg=alg)
        yield f"alg {alg!r}, signed", good.with_(header)
        yield f"alg {alg!r}, no signature", f"{part(header)}.{payload}."
        yield f"alg {alg!r}, the signature of the good one", f"{part(header)}.{payload}.{right}"
    yield "no alg", good.with_(changed(good.header, alg=MISSING))
    yield "nothing but alg none", f"{part({'alg': 'none'})}.{payload}."
    sha = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    for bits, hashed in sha.items():
        pss = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
        for name, scheme in ((f"RS{bits}", padding.PKCS1v15()), (f"PS{bits}", pss)):
            if name != good.header["alg"]:
                encoded = f"{part(changed(good.header, alg=name))}.{payload}"
                yield f"truly signed by {name}", f"{encoded}.{encode(good.key.sign(encoded.encode(), scheme, hashed))}"


def public_key_as_secret(good: Good) -> Named:
    """Everybody has the public key: whoever makes HMAC of it signs as us where the header picks the algorithm."""
    public, kid = good.key.public_key(), str(good.header["kid"])
    own = jwk(good.key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "PEM": pem,
        "PEM, stripped": pem.strip(),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "PEM of PKCS 1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "DER of PKCS 1": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "OpenSSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "modulus": decode(own["n"]),
        "modulus in base64url": own["n"].encode(),
        "JWK": json.dumps(own).encode(),
        "JWK as published": json.dumps(
            own | {"kid": kid, "use": "sig", "alg": "RS256"}, separators=(",", ":")
        ).encode(),
        "kid": kid.encode(),
        "nothing": b"",
        "a zero": b"\x00",
    }
    for alg, digest in {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512", "RS256": "sha256"}.items():
        encoded = f"{part(changed(good.header, alg=alg))}.{good.parts[1]}"
        for name, secret in secrets.items():
            yield f"{alg} with the {name}", f"{encoded}.{encode(hmac.digest(secret, encoded.encode(), digest))}"


def brought_keys(good: Good) -> Named:
    """The attacker's token brings its own key, or says where to get it."""
    kid = good.header["kid"]
    extras: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": jwk(THEIRS)},
        "jwk with our kid": {"jwk": jwk(THEIRS, kid=kid)},
        "jwk, private": {"jwk": jwk(THEIRS) | {"d": "AQAB"}},
        "jwk, symmetric": {"jwk": {"kty": "oct", "k": ""}},
        "jwk, empty": {"jwk": {}},
        "jwk, null": {"jwk": None},
        "jku": {"jku": EVIL_URL},
        "jku of a file": {"jku": "file:///etc/passwd"},
        "x5u": {"x5u": EVIL_URL},
        "x5c": {"x5c": ["MIIB"]},
        "x5t": {"x5t": "AAAA"},
        "x5t#S256": {"x5t#S256": "A" * 43},
        "nothing": {},
    }
    for name, more in extras.items():
        for whose, named in {"our kid": kid, "their kid": "evil", "no kid": MISSING, "null": None}.items():
            yield f"{name}, {whose}", good.with_(changed(good.header, **more, kid=named), key=THEIRS)
        if more:
            yield f"{name}, signed by us", good.with_(changed(good.header, **more))


def kids(good: Good) -> Named:
    """The attacker's kid is a path, a statement, a URL, or nearly ours: it must be a plain miss."""
    own = str(good.header["kid"])
    strange: list[Any] = [
        *("../../../etc/passwd", "/dev/null", "' OR 1=1 --", "x' UNION SELECT private_key FROM signing_keys --"),
        *("|/bin/true", "$(id)", "%2e%2e%2f", EVIL_URL, "urn:x", "*", "%", "_", "", "0", "null"),
        *("\x00", f"{own}\x00", f"{own}\x00.pem", f"{own} ", f" {own}", f"{own}\n", f"{own}' --", own[:-1], own + "2"),
        *(own.swapcase() + "K", own.encode("utf-16").decode("latin-1"), "é", "\ud800", "k" * 200, "k" * 10_000),
        *(None, 0, 1, -1, True, False, 1.5, [], [own], {}, {own: own}, {"kid": own}, [[own]]),
    ]
    for kid in strange:
        name = f"kid {json.dumps(kid)[:40]}, {len(str(kid))} long"
        yield name, good.with_(changed(good.header, kid=kid))
        yield f"{name}, by another key", good.with_(changed(good.header, kid=kid), key=THEIRS)
    yield "no kid", good.with_(changed(good.header, kid=MISSING))
    yield "our kid, another key", good.with_(key=THEIRS)


def types(good: Good) -> Named:
    """Only the type tells the kinds of tokens of one key apart (RFC 8725 section 3.11, RFC 9068 section 2.1)."""
    own = str(good.header["typ"])
    others: list[Any] = [
        *("JWT", "at+jwt", "jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "JOSE", "at", ""),
        *(own.swapcase(), f"{own} ", f" {own}", f"{own};x", f"{own}\x00", f"application/{own}", f"x/{own}", own[:-1]),
        *(None, MISSING, 1, True, [own], {own: 1}),
    ]
    for typ in others:
        if typ != own:
            yield f"typ {'missing' if typ is MISSING else repr(typ)}", good.with_(changed(good.header, typ=typ))


def header_members(good: Good) -> Named:
    """What is critical must not be passed over (RFC 7515 section 4.1.11), and nothing else belongs in a header."""
    extras: dict[str, dict[str, Any]] = {
        "crit unknown": {"crit": ["x"], "x": 1},
        "crit exp": {"crit": ["exp"], "exp": 1},
        "crit b64": {"crit": ["b64"], "b64": False},
        "crit empty": {"crit": []},
        "crit text": {"crit": "b64", "b64": True},
        "crit null": {"crit": None},
        "crit of alg": {"crit": ["alg"]},
        "crit of ten thousand": {"crit": ["x"] * 10_000},
        "b64 false": {"b64": False},
        "b64 true": {"b64": True},
        "zip": {"zip": "DEF"},
        "enc": {"enc": "A256GCM"},
        "cty": {"cty": "JWT"},
        "cty long": {"cty": "A" * 1000},
        "nonce": {"nonce": "x"},
        "url": {"url": EVIL_URL},
        "iss in the header": {"iss": good.claims["iss"]},
        "made up": {"made_up": 1},
        "empty name": {"": 1},
        "__proto__": {"__proto__": {"alg": "none"}},
    }
    for name, more in extras.items():
        yield name, good.with_(changed(good.header, **more))
