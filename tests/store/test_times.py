"""Times are aware and in UTC, whatever zone the server or the caller lives in."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from idp.store import sessions
from idp.store.migrate import migrate
from idp.store.seal import Sealer
from idp.store.tables import Session
from tests.store.world import HOUR, IDLE, NOW, SECOND, SECRET_KEY, World, opened

CHATHAM = timezone(timedelta(hours=12, minutes=45))


async def times_hold(world: World) -> None:
    """What goes in comes back to the microsecond and in UTC, and is compared as a moment."""
    session = await world.session(await world.person(), until=(NOW + HOUR).astimezone(CHATHAM))
    (row,) = await world.rows(Session)
    assert (row.created_at, row.created_at.tzinfo) == (NOW, UTC)
    assert row.created_at.isoformat() == "2026-03-04T05:06:07.890123+00:00"
    assert (row.expires_at, row.expires_at.tzinfo) == (NOW + HOUR, UTC)
    for now, there in ((NOW + HOUR - SECOND, True), (NOW + HOUR, False)):
        for zone in (UTC, CHATHAM):
            found = await sessions.find(world.database, session.cookie, now.astimezone(zone), IDLE)
            assert (found is not None) == there


async def test_a_time_of_any_zone_is_kept_as_a_moment_in_utc(world: World) -> None:
    await times_hold(world)


async def test_a_postgresql_that_lives_in_another_zone_changes_nothing(postgres_database: str) -> None:
    await asyncio.to_thread(migrate, postgres_database)
    connection = await asyncpg.connect(postgres_database)
    name = postgres_database.rpartition("/")[2]
    await connection.execute(f"ALTER DATABASE {name} SET timezone TO 'Pacific/Chatham'")
    await connection.close()
    async with opened(postgres_database) as database:
        async with database.acquired() as connection:  # type: ignore[attr-defined]
            assert await connection.fetchval("SHOW timezone") == "Pacific/Chatham"
        await times_hold(World(database, Sealer([SECRET_KEY])))


async def test_a_time_without_a_zone_is_refused(world: World) -> None:
    person = await world.person()
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # what must not get in
    with pytest.raises(ValueError, match="without a zone"):
        await world.session(person, until=naive)
    assert await world.count(Session) == 0


async def test_times_are_in_order_also_where_a_second_has_no_fraction(world: World) -> None:
    whole = NOW.replace(microsecond=0)
    session = await world.session(await world.person(), until=whole)
    for now, there in ((whole - timedelta(microseconds=1), True), (whole, False), (whole + SECOND, False)):
        assert (await sessions.find(world.database, session.cookie, now, IDLE) is not None) == there
