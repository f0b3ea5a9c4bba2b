"""Transactions that are ready together are committed together, and each of them stands or falls alone."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from idp.protocol.errors import InvalidGrant
from idp.store import audit, handles, sqlite
from idp.store.db import StoreUnavailable
from idp.store.migrate import migrate
from idp.store.seal import Sealer
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import Handle
from tests.store.test_sqlite import engine
from tests.store.world import DAY, NOW, SECRET_KEY, World, opened


@pytest.fixture
async def world(sqlite_database: str) -> AsyncIterator[World]:
    await asyncio.to_thread(migrate, sqlite_database)
    async with opened(sqlite_database) as database:
        yield World(database, Sealer([SECRET_KEY]))


BIG = {"text": "x" * 200_000}
COLUMNS = dict.fromkeys(("request_id", "client_id", "grant_id", "session_id"))


async def issue(world: World, rows: int = 1, error: Exception | None = None) -> None:
    async with world.database.transaction() as transaction:
        for _ in range(rows):
            await handles.issue(transaction, handles.CODE, {}, NOW, NOW + DAY)
        if error is not None:
            raise error


def commits(database: SqliteDatabase) -> list[str]:
    """What is committed from now on, as it happens."""
    seen: list[str] = []
    database.writer.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


async def test_those_that_are_ready_together_are_committed_once(world: World) -> None:
    seen = commits(engine(world))
    await asyncio.gather(*(issue(world) for _ in range(20)))
    assert await world.count(Handle) == 20
    assert len(seen) == 1
    await issue(world)
    assert len(seen) == 2


async def test_nobody_is_answered_before_the_commit(world: World) -> None:
    async def issue_and_look(number: int) -> None:
        await issue(world)
        with closing(sqlite3.connect(engine(world).path)) as other:
            assert other.execute("SELECT count(*) FROM handles").fetchone()[0] > number - 20

    await asyncio.gather(*(issue_and_look(20) for _ in range(20)))


@pytest.mark.parametrize("failing", [0, 3, 9], ids=["the first", "one between", "the last"])
async def test_a_failure_takes_back_its_own_transaction_and_no_other(world: World, failing: int) -> None:
    errors = [RuntimeError("a defect") if number == failing else None for number in range(10)]
    outcomes = await asyncio.gather(*(issue(world, 2, error) for error in errors), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(error) for error in errors]
    assert await world.count(Handle) == 18


async def test_an_answer_of_the_protocol_commits_its_own_part(world: World) -> None:
    errors = [InvalidGrant("no") if number % 2 else None for number in range(10)]
    await asyncio.gather(*(issue(world, 1, error) for error in errors), return_exceptions=True)
    assert await world.count(Handle) == 10


async def test_where_the_disk_is_full_all_of_a_batch_are_told_and_nothing_of_it_is_kept(
    world: World,
) -> None:
    database = engine(world)
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    outcomes = await asyncio.gather(*(issue(world, rows) for rows in (1, 1, 10_000)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert await world.count(Handle) == 0
    database.writer.execute("PRAGMA max_page_count = 1000000")
    await asyncio.gather(*(issue(world) for _ in range(5)))
    assert await world.count(Handle) == 5


async def test_where_a_single_statement_meets_the_full_disk_nobody_is_told_the_wrong_thing(world: World) -> None:
    """What comes before it in the batch is lost with it, and what comes after is a batch of its own."""
    database = engine(world)
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count = {pages}")

    async def record_much() -> None:
        await audit.add(database, world.sealer, now=NOW, event="e", personal={}, **COLUMNS | {"details": BIG})

    before, much, after = await asyncio.gather(issue(world), record_much(), issue(world), return_exceptions=True)
    assert isinstance(before, StoreUnavailable)
    assert isinstance(much, StoreUnavailable)
    database.writer.execute("PRAGMA max_page_count = 1000000")
    assert await world.count(Handle) == (after is None)
    await issue(world)


async def test_who_needs_no_sync_does_not_wait_for_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(sqlite, "_sync", lambda path: released.wait(30))

    async def revoke() -> None:
        async with world.database.transaction() as transaction:
            transaction.durable()
            await handles.issue(transaction, handles.CODE, {}, NOW, NOW + DAY)

    durable = asyncio.create_task(revoke())
    await asyncio.wait_for(asyncio.gather(*(issue(world) for _ in range(5))), 5)
    await asyncio.wait_for(issue(world), 5)  # nor does who comes later
    assert not durable.done()
    released.set()
    await asyncio.wait_for(durable, 5)


async def test_who_is_cancelled_while_a_batch_commits_takes_nobody_along(world: World) -> None:
    tasks = [asyncio.create_task(issue(world)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1::2]] == [type(None)] * 5
    assert await world.count(Handle) >= 5


async def test_closing_waits_for_what_is_on_its_way(world: World) -> None:
    tasks = [asyncio.create_task(issue(world)) for _ in range(3)]
    await asyncio.sleep(0)
    path = engine(world).path
    await world.database.close()
    await asyncio.gather(*tasks)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM handles").fetchone() == (3,)
    await world.database.connect()
