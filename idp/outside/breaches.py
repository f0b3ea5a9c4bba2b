"""Passwords that were in a leak, by the range API of Have I Been Pwned or a mirror of it.

The first five of forty digits of a SHA-1 leave the house, and hundreds of answers come back for them (k-anonymity).
"""

import asyncio
import hashlib
import re
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import httpx2
import structlog

from idp.factors import password
from idp.settings import Settings

log = structlog.get_logger("idp.breaches")

SECONDS = 0.3  # in all: somebody waits
MAX_BYTES = 256 * 1024
_PREFIX = 5
_LINE = re.compile(rb"([0-9A-F]{35}):([0-9]{1,12})")
# What comes compressed can be a thousand times what was sent. Padding hides from a listener how long an answer is.
_HEADERS = {"Accept-Encoding": "identity", "Add-Padding": "true"}


class Breaches(Protocol):
    """Whether a password is known to have leaked; None where nobody can say."""

    async def contains(self, plain: str) -> bool | None: ...

    async def close(self) -> None: ...


class NoBreaches:
    """Nobody is asked: the operator has not said that somebody may be."""

    async def contains(self, plain: str) -> bool | None:
        return False

    async def close(self) -> None:
        return None


class RangeApi:
    """A failure is a line in the log, and None."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._http = httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, headers=_HEADERS, cookies=no_cookies)

    async def contains(self, plain: str) -> bool | None:
        digest = hashlib.sha1(password.normalized(plain), usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(SECONDS):
                return digest[_PREFIX:].encode() in _leaked(await self._get(digest[:_PREFIX]))
        except Exception as error:  # noqa: BLE001  # whatever goes wrong there must not stop anybody here
            log.warning("breach_api_failed", reason=f"{type(error).__name__}: {error}"[:200])
            return None

    async def close(self) -> None:
        await self._http.aclose()

    async def _get(self, prefix: str) -> bytes:
        """Raises ValueError for an answer that is none."""
        async with self._http.stream("GET", f"{self._url}/{prefix}") as response:
            if response.status_code != 200:
                message = f"status {response.status_code}"
                raise ValueError(message)
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    message = f"more than {MAX_BYTES} bytes"
                    raise ValueError(message)
        return body


def _leaked(body: bytes) -> set[bytes]:
    """The suffixes of one prefix. One with a count of 0 is padding. Raises ValueError: a page of a proxy is no list."""
    suffixes = set()
    for line in body.upper().split():
        found = _LINE.fullmatch(line)
        if found is None:
            message = "a line that is none of a list"
            raise ValueError(message)
        if int(found[2]):
            suffixes.add(found[1])
    return suffixes


def breaches_of(settings: Settings) -> Breaches:
    return RangeApi(settings.breach_api) if settings.breach_api else NoBreaches()
