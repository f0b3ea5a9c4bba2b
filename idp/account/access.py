"""Who asks for a page of their account, and whether they have just proved who they are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import quick_json, wording
from idp.factors.proofs import asks_for_second
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.protocol.errors import InvalidRequest
from idp.protocol.params import Params
from idp.services import Services, services_of
from idp.store import credentials
from idp.store.seal import SealBroken, from_text, to_text
from idp.store.sessions import SignedIn
from idp.web import cookies, csrf, own, problems, sessions
from idp.web.csrf import Forged
from idp.web.origin import note
from idp.web.pages import page
from idp.web.refusals import refused_page
from idp.wording import Text

DONE, WRONG = "done", "wrong"  # what a page is told
_TOLD = "told"


@dataclass(frozen=True)
class Asking:
    """A request of a person who is signed in, about themselves and nobody else. `page` is where it is answered."""

    request: Request
    services: Services
    session: SignedIn
    page: str
    now: datetime

    def shown(self, template: str, **context: object) -> Response:
        """A page of the account door, with what the post before it had to say."""
        common = {
            "account": {"name": self.session.name, "email": self.session.email},
            "csrf": sessions.form_token(self.services, self.session),
            "menu": {own.name(each): each for each in own.IN_MENU},
            "page": self.page,
            "told": self.told,
        }
        return page(self.request, template, {**common, **context})

    def tell(self, page: str, kind: str, text: Text, gone: str = "", **query: str) -> Response:
        """To the page, which says it: sealed for this session, so that nobody else puts words there."""
        told = quick_json.encode({"kind": kind, "text": wording.dumped(text), "gone": gone})
        sealed = to_text(self.services.sealer.seal(told, _TOLD, self.session.sid))
        return RedirectResponse(f"{page}?{urlencode({**query, _TOLD: sealed})}", 303)

    @cached_property
    def browser(self) -> str:
        """The cookie that names this browser and opens nothing."""
        return cookies.read(self.request.headers, self.services.settings, cookies.BROWSER) or ""

    @cached_property
    def told(self) -> dict[str, Any] | None:
        """What the post before had to say."""
        try:
            sealed = from_text(self.request.query_params.get(_TOLD, ""))
            told: dict[str, Any] = quick_json.decode(self.services.sealer.unseal(sealed, _TOLD, self.session.sid))
        except SealBroken:
            return None
        return told | {"text": wording.loaded(told["text"])}


Show = Callable[[Asking], Awaitable[Response]]
Act = Callable[[Asking, Params], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def to(page: str) -> Response:
    return RedirectResponse(page, 303)


def seen(page: str, show: Show) -> Endpoint:
    """A page that any session of the person may see."""

    async def endpoint(request: Request) -> Response:
        asking = await _asking(request, page)
        return to(own.confirm(page)) if asking is None else await show(asking)

    return endpoint


def fresh(page: str, show: Show) -> Endpoint:
    """A page that shows or offers what opens the account, to who has just proved that it is theirs."""

    async def endpoint(request: Request) -> Response:
        asking = await _asking(request, page)
        if asking is None or not await _is_fresh(asking):
            return to(own.confirm(page))
        return await show(asking)

    return endpoint


def changed(page: str, act: Act) -> Endpoint:
    """A post that changes how the person signs in: from a page of ours, and with fresh proof; else it does nothing."""
    return _posted(page, act, _is_fresh)


def ended(page: str, act: Act) -> Endpoint:
    """A post that takes access away: from a page of ours, by any session of the person, however old."""
    return _posted(page, act, _any)


def written(page: str, act: Act) -> Endpoint:
    """A post that opens nothing and ends nothing, as of a name: from a page of ours, by any session of the person."""
    return _posted(page, act, _any)


def _posted(page: str, act: Act, may: Callable[[Asking], Awaitable[bool]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        asking = await _asking(request, page)
        try:
            token = None if asking is None else sessions.form_token(asking.services, asking.session)
            form = await csrf.read_form(request, services_of(request), token)
        except (Forged, InvalidRequest) as error:
            refused_page(request, problems.FORGED, str(error))
            return problems.problem_page(request, problems.FORGED.with_link(page, Text("Back to the page")))
        if asking is None or not sessions.is_from_here(request, asking.services) or not await may(asking):
            return to(own.confirm(page))
        return await act(asking, form)

    return endpoint


async def _asking(request: Request, page: str) -> Asking | None:
    services, now = services_of(request), services_of(request).clock()
    session = await sessions.current(request, services, now)
    if session is None:
        return None
    note(request, user_id=session.user_id)
    return Asking(request, services, session, page, now)


async def _any(_: Asking) -> bool:
    return True


async def _is_fresh(asking: Asking) -> bool:
    """NIST SP 800-63B section 4.1.2 wants all that a sign-in of this person would want, and a short while ago."""
    proof = asking.session.authentication
    if proof.auth_time < asking.now - asking.services.settings.fresh_proof:
        return False
    if proof.acr == ACR_TWO_FACTORS:
        return True
    enrolled = await credentials.enrolled(asking.services.database, asking.session.user_id)
    return not asks_for_second(enrolled)
