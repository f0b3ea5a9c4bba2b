"""The foot of every page: a person chooses the language that they read."""

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.protocol.errors import InvalidRequest
from idp.services import services_of
from idp.web import csrf, forms, languages, problems
from idp.web.csrf import Forged
from idp.web.refusals import refused_page

_LOCAL = re.compile(
    r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,8191}"
)  # a path of ours: no host, no backslash, no control character


async def choose(request: Request) -> Response:
    """For this browser, and back to the page. It needs no token: nothing of anybody's is changed but its words."""
    services = services_of(request)
    try:
        csrf.check_origin(request, services)
        form = await forms.read(request)
        form.refuse_repeated()
    except (Forged, InvalidRequest) as error:
        refused_page(request, problems.FORGED, str(error))
        return problems.problem_page(request, problems.FORGED)
    back = form.get("back") or _before(request, services.settings.issuer)
    response = RedirectResponse(back if _LOCAL.fullmatch(back) else "/", 303)
    tag = form.get("language")
    if tag in languages.offered(services.settings):
        languages.remember(response, services.settings, tag, services.clock())
    return response


def _before(request: Request, issuer: str) -> str:
    """The page of ours that the browser comes from: what somebody's link made of its address is in no page."""
    came_from = request.headers.get("referer", "")
    return came_from.removeprefix(issuer) if came_from.startswith(f"{issuer}/") else ""
