"""Factors at rest."""

import asyncio

import pytest

from idp.store import credentials, sessions, users
from idp.store.credentials import PASSWORD, StoredFactor
from idp.store.seal import SealBroken
from idp.store.tables import Credential, Session
from tests.store.world import HOUR, IDLE, NOW, World, proof

DATA = {"hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"}


async def add(world: World, user_id: str, factor: str = PASSWORD) -> bool:
    async with world.database.transaction() as transaction:
        return await credentials.add(transaction, world.sealer, user_id, factor, DATA, NOW)


async def find(world: World, user_id: str) -> StoredFactor:
    stored = await credentials.find(world.database, world.sealer, user_id, PASSWORD)
    assert stored is not None
    return stored


@pytest.fixture
async def person(world: World) -> str:
    person = await world.person()
    assert await add(world, person)
    return person


async def test_a_factor_is_found_by_its_person_and_its_kind(world: World, person: str) -> None:
    stored = await find(world, person)
    assert (stored.data, stored.version) == (DATA, 1)
    assert await credentials.find(world.database, world.sealer, person, "totp") is None
    assert await credentials.find(world.database, world.sealer, await world.person(), PASSWORD) is None


async def test_a_person_has_one_password(world: World, person: str) -> None:
    assert not await add(world, person)
    assert await add(world, await world.person())
    assert await world.count(Credential) == 2


async def test_ra_05_of_twenty_passwords_added_at_once_there_is_one(world: World) -> None:
    """Two enrolments race, and the loser's password would open the account too."""
    person = await world.person()
    added = await asyncio.gather(*(add(world, person) for _ in range(20)))
    assert added.count(True) == 1
    assert await world.count(Credential) == 1


async def test_of_many_that_replace_a_factor_at_once_one_does(world: World, person: str) -> None:
    async def replace(stored: StoredFactor, number: int) -> bool:
        async with world.database.transaction() as transaction:
            return await credentials.replace(transaction, world.sealer, stored, {"step": number}, NOW + HOUR)

    for turn in range(1, 11):
        stored = await find(world, person)
        replaced = await asyncio.gather(*(replace(stored, number) for number in range(20)))
        assert replaced.count(True) == 1
        assert await find(world, person) == StoredFactor(stored.id, {"step": replaced.index(True)}, turn + 1)


async def test_a_person_and_their_factor_are_found_by_an_address_however_it_is_written(
    world: World, person: str
) -> None:
    for email in ("person1@example.com", " PERSON1@example.com "):
        found, stored = await credentials.find_with_person(world.database, world.sealer, email, PASSWORD)
        assert (found, stored) == (await users.find(world.database, person), await find(world, person))
    found, stored = await credentials.find_with_person(world.database, world.sealer, "person1@example.com", "totp")
    assert found is not None
    assert (found.id, stored) == (person, None)
    nobody = await credentials.find_with_person(world.database, world.sealer, "nobody@example.com", PASSWORD)
    assert nobody == (None, None)


async def still(world: World, stored: StoredFactor) -> bool:
    async with world.database.transaction() as transaction:
        return await credentials.unchanged(transaction, stored)


async def test_a_factor_counts_while_it_is_what_was_read_and_its_person_may_sign_in(world: World, person: str) -> None:
    """A sign-in with the old password must not win over the change of it, nor over the disabling of the person."""
    stored = await find(world, person)
    assert await still(world, stored)
    async with world.database.transaction() as transaction:
        await users.disable(transaction, person, NOW)
    assert not await still(world, stored)
    async with world.database.transaction() as transaction:
        await users.enable(transaction, person)
        assert await credentials.replace(transaction, world.sealer, stored, DATA, NOW)
    assert not await still(world, stored)
    assert await still(world, await find(world, person))


async def test_a_session_begun_while_the_password_changes_ends_with_the_others(world: World, person: str) -> None:
    """Somebody who knows the old password signs in at the very moment at which it is changed."""
    stored, judged = await find(world, person), asyncio.Event()

    async def sign_in() -> None:
        async with world.database.transaction() as transaction:
            assert await credentials.unchanged(transaction, stored)
            judged.set()
            await asyncio.sleep(0.2)  # the other transaction would be over by now, if it did not have to wait
            await sessions.start(transaction, "cookie", person, proof("sid"), NOW, NOW + HOUR)

    async def change() -> None:
        await judged.wait()
        async with world.database.transaction() as transaction:
            assert await credentials.replace(transaction, world.sealer, stored, {"hash": "new"}, NOW)
            await sessions.end_all_of(transaction, person, NOW)

    await asyncio.gather(sign_in(), change())
    assert await sessions.find(world.database, "cookie", NOW, IDLE) is None
    assert await world.count(Session) == 1


async def test_a_factor_is_sealed_and_opens_in_no_other_row(world: World, person: str) -> None:
    """Somebody who can write to the database gives another person the password that they know."""
    await add(world, other := await world.person())
    mine, theirs = [row for name in (person, other) for row in await world.rows(Credential) if row.user_id == name]
    assert b"argon2" not in mine.data
    await world.set(Credential, theirs.id, data=mine.data)
    with pytest.raises(SealBroken):
        await find(world, other)


async def test_a_factor_goes_with_its_person(world: World, person: str) -> None:
    async with world.database.transaction() as transaction:
        await users.delete_user(transaction, person)
    assert await world.count(Credential) == 0
