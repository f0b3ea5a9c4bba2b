"""The one verifier for every JWT that is read: fixed algorithms, key policy, type and claims; all else is refused."""

from collections.abc import Sequence
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import JWTClaimsRegistry, decode

from idp.protocol.errors import InvalidToken

PublicKeys = KeySet
ALGORITHMS = ("RS256",)
LEEWAY = 30
MAX_LENGTH = 16_384
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # the name of a type


def verify(token: str, keys: KeySet, *, typ: str, issuer: str, audience: str | None, now: int) -> dict[str, Any]:
    """The claims of a token whose signature, `typ`, `iss`, `aud`, `exp`, `iat` and `nbf` hold; InvalidToken otherwise.

    Times are seconds since 1970 and may be off by 30. Nothing that the library raises escapes.
    """
    claims = verify_expired(token, keys, typ=typ, issuer=issuer, now=now)
    if "exp" not in claims or claims["exp"] <= now - LEEWAY:
        raise InvalidToken("The token is not valid.", "expired")
    if audience is not None and audience not in _audiences(claims.get("aud")):
        raise InvalidToken("The token is not valid.", "the token is for another audience")
    return claims


def verify_expired(token: str, keys: KeySet, *, typ: str, issuer: str, now: int) -> dict[str, Any]:
    """The same for a token that may have expired, and for whomever it is: a hint, which opens nothing."""
    try:
        return _verify(token, keys, typ=typ, issuer=issuer, now=now)
    except InvalidToken:
        raise
    except Exception as error:  # noqa: BLE001  # joserfc lets ValueError, RecursionError and others through
        raise InvalidToken("The token is not valid.", f"{type(error).__name__}: {str(error)[:200]}") from None


def _verify(token: str, keys: KeySet, *, typ: str, issuer: str, now: int) -> dict[str, Any]:
    if len(token) > MAX_LENGTH or token.count(".") != 2 or not token.isascii():
        raise InvalidToken("The token is not valid.", "not a compact JWS")
    header = jws.extract_compact(token.encode("ascii")).headers()
    if str(header.get("typ", "")).lower().removeprefix("application/") != typ.lower():
        raise InvalidToken("The token is not valid.", f"typ is not {typ}")
    if "crit" in header:  # RFC 7515 section 4.1.11: no extension is understood here
        raise InvalidToken("The token is not valid.", "crit is not supported")
    decoded = decode(token, _key(keys, header.get("kid")), algorithms=list(ALGORITHMS))
    claims = dict(decoded.claims)
    for name in ("exp", "iat", "nbf"):
        if name in claims and type(claims[name]) is not int:
            raise InvalidToken("The token is not valid.", f"{name} is not a whole number")
    registry = JWTClaimsRegistry(now=now, leeway=LEEWAY, iss={"essential": True, "value": issuer})
    registry.validate({name: value for name, value in claims.items() if name != "exp"})
    if claims.get("iat", 0) > now + LEEWAY or claims.get("nbf", 0) > now + LEEWAY:
        raise InvalidToken("The token is not valid.", "not valid yet")
    return claims


def _key(keys: KeySet, kid: object) -> RSAKey:
    """The key that `kid` names: never a key of the token's own (RFC 8725 section 3.10), never a guess."""
    for key in keys.keys:
        if isinstance(kid, str) and key.kid == kid and isinstance(key, RSAKey):
            return key
    raise InvalidToken("The token is not valid.", "signed by a key that is not ours")


def _audiences(aud: object) -> Sequence[str]:
    if isinstance(aud, str):
        return (aud,)
    if isinstance(aud, list) and all(isinstance(each, str) for each in aud):
        return aud
    raise InvalidToken("The token is not valid.", "aud is malformed")
