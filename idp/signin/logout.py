"""Signing out through an app: OpenID Connect RP-Initiated Logout 1.0."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import quick_json
from idp.protocol import params, redirects
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRequest, OAuthError, UnknownClient
from idp.protocol.logout import LogoutRequest, PostLogoutAddress, address_of, judge
from idp.services import Services, services_of
from idp.signin import ending
from idp.store import clients
from idp.store.seal import SealBroken, from_text, to_text
from idp.store.sessions import SignedIn
from idp.web import answers, csrf, forms, hints, problems, refusals, sessions
from idp.web.csrf import Forged
from idp.web.origin import note
from idp.web.pages import form_targets, page
from idp.wording import Text

PURPOSE = "logout:1"  # the number changes with what is sealed, so that an old one opens no more


@dataclass(frozen=True)
class Logout:
    """A judged request, its client and its address, as they are registered now."""

    asked: LogoutRequest
    client: Client | None
    address: PostLogoutAddress | None


async def logout(request: Request) -> Response:
    """GET acts. POST judges and redirects to a GET of ours, because a cross-site post brings no Lax cookie."""
    services, posted = services_of(request), request.method == "POST"
    try:
        parameters = await forms.read(request) if posted else params.parse(request.scope["query_string"])
        asked = judge(parameters, hints.reader(services))
        if asked.hint_fault is not None:
            note(request, id_token_hint=asked.hint_fault)
        found = await _registered(request, asked)
    except OAuthError as error:
        return await _refused(request, error)
    return RedirectResponse(_url(services, asked), 303) if posted else await _answer(request, found)


async def asked_before(request: Request) -> Response:
    """GET of a request that came by POST."""
    try:
        found = await _unsealed(request)
    except OAuthError as error:
        return await _refused(request, error)
    return await _answer(request, found)


async def confirmed(request: Request) -> Response:
    """POST of the page that asks: everybody whom it named leaves."""
    services = services_of(request)
    try:
        found = await _unsealed(request)
        signed_in = await sessions.signed_in(request, services, services.clock())
        await csrf.read_form(request, services, _token(services, signed_in) if signed_in else None)
    except Forged as error:
        refusals.refused_page(request, problems.FORGED, str(error))
        back = f"/logout/{request.path_params['request']}"
        return problems.problem_page(request, problems.FORGED.with_link(back, Text("Back to the page")))
    except OAuthError as error:
        return await _refused(request, error)
    response = _goodbye(found)
    await ending.sign_out(request, response, signed_in, signed_in, found.asked.client_id)
    return response


async def _answer(request: Request, found: Logout) -> Response:
    """Whose very session the ID token names is signed out at once; anybody else who is signed in here is asked."""
    services = services_of(request)
    signed_in = await sessions.signed_in(request, services, services.clock())
    named = [session for session in signed_in if session.sid == found.asked.sid]
    if signed_in and not named:
        return _question(request, found, signed_in)
    response = _goodbye(found)
    if named:
        await ending.sign_out(request, response, signed_in, named, found.asked.client_id)
    return response


def _question(request: Request, found: Logout, signed_in: Sequence[SignedIn]) -> Response:
    services = services_of(request)
    uri = found.address.uri if found.address else None
    context = {
        "app": {"name": found.client.client_name} if found.client else None,
        "host": redirects.host_of(uri) if uri else None,
        "people": [{"name": session.name, "email": session.email} for session in signed_in],
        "action": _url(services, found.asked),
        "csrf": _token(services, signed_in),
    }
    onward = f" {form_targets(uri)}" if uri else ""
    return page(request, "signin/sign_out.html", context, form_action=f"'self'{onward}")


def _token(services: Services, signed_in: Sequence[SignedIn]) -> str:
    """Bound to all whom the page names: who signs in meanwhile is not signed out by it."""
    ids = ".".join(sorted(session.sid for session in signed_in))
    return csrf.token(services, ids, ".".join(sorted(session.secret for session in signed_in)))


def _goodbye(found: Logout) -> Response:
    return answers.signed_out(found.address) if found.address else RedirectResponse("/signed-out", 303)


async def _registered(request: Request, asked: LogoutRequest) -> Logout:
    """Raises UnknownClient or UnregisteredRedirectUri."""
    client = None
    if asked.client_id is not None:
        client = await clients.find(services_of(request).database, asked.client_id)
        if client is None:
            raise UnknownClient(
                "The parameter client_id or id_token_hint names no client.", "unknown or disabled client"
            )
        note(request, client_id=client.client_id)
    return Logout(asked, client, address_of(asked, client))


def _url(services: Services, asked: LogoutRequest) -> str:
    """Holds what was asked, sealed, so that nothing is stored. It carries no more authority than the request had."""
    return f"/logout/{to_text(services.sealer.seal(quick_json.encode(asked.to_json()), PURPOSE, ''))}"


async def _unsealed(request: Request) -> Logout:
    """What `_url` holds. The client and the address are judged again: either may have changed meanwhile."""
    try:
        sealed = from_text(request.path_params["request"])
        stored = quick_json.decode(services_of(request).sealer.unseal(sealed, PURPOSE, ""))
    except SealBroken as error:
        raise InvalidRequest("The address of this logout is not one of ours.", str(error)) from error
    return await _registered(request, LogoutRequest.from_json(stored))


async def _refused(request: Request, error: OAuthError) -> Response:
    """Nobody is redirected. The person can still sign out here."""
    await refusals.refused(request, error)
    return problems.problem_page(request, problems.NOT_SIGNED_OUT.with_link("/logout", Text("Sign out here")))
