"""The one verifier for every JWT that is read: fixed algorithms, key policy, type and claims; all else is refused."""

from collections.abc import Mapping, Sequence
from typing import Any, NewType

from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from idp import base64url, strict_json
from idp.protocol import key_policy
from idp.protocol.errors import InvalidToken

ALGORITHMS = ("RS256",)
LEEWAY = 30
MAX_LENGTH = 16_384
MAX_HEADER = 1024
MAX_TIME = 253_402_300_799  # the last second of the year 9999: beyond it a time has no date
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # the name of a type
# RFC 7519 section 4.1, RFC 9068 section 2.2, OpenID Connect Core section 2. A bool is no int here.
_TEXTS = ("iss", "sub", "jti", "client_id", "scope", "grant", "sid")
_TIMES = ("iat", "exp", "nbf", "auth_time")
_REQUIRED = frozenset({"iss", "sub", "aud", "iat", "exp"})


class UnknownKey(InvalidToken):
    """The token names a key that is not among these; its issuer may have made a new one."""


FitKey = NewType("FitKey", RSAKey)
"""A public key that the key policy let through: `public_key` makes it, and nothing else is verified with."""
PublicKeys = Mapping[str, FitKey]
"""By kid."""


def public_key(jwk: Mapping[str, Any]) -> FitKey:
    """Of a public JWK (RFC 7517 section 4). Raises UnfitKey."""
    key_policy.check(jwk)
    return FitKey(RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")}))


def verify(
    token: str,
    keys: PublicKeys,
    *,
    typ: str,
    issuer: str,
    audience: str | None,
    now: int,
    algorithms: Sequence[str] = ALGORITHMS,
) -> dict[str, Any]:
    """The claims of a token whose signature, `typ`, `iss`, `aud`, `exp`, `iat` and `nbf` hold; InvalidToken otherwise.

    Times are seconds since 1970 and may be off by 30. `iss`, `sub`, `aud`, `iat` and `exp` are there, and what is
    there is of its type. `audience` must be the token's, or one of them; None is for who serves them all.
    """
    claims = verify_expired(token, keys, typ=typ, issuer=issuer, now=now, algorithms=algorithms)
    if claims["exp"] <= now - LEEWAY:
        raise InvalidToken("The token is not valid.", "expired")
    if audience is not None and audience not in _audiences(claims["aud"]):
        raise InvalidToken("The token is not valid.", "the token is for another audience")
    return claims


def verify_expired(
    token: str, keys: PublicKeys, *, typ: str, issuer: str, now: int, algorithms: Sequence[str] = ALGORITHMS
) -> dict[str, Any]:
    """The same for a token that may have expired, and for whomever it is: a hint, which opens nothing."""
    try:
        claims = strict_json.object_of(_signed(token, keys, typ, algorithms))
        _check_claims(claims, issuer, now)
    except InvalidToken:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a library does with a hostile token, the token is refused
        raise InvalidToken("The token is not valid.", f"{type(error).__name__}: {str(error)[:200]}") from None
    return claims


def _signed(token: str, keys: PublicKeys, typ: str, algorithms: Sequence[str]) -> bytes:
    """The payload, which is looked at only once the signature holds (RFC 7515 section 5.2)."""
    if len(token) > MAX_LENGTH or token.count(".") != 2 or not token.isascii():
        raise InvalidToken("The token is not valid.", "not a compact JWS")
    signing_input, _, signature = token.encode("ascii").rpartition(b".")
    header, _, payload = signing_input.partition(b".")
    algorithm, key = _chosen(header, keys, typ, algorithms)
    if not JWSRegistry.algorithms[algorithm].verify(signing_input, base64url.decode(signature), key):
        raise InvalidToken("The token is not valid.", "the signature does not hold")
    return base64url.decode(payload)


def _chosen(encoded: bytes, keys: PublicKeys, typ: str, algorithms: Sequence[str]) -> tuple[str, FitKey]:
    """The algorithm and the key. The header picks among ours, and brings nothing (RFC 8725 sections 3.1 and 3.10).

    Who writes these tokens writes these three members: jwk, jku, x5c, crit, b64, zip and whatever else there may be
    are another's. The library passes over most of them, and takes a name that stands twice, UTF-16 and a BOM.
    """
    if len(encoded) > MAX_HEADER:
        raise InvalidToken("The token is not valid.", "the header is too long")
    header = strict_json.object_of(base64url.decode(encoded))
    if header.keys() != {"alg", "kid", "typ"}:
        raise InvalidToken("The token is not valid.", "the header has not alg, kid and typ alone")
    if header["typ"] != typ:  # as it is written here: the signature covers it, so nobody has respelled it
        raise InvalidToken("The token is not valid.", f"typ is not {typ}")
    if header["alg"] not in algorithms:
        raise InvalidToken("The token is not valid.", f"alg is not {' or '.join(algorithms)}")
    key = keys.get(header["kid"])
    if key is None:  # never a guess, even where there is one key alone
        raise UnknownKey("The token is not valid.", "signed by a key that is not ours")
    return header["alg"], key


def _check_claims(claims: dict[str, Any], issuer: str, now: int) -> None:
    if not claims.keys() >= _REQUIRED:
        raise InvalidToken("The token is not valid.", "iss, sub, aud, iat or exp is missing")
    for name in _TEXTS:
        if name in claims and not _is_text(claims[name]):
            raise InvalidToken("The token is not valid.", f"{name} is not printable ASCII text")
    for name in _TIMES:
        if name in claims and not (type(claims[name]) is int and 0 <= claims[name] <= MAX_TIME):
            raise InvalidToken("The token is not valid.", f"{name} is not a time in whole seconds")
    _audiences(claims["aud"])
    if claims["iss"] != issuer:
        raise InvalidToken("The token is not valid.", "the token is another issuer's")
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY:
        raise InvalidToken("The token is not valid.", "not valid yet")


def _is_text(value: object) -> bool:
    """What goes on to the database and the log: no control character can come along (RFC 6749 appendix A)."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _audiences(aud: object) -> Sequence[str]:
    """RFC 7519 section 4.1.3."""
    audiences = [aud] if isinstance(aud, str) else aud
    if isinstance(audiences, list) and audiences and all(isinstance(each, str) and each for each in audiences):
        return audiences
    raise InvalidToken("The token is not valid.", "aud is malformed")
