"""The shared last phase of a grant: signing tokens. Nothing here touches the database."""

from datetime import timedelta
from typing import Any

from idp.protocol import claims
from idp.protocol.claims import Entitlement
from idp.protocol.id_token_hint import ID_TOKEN_TYPE
from idp.protocol.jwt import ACCESS_TOKEN_TYPE
from idp.services import Services
from idp.store.ids import new_id


def issue(services: Services, entitlement: Entitlement, refresh_token: str | None) -> dict[str, Any]:
    """The token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3)."""
    settings, now = services.settings, services.clock()
    seconds = int(now.timestamp())
    lifetime = _seconds(settings.access_token_lifetime)
    access_token = services.keys.sign(
        claims.access_token(entitlement, issuer=settings.issuer, jti=new_id(now), now=seconds, lifetime=lifetime),
        ACCESS_TOKEN_TYPE,
    )
    answer: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "expires_in": lifetime}
    if entitlement.scope:
        answer["scope"] = " ".join(entitlement.scope)
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if entitlement.openid:
        answer["id_token"] = services.keys.sign(
            claims.id_token(
                entitlement,
                issuer=settings.issuer,
                access_token=access_token,
                now=seconds,
                lifetime=_seconds(settings.id_token_lifetime),
            ),
            ID_TOKEN_TYPE,
        )
    return answer


def _seconds(lifetime: timedelta) -> int:
    return int(lifetime.total_seconds())
