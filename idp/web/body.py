"""A request's body as it comes: counted, whatever its length was said to be."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Message, Receive, Scope

from idp.web import problems
from idp.web.guard import MAX_BODY, Rejected

REST_SECONDS = 1.0


class Body:
    """What the app receives by. `ended` says whether all of it is there; `on_end` is called when it is."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self.on_end: Callable[[], None] | None = None
        named = dict(scope["headers"])
        self._waits = b"expect" in named  # RFC 9110 section 10.1.1: its sender holds it back until we ask for it
        self._upgrade = b"upgrade" in named
        self.ended = b"transfer-encoding" not in named and named.get(b"content-length", b"0").strip(b"0") == b""

    async def __call__(self) -> Message:
        """Raises Rejected for one that is too large."""
        message = await self._receive()
        if self.ended:
            return message
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY:
            raise Rejected(problems.TOO_LARGE, f"the body is larger than {MAX_BODY} bytes")
        if not message.get("more_body", False):
            self.ended = True
            if self.on_end is not None:
                self.on_end()
        return message

    async def leaves_connection_usable(self) -> bool:
        """Called before the answer is sent: what is still on its way is read, and thrown away.

        If it were left, it would be read after the answer, for however long it takes to come. If the connection were
        closed over it, that would reset it, perhaps before the answer is read. uvicorn reads nothing more after an
        offer to upgrade, which some clients make with their first request.
        """
        if not self.ended and not self._waits and self._size <= MAX_BODY:
            with suppress(Rejected, TimeoutError):
                async with asyncio.timeout(REST_SECONDS):
                    while not self.ended:
                        await self()
        return self.ended and not self._upgrade
