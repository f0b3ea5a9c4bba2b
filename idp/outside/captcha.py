"""CAPTCHA services: a riddle for people, as the last resort, asked of a service that the operator names.

Three of them speak one protocol: a script puts an answer into the form, and one request says whether it was right.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol
from urllib.parse import urlsplit

import httpx2
import structlog

from idp import quick_json
from idp.settings import Settings

log = structlog.get_logger("idp.captcha")

SECONDS = 2.0  # in all: somebody waits
MAX_ANSWER = 8192
_MAX_BYTES = 16 * 1024
_HEADERS = {"Accept-Encoding": "identity"}  # what comes compressed can be a thousand times what was sent


@dataclass(frozen=True)
class Service:
    """Where it is asked, what its script is, the class of the element that it fills, and the field that it adds there.

    `origins` are what a page with it must be allowed to load.
    """

    verify: str
    script: str
    element: str
    field: str
    origins: tuple[str, ...]


SERVICES: Mapping[str, Service] = {
    "turnstile": Service(
        verify="https://challenges.cloudflare.com/turnstile/v0/siteverify",
        script="https://challenges.cloudflare.com/turnstile/v0/api.js",
        element="cf-turnstile",
        field="cf-turnstile-response",
        origins=("https://challenges.cloudflare.com",),
    ),
    "hcaptcha": Service(
        verify="https://api.hcaptcha.com/siteverify",
        script="https://js.hcaptcha.com/1/api.js",
        element="h-captcha",
        field="h-captcha-response",
        origins=("https://hcaptcha.com", "https://*.hcaptcha.com"),
    ),
    "recaptcha": Service(
        verify="https://www.google.com/recaptcha/api/siteverify",
        script="https://www.google.com/recaptcha/api.js",
        element="g-recaptcha",
        field="g-recaptcha-response",
        origins=("https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/"),
    ),
}


@dataclass(frozen=True)
class Widget:
    """What a page shows of a service."""

    service: Service
    site_key: str


class Captcha(Protocol):
    """`widget` is None where nobody is asked anything."""

    @property
    def widget(self) -> Widget | None: ...

    async def solved(self, answer: str) -> bool:
        """Whether a riddle was solved on a page of ours. While nobody can say, it was not."""

    async def close(self) -> None: ...


class NoCaptcha:
    """The operator has named no service."""

    widget: Widget | None = None

    async def solved(self, answer: str) -> bool:
        return False

    async def close(self) -> None:
        return None


class SiteVerify:
    """A failure is a line in the log, and no riddle solved: whoever shares a network with a guesser waits, then."""

    def __init__(self, service: Service, site_key: str, secret: str, host: str) -> None:
        self.widget: Widget | None = Widget(service, site_key)
        self._verify, self._secret, self._host = service.verify, secret, host
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._http = httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, cookies=no_cookies, headers=_HEADERS)

    async def solved(self, answer: str) -> bool:
        try:
            async with asyncio.timeout(SECONDS):
                told = await self._ask(answer)
        except Exception as error:  # noqa: BLE001  # whatever goes wrong there must not stop anybody here
            log.warning("captcha_failed", reason=f"{type(error).__name__}: {error}"[:200])
            return False
        # An answer that was given on another site, where somebody was made to solve it, counts nothing.
        return told.get("success") is True and told.get("hostname") == self._host

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, answer: str) -> dict[str, object]:
        """Raises ValueError for an answer that is none."""
        form = {"secret": self._secret, "response": answer}
        async with self._http.stream("POST", self._verify, data=form) as response:
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_BYTES:
                    message = f"more than {_MAX_BYTES} bytes"
                    raise ValueError(message)
        told = quick_json.decode(body) if response.status_code == 200 else None
        if isinstance(told, dict):
            return told
        message = f"status {response.status_code}, and no JSON object"
        raise ValueError(message)


def captcha_of(settings: Settings) -> Captcha:
    service = SERVICES.get(settings.captcha)
    if service is None:
        return NoCaptcha()
    host = urlsplit(settings.issuer).hostname or ""
    return SiteVerify(service, settings.captcha_site_key, settings.captcha_secret, host)
