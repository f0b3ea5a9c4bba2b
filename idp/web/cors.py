"""CORS: open where everything is public, for registered origins where apps in browsers call, nowhere else."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.redirects import origin
from idp.services import Services
from idp.store import clients

_KEPT = timedelta(seconds=30)
_KEPT_FROM_UNKNOWN = timedelta(seconds=1)
_EXPOSED = "WWW-Authenticate, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}


class Origins:
    """The web origins of all registered redirect URIs, as they were at most 30 s ago: they open nothing by themselves.

    An unknown origin may be a new app's: for it they are read again, at most once a second.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: frozenset[str] = frozenset()
        self._read_at: datetime | None = None

    def knows(self, candidate: str) -> bool:
        return candidate in self._known

    async def look_up(self, candidate: str) -> None:
        """Reads them where they are too old to tell of this one."""
        now, kept = self._services.clock(), _KEPT if candidate in self._known else _KEPT_FROM_UNKNOWN
        if self._read_at is None or now - self._read_at >= kept:
            uris = await clients.redirect_uris(self._services.database)
            self._known = frozenset(found for uri in uris if (found := origin(uri)) is not None)
            self._read_at = now


def open_to_all(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


async def for_registered(request: Request, response: Response) -> Response:
    """Lets the page of a registered app read the answer; `null` and everybody else may not."""
    asked = request.headers.get("origin")
    if asked is not None:
        await request.app.state.origins.look_up(asked)
    return for_known(request, response)


def for_known(request: Request, response: Response) -> Response:
    """The same by what was read before: an answer that says that the database is away must not ask it."""
    asked = request.headers.get("origin")
    response.raw_headers.append((b"vary", b"Origin"))
    if asked is not None and request.app.state.origins.knows(asked):
        response.headers["Access-Control-Allow-Origin"] = asked
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


async def preflight(request: Request) -> Response:
    return await for_registered(request, Response(status_code=204, headers=_PREFLIGHT))
