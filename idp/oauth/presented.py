"""A token that is presented to be asked about or revoked: which kind it is, and whether it is ours."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.protocol import id_token_hint, jwt
from idp.protocol.errors import InvalidGrant, InvalidToken
from idp.protocol.grants import refresh_token
from idp.protocol.grants.refresh_token import Family, Presented
from idp.services import Services
from idp.store import grants, tokens
from idp.store.db import Connection
from idp.store.ids import is_id, time_of


@dataclass(frozen=True)
class AccessToken:
    """An access token of ours that has not expired. `grant_id` is None where a client got it for itself."""

    claims: dict[str, Any]
    client_id: str
    grant_id: str | None
    jti: str

    @property
    def issued_at(self) -> datetime:
        """To the millisecond, which `iat` does not tell."""
        return time_of(self.jti)

    @property
    def until(self) -> datetime:
        """When nobody takes it any more."""
        return datetime.fromtimestamp(self.claims["exp"] + jwt.LEEWAY, UTC)


def refresh(token: str) -> Presented | None:
    """What has the form of a refresh token, not believed yet."""
    try:
        return refresh_token.read(token)
    except InvalidGrant:
        return None


async def family(connection: Connection, services: Services, presented: Presented) -> Family | None:
    """The family of a refresh token, where its mac is right; whether it lives is for the caller to judge."""
    settings, now = services.settings, services.clock()
    found = await grants.family(
        connection,
        presented.family,
        services.sealer,
        now,
        settings.session_idle_lifetime,
        settings.refresh_idle_lifetime,
    )
    return found if found is not None and refresh_token.is_genuine(presented, found) else None


def access(services: Services, token: str) -> AccessToken:
    """Raises InvalidToken."""
    claims = jwt.verify(
        token,
        services.keys.ring.published,
        typ=jwt.ACCESS_TOKEN_TYPE,
        issuer=services.settings.issuer,
        audience=None,
        now=int(services.clock().timestamp()),
    )
    client_id, grant_id, jti = claims.get("client_id"), claims.get("grant"), claims.get("jti")
    if client_id is None or jti is None or not is_id(jti) or not is_id(grant_id or jti):
        raise InvalidToken("The access token is not valid.", "client_id is missing, or grant or jti is not an id")
    return AccessToken(claims, client_id, grant_id, jti)


async def is_alive(connection: Connection, services: Services, token: AccessToken) -> bool:
    """Whether the token, its grant, client, person and session were not ended, in one statement."""
    if token.grant_id is None:
        return await tokens.of_client_is_alive(connection, token.client_id, token.jti, token.issued_at)
    idle = services.settings.session_idle_lifetime
    return await grants.token_is_alive(connection, token.grant_id, token.client_id, token.jti, services.clock(), idle)


def is_id_token(services: Services, token: str) -> bool:
    now, issuer = int(services.clock().timestamp()), services.settings.issuer
    try:
        id_token_hint.read(token, services.keys.ring.published, issuer=issuer, now=now)
    except InvalidToken:
        return False
    return True
