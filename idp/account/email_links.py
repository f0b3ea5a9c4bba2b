"""The links that change an address: of the mail to the old one, then of the mail to the new one."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import audit
from idp.audit import Event
from idp.protocol.errors import InvalidRequest
from idp.services import Services, services_of
from idp.store import handles, users
from idp.store.db import Connection, Transaction
from idp.store.users import Person, canonical
from idp.web import links, mails, notices, problems
from idp.web.csrf import Forged
from idp.web.languages import language_of
from idp.web.links import Link
from idp.web.notices import Notice
from idp.web.origin import origin_of
from idp.web.pages import page
from idp.web.problems import Problem
from idp.web.refusals import refused_page
from idp.wording import Text

PAGE, DONE = "/email-change", "/email-changed"
LIFETIME = timedelta(hours=1)
_NEW, _OLD, _PROVED = "new", "old", "old_agreed"


async def begin(transaction: Transaction, request: Request, services: Services, person: Person, new: str) -> str:
    """Mails the first link, to an address that it returns: the old one, unless that was never shown to be theirs."""
    await audit.record(transaction, services, Event.EMAIL_CHANGE_ASKED, origin_of(request), subject=person.subject)
    if person.email_verified_at is None:
        await _ask_new(transaction, request, person, new)
        return new
    url = await _issue(transaction, services, person, new, proved=False)
    notice = Notice(
        Text("Somebody asked to change your address"),
        Text(
            "Your account is to have the address %(new)s instead of this one. Nothing changes without the link below.",
            {"new": new},
        ),
    )
    await notices.send(transaction, services, person, notice, request=request, action=url)
    return person.email


async def show(request: Request) -> Response:
    services, link = services_of(request), await links.followed(request, handles.EMAIL_CHANGE)
    person = None if link is None else await _owner(services.database, link)
    if link is None or person is None:
        return _halted(request, problems.RECOVERY_OVER)
    context = {
        "csrf": links.form_token(services, link),
        "action": PAGE,
        "old": person.email,
        "new": link.data[_NEW],
        "proved": link.data[_PROVED],
    }
    return page(request, "account/confirm_email.html", context)


async def confirm(request: Request) -> Response:
    """One more address agreed. After the old one the new one is asked, and then the change is made."""
    services, link = services_of(request), await links.followed(request, handles.EMAIL_CHANGE)
    if link is None:
        return _halted(request, problems.RECOVERY_OVER)
    try:
        await links.read_form(request, link)
    except (Forged, InvalidRequest) as error:
        return _halted(request, problems.FORGED.with_link(PAGE, Text("Back to the page")), str(error))
    async with services.database.transaction() as transaction:
        problem = await _agreed(transaction, request, services, link)
    if problem is not None:
        return _halted(request, problem)
    response = RedirectResponse(DONE if link.data[_PROVED] else f"{DONE}?next", 303)
    links.forget(response, services)
    return response


async def done(request: Request) -> Response:
    return page(request, "account/email_changed.html", {"one_more": "next" in request.query_params})


async def _agreed(transaction: Transaction, request: Request, services: Services, link: Link) -> Problem | None:
    transaction.durable()
    await users.locked(transaction, str(link.data["user_id"]))
    now, person = services.clock(), await _owner(transaction, link)
    if person is None or not await links.take(transaction, handles.EMAIL_CHANGE, link, now):
        return problems.RECOVERY_OVER
    new = str(link.data[_NEW])
    if not link.data[_PROVED]:
        await _ask_new(transaction, request, person, new)
        return None
    former = person.email if person.email_verified_at is not None else None
    if not await users.change_email(transaction, person.id, new, former, now):
        return problems.ADDRESS_TAKEN
    await audit.record(transaction, services, Event.USER_EMAIL_CHANGED, origin_of(request), subject=person.subject)
    notice = Notice(
        Text("The address of your account was changed"),
        Text(
            "The address of your account is %(new)s from now on. For seven days the link below takes that back.",
            {"new": new},
        ),
    )
    await notices.send(transaction, services, person, notice, request=request)
    return None


async def _ask_new(transaction: Transaction, request: Request, person: Person, new: str) -> None:
    """Whoever has the address already is told, and gets no link."""
    services = services_of(request)
    url = await _issue(transaction, services, person, new, proved=True)
    taken = await users.find_by_email(transaction, new) is not None
    context = {"link": None if taken else url}
    subject = Text("Somebody asked to use your address") if taken else Text("Confirm your new address")
    # Of who asks: whose address it is may be somebody else.
    mail = mails.written(services, new, subject, "new_email", context, language_of(request))
    await mails.put(transaction, services, mail, services.clock() + LIFETIME, decoy=False)


async def _issue(transaction: Transaction, services: Services, person: Person, new: str, *, proved: bool) -> str:
    now = services.clock()
    about = {_NEW: new, _OLD: canonical(person.email), _PROVED: proved}
    secret = await links.issue(transaction, handles.EMAIL_CHANGE, person.id, now, now + LIFETIME, **about)
    return links.url(services, PAGE, secret)


async def _owner(connection: Connection, link: Link) -> Person | None:
    """Whose change it is, as long as they may sign in and have the address that they had."""
    person = await links.person_of(connection, link)
    if person is None or person.disabled_at is not None or canonical(person.email) != link.data[_OLD]:
        return None
    return person


def _halted(request: Request, problem: Problem, reason: str | None = None) -> Response:
    refused_page(request, problem, reason or str(problem.title))
    return problems.problem_page(request, problem)
