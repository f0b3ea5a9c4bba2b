"""Refusing: where an error of the protocol is put on record, before it is answered."""

import structlog
from starlette.requests import Request

from idp.protocol.errors import OAuthError
from idp.web.pages import reference_of

log = structlog.get_logger("idp.refused")


async def refused(request: Request, error: OAuthError) -> None:
    """The whole reason, under the reference that the answer carries."""
    log.info("refused", reference=reference_of(request), error=error.error, reason=error.reason)
