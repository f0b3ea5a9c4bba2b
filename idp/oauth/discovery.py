"""What is public and the same for everybody: discovery, JWKS, and what the error codes mean."""

import json
import re

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol import metadata, story
from idp.protocol.meanings import MEANINGS
from idp.protocol.story import Story
from idp.services import services_of
from idp.store import refusals
from idp.web import cors, languages, problems
from idp.web.pages import page
from idp.web.problems import problem_page

_REFERENCE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}")


async def discovery(request: Request) -> Response:
    """OpenID Connect Discovery section 4 and RFC 8414 section 3."""
    settings = services_of(request).settings
    offered = languages.offered(settings)
    document = metadata.document(settings.issuer, offered, sign_up=settings.sign_up_is_open)
    return _public(request, json.dumps(document).encode(), "application/json")


async def jwks(request: Request) -> Response:
    """RFC 7517 section 5: next, current and retired keys."""
    return _public(request, services_of(request).keys.ring.jwks, "application/jwk-set+json")


async def meaning(request: Request) -> Response:
    """The page that `error_uri` names."""
    error = request.path_params["error"]
    found = MEANINGS.get(error)
    if found is None:
        return problem_page(request, problems.NOT_FOUND)
    sent = request.query_params.get("reference", "")
    reference = sent if _REFERENCE.fullmatch(sent) else None
    context = {
        "error": error,
        "what": found.what,
        "what_to_do": found.what_to_do,
        "of": reference,
        "story": await _story(request, reference) if reference else None,
    }
    return page(request, "meaning.html", context, language=languages.language(languages.SOURCE))


async def _story(request: Request, reference: str) -> Story | None:
    """In development mode who develops the app is the operator."""
    services = services_of(request)
    found = await refusals.find(services.database, reference) if services.development else None
    return None if found is None else story.tell(found.details)


def _public(request: Request, content: bytes, media_type: str) -> Response:
    seconds = int(services_of(request).settings.jwks_max_age.total_seconds())
    headers = {"Cache-Control": f"public, max-age={seconds}"}
    return cors.open_to_all(Response(content, 200, headers, media_type))
