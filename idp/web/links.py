"""Links that were mailed to a person: what is secret of one stays in no address, and looking at it uses nothing up.

`/PAGE/{link}` moves it into a cookie of this browser and goes on to `/PAGE`, which shows a button; only that takes it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.protocol.params import Params
from idp.services import Services, services_of
from idp.store import handles, users
from idp.store.db import Connection, Transaction
from idp.store.users import Person
from idp.web import cookies, csrf

LIFETIME = timedelta(minutes=30)  # in a browser
_LINK = re.compile(r"[A-Za-z0-9_-]{43}")
_USER, _AT = "user_id", "at"


@dataclass(frozen=True)
class Link:
    """A link that counts, and what it stands for."""

    secret: str = field(repr=False)
    data: dict[str, Any]
    expires_at: datetime


async def issue(
    transaction: Transaction, kind: str, user_id: str | None, now: datetime, until: datetime, **data: Any
) -> str:
    """The secret of a new one, for this person or nobody."""
    about = {**data, _USER: user_id, _AT: now.isoformat()}
    return await handles.issue(transaction, kind, about, now, until)


def url(services: Services, page: str, secret: str) -> str:
    return f"{services.settings.issuer}{page}/{secret}"


def opened(page: str) -> Callable[[Request], Awaitable[Response]]:
    """The address that was mailed."""

    async def endpoint(request: Request) -> Response:
        response, secret = RedirectResponse(page, 303), request.path_params["link"]
        if _LINK.fullmatch(secret):
            cookies.write(response, services_of(request).settings, cookies.LINK, secret, LIFETIME)
        return response

    return endpoint


async def followed(request: Request, kind: str) -> Link | None:
    """The one that brought this browser here; None where it was used, is over, or belongs to another page."""
    services = services_of(request)
    secret = cookies.read(request.headers, services.settings, cookies.LINK)
    found = await handles.find(services.database, kind, secret or "")
    if secret is None or found is None or found.used_at is not None or services.clock() >= found.expires_at:
        return None
    return Link(secret, found.data, found.expires_at)


async def person_of(connection: Connection, link: Link, *, revocable: bool = True) -> Person | None:
    """Whose it is. One that is `revocable` counts only until its person's links are called in."""
    person = await users.find(connection, link.data[_USER] or "")
    if person is None or not revocable or person.links_valid_from is None:
        return person
    return person if datetime.fromisoformat(link.data[_AT]) >= person.links_valid_from else None


def form_token(services: Services, link: Link) -> str:
    """Who does not know the link has no form of it."""
    return csrf.token(services, link.secret, "")


async def read_form(request: Request, link: Link) -> Params:
    """Raises csrf.Forged or InvalidRequest."""
    services = services_of(request)
    return await csrf.read_form(request, services, form_token(services, link))


async def take(transaction: Transaction, kind: str, link: Link, now: datetime) -> bool:
    """True to exactly one caller."""
    taken = await handles.take(transaction, kind, link.secret, now)
    return taken is not None and now < taken.expires_at


def forget(response: Response, services: Services) -> None:
    cookies.clear(response, services.settings, cookies.LINK)
