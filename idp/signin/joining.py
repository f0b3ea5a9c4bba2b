"""Making an account by a link that was mailed: a name, and a password or a passkey, in whichever browser it is opened.

It signs nobody in. Whoever asked for it in this browser goes on in their sign-in with the address filled in, where they
prove what they have just set up: so a session says how its person signed in, and a link alone opens none.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from idp import audit, new_passwords, passkeys
from idp.audit import Event
from idp.factors import passkey, password
from idp.factors.password import MAX_LENGTH, UnacceptablePassword
from idp.passkeys import Ceremony, Failed, Why
from idp.protocol.errors import InvalidRequest
from idp.protocol.params import Params
from idp.services import services_of
from idp.signin import loading, remembered
from idp.store import attempts, credentials, handles, users
from idp.store.attempts import Attempt
from idp.store.db import Transaction
from idp.web import cookies, csrf, devices, links, own, pages, problems, sign_ups, user_agents
from idp.web.csrf import Forged
from idp.web.links import Link
from idp.web.origin import network_of, origin_of
from idp.web.problems import Problem
from idp.web.refusals import refused_answer, refused_page
from idp.web.sign_ups import NotAName
from idp.wording import Text

# Adds to a new person, whose id it is given, what they sign in with; False where somebody else has it.
Add = Callable[[Transaction, str], Awaitable[bool]]
_NO_NAME = Text(
    "Enter what you are called, with at most 64 characters and without anything that looks like an address."
)
_NO_PASSKEY = Text("The passkey was not saved. Try again, or choose a password instead.")
_UNVERIFIED = Text(
    "Your device did not check that it is you. Unlock it with a PIN, a finger or your face, "
    "or choose a password instead."
)


async def show(request: Request) -> Response:
    link = await _followed(request)
    by_passkey = request.query_params.get("by") == passkey.NAME
    return _over(request) if link is None else _page(request, link, by_passkey=by_passkey)


async def options(request: Request) -> Response:
    """What the script of the page asks the browser to make, anew."""
    link = await _followed(request)
    return JSONResponse(None if link is None else _creation_options(request, link))


async def with_password(request: Request) -> Response:
    return await _posted(request, _with_password)


async def with_passkey(request: Request) -> Response:
    return await _posted(request, _with_passkey)


async def done(request: Request) -> Response:
    """Where somebody comes who opened the link in another browser than the one that asked, or was invited."""
    return pages.page(request, "signin/signed_up.html", {"sign_in": own.confirm(own.HOME)})


async def _posted(request: Request, act: Callable[[Request, Link, Params], Awaitable[Response]]) -> Response:
    """Only a page that was shown for this link makes an account, and nothing is used up by looking or by a mistake."""
    services, link = services_of(request), await _followed(request)
    try:
        token = None if link is None else links.form_token(services, link)
        form = await csrf.read_form(request, services, token)
    except (Forged, InvalidRequest) as error:
        refused_page(request, problems.FORGED, str(error))
        return problems.problem_page(request, problems.FORGED.with_link(sign_ups.PAGE, Text("Back to the page")))
    return _over(request) if link is None else await act(request, link, form)


async def _with_password(request: Request, link: Link, form: Params) -> Response:
    services, joining, asker = services_of(request), sign_ups.of(link), network_of(request)
    typed, plain = form.get("name") or "", form.get("password") or ""
    try:
        name = sign_ups.name_of(typed)
        about = new_passwords.about(joining.email, joining.claims | {"name": name})
        await new_passwords.judge(services, plain, about, asker, alone=True)
    except NotAName:
        return _page(request, link, name=typed, error=_error("name", _NO_NAME))
    except UnacceptablePassword as error:
        return _page(request, link, name=typed, error=_error("password", error.text))
    encoded = await services.hashing.hash(plain, asker)

    async def add(transaction: Transaction, user_id: str) -> bool:
        data, now = {"hash": encoded}, services.clock()
        return await credentials.add(transaction, services.sealer, user_id, credentials.PASSWORD, data, now)

    return await _create(request, link, name, password.NAME, add)


async def _with_passkey(request: Request, link: Link, form: Params) -> Response:
    services, typed = services_of(request), form.get("name") or ""
    ceremony = _ceremony(link)
    try:
        name = sign_ups.name_of(typed)
        data = await _made(request, ceremony, form.get("credential") or "")

        async def add(transaction: Transaction, user_id: str) -> bool:
            return await passkeys.add(transaction, services, replace(ceremony, person=user_id), data)

        response = await _create(request, link, name, passkey.NAME, add)
    except NotAName:
        return _page(request, link, name=typed, error=_error("name", _NO_NAME), by_passkey=True)
    except Failed as failed:
        refused_answer(request, "passkey_refused", "The passkey was not saved.", failed.reason)
        error = _error("passkey", _UNVERIFIED if failed.why is Why.UNVERIFIED else _NO_PASSKEY)
        return _page(request, link, name=typed, error=error, by_passkey=True)
    remembered.remember_method(response, services, passkey.methods_of(data, user_verified=True))
    return response


async def _made(request: Request, ceremony: Ceremony, sent: str) -> dict[str, Any]:
    """A passkey that opens the account without anything beside it. Raises Failed."""
    data = await passkeys.made(services_of(request), ceremony, sent)
    if not passkey.stands_alone(data) or data["discoverable"] is False:
        raise Failed(Why.UNVERIFIED, "the passkey is to stand alone, and its device did not verify its user or keep it")
    name = user_agents.passkey_name(request, data["aaguid"], services_of(request).clock())
    return data | {"name": name}


async def _create(request: Request, link: Link, name: str, factor: str, add: Add) -> Response:
    """The person, with what they sign in with, in the transaction that uses the link up. Raises Failed."""
    services, joining, now = services_of(request), sign_ups.of(link), services_of(request).clock()
    attempt = await loading.unfinished(request, joining.ticket)
    async with services.database.transaction() as transaction:
        if not await links.take(transaction, handles.SIGN_UP, link, now):
            return _over(request)
        claims = joining.claims | {"name": name}
        verified = joining.verified
        user_id = await users.create(transaction, services.sealer, joining.email, claims, now, verified=verified)
        if user_id is None:
            return _problem(request, problems.TAKEN)
        if not await add(transaction, user_id):
            raise Failed(Why.REFUSED, "somebody has this passkey already")
        await audit.record(
            transaction,
            services,
            Event.USER_CREATED,
            origin_of(request),
            user_id=user_id,
            factor=factor,
            invited=joining.invited,
        )
        if attempt is not None:
            went_on = attempt.anew(username=joining.email, fault=None)
            await attempts.save(transaction, services.sealer, went_on)
    response = _went_on(request, attempt, user_id)
    links.forget(response, services)
    return response


def _went_on(request: Request, attempt: Attempt | None, user_id: str) -> Response:
    """To the sign-in that began here, in a browser that is the new person's; or to where it is said where to go on."""
    if attempt is None:
        return RedirectResponse("/signed-up", 303)
    services, response = services_of(request), RedirectResponse(f"/signin/{attempt.url_part}", 303)
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER) or ""
    devices.remember(response, request, services, browser, user_id)
    return response


async def _followed(request: Request) -> Link | None:
    """The link of this browser, if it counts and there may still be an account for it."""
    link = await links.followed(request, handles.SIGN_UP)
    if link is None or not sign_ups.may_join(services_of(request).settings, sign_ups.of(link)):
        return None
    return link


def _page(
    request: Request,
    link: Link,
    *,
    name: str | None = None,
    error: dict[str, Any] | None = None,
    by_passkey: bool = False,
) -> Response:
    services, joining = services_of(request), sign_ups.of(link)
    context = {
        "csrf": links.form_token(services, link),
        "email": joining.email,
        "name": joining.claims.get("name", "") if name is None else name,
        "name_pattern": sign_ups.NAME_PATTERN,
        "least": new_passwords.least(services, alone=True),
        "most": MAX_LENGTH,
        "passkey": {"options": json.dumps(_creation_options(request, link), separators=(",", ":"))},
        "error": error,
    }
    template = "signin/join_by_passkey.html" if by_passkey else "signin/join.html"
    return pages.page(request, template, context, form_action=None)


def _error(field: str, message: Text) -> dict[str, Any]:
    return {"summary": Text("That did not work"), "field": field, "message": message}


def _ceremony(link: Link) -> Ceremony:
    return passkeys.alone(sign_ups.PAGE, link.secret)


def _creation_options(request: Request, link: Link) -> dict[str, Any]:
    joining = sign_ups.of(link)
    account = (joining.email, str(joining.claims.get("name", joining.email)))
    return passkeys.creation_options(services_of(request), _ceremony(link), [], account)


def _over(request: Request) -> Response:
    return _problem(request, problems.SIGN_UP_OVER)


def _problem(request: Request, problem: Problem) -> Response:
    refused_page(request, problem, str(problem.what))
    return problems.problem_page(request, problem.with_link(own.confirm(own.HOME), Text("Sign in")))
