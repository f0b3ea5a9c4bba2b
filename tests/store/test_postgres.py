"""PostgreSQL under a server: whatever becomes of it, nobody waits for long, and all is well when it is back."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from idp.store import handles, users
from idp.store.db import MAX_WAIT, Effect, Statement, StoreUnavailable, Transaction
from idp.store.migrate import migrate
from idp.store.postgres import PostgresDatabase
from idp.store.seal import Sealer
from idp.store.tables import Handle, User
from tests.servers import free_port
from tests.store.world import MINUTE, NOW, POOL, SECRET_KEY, World, opened

SLEEP = Statement(Effect.COUNT, text("SELECT pg_sleep(30)"))


@pytest.fixture
async def world(postgres_database: str) -> AsyncIterator[World]:
    await asyncio.to_thread(migrate, postgres_database)
    async with opened(postgres_database) as database:
        yield World(database, Sealer([SECRET_KEY]))


@pytest.fixture
async def operator(postgres_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody with an SQL prompt."""
    connection = await asyncpg.connect(postgres_database)
    yield connection
    await connection.close()


async def write(world: World) -> None:
    async with world.database.transaction() as transaction:
        await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)


async def backends(operator: asyncpg.Connection) -> list[int]:
    """The processes that serve our pool."""
    rows = await operator.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'idp' AND datname = current_database()"
    )
    return [row["pid"] for row in rows]


@pytest.mark.slow
async def test_a_statement_that_takes_too_long_is_ended_and_its_connection_serves_on(world: World) -> None:
    async def sleep() -> None:
        async with world.database.transaction() as transaction:
            await transaction.run(SLEEP)

    started = time.monotonic()
    done = await asyncio.gather(*(sleep() for _ in range(POOL)), return_exceptions=True)
    assert {type(each) for each in done} == {StoreUnavailable}
    assert MAX_WAIT * 0.9 < time.monotonic() - started < MAX_WAIT + 1
    await asyncio.gather(*(write(world) for _ in range(2 * POOL)))
    assert await world.count(Handle) == 2 * POOL


@pytest.mark.slow
async def test_who_waits_too_long_for_a_row_is_told_to_come_back(world: World, operator: asyncpg.Connection) -> None:
    user_id = await world.person()
    async with operator.transaction():
        await operator.execute("UPDATE users SET email = email")
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            async with world.database.transaction() as transaction:
                await users.disable(transaction, user_id, NOW)
        assert MAX_WAIT * 0.9 < time.monotonic() - started < MAX_WAIT + 1
    async with world.database.transaction() as transaction:
        assert await users.disable(transaction, user_id, NOW)


async def test_of_two_that_wait_for_each_other_one_is_told_to_come_back(world: World) -> None:
    first, second = await world.person(), await world.person()
    together = asyncio.Barrier(2)

    async def disable(*order: str) -> None:
        async with world.database.transaction() as transaction:
            await users.disable(transaction, order[0], NOW)
            await together.wait()
            await users.disable(transaction, order[1], NOW)

    done = await asyncio.gather(disable(first, second), disable(second, first), return_exceptions=True)
    assert [type(each) for each in done if each is not None] == [StoreUnavailable]
    assert [row.disabled_at for row in await world.rows(User)] == [NOW, NOW]


async def test_connections_that_the_server_closed_are_made_anew(world: World, operator: asyncpg.Connection) -> None:
    await asyncio.gather(*(write(world) for _ in range(2 * POOL)))
    for pid in await backends(operator):
        await operator.execute("SELECT pg_terminate_backend($1)", pid)
    done = await asyncio.gather(*(write(world) for _ in range(2 * POOL)), return_exceptions=True)
    assert {type(each) for each in done} <= {type(None), StoreUnavailable}
    await asyncio.sleep(0.1)
    await asyncio.gather(*(write(world) for _ in range(2 * POOL)))


async def test_a_connection_that_is_closed_inside_a_transaction_takes_it_back(
    world: World, operator: asyncpg.Connection
) -> None:
    async def work(transaction: Transaction) -> None:
        await users.create(transaction, world.sealer, "ana@example.com", {}, NOW, verified=False)
        for pid in await backends(operator):
            await operator.execute("SELECT pg_terminate_backend($1)", pid)
        await asyncio.sleep(0.1)
        await users.create(transaction, world.sealer, "bo@example.com", {}, NOW, verified=False)

    with pytest.raises(StoreUnavailable):
        await world.transact(work)
    assert await world.count(User) == 0


@pytest.mark.slow
async def test_a_server_that_is_gone_without_a_word_keeps_nobody_waiting(
    world: World, operator: asyncpg.Connection
) -> None:
    """A cable is pulled: the connection is there, and nothing comes."""
    stopped = await backends(operator)
    started = time.monotonic()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            await write(world)
        assert time.monotonic() - started < 3 * MAX_WAIT + 1
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    await write(world)


async def test_a_server_that_may_only_be_read_is_no_server_to_write_to(
    world: World, operator: asyncpg.Connection
) -> None:
    """After a failover the old address may lead to a standby."""
    name = await operator.fetchval("SELECT current_database()")
    await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only TO on")
    for pid in await backends(operator):
        await operator.execute("SELECT pg_terminate_backend($1)", pid)
    await asyncio.sleep(0.1)
    with pytest.raises(StoreUnavailable, match="ReadOnly"):
        await write(world)
    assert await world.count(Handle) == 0


async def test_a_server_that_is_not_there_is_said_to_be(postgres_url: str) -> None:
    nobody = postgres_url.replace("postgres@", "nobody@")
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    for url in (nowhere, f"{postgres_url}/nowhere", f"{nobody}/postgres"):
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            await PostgresDatabase(url, 1).connect()
