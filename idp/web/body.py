"""A request's body as it comes: counted, whatever its length was said to be, and within its time."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope

from idp.web import problems
from idp.web.guard import MAX_BODY, Rejected

REST_SECONDS = 1.0


class Body:
    """What the app receives by. `seconds` count from now on."""

    def __init__(self, scope: Scope, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        named = dict(scope["headers"])
        self._waits = b"expect" in named  # RFC 9110 section 10.1.1: its sender holds it back until we ask for it
        self._upgrade = b"upgrade" in named
        self._ended = b"transfer-encoding" not in named and named.get(b"content-length", b"0").strip(b"0") == b""

    async def __call__(self) -> Message:
        """Raises Rejected for one that is too large or too slow."""
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Rejected(problems.TOO_SLOW, f"the body did not come within {self._seconds:g} s") from None
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY:
            raise Rejected(problems.TOO_LARGE, f"the body is larger than {MAX_BODY} bytes")
        self._ended = not message.get("more_body", False)
        return message

    async def leaves_connection_usable(self) -> bool:
        """Called before the answer is sent: what is still on its way is read, and thrown away.

        If it were left, it would be read after the answer, for however long it takes to come. If the connection were
        closed over it, that would reset it, perhaps before the answer is read. uvicorn reads nothing more after an
        offer to upgrade, which some clients make with their first request.
        """
        if not self._ended and not self._waits and self._size <= MAX_BODY:
            self._deadline = min(self._deadline, asyncio.get_running_loop().time() + REST_SECONDS)
            with suppress(Rejected):
                while not self._ended:
                    await self()
        return self._ended and not self._upgrade
