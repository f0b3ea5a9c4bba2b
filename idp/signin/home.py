"""A person's page: who is signed in here, signing out, and the way to the pages of their account."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.protocol.errors import InvalidRequest
from idp.protocol.params import Params
from idp.services import Services, services_of
from idp.signin import accounts, ending
from idp.store.sessions import SignedIn
from idp.web import csrf, own, problems, sessions
from idp.web.csrf import Forged
from idp.web.pages import page
from idp.web.refusals import refused_page
from idp.wording import Text


async def home(request: Request) -> Response:
    services = services_of(request)
    signed_in = await sessions.signed_in(request, services, services.clock())
    if not signed_in:
        return page(request, "signin/home.html", {"account": None, "sign_in": own.confirm(own.HOME)})
    session, *others = signed_in
    context = {
        "account": {"name": session.name, "email": session.email},
        "others": [{"sid": each.sid, "name": each.name, "email": each.email} for each in others],
        "csrf": sessions.form_token(services, session),
        "sign_out_action": "/sign-out",
        "switch_action": "/switch-account",
        "menu": {own.name(each): each for each in own.IN_MENU},
    }
    return page(request, "signin/home.html", context)


async def sign_out(request: Request) -> Response:
    """Ends every session of this browser, and forgets on this device who it was. Twice is as good as once."""
    services, now = services_of(request), services_of(request).clock()
    signed_in = await sessions.signed_in(request, services, now)
    try:
        await _check(request, services, signed_in[0] if signed_in else None)
    except (Forged, InvalidRequest) as error:
        return _refused(request, error)
    response = RedirectResponse("/signed-out", 303)
    await ending.sign_out(request, response, signed_in, signed_in)
    return response


async def switch_account(request: Request) -> Response:
    """Another one of those who are signed in here is the one whose page this is."""
    services, now = services_of(request), services_of(request).clock()
    signed_in = await sessions.signed_in(request, services, now)
    try:
        form = await _check(request, services, signed_in[0] if signed_in else None)
    except (Forged, InvalidRequest) as error:
        return _refused(request, error)
    response = RedirectResponse("/", 303)
    wanted = next((session for session in signed_in if session.sid == form.get("sid")), None)
    if wanted is not None:
        await sessions.seen(services, wanted, now)
        sessions.write(response, services, accounts.first(wanted, signed_in))
    return response


async def signed_out(request: Request) -> Response:
    """Says so, and who is signed in still: an app may sign out one of several people."""
    services = services_of(request)
    still = await sessions.signed_in(request, services, services.clock())
    return page(request, "signin/signed_out.html", {"still": [session.name for session in still]})


async def _check(request: Request, services: Services, session: SignedIn | None) -> Params:
    return await csrf.read_form(request, services, sessions.form_token(services, session) if session else None)


def _refused(request: Request, error: Exception) -> Response:
    refused_page(request, problems.FORGED, str(error))
    return problems.problem_page(request, problems.FORGED.with_link("/", Text("Back to your page")))
