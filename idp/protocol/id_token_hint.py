"""The ID token hint: who an app believes is signed in, or was."""

from collections.abc import Callable
from dataclasses import dataclass

from idp.protocol import jwt
from idp.protocol.errors import InvalidToken
from idp.protocol.jwt import PublicKeys

ID_TOKEN_TYPE = "JWT"  # noqa: S105  # the name of a type


@dataclass(frozen=True)
class IdTokenHint:
    """What an ID token of ours said, perhaps long ago: its person, their session, and the client it was made for."""

    sub: str
    sid: str | None
    client_id: str


ReadHint = Callable[[str], IdTokenHint]  # raises InvalidToken


def read(token: str, keys: PublicKeys, *, issuer: str, now: int) -> IdTokenHint:
    """An ID token of ours, which may have expired (OpenID Connect RP-Initiated Logout 1.0 section 2).

    Raises InvalidToken, also where the key that signed it is no longer published.
    """
    claims = jwt.verify_expired(token, keys, typ=ID_TOKEN_TYPE, issuer=issuer, now=now)
    if not isinstance(claims["aud"], str):
        raise InvalidToken("The token is not valid.", "not an ID token")
    return IdTokenHint(claims["sub"], claims.get("sid"), claims["aud"])
