"""What happened stays on record: rows are only added, and who changes them past that is found out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, text, update

from idp.store import audit_chain, users
from idp.store.audit_chain import Broken, Seal
from idp.store.db import Effect, Statement
from idp.store.migrate import on_connection
from idp.store.reseal import reseal
from idp.store.seal import Sealer
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import AuditRow, AuditSealRow, table_of
from tests.store.world import MINUTE, NOW, SECOND, SECRET_KEY, World

AUDIT, SEALS = table_of(AuditRow), table_of(AuditSealRow)
LATER = NOW + 5 * MINUTE


async def record(world: World, number: int, at: datetime = NOW, person: str | None = None) -> None:
    async with world.database.transaction() as transaction:
        await world.record(transaction, person, now=at, details={"number": number})


async def run(world: World, clause: Any) -> None:
    async with world.database.transaction() as transaction:
        await transaction.run(Statement(Effect.WRITE, clause))


GUARDS = {
    "audit_stays": "audit",
    "audit_is_fixed": "audit",
    "audit_person_is_fixed": "audit",
    "audit_seals_stay": "audit_seals",
}


@pytest.fixture
async def unguarded(world: World, database_url: str) -> World:
    """Three seals, as who owns the database may change them."""
    await sealed(world)
    on = "" if isinstance(world.database, SqliteDatabase) else " ON {}"

    def drop(connection: Connection) -> None:
        for name, table in GUARDS.items():
            connection.execute(text(f"DROP TRIGGER {name}{on.format(table)}"))

    await asyncio.to_thread(on_connection, database_url, drop)
    return world


async def sealed(world: World) -> list[Seal]:
    """Three seals over three rows each, and one row that is too new."""
    person = await world.person()
    found = []
    for each in range(3):
        for number in range(3):
            at = NOW + each * 2 * MINUTE + number * SECOND
            await record(world, 3 * each + number, at, person if number else None)
        seal = await audit_chain.seal_next(world.database, world.sealer, NOW + (each * 2 + 1) * MINUTE + 4 * SECOND)
        assert seal is not None
        found.append(seal)
    await record(world, 9, LATER)
    return found


async def test_rows_are_sealed_once_they_are_a_minute_old_and_then_verified(world: World) -> None:
    assert await audit_chain.seal_next(world.database, world.sealer, NOW) is None
    seals = await sealed(world)
    assert [(seal.number, seal.rows) for seal in seals] == [(1, 3), (2, 3), (3, 3)]
    found = await audit_chain.verify(world.database, world.sealer)
    assert (found.last, found.rows, found.newer) == (seals[-1], 9, 1)
    assert await audit_chain.seal_next(world.database, world.sealer, LATER + 59 * SECOND) is None
    for seal in seals:
        await audit_chain.verify(world.database, world.sealer, (seal.number, seal.digest))


async def test_of_many_workers_that_seal_at_once_one_does(world: World) -> None:
    await record(world, 1)
    seals = await asyncio.gather(*(audit_chain.seal_next(world.database, world.sealer, LATER) for _ in range(8)))
    assert len([seal for seal in seals if seal]) == 1
    await audit_chain.verify(world.database, world.sealer)


async def test_more_rows_than_one_seal_takes_are_sealed_by_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_chain, "MOST_ROWS", 100)
    async with world.database.transaction() as transaction:
        for number in range(250):
            await world.record(transaction, now=NOW, details={"number": number})
    rows = []
    while seal := await audit_chain.seal_next(world.database, world.sealer, LATER):
        rows.append(seal.rows)
    assert rows == [100, 100, 50]
    assert (await audit_chain.verify(world.database, world.sealer)).rows == 250


@pytest.mark.parametrize(
    "clause",
    [
        delete(AUDIT),
        delete(SEALS),
        update(AUDIT).values(event="sign_in.succeeded"),
        update(AUDIT).values(details={}),
        update(AUDIT).values(pseudonym=None),
        update(AUDIT).values(personal=b"x"),
    ],
    ids=["row", "seal", "event", "details", "person", "personal"],
)
async def test_lg_03_the_application_can_take_nothing_back(world: World, clause: Any) -> None:
    """The attacker, who can make the provider send SQL of his, removes or rewrites what he did."""
    await sealed(world)
    before = await world.rows(AuditRow), await world.rows(AuditSealRow)
    with pytest.raises(Exception, match="audit rows are only added"):
        await run(world, clause)
    assert (await world.rows(AuditRow), await world.rows(AuditSealRow)) == before


async def test_lg_03_nor_empty_the_table_at_once(world: World) -> None:
    """The attacker uses the one statement that looks at no row."""
    if isinstance(world.database, SqliteDatabase):
        return  # which has none
    await sealed(world)
    for table in ("audit", "audit_seals"):
        with pytest.raises(Exception, match="audit rows are only added"):
            await run(world, text(f"TRUNCATE {table}"))


async def swap(world: World) -> None:
    """Two events change places."""
    first, second = (await world.rows(AuditRow))[3:5]
    await world.set(AuditRow, first.id, details=second.details)
    await world.set(AuditRow, second.id, details=first.details)


async def forge_a_seal(world: World) -> None:
    rows = await world.rows(AuditRow)
    await run(world, delete(AUDIT).where(AUDIT.c.id == rows[4].id))
    theirs = Sealer(["a key that the attacker has made up himself"])
    last = (await world.rows(AuditSealRow))[1]
    await world.set(AuditSealRow, last.number, seal=theirs.seal(b'["x",2,"00"]', audit_chain.PURPOSE, last.number))


async def put_a_seal_in_the_place_of_another(world: World) -> None:
    seals = await world.rows(AuditSealRow)
    await world.set(AuditSealRow, seals[1].number, seal=seals[2].seal)


TAMPERING: dict[str, tuple[Callable[[World], Awaitable[None]], str]] = {
    "an event": (lambda world: changed(world, event="sign_in.succeeded"), "a row was changed"),
    "the person": (lambda world: changed(world, pseudonym="0" * 32), "a row was changed"),
    "the address": (lambda world: changed(world, personal=b"another"), "a row was changed"),
    "the time": (lambda world: changed(world, at=NOW - timedelta(days=1)), "a row was changed"),
    "details": (lambda world: changed(world, details={"number": 7.5}), "a row was changed"),
    "an absence": (lambda world: changed(world, grant_id="None"), "a row was changed"),
    "a row removed": (lambda world: removed(world, 4), "there are 2 rows, and 3 were sealed"),
    "a row added": (lambda world: record(world, 77, NOW + 2 * MINUTE), "there are 4 rows, and 3 were sealed"),
    "rows swapped": (swap, "a row was changed"),
    "everything removed": (lambda world: run(world, delete(AUDIT)), "there are 0 rows, and 3 were sealed"),
    "a seal removed": (lambda world: run(world, delete(SEALS).where(SEALS.c.number.like("%2"))), "seal 2 is missing"),
    "the first seal removed": (
        lambda world: run(world, delete(SEALS).where(SEALS.c.number.like("%1"))),
        "seal 1 is missing",
    ),
    "a seal forged": (forge_a_seal, "seal 2 is none of ours"),
    "a seal moved": (put_a_seal_in_the_place_of_another, "seal 2 is none of ours"),
}


async def changed(world: World, **values: Any) -> None:
    await world.set(AuditRow, (await world.rows(AuditRow))[4].id, **values)


async def removed(world: World, number: int) -> None:
    await run(world, delete(AUDIT).where(AUDIT.c.id == (await world.rows(AuditRow))[number].id))


@pytest.mark.parametrize("what", TAMPERING)
async def test_lg_03_who_owns_the_database_is_found_out(unguarded: World, what: str) -> None:
    """The attacker, who is the database's own administrator, drops the guard and rewrites what happened."""
    tamper, told = TAMPERING[what]
    await tamper(unguarded)
    with pytest.raises(Broken, match=told):
        await audit_chain.verify(unguarded.database, unguarded.sealer)


async def test_lg_03_an_end_that_was_cut_off_is_known_by_a_seal_that_the_log_named(unguarded: World) -> None:
    """The attacker removes the newest rows with their seals, so that what is left fits together."""
    named = (await audit_chain.verify(unguarded.database, unguarded.sealer)).last
    assert named is not None
    rows = await unguarded.rows(AuditRow)
    await run(unguarded, delete(AUDIT).where(AUDIT.c.id > rows[5].id))
    await run(unguarded, delete(SEALS).where(SEALS.c.number.like("%3")))
    await audit_chain.verify(unguarded.database, unguarded.sealer)
    with pytest.raises(Broken, match="the end of the audit was cut off"):
        await audit_chain.verify(unguarded.database, unguarded.sealer, (named.number, named.digest))


async def test_neither_a_new_secret_key_nor_a_person_who_is_deleted_breaks_the_chain(world: World) -> None:
    await sealed(world)
    world.sealer = Sealer(["another secret key of the tests, long enough", SECRET_KEY])
    assert await reseal(world.database, world.sealer) > 3
    world.sealer = Sealer(["another secret key of the tests, long enough"])
    async with world.database.transaction() as transaction:
        person = (await users.listed(transaction))[0]
        await users.delete_user(transaction, person.id)
    assert (await audit_chain.verify(world.database, world.sealer)).rows == 9
