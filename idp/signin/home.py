"""A person's page: who is signed in here, signing out, and the apps that have access."""

from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import audit
from idp.audit import Event
from idp.protocol import redirects, scopes
from idp.protocol.errors import InvalidRequest
from idp.services import Services, services_of
from idp.signin import remembered
from idp.store import consents, grants
from idp.store import sessions as session_rows
from idp.store.consents import ConnectedApp
from idp.store.sessions import SignedIn
from idp.web import cookies, csrf, forms, problems, sessions
from idp.web.csrf import Forged
from idp.web.origin import origin_of
from idp.web.pages import page, reference_of

log = structlog.get_logger("idp.home")


async def home(request: Request) -> Response:
    services = services_of(request)
    session = await sessions.current(request, services, services.clock())
    if session is None:
        return page(request, "signin/home.html", {"account": None})
    apps = await consents.of_user(services.database, session.user_id)
    context = {
        "account": {"name": session.name, "email": session.email},
        "csrf": _token(request, services, session),
        "sign_out_action": "/sign-out",
        "apps": [_app(app, services.settings.scope_words) for app in apps],
    }
    return page(request, "signin/home.html", context)


async def sign_out(request: Request) -> Response:
    """Ends the session and what ends with it, and forgets on this device who it was. Twice is as good as once."""
    services, now = services_of(request), services_of(request).clock()
    session = await sessions.current(request, services, now)
    try:
        await _check(request, services, session)
    except (Forged, InvalidRequest) as error:
        return _refused(request, error)
    if session is not None:
        async with services.database.transaction() as transaction:
            await session_rows.end(transaction, session.sid, now)
            await grants.end_of_session(transaction, session.sid, now)
            await audit.record(
                transaction,
                services,
                Event.SIGNED_OUT,
                origin_of(request),
                user_id=session.user_id,
                session_id=session.sid,
            )
    response = RedirectResponse("/signed-out", 303)
    cookies.clear(response, services.settings, cookies.SESSION)
    remembered.forget(response, services)
    return response


async def signed_out(request: Request) -> Response:
    return page(request, "signin/signed_out.html", {"app": None})


async def withdraw(request: Request) -> Response:
    """Takes back what an app was allowed; every token it got ends with it."""
    services, now = services_of(request), services_of(request).clock()
    session = await sessions.current(request, services, now)
    try:
        await _check(request, services, session)
    except (Forged, InvalidRequest) as error:
        return _refused(request, error)
    if session is None:
        return RedirectResponse("/", 303)
    client_id = request.path_params["client_id"]
    async with services.database.transaction() as transaction:
        if await consents.withdraw(transaction, session.user_id, client_id):
            await grants.end_of_consent(transaction, session.user_id, client_id, now)
            await audit.record(
                transaction,
                services,
                Event.CONSENT_WITHDRAWN,
                origin_of(request),
                user_id=session.user_id,
                client_id=client_id,
            )
    return RedirectResponse("/", 303)


def _token(request: Request, services: Services, session: SignedIn) -> str:
    browser = cookies.read(request.headers, services.settings, cookies.SESSION) or ""
    return csrf.token(services, session.sid, browser, session.user_id)


async def _check(request: Request, services: Services, session: SignedIn | None) -> None:
    """Without a session there is no token, and still nothing is done for another site: its post brings no cookie."""
    csrf.check_origin(request, services)
    if session is not None:
        form = await forms.read(request)
        form.refuse_repeated()
        csrf.check(request, services, form.get("csrf"), _token(request, services, session))


def _refused(request: Request, error: Exception) -> Response:
    log.warning("refused", reference=reference_of(request), reason=str(error))
    return problems.problem_page(request, problems.FORGED.with_link("/", "Back to your page"))


def _app(app: ConnectedApp, own_words: Mapping[str, str]) -> dict[str, object]:
    return {
        "name": app.client_name,
        "host": redirects.host_of(app.redirect_uris[0]) if app.redirect_uris else "",
        "scopes": [scopes.describe(scope, own_words).title for scope in scopes.ordered(app.scope)],
        "since": f"Since {app.since:%Y-%m-%d} (UTC)",
        "withdraw_action": f"/apps/{app.client_id}/withdraw",
    }
