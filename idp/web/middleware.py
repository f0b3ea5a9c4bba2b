"""The one layer in front of everything: a reference, limits, headers, one log line, and no bare failure."""

import base64
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idp.hashing import Overloaded
from idp.services import Services
from idp.store.db import StoreUnavailable
from idp.store.ids import draw
from idp.web import cors, problems
from idp.web.problems import Problem, problem_json, problem_page
from idp.web.refusals import refused_page

log = structlog.get_logger("idp.request")

MAX_BODY = 64 * 1024
MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\ufffd]")  # control characters, and what was not UTF-8
# Crockford's base 32: nothing in it can be misread.
_CROCKFORD = bytes.maketrans(b"IJKLMNOPQRSTUV", b"JKMNPQRSTVWXYZ")
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
_ERRORS = {
    404: "invalid_request",
    413: "invalid_request",
    431: "invalid_request",
    500: "server_error",
    503: "temporarily_unavailable",
}
_HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class TooLarge(Exception):
    """A body over the limit."""


class HeadTooLarge(Exception):
    """More headers than any client sends."""


class NoSuchPath(Exception):
    """A path that holds what no path of ours does."""


def new_reference() -> str:
    """Eight characters that a person can read out: 40 random bits."""
    text = base64.b32hexencode(draw(5)).translate(_CROCKFORD).decode("ascii")
    return f"{text[:4]}-{text[4:]}"


class Front:
    """A pure ASGI layer. `api` says which paths answer machines, in JSON."""

    def __init__(self, app: ASGIApp, api: Callable[[str], bool]) -> None:
        self._app = app
        self._api = api
        self._always: tuple[tuple[bytes, bytes], ...] = _ALWAYS

    def serve(self, services: Services) -> None:
        """Called when the services are open, before the first request."""
        if services.settings.secure and not services.settings.loopback:
            self._always = (*_ALWAYS, _HSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reference = scope["idp.reference"] = new_reference()
        answer = _Answer(scope, send, self._always, reference)
        try:
            _check_head(scope)
            await self._app(scope, _limited(scope, receive), answer)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:  # noqa: BLE001  # whatever it is, the person gets a page and the log the reason
            await self._fail(scope, receive, answer, error)
        finally:
            answer.log()

    async def _fail(self, scope: Scope, receive: Receive, answer: "_Answer", error: Exception) -> None:
        problem = _problem(error)
        scope["app"] = scope.get("app") or self._app
        request = Request(scope, receive)
        if problem is problems.BROKEN:
            log.error("failed", reference=answer.reference, path=scope["path"], exc_info=error)
        elif problem in (problems.TOO_LARGE, problems.HEAD_TOO_LARGE):
            refused_page(request, problem, type(error).__name__)
        else:
            log.warning("refused", reference=answer.reference, reason=f"{type(error).__name__}: {error}")
        if answer.status:
            raise error  # the answer has begun: all that is left is to cut it off
        if self._api(scope["path"]):
            response = cors.for_known(request, problem_json(problem, _ERRORS[problem.status]))
        else:
            response = problem_page(request, problem)
        await response(scope, receive, answer)


class _Answer:
    """Sends, adds what every answer has, and logs: before the last byte, so that who has the answer finds its line."""

    def __init__(self, scope: Scope, send: Send, always: tuple[tuple[bytes, bytes], ...], reference: str) -> None:
        self._scope = scope
        self._send = send
        self._always = always
        self._began = time.perf_counter()
        self._logged = False
        self.reference = reference
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            present = {name for name, _ in headers}
            headers.extend(self._always)
            headers.extend(pair for pair in _UNLESS_SET if pair[0] not in present)
            headers.append((b"x-request-id", self.reference.encode()))
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
            path=getattr(self._scope.get("route"), "path", None) or self._scope["path"][:200],
            status=self.status,
            ms=round((time.perf_counter() - self._began) * 1000, 1),
            reference=self.reference,
            **self._scope.get("idp.log", {}),
        )


def _check_head(scope: Scope) -> None:
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
    if size > MAX_HEAD or len(scope["headers"]) > MAX_HEADERS:
        raise HeadTooLarge
    if _NOT_IN_A_PATH.search(scope["path"]):
        raise NoSuchPath


def _limited(scope: Scope, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Counts the body as it comes, whatever Content-Length says."""
    if scope["method"] in ("GET", "HEAD"):
        return receive
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise TooLarge
        return message

    return counted


def _problem(error: Exception) -> Problem:
    for kind, problem in _PROBLEMS.items():
        if isinstance(error, kind):
            return problem
    return problems.BROKEN


_PROBLEMS: dict[type[Exception], Problem] = {
    TooLarge: problems.TOO_LARGE,
    HeadTooLarge: problems.HEAD_TOO_LARGE,
    NoSuchPath: problems.NOT_FOUND,
    StoreUnavailable: problems.BUSY,
    Overloaded: problems.BUSY,
}
