"""Discovery and JWKS: public, cacheable, from memory."""

import json

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol import metadata
from idp.services import services_of
from idp.web import cors


async def discovery(request: Request) -> Response:
    """OpenID Connect Discovery section 4 and RFC 8414 section 3."""
    settings = services_of(request).settings
    return _public(request, json.dumps(metadata.document(settings.issuer)).encode(), "application/json")


async def jwks(request: Request) -> Response:
    """RFC 7517 section 5: next, current and retired keys."""
    return _public(request, services_of(request).keys.ring.jwks, "application/jwk-set+json")


def _public(request: Request, content: bytes, media_type: str) -> Response:
    seconds = int(services_of(request).settings.jwks_max_age.total_seconds())
    headers = {"Cache-Control": f"public, max-age={seconds}"}
    return cors.open_to_all(Response(content, 200, headers, media_type))
