"""A task that is cancelled, as the time limit of requests does it: nothing stays held, and nothing is half done."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from idp.protocol.errors import InvalidGrant
from idp.store import handles
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import AuditRow, Handle
from tests.store.world import MINUTE, NOW, POOL, World

PAUSES = [number / 10_000 for number in range(40)]  # up to 4 ms; a transaction takes about one


async def twice(world: World) -> None:
    """Two rows or none."""
    async with world.database.transaction() as transaction:
        await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
        await asyncio.sleep(0)
        await world.record(transaction)


async def refused(world: World) -> None:
    """An answer of the protocol, which commits what it counted."""
    async with world.database.transaction() as transaction:
        await world.record(transaction)
        await asyncio.sleep(0)
        raise InvalidGrant("The code is not valid.")


async def failing(world: World) -> None:
    """Rolls back."""
    async with world.database.transaction() as transaction:
        await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
        await world.record(transaction)
        raise LookupError


async def alone(world: World) -> None:
    await world.rows(Handle)


async def ended(work: Coroutine[None, None, None], pause: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(work)
    await pause()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def works(world: World) -> None:
    """As many at once as there are connections, so that none was lost."""
    async with asyncio.timeout(5):
        await asyncio.gather(*(twice(world) for _ in range(POOL)))


@pytest.mark.parametrize("work", [twice, refused, failing, alone])
async def test_a_task_that_is_cancelled_at_any_moment_leaves_nothing_behind(
    world: World, work: Callable[[World], Coroutine[None, None, None]]
) -> None:
    async def turns(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    for number in range(30):
        await ended(work(world), lambda number=number: turns(number))  # type: ignore[misc]
    for seconds in PAUSES:
        await ended(work(world), lambda seconds=seconds: asyncio.sleep(seconds))  # type: ignore[misc]
    if work is not refused:  # its one row is all of it
        assert await world.count(Handle) == await world.count(AuditRow)
    await works(world)


async def test_many_that_are_cancelled_while_they_wait_for_one_another_leave_nothing_behind(world: World) -> None:
    for seconds in PAUSES:
        tasks = [asyncio.create_task(twice(world)) for _ in range(4 * POOL)]
        await asyncio.sleep(seconds)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(each is None for each in done[1::2]), done
    assert await world.count(Handle) == await world.count(AuditRow)
    await works(world)


async def test_the_lock_of_somebody_cancelled_inside_a_transaction_is_free_at_once(world: World) -> None:
    inside = asyncio.Event()

    async def hangs() -> None:
        async with world.database.transaction() as transaction:
            await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
            inside.set()
            await asyncio.sleep(3600)

    hanging = asyncio.create_task(hangs())
    await inside.wait()
    waiting = asyncio.create_task(twice(world))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await hanging
    await waiting
    assert await world.count(Handle) == await world.count(AuditRow) == 1
    if isinstance(world.database, SqliteDatabase):
        assert not world.database.lock.locked()
