"""What people allowed which clients."""

import asyncio

import pytest

from idp.store import clients, consents, users
from idp.store.consents import ConnectedApp
from idp.store.tables import Consent
from tests.store.world import HOUR, NOW, SECOND, World


async def give(world: World, user_id: str, client_id: str, *scope: str) -> None:
    async with world.database.transaction() as transaction:
        await consents.give(transaction, user_id, client_id, frozenset(scope), NOW)


@pytest.fixture
async def pair(world: World) -> tuple[str, str]:
    """A person and a client."""
    return await world.person(), (await world.client()).client_id


async def test_nothing_is_allowed_before_somebody_allowed_it(world: World, pair: tuple[str, str]) -> None:
    assert await consents.find(world.database, *pair) == frozenset()


async def test_what_is_allowed_adds_to_what_was_allowed_before(world: World, pair: tuple[str, str]) -> None:
    await give(world, *pair, "openid", "email")
    await give(world, *pair, "email", "phone")
    await give(world, *pair, "openid")
    assert await consents.find(world.database, *pair) == {"openid", "email", "phone"}
    assert [row.scope for row in await world.rows(Consent)] == ["email openid phone"]


async def test_two_consents_at_once_are_both_kept(world: World, pair: tuple[str, str]) -> None:
    for number in range(20):
        await asyncio.gather(give(world, *pair, f"a{number}"), give(world, *pair, f"b{number}"))
    both = {f"{letter}{number}" for letter in "ab" for number in range(20)}
    assert await consents.find(world.database, *pair) == both


async def test_a_consent_withdrawn_while_another_is_given_does_not_come_back(
    world: World, pair: tuple[str, str]
) -> None:
    await give(world, *pair, "email")
    given = asyncio.Event()

    async def give_slowly() -> None:
        async with world.database.transaction() as transaction:
            await consents.give(transaction, *pair, frozenset({"phone"}), NOW)
            given.set()
            await asyncio.sleep(0.2)

    async def withdraw() -> None:
        await given.wait()
        async with world.database.transaction() as transaction:
            assert await consents.withdraw(transaction, *pair)

    await asyncio.gather(give_slowly(), withdraw())
    assert await consents.find(world.database, *pair) == frozenset()
    await give(world, *pair, "address")
    assert await consents.find(world.database, *pair) == {"address"}


async def test_a_consent_is_of_one_person_for_one_client(world: World, pair: tuple[str, str]) -> None:
    person, client_id = pair
    await give(world, person, client_id, "email")
    assert await consents.find(world.database, await world.person(), client_id) == frozenset()
    assert await consents.find(world.database, person, (await world.client()).client_id) == frozenset()


async def test_a_withdrawn_consent_is_gone_and_withdrawing_twice_says_so(world: World, pair: tuple[str, str]) -> None:
    await give(world, *pair, "email")
    async with world.database.transaction() as transaction:
        assert await consents.withdraw(transaction, *pair)
        assert not await consents.withdraw(transaction, *pair)
    assert await consents.find(world.database, *pair) == frozenset()


async def test_a_person_sees_their_apps_by_name(world: World) -> None:
    person = await world.person()
    late, early = await world.client(client_name="Zoo"), await world.client(client_name="Alarm")
    for client in (late, early):
        await give(world, person, client.client_id, "openid", "email")
    await give(world, await world.person(), late.client_id, "phone")
    assert await consents.of_user(world.database, person) == [
        ConnectedApp(client.client_id, client.client_name, client.redirect_uris, ("email", "openid"), NOW)
        for client in (early, late)
    ]


async def test_the_time_since_when_stays_that_of_the_first_consent(world: World, pair: tuple[str, str]) -> None:
    await give(world, *pair, "email")
    async with world.database.transaction() as transaction:
        await consents.give(transaction, *pair, frozenset({"phone"}), NOW + HOUR)
    (row,) = await world.rows(Consent)
    assert (row.created_at, row.updated_at) == (NOW, NOW + HOUR)


@pytest.mark.parametrize("whose", ["person", "client"])
async def test_a_consent_goes_with_its_person_and_with_its_client(
    world: World, pair: tuple[str, str], whose: str
) -> None:
    person, client_id = pair
    await give(world, person, client_id, "email")
    async with world.database.transaction() as transaction:
        if whose == "person":
            await users.delete_user(transaction, person)
        else:
            await clients.delete_client(transaction, client_id)
    assert await world.count(Consent) == 0


async def test_co_06_what_was_allowed_under_another_name_is_asked_again(world: World, pair: tuple[str, str]) -> None:
    """A harmless app is allowed by many; then it changes its name, and who it sends people to."""
    await give(world, *pair, "openid", "email")
    async with world.database.transaction() as transaction:
        await clients.end_consents(transaction, pair[1], NOW + SECOND)
    assert await consents.find(world.database, *pair) == frozenset()
    async with world.database.transaction() as transaction:
        await consents.give(transaction, *pair, frozenset({"openid", "phone"}), NOW + HOUR)
    assert await consents.find(world.database, *pair) == {"openid", "phone"}, "what it had before does not come back"
    async with world.database.transaction() as transaction:
        await consents.give(transaction, *pair, frozenset({"profile"}), NOW + HOUR)
    assert await consents.find(world.database, *pair) == {"openid", "phone", "profile"}
