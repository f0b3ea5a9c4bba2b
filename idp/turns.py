"""One at a time, for each key, in this worker: so that a burst of guesses is judged one by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from idp.fair_queue import Overloaded

MOST_WAITING = 20


@dataclass
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Turns:
    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Waits for the others of this key. Raises Overloaded where too many wait already."""
        queue = self._queues.setdefault(key, _Queue())
        if queue.length > MOST_WAITING:
            message = "too many passwords of one account are waiting to be checked"
            raise Overloaded(message)
        queue.length += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.length -= 1
            if not queue.length:
                self._queues.pop(key, None)
