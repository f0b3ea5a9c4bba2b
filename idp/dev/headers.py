"""The response headers of the demo app and the demo API: pages post to themselves, or on to who is named."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class SecurityHeaders:
    def __init__(self, app: ASGIApp, posts_to: str = "") -> None:
        self.app = app
        self._policy = f"{CONTENT_SECURITY_POLICY} {posts_to}".rstrip()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                guard(MutableHeaders(scope=message), self._policy, static=scope["path"].startswith("/static/"))
            await send(message)

        await self.app(scope, receive, send_guarded)


def guard(headers: MutableHeaders, policy: str, *, static: bool) -> None:
    headers["Content-Security-Policy"] = policy
    headers["Referrer-Policy"] = "same-origin"
    headers["X-Content-Type-Options"] = "nosniff"
    if not static:
        headers["Cache-Control"] = "no-store"
