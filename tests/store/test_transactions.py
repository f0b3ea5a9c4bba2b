"""What a transaction commits, what it takes back, and how long anybody waits for one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from idp.protocol.errors import InvalidGrant
from idp.store import grants, handles, users
from idp.store.db import MAX_WAIT, StoreUnavailable, Transaction
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import AuditRow, Grant, Handle, User
from tests.store.world import MINUTE, NOW, POOL, World


class Failure(Exception):
    """Something that is no answer of the protocol."""


async def create_user(transaction: Transaction, world: World, email: str = "new@example.com") -> None:
    await users.create(transaction, world.sealer, email, {}, NOW, verified=False)


async def test_an_answer_of_the_protocol_commits_takes_revocations_and_audit(world: World) -> None:
    session, client = await world.session(await world.person()), await world.client()
    grant = await world.grant(session, client.client_id)
    async with world.database.transaction() as transaction:
        code = await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)

    async def refuse(transaction: Transaction) -> None:
        await handles.take(transaction, handles.CODE, code, NOW)
        await grants.end(transaction, grant, "its code was used again", NOW)
        await world.record(transaction)
        raise InvalidGrant("The code is not valid.")

    with capture_logs() as lines, pytest.raises(InvalidGrant):
        await world.transact(refuse)
    assert lines == []
    assert [row.used_at for row in await world.rows(Handle)] == [NOW]
    assert [row.ended_reason for row in await world.rows(Grant)] == ["its code was used again"]
    assert await world.count(AuditRow) == 1


async def test_any_other_exception_takes_everything_back(world: World) -> None:
    async with world.database.transaction() as transaction:
        code = await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)

    async def fail(transaction: Transaction) -> None:
        await handles.take(transaction, handles.CODE, code, NOW)
        await create_user(transaction, world)
        await world.record(transaction)
        raise Failure

    with pytest.raises(Failure):
        await world.transact(fail)
    assert [row.used_at for row in await world.rows(Handle)] == [None]
    assert await world.count(User) == await world.count(AuditRow) == 0


async def test_an_answer_after_an_ordinary_write_takes_everything_back_and_says_so(world: World) -> None:
    async def refuse(transaction: Transaction) -> None:
        await world.record(transaction)
        await create_user(transaction, world)
        raise InvalidGrant("The code is not valid.", "it was late")

    with capture_logs() as lines, pytest.raises(InvalidGrant):
        await world.transact(refuse)
    assert [(line["event"], line["error"], line["reason"]) for line in lines] == [
        ("transaction_rule_broken", "invalid_grant", "it was late")
    ]
    assert await world.count(User) == await world.count(AuditRow) == 0


async def test_nobody_sees_what_is_not_committed(world: World) -> None:
    async with world.database.transaction() as transaction:
        await create_user(transaction, world)
        assert await users.find_by_email(transaction, "new@example.com") is not None
        assert await users.find_by_email(world.database, "new@example.com") is None
    assert await users.find_by_email(world.database, "new@example.com") is not None


def at_once(world: World) -> int:
    """How many transactions may be open at the same time."""
    return 1 if isinstance(world.database, SqliteDatabase) else POOL


@asynccontextmanager
async def nothing_is_free(world: World) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(at_once(world)):
            await stack.enter_async_context(world.database.transaction())
        yield


async def all_connections_are_free(world: World) -> None:
    """As many transactions as there may be, all open at once, and each can write."""

    async def hold(together: asyncio.Barrier) -> None:
        async with world.database.transaction() as transaction:
            await together.wait()
            await world.record(transaction)

    together = asyncio.Barrier(at_once(world))
    await asyncio.gather(*(hold(together) for _ in range(at_once(world))))


async def test_cancelling_takes_back_what_was_written_and_frees_the_connection(world: World) -> None:
    for _ in range(2 * POOL):
        wrote = asyncio.Event()

        async def writes_and_waits(wrote: asyncio.Event) -> None:
            async with world.database.transaction() as transaction:
                await create_user(transaction, world)
                wrote.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(writes_and_waits(wrote))
        await wrote.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await world.count(User) == 0
    await all_connections_are_free(world)


async def test_cancelling_those_who_wait_for_their_turn_blocks_nobody(world: World) -> None:
    async def write(number: int) -> None:
        async with world.database.transaction() as transaction:
            await create_user(transaction, world, f"{number}@example.com")

    async with nothing_is_free(world):
        waiting = [asyncio.create_task(write(number)) for number in range(10)]
        await asyncio.sleep(0.05)
        for task in waiting[::2]:
            task.cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in done] == [asyncio.CancelledError, type(None)] * 5
    assert {row.email for row in await world.rows(User)} == {f"{number}@example.com" for number in (1, 3, 5, 7, 9)}
    await all_connections_are_free(world)


async def test_cancelling_at_any_moment_leaves_all_of_a_transaction_or_nothing(world: World) -> None:
    async def write(number: int) -> None:
        async with world.database.transaction() as transaction:
            await create_user(transaction, world, f"{number}@example.com")
            await world.record(transaction)
            transaction.durable()

    started = time.monotonic()
    await write(0)
    whole = time.monotonic() - started
    for number in range(1, 101):
        task = asyncio.create_task(write(number))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        await asyncio.sleep(whole * (number % 25) / 25)
        task.cancel()
        await asyncio.wait([task])
    assert await world.count(User) == await world.count(AuditRow) > 0
    await all_connections_are_free(world)


@pytest.mark.slow
async def test_who_waits_longer_than_anybody_should_is_told_to_come_back(world: World) -> None:
    async def write() -> None:
        async with world.database.transaction() as transaction:
            await world.record(transaction)

    async with nothing_is_free(world):
        started = time.monotonic()
        done = await asyncio.gather(*(write() for _ in range(10)), return_exceptions=True)
        waited = time.monotonic() - started
    assert {type(each) for each in done} == {StoreUnavailable}
    assert MAX_WAIT * 0.9 < waited < MAX_WAIT + 1
    await all_connections_are_free(world)
