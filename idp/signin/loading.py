"""Finding the attempt that a URL names, and a working page where it cannot be gone on with."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import quick_json
from idp.protocol.authorize import AnswerTo, AuthorizationRequest
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRequest, OAuthError
from idp.protocol.params import Params
from idp.protocol.redirects import return_address
from idp.services import Services, services_of
from idp.signin import accounts, offering
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.store import attempts, handles
from idp.store.attempts import Attempt
from idp.store.ids import hash_of, time_of
from idp.store.prune import KEEP_ATTEMPTS
from idp.web import cookies, csrf, forms, languages, own, problems
from idp.web.csrf import Forged
from idp.web.origin import network_of, note
from idp.web.problems import Problem
from idp.web.refusals import refused, refused_page
from idp.wording import Text

DENIED = "denied"  # a decision that its page has yet to tell the app

SHORTEST_TICKET = 100  # a handle is shorter

Show = Callable[[Interaction], Awaitable[Response]]
Begin = Callable[[Attempt], Response]
Act = Callable[[Interaction, Params], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Halt(Exception):  # not an error: another page instead
    """The attempt cannot be gone on with; `problem` is the page that says so."""

    problem: Problem


@dataclass(frozen=True)
class Elsewhere(Exception):  # not an error: another page instead
    """The attempt belongs to another browser, or to a cookie that another tab replaced: this one begins its own."""

    attempt: Attempt


def shown(show: Show, over: Show = dispatcher.restart, elsewhere: Begin | None = None) -> Endpoint:
    """A GET of an attempt; `over` answers where it is done or expired, `elsewhere` where it is another browser's."""

    async def endpoint(request: Request) -> Response:
        try:
            interaction = await load(request)
        except Halt as halt:
            return halted(request, halt.problem)
        except Elsewhere as another:
            return (elsewhere or _begin_again)(another.attempt)
        return await (over if is_over(interaction) else show)(interaction)

    return endpoint


def posted(act: Act) -> Endpoint:
    """A POST of an attempt: the form is read, its token checked, and only then anything done.

    A form that was shown before somebody signed in or out in another tab does nothing: its page is shown as it is now.
    """

    async def endpoint(request: Request) -> Response:
        try:
            form = await forms.read(request)
            form.refuse_repeated()
            if form.get("password") is not None:
                services_of(request).hashing.check(network_of(request))
            interaction = await load(request)
        except Halt as halt:
            return halted(request, halt.problem)
        except Elsewhere as elsewhere:
            return RedirectResponse(_again(elsewhere.attempt, typed_name(form)), 303)
        except InvalidRequest as error:
            await refused(request, error)
            return problems.problem_page(request, problems.BAD_REQUEST)
        of_page, _, of_person = (form.get("csrf") or "").partition(".")
        try:
            csrf.check(request, interaction.services, of_page, _page_token(interaction))
        except Forged as error:
            refused_page(request, problems.FORGED, str(error))
            return problems.problem_page(request, problems.FORGED.with_link(interaction.url, Text("Back to the page")))
        same_person = hmac.compare_digest(of_person.encode("utf-8", "replace"), _person_token(interaction).encode())
        if is_over(interaction):
            return await dispatcher.restart(interaction, typed_name(form) if same_person else None)
        if not same_person or interaction.attempt.fault == DENIED:
            return RedirectResponse(interaction.url, 303)
        return await act(interaction, form)

    return endpoint


async def to_page(request: Request) -> Response:
    """A GET where only posts go, such as a reload of a form's address: back to the page."""
    return RedirectResponse(f"/signin/{request.path_params['attempt']}", 303)


def typed_name(form: Params) -> str | None:
    """Who the person says is signing in."""
    return (form.get("username") or "").strip() or None


def form_token(interaction: Interaction) -> str:
    """Bound to whom the page was shown, so that nobody allows an app in the name of who signed in meanwhile."""
    return f"{_page_token(interaction)}.{_person_token(interaction)}"


def _page_token(interaction: Interaction) -> str:
    return csrf.token(interaction.services, interaction.attempt.id, interaction.browser)


def _person_token(interaction: Interaction) -> str:
    if interaction.session is None:
        return "0"
    return csrf.token(interaction.services, interaction.attempt.id, interaction.browser, interaction.session.user_id)


def is_over(interaction: Interaction) -> bool:
    attempt = interaction.attempt
    return attempt.done_at is not None or interaction.services.clock() >= attempt.expires_at


async def load(request: Request) -> Interaction:
    """Raises Halt or Elsewhere. The client and the address are judged again: either may have changed meanwhile."""
    services = services_of(request)
    attempt_began = await began(services, request.path_params["attempt"])
    note(request, client_id=attempt_began.client_id)
    browser = _browser(request, services, attempt_began)
    client, attempt = await current(services, attempt_began)
    if client is None:
        raise Halt(problems.UNKNOWN_CLIENT)
    asked = AuthorizationRequest.from_json(attempt.request)
    languages.wish(request, asked.ui_locales, time_of(attempt.id))
    try:
        address = return_address(client, asked.redirect_uri)
    except OAuthError as error:
        raise Halt(problems.WRONG_REDIRECT) from error
    answer_to = AnswerTo(address, asked.response_mode, asked.state)
    signed_in, session = await accounts.find(request, services, attempt, asked)
    interaction = Interaction(request, services, client, asked, answer_to, attempt, browser, signed_in, session)
    interaction = replace(interaction, offers_passkey=offering.is_shown(interaction))
    return await dispatcher.recalled(interaction)


async def unfinished(request: Request, url_part: str) -> Attempt | None:
    """The attempt of a URL, if it began in this browser and nobody has proved anything in it yet."""
    services = services_of(request)
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER)
    try:
        attempt = await began(services, url_part)
    except Halt:
        return None
    if browser is None or not hmac.compare_digest(hash_of(browser), attempt.browser_hash):
        return None
    client, attempt = await current(services, attempt)
    if client is None or attempt.done_at is not None or services.clock() >= attempt.expires_at:
        return None
    return attempt if attempt.person is None and attempt.session_id is None else None


async def current(services: Services, attempt: Attempt) -> tuple[Client | None, Attempt]:
    if attempt.client_id != own.CLIENT_ID:
        return await attempts.current(services.database, services.sealer, attempt)
    return own.client(services.settings), await attempts.current_alone(services.database, services.sealer, attempt)


async def began(services: Services, url_part: str) -> Attempt:
    """The attempt as it began. What was too long for a URL was stored. Raises Halt."""
    ticket = url_part
    if len(url_part) < SHORTEST_TICKET:
        found = await handles.find(services.database, handles.TICKET, url_part)
        ticket = "" if found is None else found.data["ticket"]
    attempt = attempts.unseal(services.sealer, ticket)
    if attempt is None or services.clock() >= attempt.expires_at + KEEP_ATTEMPTS:
        raise Halt(problems.GONE)  # what was recorded of it is gone, too
    return replace(attempt, url_part=url_part)


def _browser(request: Request, services: Services, attempt: Attempt) -> str:
    """The browser's cookie, if it is the one that the attempt began with.

    Without it nothing begins again where the app named a person by an ID token: that is not here to be sent again, and
    without it another person would do.
    """
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER)
    named = AuthorizationRequest.from_json(attempt.request).subject is not None
    if browser is None:
        raise Halt(problems.NO_COOKIES if named else problems.NO_COOKIES.with_link(_again(attempt), Text("Try again")))
    if not hmac.compare_digest(hash_of(browser), attempt.browser_hash):
        raise Halt(problems.GONE) if named else Elsewhere(attempt)
    return browser


def _begin_again(attempt: Attempt) -> Response:
    return RedirectResponse(_again(attempt), 303)


def _again(attempt: Attempt, username: str | None = None) -> str:
    """The authorization request as a link. It carries no authority: anybody could make it."""
    asked = AuthorizationRequest.from_json(attempt.request)
    if attempt.client_id == own.CLIENT_ID:
        return own.confirm(urlsplit(asked.redirect_uri).path)
    parameters = {
        "response_type": "code",
        "client_id": asked.client_id,
        "redirect_uri": asked.redirect_uri,
        "scope": " ".join(asked.scope),
        "response_mode": asked.response_mode,
        "state": asked.state,
        "nonce": asked.nonce,
        "code_challenge": asked.code_challenge,
        "code_challenge_method": "S256" if asked.code_challenge else None,
        "prompt": " ".join(asked.prompt) or None,
        "max_age": asked.max_age,
        "login_hint": username or asked.login_hint,
        "acr_values": " ".join(asked.acr_values) or None,
        "ui_locales": " ".join(asked.ui_locales) or None,
        "claims": _claims(asked),
    }
    return "/authorize?" + urlencode({name: value for name, value in parameters.items() if value is not None})


def _claims(asked: AuthorizationRequest) -> str | None:
    """Nobody begins again where a sub was named, so that it is not among them."""
    if not asked.essential_acr:
        return None
    return quick_json.encode({"id_token": {"acr": {"essential": True, "values": asked.essential_acr}}}).decode()


def halted(request: Request, problem: Problem, reason: str | None = None) -> Response:
    refused_page(request, problem, reason or str(problem.title))
    return problems.problem_page(request, problem)
