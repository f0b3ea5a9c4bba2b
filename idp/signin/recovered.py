"""Where the links of recovery mails lead: a new password, or an account that is locked because it was not them."""

import hmac
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import new_passwords
from idp.factors.password import MAX_LENGTH, UnacceptablePassword
from idp.factors.proofs import asks_for_second
from idp.protocol.errors import InvalidRequest
from idp.services import services_of
from idp.signin import loading
from idp.store import handles
from idp.store.ids import hash_of
from idp.store.users import canonical
from idp.web import cookies, links, own, problems, recoveries
from idp.web.csrf import Forged
from idp.web.notices import EMAIL, NOT_ME
from idp.web.origin import network_of
from idp.web.pages import page
from idp.web.recoveries import Recovery, State
from idp.wording import Text

RECOVERED, LOCKED = "/recovered", "/locked"


async def show(request: Request) -> Response:
    recovery = await _found(request)
    return recovery if isinstance(recovery, Response) else _form(request, recovery, None)


async def set_password(request: Request) -> Response:
    """The new one counts; it signs nobody in. One that cannot be used uses nothing up."""
    services, asker = services_of(request), network_of(request)
    recovery = await _found(request)
    if isinstance(recovery, Response):
        return recovery
    try:
        form = await links.read_form(request, recovery.link)
    except (Forged, InvalidRequest) as error:
        return _forged(request, error, recoveries.PAGE)
    services.hashing.check(asker)
    typed, person = form.get("password") or "", recovery.person
    about = new_passwords.about(person.email, person.claims)
    try:
        await new_passwords.judge(services, typed, about, asker, alone=not asks_for_second(recovery.remaining))
    except UnacceptablePassword as problem:
        return _form(request, recovery, problem.text)
    encoded = await services.hashing.hash(typed, asker)
    async with services.database.transaction() as transaction:
        done = await recoveries.complete(transaction, request, services, recovery.link, encoded)
    if done is None:
        return loading.halted(request, problems.RECOVERY_OVER)
    ticket = recovery.link.data[recoveries.TICKET]
    response = RedirectResponse(f"{RECOVERED}?{urlencode({'to': ticket})}" if ticket else RECOVERED, 303)
    links.forget(response, services)
    return response


async def recovered(request: Request) -> Response:
    """Says so, and where to go on: in the browser in which it began, in the sign-in that was interrupted."""
    go_on = await _interrupted(request) or own.confirm(own.HOME)
    return page(request, "signin/recovered.html", {"go_on": go_on})


async def not_me(request: Request) -> Response:
    services, link = services_of(request), await links.followed(request, handles.NOT_ME)
    person = None if link is None else await recoveries.accused(services.database, link, services.clock())
    if link is None or person is None:
        return loading.halted(request, problems.RECOVERY_OVER)
    restored = None if link.data[EMAIL] == canonical(person.email) else person.former_email
    context = {
        "csrf": links.form_token(services, link),
        "action": NOT_ME,
        "username": restored or person.email,
        "restored": restored,
    }
    return page(request, "signin/not_me.html", context)


async def lock(request: Request) -> Response:
    """Whoever has the mail may: it takes access away and gives none."""
    services, link = services_of(request), await links.followed(request, handles.NOT_ME)
    if link is None:
        return loading.halted(request, problems.RECOVERY_OVER)
    try:
        await links.read_form(request, link)
    except (Forged, InvalidRequest) as error:
        return _forged(request, error, NOT_ME)
    async with services.database.transaction() as transaction:
        person = await recoveries.lock_out(transaction, request, services, link)
    if person is None:
        return loading.halted(request, problems.RECOVERY_OVER)
    response = RedirectResponse(LOCKED, 303)
    links.forget(response, services)
    return response


async def locked(request: Request) -> Response:
    settings = services_of(request).settings
    return page(request, "signin/locked.html", {"by_mail": settings.mail_recovers, "support": settings.support})


async def _found(request: Request) -> Recovery | Response:
    """Or the page that says why there is none."""
    services, link = services_of(request), await links.followed(request, handles.RECOVERY)
    recovery = None if link is None else await recoveries.find(services.database, link)
    state = State.OVER if recovery is None else recovery.state(services.clock())
    if recovery is None or state is State.OVER:
        return loading.halted(request, problems.RECOVERY_OVER)
    if state is State.EARLY and recovery.starts is not None:
        return loading.halted(request, problems.RECOVERY_EARLY.with_words(starts=recovery.starts))
    return recovery


def _form(request: Request, recovery: Recovery, refusal: Text | None) -> Response:
    services = services_of(request)
    error = refusal and {"summary": Text("That password cannot be used"), "field": "password", "message": refusal}
    context = {
        "csrf": links.form_token(services, recovery.link),
        "action": recoveries.PAGE,
        "username": recovery.person.email,
        "drops": bool(recovery.gone),
        "least": new_passwords.least(services, alone=not asks_for_second(recovery.remaining)),
        "most": MAX_LENGTH,
        "error": error,
    }
    return page(request, "signin/set_password.html", context, status=400 if error else 200)


async def _interrupted(request: Request) -> str | None:
    services, ticket = services_of(request), request.query_params.get("to") or ""
    try:
        began = await loading.began(services, ticket)
    except loading.Halt:
        return None
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER)
    ours = browser is not None and hmac.compare_digest(hash_of(browser), began.browser_hash)
    return f"/signin/{began.url_part}" if ours and services.clock() < began.expires_at else None


def _forged(request: Request, error: Exception, back: str) -> Response:
    return loading.halted(request, problems.FORGED.with_link(back, Text("Back to the page")), str(error))
