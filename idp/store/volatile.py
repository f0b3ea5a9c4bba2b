"""Counters of limits, which all workers and nodes share: in a table, or in Redis where there is one."""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from redis import asyncio as redis
from redis.exceptions import RedisError
from sqlalchemy import bindparam, case, select

from idp.factors.throttling import Limit, milliseconds
from idp.store.db import Database, Effect, Statement
from idp.store.tables import CounterRow, table_of

log = structlog.get_logger("idp.store.volatile")

CLUSTER = "redis+cluster://"
PATIENCE = 0.25  # seconds; a limit must not be what people wait for
AT_ONCE = 8  # connections of a worker
RETRY = timedelta(seconds=1)
_KEPT = 50_000  # keys in the memory of a worker
_COUNTERS = table_of(CounterRow)
_PREFIX = "idp:limit:"

_FIND = Statement(Effect.READ, select(_COUNTERS.c.full_at).where(_COUNTERS.c.key == bindparam("of")))


def _upsert(insert: Any, *, within: bool) -> Any:  # what a dialect's insert is has no type of its own
    before, now = _COUNTERS.c.full_at, bindparam("now", type_=_COUNTERS.c.full_at.type)
    after = case((before > now, before), else_=now) + bindparam("cost", type_=_COUNTERS.c.full_at.type)
    row = insert(_COUNTERS).values(key=bindparam("key"), full_at=bindparam("first"))
    fits = after <= bindparam("most", type_=_COUNTERS.c.full_at.type) if within else None
    return row.on_conflict_do_update(index_elements=["key"], set_={"full_at": after}, where=fits)


_SPEND = Statement(Effect.COUNT, lambda insert: _upsert(insert, within=False))
_TAKE = Statement(Effect.COUNT, lambda insert: _upsert(insert, within=True))

# KEYS[1]; now, cost and most in ms, where a most of 0 is none. What is no number, because somebody wrote it, counts as
# nothing.
_SCRIPT = """
local now, cost, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found = redis.call('GET', KEYS[1])
local after = math.max(tonumber(found or '') or 0, now) + cost
if most > 0 and after > most then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', after - now)
return 1
"""


class Volatile(ABC):
    """What may be lost at worst: a restart of Redis forgives what was counted, and grants nothing else."""

    @abstractmethod
    async def left(self, key: str, limit: Limit, now: datetime) -> timedelta:
        """How long until one more would be within the limit."""

    @abstractmethod
    async def spend(self, key: str, limit: Limit, now: datetime) -> None:
        """One more, also where it is over the limit: the wait grows with it, so that a burst is paid for afterwards."""

    @abstractmethod
    async def take(self, key: str, limit: Limit, now: datetime) -> bool:
        """One more where that is within the limit: of several at once no more than there may be."""

    async def close(self) -> None:
        return


class InDatabase(Volatile):
    """In a table, so that the workers of one machine share it and a restart loses nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def left(self, key: str, limit: Limit, now: datetime) -> timedelta:
        row = await self._database.one(_FIND, of=key)
        return limit.left(0 if row is None else row.full_at, now)

    async def spend(self, key: str, limit: Limit, now: datetime) -> None:
        at = milliseconds(now)
        await self._database.run(_SPEND, key=key, first=at + limit.cost, now=at, cost=limit.cost)

    async def take(self, key: str, limit: Limit, now: datetime) -> bool:
        at = milliseconds(now)
        bounds = {"now": at, "cost": limit.cost, "most": at + limit.window}
        return await self._database.run(_TAKE, key=key, first=at + limit.cost, **bounds) == 1


class InMemory(Volatile):
    """Of one worker: what limits while Redis cannot be asked."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, int] = OrderedDict()

    async def left(self, key: str, limit: Limit, now: datetime) -> timedelta:
        return limit.left(self._full_at.get(key, 0), now)

    async def spend(self, key: str, limit: Limit, now: datetime) -> None:
        self._full_at[key] = max(self._full_at.pop(key, 0), milliseconds(now)) + limit.cost
        if len(self._full_at) > _KEPT:
            self._full_at.popitem(last=False)

    async def take(self, key: str, limit: Limit, now: datetime) -> bool:
        if await self.left(key, limit, now):
            return False
        await self.spend(key, limit, now)
        return True


class InRedis(Volatile):
    """In Redis, Valkey or a cluster of them. While it cannot be asked, each worker limits by itself, and tighter."""

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self._client: Any = _client(url, patience)  # the two kinds share methods, not a type
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._beginning = asyncio.Lock()
        self._begun = False
        self._stand_in = InMemory()
        self._down_until: datetime | None = None

    async def left(self, key: str, limit: Limit, now: datetime) -> timedelta:
        found = await self._ask(lambda: self._client.get(_PREFIX + key), now)
        if found is _NO_ANSWER:
            return await self._stand_in.left(key, _tighter(limit), now)
        return limit.left(_number(found), now)

    async def spend(self, key: str, limit: Limit, now: datetime) -> None:
        await self._stand_in.spend(key, _tighter(limit), now)
        await self._ask(lambda: self._run(key, limit, now, most=0), now)

    async def take(self, key: str, limit: Limit, now: datetime) -> bool:
        found = await self._ask(lambda: self._run(key, limit, now, most=milliseconds(now) + limit.window), now)
        if found is _NO_ANSWER:
            return await self._stand_in.take(key, _tighter(limit), now)
        if found:
            await self._stand_in.spend(key, _tighter(limit), now)
        return bool(found)

    async def _run(self, key: str, limit: Limit, now: datetime, most: int) -> Any:  # whatever Redis answers
        return await self._client.eval(_SCRIPT, 1, _PREFIX + key, milliseconds(now), limit.cost, most)

    async def close(self) -> None:
        await self._client.aclose()

    async def _begin(self) -> None:
        """Once: of several who ask a cluster for its nodes at the same time, each closes the others' connections."""
        async with self._beginning:
            if not self._begun:
                await self._client.initialize()
                self._begun = True

    async def _ask(self, question: Callable[[], Awaitable[Any]], now: datetime) -> Any:  # whatever Redis answers
        if self._down_until is not None and now < self._down_until:
            return _NO_ANSWER
        try:
            async with self._at_once:
                await self._begin()
                answer = await question()
        # AttributeError is what redis-py raises on a connection that another request has just given up.
        except (RedisError, OSError, TimeoutError, AttributeError) as error:
            if self._down_until is None:
                log.warning("redis_unavailable", reason=type(error).__name__)
            self._down_until = now + RETRY
            return _NO_ANSWER
        if self._down_until is not None:
            log.warning("redis_available")
            self._down_until = None
        return answer


_NO_ANSWER = object()


def volatile_of(redis_url: str, database: Database) -> Volatile:
    return InRedis(redis_url) if redis_url else InDatabase(database)


def _client(url: str, patience: float) -> Any:
    options: dict[str, Any] = {"socket_timeout": patience, "socket_connect_timeout": patience}
    if url.startswith(CLUSTER):
        return redis.RedisCluster.from_url("redis://" + url.removeprefix(CLUSTER), **options)
    return redis.Redis.from_url(url, **options)


def _number(found: Any) -> int:  # bytes, nothing, or what somebody else wrote
    return int(found) if found is not None and bytes(found).isdigit() else 0


def _tighter(limit: Limit) -> Limit:
    return Limit(max(1, limit.burst // 4), limit.every)
