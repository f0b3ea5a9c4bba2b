"""Limits: the same on SQLite, PostgreSQL, Redis, a cluster and in memory, and never gone while Redis is."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import asyncio as redis

from idp.factors.throttling import Limit
from idp.store.volatile import InDatabase, InMemory, InRedis, Volatile, volatile_of
from tests.servers import running_redis
from tests.store.world import NOW, SECOND, World

LIMIT = Limit(4, 10 * SECOND)
LATER = timedelta(seconds=2)  # after which Redis is asked again


@pytest.fixture(params=["database", "memory", "redis", "redis cluster"])
async def volatile(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Volatile]:
    if request.param == "database":
        yield InDatabase(world.database)
        return
    if request.param == "memory":
        yield InMemory()
        return
    url: str = request.getfixturevalue("redis_cluster_url" if request.param == "redis cluster" else "redis_url")
    volatile = InRedis(url, patience=30)  # here a busy machine is no reason to do without it
    yield volatile
    await volatile.close()


def key_of(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def test_a_limit_is_used_up_and_comes_back(volatile: Volatile, request: pytest.FixtureRequest) -> None:
    key = key_of(request)
    for _ in range(LIMIT.burst):
        assert await volatile.left(key, LIMIT, NOW) == timedelta(0)
        await volatile.spend(key, LIMIT, NOW)
    assert await volatile.left(key, LIMIT, NOW) == 10 * SECOND
    assert await volatile.left(key, LIMIT, NOW + 10 * SECOND) == timedelta(0)
    assert await volatile.left(f"{key} other", LIMIT, NOW) == timedelta(0)


async def test_rl_07_of_fifty_at_once_each_is_counted(volatile: Volatile, request: pytest.FixtureRequest) -> None:
    """The attacker fails at the same moment everywhere, so that each failure overwrites the others."""
    key = key_of(request)
    await asyncio.gather(*(volatile.spend(key, LIMIT, NOW) for _ in range(50)))
    assert await volatile.left(key, LIMIT, NOW) == (50 - LIMIT.burst + 1) * LIMIT.every


async def test_rl_07_of_fifty_at_once_no_more_are_taken_than_there_are(
    volatile: Volatile, request: pytest.FixtureRequest
) -> None:
    """The attacker sends everything at the same moment, so that each request finds the limit whole."""
    key = key_of(request)
    taken = await asyncio.gather(*(volatile.take(key, LIMIT, NOW) for _ in range(50)))
    assert sum(taken) == LIMIT.burst
    assert await volatile.left(key, LIMIT, NOW) == LIMIT.every  # what was refused is not paid for
    assert await volatile.take(key, LIMIT, NOW + LIMIT.every)
    assert not await volatile.take(key, LIMIT, NOW + LIMIT.every)


async def test_re_14_what_somebody_else_wrote_into_redis_counts_as_nothing(redis_url: str, world: World) -> None:
    """Another program, or the attacker, writes rubbish under our keys."""
    volatile, client = volatile_of(redis_url, world.database), redis.Redis.from_url(redis_url)
    for rubbish in (b"\xff\x00", b"", b"nan", b"1e400", b"-5", b"9" * 40):
        await client.set("idp:limit:poisoned", rubbish)
        await volatile.left("poisoned", LIMIT, NOW)
        await volatile.take("poisoned", LIMIT, NOW)
        await volatile.spend("poisoned", LIMIT, NOW)
    await client.aclose()
    await volatile.close()


@pytest.mark.parametrize("how", ["gone", "hanging"])
async def test_re_09_without_redis_each_worker_limits_by_itself_and_tighter(
    tmp_path: Path, world: World, how: str
) -> None:
    """The attacker takes Redis away, or makes it slow, so that nobody counts what he tries."""
    with running_redis(tmp_path) as (port, server):
        volatile = volatile_of(f"redis://127.0.0.1:{port}", world.database)
        await volatile.spend("a", LIMIT, NOW)
        assert await volatile.left("a", LIMIT, NOW) == timedelta(0)
        server.send_signal(signal.SIGSTOP if how == "hanging" else signal.SIGKILL)
        if how == "gone":
            server.wait()
        began = time.monotonic()
        for _ in range(20):
            await volatile.spend("a", LIMIT, NOW)
        assert await volatile.left("a", LIMIT, NOW) == 21 * LIMIT.every  # what came before counts, too
        assert [await volatile.take("b", LIMIT, NOW) for _ in range(3)] == [True, False, False]  # a quarter of four
        assert time.monotonic() - began < 5  # it is waited for once, and not by each
        if how == "hanging":
            server.send_signal(signal.SIGCONT)
            await volatile.spend("c", LIMIT, NOW + LATER)
            assert await volatile.left("c", LIMIT, NOW + LATER) == timedelta(0)  # all four again
        await volatile.close()
