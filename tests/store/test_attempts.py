"""Sign-ins on their way: many requests write one, and none overwrites another."""

import asyncio
from dataclasses import replace

import pytest

from idp.store import attempts, users
from idp.store.attempts import Attempt
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import Attempt as AttemptRow
from idp.store.tables import RememberedAccount
from tests.store.world import HOUR, MINUTE, NOW, World

ATTEMPT = Attempt(
    id="attempt",
    browser_hash="browser",
    client_id="app",
    request={"scope": ["openid"], "state": "é☃", "nonce": None},
    username="ana@example.com",
    fault=None,
    fresh_since=None,
    session_id=None,
    consented_by=None,
    version=1,
    created_at=NOW,
    expires_at=NOW + 30 * MINUTE,
    done_at=None,
)


@pytest.fixture
async def attempt(world: World) -> Attempt:
    async with world.database.transaction() as transaction:
        await attempts.create(transaction, world.sealer, ATTEMPT)
    return ATTEMPT


async def save(world: World, attempt: Attempt) -> bool:
    async with world.database.transaction() as transaction:
        return await attempts.save(transaction, world.sealer, attempt)


async def test_an_attempt_is_found_as_it_was_stored(world: World, attempt: Attempt) -> None:
    assert await attempts.find(world.database, world.sealer, attempt.id) == attempt
    assert await attempts.find(world.database, world.sealer, "another") is None


async def test_what_may_change_is_saved_and_the_version_moves_on(world: World, attempt: Attempt) -> None:
    changed = replace(
        attempt,
        username=None,
        fault="wrong_password",
        fresh_since=NOW + MINUTE,
        consented_by="ana",
        done_at=NOW + HOUR,
        browser_hash="another",
        expires_at=NOW + HOUR,
    )
    assert await save(world, changed)
    expected = replace(changed, version=2, browser_hash=attempt.browser_hash, expires_at=attempt.expires_at)
    assert await attempts.find(world.database, world.sealer, attempt.id) == expected


async def test_who_read_an_older_version_writes_nothing(world: World, attempt: Attempt) -> None:
    assert await save(world, replace(attempt, fault="first"))
    assert not await save(world, replace(attempt, fault="second"))
    found = await attempts.find(world.database, world.sealer, attempt.id)
    assert found == replace(attempt, fault="first", version=2)


async def test_of_many_that_save_at_once_one_does(world: World, attempt: Attempt) -> None:
    for version in range(1, 11):
        saved = await asyncio.gather(*(save(world, replace(attempt, version=version)) for _ in range(20)))
        assert saved.count(True) == 1


async def test_an_attempt_that_is_done_is_never_written_again(world: World, attempt: Attempt) -> None:
    assert await save(world, replace(attempt, done_at=NOW))
    assert not await save(world, replace(attempt, version=2))
    assert not await save(world, replace(attempt, version=2, done_at=NOW + HOUR))
    (row,) = await world.rows(AttemptRow)
    assert row.done_at == NOW


async def test_what_was_typed_as_a_name_is_sealed(world: World, attempt: Attempt) -> None:
    """People type passwords into the wrong field."""
    (row,) = await world.rows(AttemptRow)
    assert b"ana" not in row.username
    with pytest.raises(SealBroken):
        await attempts.find(world.database, Sealer(["another secret key, which is long enough"]), attempt.id)


async def test_the_person_who_signed_in_last_is_remembered(world: World) -> None:
    ana, bo = await world.person(name="Ana"), await world.person("bo@example.com")
    for person in (ana, bo):
        async with world.database.transaction() as transaction:
            await attempts.remember(transaction, "browser", person, NOW)
    assert await attempts.remembered(world.database, "browser") == attempts.Remembered(
        bo, "bo@example.com", "bo@example.com"
    )
    assert await attempts.remembered(world.database, "another") is None


async def test_a_person_is_forgotten_by_asking_and_by_deletion(world: World) -> None:
    ana = await world.person(name="Ana")
    async with world.database.transaction() as transaction:
        await attempts.remember(transaction, "browser", ana, NOW)
        await attempts.remember(transaction, "other browser", ana, NOW)
        await attempts.forget(transaction, "browser")
    assert await attempts.remembered(world.database, "browser") is None
    assert await attempts.remembered(world.database, "other browser") == attempts.Remembered(
        ana, "person1@example.com", "Ana"
    )
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, ana)
    assert await world.count(RememberedAccount) == 0
