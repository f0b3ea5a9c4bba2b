"""A few may be inside; who waits is let in by address, one after the other, so that a crowd of one delays itself."""

import asyncio
from collections import deque

_MESSAGE = "too many passwords wait to be checked"


class Overloaded(Exception):
    """More wait than may; try again soon."""


class FairQueue:
    """`inside` at the same time, and at most `longest` who wait.

    Where no more may wait, the newest of the address that has most of them makes room for one that has fewer.
    """

    def __init__(self, inside: int, longest: int) -> None:
        self._free = inside
        self._longest = longest
        self._length = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    async def enter(self, address: str) -> None:
        """Returns when it is their turn; `leave` has to follow. Raises Overloaded."""
        if self._free:
            self._free -= 1
            return
        if self._length >= self._longest:
            self._make_room(address)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        self._length += 1
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self.leave()  # it was let in, but went away
            elif turn in self._waiting.get(address, ()):
                self._remove(address, turn)
            raise

    def check(self, address: str) -> None:
        """Raises Overloaded where `enter` would, before anything else is done in vain."""
        if not self._free and self._length >= self._longest:
            self._largest_crowd(address)

    def leave(self) -> None:
        """Lets the next one in."""
        while self._waiting:
            address, others = next(iter(self._waiting.items()))
            turn = others[0]
            self._remove(address, turn)
            if others:
                self._waiting[address] = self._waiting.pop(address)  # behind every other address
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _largest_crowd(self, address: str) -> str:
        """The address that has more waiting than this one would have. Raises Overloaded where there is none."""
        most = max(self._waiting, key=lambda each: len(self._waiting[each]), default=None)
        here = len(self._waiting.get(address, ()))
        if most is None or len(self._waiting[most]) <= here + 1:
            raise Overloaded(_MESSAGE)
        return most

    def _make_room(self, address: str) -> None:
        most = self._largest_crowd(address)
        newest = self._waiting[most][-1]
        self._remove(most, newest)
        if not newest.done():
            newest.set_exception(Overloaded(_MESSAGE))

    def _remove(self, address: str, turn: asyncio.Future[None]) -> None:
        others = self._waiting[address]
        others.remove(turn)
        self._length -= 1
        if not others:
            del self._waiting[address]
