"""The userinfo endpoint (OpenID Connect Core section 5.3), and the errors of bearer tokens (RFC 6750 section 3)."""

from starlette.requests import Request
from starlette.responses import Response

from idp import quick_json
from idp.oauth import presented
from idp.protocol import claims
from idp.protocol.errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError
from idp.services import services_of
from idp.store import grants
from idp.web import cors, forms
from idp.web.origin import note
from idp.web.refusals import refused

_NO_TOKEN = "No access token was sent."  # noqa: S105  # a sentence


async def userinfo(request: Request) -> Response:
    try:
        answer = await _userinfo(request)
    except OAuthError as error:
        await refused(request, error)
        return await cors.for_registered(request, _refusal(error))
    return await cors.for_registered(request, Response(answer, media_type="application/json"))


async def _userinfo(request: Request) -> bytes:
    services, now = services_of(request), services_of(request).clock()
    token = presented.access(services, await _bearer(request))  # of every API: what it gives is what the scope says
    note(request, client_id=token.client_id)
    scope = tuple(token.claims.get("scope", "").split())
    if token.grant_id is None or "openid" not in scope:
        raise InsufficientScope("The access token does not have the scope openid.")
    idle = services.settings.session_idle_lifetime
    holder = await grants.holder(services.database, token.grant_id, token.jti, now, idle)
    if holder is None or holder.user_id != token.claims["sub"]:
        raise InvalidToken(
            "The access token is not valid.", "it was revoked, or its grant, person, client or session has ended"
        )
    return quick_json.encode(claims.userinfo(holder.user_id, scope, holder.claims))


async def _bearer(request: Request) -> str:
    """The token from the header or, by POST, from the body; exactly one of them (RFC 6750 section 2)."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequest("The access token was sent in more than one way.")
    scheme, _, in_header = (headers[0] if headers else "").partition(" ")
    in_body = None
    if request.method == "POST" and request.headers.get("content-type") and await request.body():
        parameters = await forms.read(request)
        parameters.refuse_repeated()
        in_body = parameters.get("access_token")
    found = in_header.strip() if scheme.lower() == "bearer" else None
    if found and in_body:
        raise InvalidRequest("The access token was sent in more than one way.")
    if not found and not in_body:
        raise InvalidToken(_NO_TOKEN)
    return found or in_body or ""


def _refusal(error: OAuthError) -> Response:
    challenge = 'Bearer realm="userinfo"'  # RFC 6750 section 3: at least one parameter
    if error.description != _NO_TOKEN:  # section 3.1: no error code where no token was sent
        challenge += f', error="{error.error}", error_description="{error.description}"'
    if isinstance(error, InsufficientScope):
        challenge += ', scope="openid"'
    return Response(status_code=error.status, headers={"WWW-Authenticate": challenge})
