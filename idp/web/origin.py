"""Where a request came from, for the audit."""

from starlette.requests import Request

from idp.audit import Origin
from idp.web.pages import reference_of


def origin_of(request: Request) -> Origin:
    """The address is the connection's own: no header is believed."""
    return Origin(reference_of(request), request.client.host if request.client else None)


def note(request: Request, **fields: str) -> None:
    """Adds to the request's log line."""
    request.scope.setdefault("idp.log", {}).update(fields)
