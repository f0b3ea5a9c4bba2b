"""Who is signed in with this browser: several people may be, each in a session of their own."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from idp.services import Services
from idp.store import sessions
from idp.store.sessions import TOUCH_EVERY, SignedIn
from idp.web import cookies, csrf

MOST = 5
_BETWEEN = "."


async def signed_in(request: Request, services: Services, now: datetime) -> tuple[SignedIn, ...]:
    """The live sessions of the request's cookie, the one that was used last first."""
    cookie = cookies.read(request.headers, services.settings, cookies.SESSION)
    if cookie is None:
        return ()
    idle, secrets = services.settings.session_idle_lifetime, dict.fromkeys(cookie.split(_BETWEEN)[:MOST])
    found = [await sessions.find(services.database, secret, now, idle) for secret in secrets]
    return tuple(session for session in found if session is not None)


async def current(request: Request, services: Services, now: datetime) -> SignedIn | None:
    """The session that was used last."""
    found = await signed_in(request, services, now)
    if not found:
        return None
    await seen(services, found[0], now)
    return found[0]


async def seen(services: Services, session: SignedIn, now: datetime) -> None:
    """Being used keeps a session from going idle; that is written once a minute."""
    if now - session.seen_at > TOUCH_EVERY:
        await sessions.touch(services.database, session.sid, now)


def write(response: Response, services: Services, signed_in: Sequence[SignedIn]) -> None:
    """The one that is used now comes first; none of them is older than the cookie of a browser that was closed."""
    value = _BETWEEN.join(session.secret for session in signed_in[:MOST])
    cookies.write(response, services.settings, cookies.SESSION, value)
    cookies.write(response, services.settings, cookies.STRICT, _twin(services, value))


def clear(response: Response, services: Services) -> None:
    cookies.clear(response, services.settings, cookies.SESSION)
    cookies.clear(response, services.settings, cookies.STRICT)


def is_from_here(request: Request, services: Services) -> bool:
    """Whether the Strict twin of the session's cookie came too: what another site opens or posts brings none."""
    session = cookies.read(request.headers, services.settings, cookies.SESSION)
    strict = cookies.read(request.headers, services.settings, cookies.STRICT)
    return session is not None and strict is not None and hmac.compare_digest(strict, _twin(services, session))


def form_token(services: Services, session: SignedIn) -> str:
    """The token of a form on a page of this person."""
    return csrf.token(services, session.sid, session.secret, session.user_id)


def _twin(services: Services, value: str) -> str:
    digest = hmac.digest(services.sealer.subkey("strict"), value.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
