"""The token endpoint: parse, authenticate the client, run the grant, issue, answer (RFC 6749 section 3.2)."""

from starlette.requests import Request
from starlette.responses import Response

from idp import quick_json
from idp.oauth.client import authenticate
from idp.oauth.grants import GRANTS, TokenRequest
from idp.oauth.issue import issue
from idp.protocol import grants
from idp.protocol.errors import InvalidClient, OAuthError
from idp.services import services_of
from idp.web import cors, forms
from idp.web.origin import origin_of
from idp.web.refusals import refused


async def token(request: Request) -> Response:
    services = services_of(request)
    try:
        parameters = await forms.read(request)
        parameters.refuse_repeated()
        client = await authenticate(request, services, parameters)
        grant = GRANTS[grants.select(parameters, client)]
        entitlement, refresh_token = await grant(TokenRequest(services, parameters, client, origin_of(request)))
    except OAuthError as error:
        await refused(request, error)
        return await cors.for_registered(request, refusal(error))
    answer = quick_json.encode(issue(services, entitlement, refresh_token))
    return await cors.for_registered(request, Response(answer, media_type="application/json"))


def refusal(error: OAuthError) -> Response:
    """RFC 6749 section 5.2."""
    answer = quick_json.encode({"error": error.error, "error_description": error.description})
    response = Response(answer, error.status, media_type="application/json")
    if isinstance(error, InvalidClient):
        response.headers["WWW-Authenticate"] = 'Basic realm="token"'
    return response
