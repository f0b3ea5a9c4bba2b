"""Passwords are hashed in a small pool of their own, so that a storm of sign-ins cannot stop token traffic.

A bounded number of threads at nice 19, and a bounded queue that is fair between addresses: memory is bounded, and who
comes beyond it is told to come back.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from idp.factors import password
from idp.factors.password import Cost
from idp.fair_queue import FairQueue

T = TypeVar("T")


class PasswordHashing(Protocol):
    """What signing in needs of password hashing. `asker` is the address that it is done for."""

    def check(self, asker: str) -> None: ...

    async def hash(self, plain: str, asker: str) -> str: ...

    async def verify(self, encoded: str | None, plain: str, asker: str) -> bool: ...

    async def run(self, work: Callable[[], T], asker: str) -> T: ...

    def outdated(self, encoded: str) -> bool: ...

    def close(self) -> None: ...


class PasswordPool:
    """argon2id in threads. The decoy that stands in for an unknown person is a real hash of the same cost."""

    def __init__(self, cost: Cost, threads: int, queue: int) -> None:
        self._cost = cost
        self._queue = FairQueue(threads, queue)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_be_nice)
        self._decoy = password.hash_password(secrets.token_urlsafe(32), cost, secrets.token_bytes(password.SALT_BYTES))

    def check(self, asker: str) -> None:
        """Raises Overloaded where there is no place to wait, before anything else is done in vain."""
        self._queue.check(asker)

    async def hash(self, plain: str, asker: str) -> str:
        salt = secrets.token_bytes(password.SALT_BYTES)
        return await self.run(lambda: password.hash_password(plain, self._cost, salt), asker)

    async def verify(self, encoded: str | None, plain: str, asker: str) -> bool:
        """Whether it is the password. Every no takes the same work, also where there is no hash or a cheaper one."""
        if password.is_too_long(plain):
            return False
        right = await self.run(lambda: self._verify(encoded or self._decoy, plain), asker)
        return right and encoded is not None

    def _verify(self, encoded: str, plain: str) -> bool:
        right = password.verify(encoded, plain)
        missing = None if right else password.missing_work(encoded, self._cost)
        if missing is not None:
            password.hash_password(plain, missing, secrets.token_bytes(password.SALT_BYTES))
        return right

    def outdated(self, encoded: str) -> bool:
        return password.needs_rehash(encoded, self._cost)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T], asker: str) -> T:
        """What else takes long about a password, in the same threads. Raises Overloaded."""
        await self._queue.enter(asker)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(lambda _: self._queue.leave())
        return await asyncio.shield(future)


def _be_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
