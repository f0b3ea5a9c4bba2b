"""The revocation endpoint: an app ends what it was given (RFC 7009)."""

from starlette.requests import Request
from starlette.responses import Response

from idp import audit
from idp.audit import Event
from idp.oauth import presented
from idp.oauth.client import authenticate
from idp.oauth.presented import AccessToken
from idp.oauth.token import refusal
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidToken, OAuthError, UnsupportedTokenType
from idp.protocol.grants.refresh_token import Presented
from idp.services import Services, services_of
from idp.store import grants, tokens
from idp.web import cors, forms
from idp.web.origin import origin_of
from idp.web.refusals import refused


async def revoke(request: Request) -> Response:
    """200 also for what was no token, or another client's: the answer tells nothing of it (section 2.2)."""
    services = services_of(request)
    try:
        parameters = await forms.read(request)
        parameters.refuse_repeated()
        client = await authenticate(request, services, parameters)
        await _revoke(request, services, client, parameters.require("token"))
    except OAuthError as error:
        await refused(request, error)
        return await cors.for_registered(request, refusal(error))
    return await cors.for_registered(request, Response())


async def _revoke(request: Request, services: Services, client: Client, token: str) -> None:
    shown = presented.refresh(token)
    if shown is not None:
        await _end_family(request, services, client, shown)
        return
    try:
        access = presented.access(services, token)
    except InvalidToken:
        if presented.is_id_token(services, token):
            raise UnsupportedTokenType("An ID token cannot be revoked.") from None
        return
    await _end_token(request, services, client, access)


async def _end_family(request: Request, services: Services, client: Client, shown: Presented) -> None:
    """Whichever generation is shown, the family ends: with it every refresh token and access token of the grant."""
    async with services.database.transaction() as transaction:
        family = await presented.family(transaction, services, shown)
        if family is None:
            return
        event = Event.TOKEN_NOT_REVOKED
        if family.client_id == client.client_id:
            event = Event.TOKEN_REVOKED
            if not await grants.end(transaction, family.grant_id, "revoked by its client", services.clock()):
                return
        await audit.record(
            transaction,
            services,
            event,
            origin_of(request),
            user_id=family.user_id,
            client_id=client.client_id,
            grant_id=family.grant_id,
            kind="refresh_token",
        )


async def _end_token(request: Request, services: Services, client: Client, access: AccessToken) -> None:
    """One token alone; the grant and its other tokens go on (section 2.1)."""
    async with services.database.transaction() as transaction:
        event = Event.TOKEN_NOT_REVOKED
        if access.client_id == client.client_id:
            event = Event.TOKEN_REVOKED
            if not await tokens.revoke(transaction, access.jti, access.until):
                return
        await audit.record(
            transaction,
            services,
            event,
            origin_of(request),
            user_id=access.claims["sub"] if access.grant_id else None,
            client_id=client.client_id,
            grant_id=access.grant_id,
            kind="access_token",
        )
