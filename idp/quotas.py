"""How many requests an app may send: portions that workers reserve in one counter, and count off in memory.

So a request costs nothing to count, and the workers of all nodes share the limit.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.factors.throttling import Limit, whole_seconds
from idp.store.volatile import Volatile

MINUTE = timedelta(minutes=1)
_PORTIONS = 50  # of a minute's requests
_KEPT = 10_000  # keys in the memory of a worker


@dataclass(frozen=True)
class Quota:
    """What is told to whoever asks: `left` more at least, and when there are more again."""

    per_minute: int
    left: int
    reset: timedelta

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """draft-ietf-httpapi-ratelimit-headers-10."""
        return [
            (b"ratelimit-policy", f'"client";q={self.per_minute};w=60'.encode()),
            (b"ratelimit", f'"client";r={self.left};t={whole_seconds(self.reset)}'.encode()),
        ]


class OverQuota(Exception):
    """There are no more for now; `quota` says until when."""

    def __init__(self, quota: Quota) -> None:
        super().__init__("more requests than may be")
        self.quota = quota


@dataclass
class _Portion:
    """So many are left until then; `closed_until` is when there may be another one."""

    left: int
    until: datetime
    closed_until: datetime


class Quotas:
    def __init__(self, volatile: Volatile, per_minute: int) -> None:
        self._volatile = volatile
        self._per_minute = per_minute
        self._size = max(1, per_minute // _PORTIONS)
        burst = max(1, per_minute // self._size)
        self._limit = Limit(burst, MINUTE / burst)
        self._portions: OrderedDict[str, _Portion] = OrderedDict()

    async def take(self, key: str, now: datetime) -> Quota:
        """One more, and what to tell of it. Raises OverQuota."""
        portion = self._portion(key, now)
        if not portion.left or now >= portion.until:
            portion.left = 0
            await self._reserve(key, portion, now)
        if not portion.left:
            raise OverQuota(Quota(self._per_minute, 0, portion.closed_until - now))
        portion.left -= 1
        return Quota(self._per_minute, portion.left, self._limit.every)

    def _portion(self, key: str, now: datetime) -> _Portion:
        portion = self._portions.pop(key, None) or _Portion(0, now, now)
        self._portions[key] = portion
        if len(self._portions) > _KEPT:
            self._portions.popitem(last=False)
        return portion

    async def _reserve(self, key: str, portion: _Portion, now: datetime) -> None:
        if now < portion.closed_until:
            return
        if await self._volatile.take(key, self._limit, now):
            portion.left += self._size
            portion.until = now + MINUTE
        else:
            portion.closed_until = now + await self._volatile.left(key, self._limit, now)
