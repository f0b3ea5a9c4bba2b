"""Sessions: which cookie opens what, and until when."""

import asyncio
from datetime import timedelta

import pytest

from idp.store import sessions, users
from idp.store.ids import new_secret
from idp.store.tables import Session
from tests.store.world import DAY, HOUR, IDLE, MINUTE, NOW, SECOND, SessionOf, World, proof


@pytest.fixture
async def session(world: World) -> SessionOf:
    return await world.session(await world.person(name="Ana"))


async def opens(world: World, cookie: str, after: timedelta = timedelta()) -> bool:
    return await sessions.find(world.database, cookie, NOW + after, IDLE) is not None


async def test_a_cookie_opens_the_session_of_its_person(world: World, session: SessionOf) -> None:
    found = await sessions.find(world.database, session.cookie, NOW, IDLE)
    expected = proof(session.sid)
    assert found == sessions.SignedIn(
        session.sid, session.user_id, "person1@example.com", "Ana", expected, NOW, session.cookie
    )


async def test_who_has_no_name_is_called_by_their_address(world: World) -> None:
    session = await world.session(await world.person("bo@example.com"))
    found = await sessions.find(world.database, session.cookie, NOW, IDLE)
    assert found is not None
    assert found.name == "bo@example.com"


async def test_cd_07_a_cookie_that_differs_in_anything_opens_nothing(world: World, session: SessionOf) -> None:
    """Somebody tries cookies that are near a real one."""
    for wrong in (session.cookie[:-1], session.cookie + "A", session.cookie.swapcase(), session.cookie + "=", ""):
        assert not await opens(world, wrong)


async def test_the_database_keeps_no_cookie_that_could_be_used(world: World, session: SessionOf) -> None:
    (row,) = await world.rows(Session)
    assert session.cookie not in str(row)
    assert not await opens(world, row.cookie_hash)


async def test_se_07_an_unused_session_ends(world: World, session: SessionOf) -> None:
    """A browser is left open on a desk."""
    assert await opens(world, session.cookie, IDLE - SECOND)
    assert not await opens(world, session.cookie, IDLE)


async def test_se_07_a_session_in_use_lasts_until_its_absolute_end(world: World, session: SessionOf) -> None:
    """A stolen cookie is kept alive for ever by using it."""
    for hours in range(6, 14 * 24, 6):
        assert await opens(world, session.cookie, hours * HOUR)
        async with world.database.transaction() as transaction:
            await sessions.touch(transaction, session.sid, NOW + hours * HOUR)
    assert await opens(world, session.cookie, 14 * DAY - SECOND)
    assert not await opens(world, session.cookie, 14 * DAY)


async def test_se_06_a_session_of_a_disabled_person_opens_nothing(world: World, session: SessionOf) -> None:
    """A dismissed employee stays signed in."""
    async with world.database.transaction() as transaction:
        await users.disable(transaction, session.user_id, NOW)
    assert not await opens(world, session.cookie)


async def test_se_06_a_session_goes_with_its_person(world: World, session: SessionOf) -> None:
    """A deleted account stays signed in."""
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, session.user_id)
    assert not await opens(world, session.cookie)
    assert await world.count(Session) == 0


async def test_se_06_a_session_ends_once(world: World, session: SessionOf) -> None:
    """A cookie is replayed after its owner signed out."""
    async with world.database.transaction() as transaction:
        assert await sessions.end(transaction, session.sid, NOW)
        assert not await sessions.end(transaction, session.sid, NOW + HOUR)
    assert not await opens(world, session.cookie)
    assert [row.ended_at for row in await world.rows(Session)] == [NOW]


async def test_ending_all_of_a_person_ends_nobody_elses(world: World, session: SessionOf) -> None:
    second, stranger = await world.session(session.user_id), await world.session(await world.person())
    async with world.database.transaction() as transaction:
        assert await sessions.end_all_of(transaction, session.user_id, NOW) == 2
    assert not await opens(world, session.cookie)
    assert not await opens(world, second.cookie)
    assert await opens(world, stranger.cookie)


async def renew(world: World, sid: str, cookie: str) -> bool:
    later = NOW + HOUR
    async with world.database.transaction() as transaction:
        return await sessions.renew(transaction, cookie, proof(sid, later), later, later + 14 * DAY)


async def test_se_08_a_renewed_session_has_a_new_cookie_and_the_old_one_is_dead(
    world: World, session: SessionOf
) -> None:
    """Whoever stole the cookie before its owner signed in again goes on using it."""
    cookie = new_secret()
    assert await renew(world, session.sid, cookie)
    assert not await opens(world, session.cookie, HOUR)
    found = await sessions.find(world.database, cookie, NOW + HOUR, IDLE)
    assert found is not None
    assert (found.sid, found.authentication.auth_time, found.seen_at) == (session.sid, NOW + HOUR, NOW + HOUR)


async def test_se_08_of_two_renewals_at_once_one_cookie_is_left(world: World, session: SessionOf) -> None:
    """Two tabs sign in again at the same moment."""
    cookies = [new_secret() for _ in range(8)]
    await asyncio.gather(*(renew(world, session.sid, cookie) for cookie in cookies))
    assert [await opens(world, cookie, HOUR) for cookie in (session.cookie, *cookies)].count(True) == 1


async def test_ra_11_neither_renewing_nor_using_a_session_brings_it_back(world: World, session: SessionOf) -> None:
    """A request that was on its way while its owner signed out."""
    async with world.database.transaction() as transaction:
        await sessions.end(transaction, session.sid, NOW)
    cookie = new_secret()
    assert not await renew(world, session.sid, cookie)
    async with world.database.transaction() as transaction:
        await sessions.touch(transaction, session.sid, NOW + MINUTE)
    assert not await opens(world, cookie, HOUR)
    assert not await opens(world, session.cookie, MINUTE)
