"""Audit rows outlive the person; what is personal in them does not."""

from datetime import UTC
from typing import Any

import pytest

from idp.store import audit, users
from idp.store.ids import time_of
from idp.store.seal import Sealer
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import AuditRow, User
from tests.store.world import ADDRESS, HOUR, NOW, SECOND, World


async def record(world: World, user_id: str | None, **changes: Any) -> None:
    async with world.database.transaction() as transaction:
        await world.record(transaction, user_id, **changes)


async def test_a_row_names_a_person_by_a_pseudonym_alone(world: World) -> None:
    person = await world.person("ana@example.com", name="Ana")
    await record(world, person, details={"generation": 3})
    (row,) = await world.rows(AuditRow)
    assert (row.at, row.event, row.request_id, row.client_id) == (NOW, "sign_in.failed", "ABCD-EFGH", "app")
    assert row.details == {"generation": 3}
    (user,) = await world.rows(User)
    assert row.pseudonym == user.pseudonym
    for personal in (person, "ana", "Ana", ADDRESS):
        assert personal not in str(row)


async def test_the_pseudonyms_of_two_people_and_their_ids_have_nothing_in_common(world: World) -> None:
    await world.person()
    await world.person()
    first, second = await world.rows(User)
    assert len({first.pseudonym, second.pseudonym, first.id, second.id}) == 4
    assert len(first.pseudonym) == 32


async def test_the_personal_part_is_read_while_the_person_is_there_and_never_after(world: World) -> None:
    person = await world.person()
    await record(world, person)
    (row,) = await audit.last(world.database, world.sealer, 10)
    assert row["personal"] == {"address": ADDRESS}
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, person)
    (after,) = await audit.last(world.database, world.sealer, 10)
    assert after == row | {"personal": None}


async def test_the_key_that_opened_a_deleted_persons_rows_is_nowhere(world: World) -> None:
    """Whoever has the whole database, and our sealing key, and knows who it was, reads nothing of them."""
    person, other = await world.person("ana@example.com"), await world.person()
    await record(world, person)
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, person)
    (row,) = await world.rows(AuditRow)
    await world.set(User, other, pseudonym=row.pseudonym)  # another key in the place of the one that is gone
    assert (await audit.last(world.database, world.sealer, 1))[0]["personal"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_not_even_sealed_does_that_key_stay_in_the_files_of_sqlite(world: World) -> None:
    """A copy of the files, or of the disk, and our sealing key, would open what a deletion was to close."""
    assert isinstance(world.database, SqliteDatabase)
    path = world.database.path
    for _ in range(20):  # so that it stands deep in the log, where what follows does not come soon
        await record(world, None)
    person = await world.person("ana@example.com")
    await world.database.maintain()
    (user,) = await world.rows(User)

    def found() -> set[str]:
        return {each.name for each in path.parent.glob(f"{path.name}*") if user.audit_key in each.read_bytes()}

    assert found() == {"idp.db", "idp.db-wal"}
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, person)
    assert await world.database.scrub()  # as the command does that deletes
    assert found() == set()


async def test_a_row_about_nobody_is_sealed_under_the_providers_key(world: World) -> None:
    await record(world, None)
    await record(world, "somebody who is gone by now")
    rows = await audit.last(world.database, world.sealer, 10)
    assert [(row["pseudonym"], row["personal"]) for row in rows] == [(None, {"address": ADDRESS})] * 2
    strange = Sealer(["the secret key of another installation"])
    assert [row["personal"] for row in await audit.last(world.database, strange, 10)] == [None, None]


async def test_a_row_with_nothing_personal_seals_nothing(world: World) -> None:
    await record(world, await world.person(), personal={})
    (row,) = await world.rows(AuditRow)
    assert row.personal is None
    assert (await audit.last(world.database, world.sealer, 1))[0]["personal"] is None


async def test_the_newest_rows_come_first_and_no_more_than_asked_for(world: World) -> None:
    for number in range(5):
        await record(world, None, event=f"event.{number}", now=NOW + number * SECOND)
    rows = await audit.last(world.database, world.sealer, 3)
    assert [row["event"] for row in rows] == ["event.4", "event.3", "event.2"]


async def test_two_rows_of_one_moment_are_two_rows(world: World) -> None:
    for _ in range(20):
        await record(world, None, now=NOW + HOUR)
    assert await world.count(AuditRow) == 20


async def test_lg_08_events_of_all_nodes_stand_in_the_order_of_their_times(world: World) -> None:
    """Whoever reads the audit after an attack has to see what came first, whichever node wrote it."""
    times = [NOW + number * SECOND / 100 for number in (3, 1, 2, 0)]
    for at in times:
        async with world.database.transaction() as transaction:
            await world.record(transaction, None, now=at)
    rows = sorted(await world.rows(AuditRow), key=lambda row: row.id)
    assert [row.at for row in rows] == sorted(times)
    assert {row.at.tzinfo for row in rows} == {UTC}
    assert [time_of(row.id) for row in rows] == [
        at.replace(microsecond=at.microsecond // 1000 * 1000) for at in sorted(times)
    ]
