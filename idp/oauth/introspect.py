"""The introspection endpoint: whether a token counts at this moment (RFC 7662)."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from idp import quick_json
from idp.oauth import presented
from idp.oauth.client import authenticate
from idp.oauth.token import refusal
from idp.protocol import introspection
from idp.protocol.client_auth import FAILED
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidClient, InvalidGrant, InvalidToken, OAuthError
from idp.protocol.grants import refresh_token
from idp.protocol.grants.refresh_token import End, Presented
from idp.protocol.introspection import INACTIVE
from idp.services import Services, services_of
from idp.web import forms
from idp.web.refusals import refused


async def introspect(request: Request) -> Response:
    services = services_of(request)
    try:
        parameters = await forms.read(request)
        parameters.refuse_repeated()
        client = await authenticate(request, services, parameters)
        if client.public:  # section 2.1: whoever asks must prove who it is
            raise InvalidClient(FAILED, "a public client may not introspect")
        told = await _told(services, client, parameters.require("token"))
    except OAuthError as error:
        await refused(request, error)
        return refusal(error)
    return Response(quick_json.encode(told), media_type="application/json")


async def _told(services: Services, client: Client, token: str) -> Mapping[str, Any]:
    shown = presented.refresh(token)
    if shown is not None:
        return await _of_refresh_token(services, client, shown)
    try:
        access = presented.access(services, token)
    except InvalidToken:
        return INACTIVE
    if not introspection.may_learn(client.client_id, access.claims):
        return INACTIVE
    alive = await presented.is_alive(services.database, services, access)
    return introspection.of_access_token(access.claims) if alive else INACTIVE


async def _of_refresh_token(services: Services, client: Client, shown: Presented) -> Mapping[str, Any]:
    """As the token endpoint would judge it, but asking moves nothing and ends nothing."""
    family = await presented.family(services.database, services, shown)
    try:
        decision = refresh_token.decide(
            shown, family, client.client_id, services.clock(), services.settings.refresh_grace
        )
    except InvalidGrant:
        return INACTIVE
    if family is None or isinstance(decision, End) or not client.may_use(refresh_token.GRANT_TYPE):
        return INACTIVE
    return introspection.of_refresh_token(family, client, services.settings.issuer)
