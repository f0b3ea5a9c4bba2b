"""What tokens and userinfo say, claim by claim."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# OpenID Connect Core section 5.4.
SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile"),
        *("picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
ID_TOKEN_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid")
# One factor, a password: no class of an assurance framework is claimed for it.
ACR_PASSWORD = "urn:idp:acr:password"  # noqa: S105  # the name of a class
# Two factors: a password, and something that the person has.
ACR_TWO_FACTORS = "urn:idp:acr:mfa"
# The strongest first.
ACR_VALUES = (ACR_TWO_FACTORS, ACR_PASSWORD)


def acr_told(proved: str, essential: Sequence[str]) -> str:
    """The class that a token names. Who met a stronger one than an app insists on has met that one as well."""
    met = ACR_VALUES[ACR_VALUES.index(proved) :]
    return next((each for each in met if each in essential), proved)


@dataclass(frozen=True)
class Authentication:
    """How and when a person proved who they are. `amr` has the values of RFC 8176."""

    sid: str
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str


@dataclass(frozen=True)
class Entitlement:
    """What a grant gives, and so what its tokens say. Without a person `sub` and `authentication` are None."""

    client_id: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    grant_id: str | None
    sub: str | None
    authentication: Authentication | None
    nonce: str | None

    @property
    def openid(self) -> bool:
        return self.sub is not None and "openid" in self.scope


def access_token(entitlement: Entitlement, *, issuer: str, jti: str, now: int, lifetime: int) -> dict[str, Any]:
    """RFC 9068 section 2.2. Times are seconds since 1970. `grant` names the grant whose end ends this token."""
    audience = entitlement.audience or (issuer,)
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": entitlement.sub or entitlement.client_id,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": entitlement.client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": jti,
    }
    if entitlement.scope:
        claims["scope"] = " ".join(entitlement.scope)
    if entitlement.grant_id:
        claims["grant"] = entitlement.grant_id
    return claims | _authentication(entitlement.authentication)


def id_token(entitlement: Entitlement, *, issuer: str, access_token: str, now: int, lifetime: int) -> dict[str, Any]:
    """OpenID Connect Core section 2; the person's other claims are at userinfo."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": entitlement.sub,
        "aud": entitlement.client_id,
        "iat": now,
        "exp": now + lifetime,
        "at_hash": at_hash(access_token),
    }
    if entitlement.nonce is not None:
        claims["nonce"] = entitlement.nonce
    claims |= _authentication(entitlement.authentication)
    if entitlement.authentication:
        claims["sid"] = entitlement.authentication.sid
    return claims


def _authentication(authentication: Authentication | None) -> dict[str, Any]:
    if authentication is None:
        return {}
    return {
        "auth_time": int(authentication.auth_time.timestamp()),
        "acr": authentication.acr,
        "amr": list(authentication.amr),
    }


def at_hash(access_token: str) -> str:
    """The left half of SHA-256, which goes with RS256 (OpenID Connect Core section 3.1.3.6)."""
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode("ascii")


def userinfo(sub: str, scope: tuple[str, ...], person: Mapping[str, Any]) -> dict[str, Any]:
    """OpenID Connect Core section 5.3.2: the claims of the granted scopes that the person has."""
    wanted = [claim for name in scope for claim in SCOPE_CLAIMS.get(name, ())]
    return {"sub": sub} | {claim: person[claim] for claim in wanted if person.get(claim) is not None}
