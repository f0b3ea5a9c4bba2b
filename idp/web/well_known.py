"""What browsers and password managers look for at addresses that are the same everywhere."""

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from idp.services import services_of
from idp.web import own, problems


async def passkey_endpoints(request: Request) -> Response:
    """Where passkeys are made and looked after (A Well-Known URL for Relying Party Passkey Endpoints)."""
    issuer = services_of(request).settings.issuer
    return JSONResponse({"enroll": issuer + own.PASSKEY, "manage": issuer + own.SECURITY})


async def change_password(_: Request) -> Response:
    """A Well-Known URL for Changing Passwords."""
    return RedirectResponse(own.PASSWORD, 302)


async def related_origins(request: Request) -> Response:
    """The other sites that may use the passkeys of this one (WebAuthn Level 3 section 5.11)."""
    origins = services_of(request).settings.passkey_origins
    if not origins:
        return problems.problem_json(problems.NOT_FOUND, "invalid_request")
    return JSONResponse({"origins": list(origins)})
