"""Passwords that were in a leak, by the range API of Have I Been Pwned or a mirror of it.

The first five of forty digits of a SHA-1 leave the house, and hundreds of answers come back for them (k-anonymity).
"""

import asyncio
import hashlib
from typing import Protocol

import httpx2
import structlog

from idp.factors import password
from idp.settings import REFUSE, Settings

log = structlog.get_logger("idp.breaches")

SECONDS = 0.3  # in all: somebody waits
MAX_BYTES = 256 * 1024
_PREFIX = 5


class Breaches(Protocol):
    """Whether a password is known to have leaked."""

    async def contains(self, plain: str) -> bool: ...

    async def close(self) -> None: ...


class NoBreaches:
    """Nobody is asked: the operator has not said that somebody may be."""

    async def contains(self, plain: str) -> bool:
        return False

    async def close(self) -> None:
        return None


class RangeApi:
    """`refuse` is the answer while the service cannot be asked."""

    def __init__(self, url: str, *, refuse: bool) -> None:
        self._url = url.rstrip("/")
        self._refuse = refuse
        self._http = httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, headers={"Add-Padding": "true"})

    async def contains(self, plain: str) -> bool:
        digest = hashlib.sha1(password.normalized(plain), usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(SECONDS):
                lines = await self._lines(digest[:_PREFIX])
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            log.warning("breach_api_failed", reason=f"{type(error).__name__}: {error}", refused=self._refuse)
            return self._refuse
        suffix = digest[_PREFIX:].encode()
        return any(line.startswith(suffix + b":") and line.strip() != suffix + b":0" for line in lines)

    async def close(self) -> None:
        await self._http.aclose()

    async def _lines(self, prefix: str) -> list[bytes]:
        """Raises ValueError for an answer that is none. A line with a count of 0 is padding."""
        async with self._http.stream("GET", f"{self._url}/{prefix}") as response:
            if not response.is_success:
                message = f"status {response.status_code}"
                raise ValueError(message)
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    message = f"more than {MAX_BYTES} bytes"
                    raise ValueError(message)
        return body.upper().splitlines()


def breaches_of(settings: Settings) -> Breaches:
    if not settings.breach_api:
        return NoBreaches()
    return RangeApi(settings.breach_api, refuse=settings.breach_api_failure == REFUSE)
