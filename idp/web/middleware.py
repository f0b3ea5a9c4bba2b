"""The one layer in front of everything: a reference, the guard, time limits, headers, one log line, no bare failure."""

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idp.fair_queue import Overloaded
from idp.services import Services
from idp.store.db import StoreUnavailable
from idp.store.ids import draw
from idp.web import cors, guard, problems
from idp.web.body import Body
from idp.web.guard import Rejected
from idp.web.pace import Pace
from idp.web.problems import Problem, problem_json, problem_page
from idp.web.refusals import refused_page

log = structlog.get_logger("idp.request")

BODY_SECONDS = 15.0
ANSWER_SECONDS = 30.0
_LETTERS = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing in it can be misread
_LETTER_OF = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_UNLESS_SET = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_MAYBE_SECRET = re.compile(r"[A-Za-z0-9_-]{40,}")
_ERRORS = {500: "server_error", 503: "temporarily_unavailable"}
_HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class TooLong(Exception):
    """An answer that was not there in time."""


def new_reference() -> str:
    """Eight characters that a person can read out: 40 random bits."""
    text = draw(8).translate(_LETTER_OF).decode("ascii")
    return f"{text[:4]}-{text[4:]}"


class Front:
    """A pure ASGI layer. `api` says which paths answer machines, in JSON."""

    def __init__(
        self,
        app: ASGIApp,
        api: Callable[[str], bool],
        *,
        body_seconds: float = BODY_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._app = app
        self._api = api
        self._body_seconds = body_seconds
        self._answer_seconds = answer_seconds
        self._always: tuple[tuple[bytes, bytes], ...] = _ALWAYS
        self._services: Services | None = None
        self._hosts: frozenset[bytes] = frozenset()
        self._pace = Pace()

    def serve(self, services: Services) -> None:
        """Called when the services are open, before the first request."""
        self._services = services
        self._hosts = guard.hosts_of(services.settings.issuer)
        if services.settings.secure and not services.settings.loopback:
            self._always = (*_ALWAYS, _HSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["idp.services"] = self._services
        reference = scope["idp.reference"] = new_reference()
        body = Body(scope, receive)
        answer = _Answer(scope, send, self._always, reference, body)
        try:
            guard.check(scope, self._hosts)
            if scope["method"] == "POST" and not self._api(scope["path"]):
                await self._pace.turn()
            await self._in_time(scope, body, answer)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:  # noqa: BLE001  # whatever it is, the person gets a page and the log the reason
            await self._fail(scope, body, answer, error)
        finally:
            answer.log()

    async def _in_time(self, scope: Scope, body: Body, send: Send) -> None:
        """Whoever takes too long is cancelled: transactions roll back, and give back what they hold."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._answer_seconds if body.ended else self._body_seconds) as limit:
                body.on_end = lambda: _extend(limit, began + self._answer_seconds)
                await self._app(scope, body, send)
        except TimeoutError as error:
            if not limit.expired():
                raise
            if not body.ended:
                reason = f"the body did not come within {self._body_seconds:g} s"
                raise Rejected(problems.TOO_SLOW, reason) from None
            message = f"no answer within {self._answer_seconds:g} s"
            raise TooLong(message) from error
        finally:
            body.on_end = None

    async def _fail(self, scope: Scope, receive: Receive, answer: "_Answer", error: Exception) -> None:
        problem = _problem(error)
        scope["app"] = scope.get("app") or self._app
        request = Request(scope, receive)
        if problem is problems.BROKEN:
            log.error("failed", reference=answer.reference, path=_path(scope), exc_info=error)
        elif isinstance(error, Rejected):
            refused_page(request, problem, str(error))
        else:
            log.warning("refused", reference=answer.reference, reason=f"{type(error).__name__}: {error}")
        if answer.status:
            raise error  # the answer has begun: all that is left is to cut it off
        if self._api(scope["path"]):
            code = _ERRORS.get(problem.status, "invalid_request")
            response = cors.for_known(request, problem_json(problem, code))
        else:
            response = problem_page(request, problem)
        if isinstance(error, Rejected):  # and what may follow such a request is not looked at
            response.headers.update({"Connection": "close", **error.headers})
        await response(scope, receive, answer)


class _Answer:
    """Sends, adds what every answer has, and logs: before the last byte, so that who has the answer finds its line."""

    def __init__(
        self, scope: Scope, send: Send, always: tuple[tuple[bytes, bytes], ...], reference: str, body: Body
    ) -> None:
        self._scope = scope
        self._send = send
        self._always = always
        self._body = body
        self._began = time.perf_counter()
        self._logged = False
        self.reference = reference
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            usable = await self._body.leaves_connection_usable()
            self.status = message["status"]
            headers = message["headers"]
            present = {name for name, _ in headers}
            headers.extend(self._scope.get("idp.headers", ()))
            headers.extend(self._always)
            headers.extend(pair for pair in _UNLESS_SET if pair[0] not in present)
            headers.append((b"x-request-id", self.reference.encode()))
            if not usable and b"connection" not in present:
                headers.append((b"connection", b"close"))
        elif not message.get("more_body", False):
            self.log()
        await self._send(message)

    def log(self) -> None:
        """The one line of this request."""
        if self._logged:
            return
        self._logged = True
        log.info(
            "request",
            method=self._scope["method"],
            path=_path(self._scope),
            status=self.status,
            ms=round((time.perf_counter() - self._began) * 1000, 1),
            reference=self.reference,
            **self._scope.get("idp.log", {}),
        )


def _path(scope: Scope) -> str:
    """The route, or what was asked for instead of one: without what may be the secret of a link that was mangled."""
    route: str | None = getattr(scope.get("route"), "path", None)
    return route or _MAYBE_SECRET.sub("...", scope["path"][:200])


def _extend(limit: asyncio.Timeout, until: float) -> None:
    if not limit.expired():
        limit.reschedule(until)


def _problem(error: Exception) -> Problem:
    if isinstance(error, Rejected):
        return error.problem
    return problems.BUSY if isinstance(error, _BUSY) else problems.BROKEN


_BUSY = (StoreUnavailable, Overloaded, TooLong)
