"""Who is signed in with this browser."""

from datetime import datetime

from starlette.requests import Request

from idp.services import Services
from idp.store import sessions
from idp.store.sessions import TOUCH_EVERY, SignedIn
from idp.web import cookies


async def current(request: Request, services: Services, now: datetime) -> SignedIn | None:
    """The live session of the request's cookie. Being seen keeps it from going idle; that is written once a minute."""
    cookie = cookies.read(request.headers, services.settings, cookies.SESSION)
    if cookie is None:
        return None
    found = await sessions.find(services.database, cookie, now, services.settings.session_idle_lifetime)
    if found is not None and now - found.seen_at > TOUCH_EVERY:
        await sessions.touch(services.database, found.sid, now)
    return found
