"""What introspection says of a token, and to whom (RFC 7662)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.protocol.clients import Client
from idp.protocol.grants.refresh_token import Family

# Section 2.2: of a token that is not active nothing more is told, not even why.
INACTIVE: Mapping[str, Any] = {"active": False}
_OF_ACCESS_TOKENS = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "auth_time", "acr", "amr")


def may_learn(client_id: str, claims: Mapping[str, Any]) -> bool:
    """Who got the access token, and an API that it is for: a client whose id is among the token's audiences."""
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    return client_id == claims.get("client_id") or client_id in audiences


def of_access_token(claims: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: claims[name] for name in _OF_ACCESS_TOKENS if name in claims}
    return {"active": True, "token_type": "Bearer", **told}


def of_refresh_token(family: Family, client: Client, issuer: str) -> dict[str, Any]:
    """What it would give now. Without a token_type, so that nobody takes it for an access token (section 2.2)."""
    return {
        "active": True,
        "iss": issuer,
        "sub": family.user_id,
        "client_id": family.client_id,
        "scope": " ".join(scope for scope in family.scope if scope in client.scope),
        "iat": _seconds(family.rotated_at),
        "exp": _seconds(min(family.idle_expires_at, family.expires_at)),
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
