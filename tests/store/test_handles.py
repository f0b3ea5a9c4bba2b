"""Handles are taken, not read."""

import asyncio

from idp.store import handles
from idp.store.tables import Handle
from tests.store.world import HOUR, MINUTE, NOW, World


async def issue(world: World) -> str:
    async with world.database.transaction() as transaction:
        return await handles.issue(transaction, handles.CODE, {"of": "Ana"}, NOW, NOW + MINUTE)


async def take(world: World, secret: str, kind: str = handles.CODE) -> handles.Taken | None:
    async with world.database.transaction() as transaction:
        return await handles.take(transaction, kind, secret, NOW)


async def test_a_handle_gives_what_it_stands_for_once(world: World) -> None:
    secret = await issue(world)
    assert await take(world, secret) == handles.Taken({"of": "Ana"}, NOW + MINUTE)
    assert await take(world, secret) is None


async def test_ra_01_of_twenty_at_once_exactly_one_takes_the_handle(world: World) -> None:
    """An attacker and the client redeem one code at the same moment, and both want to win."""
    for _ in range(50):
        secret = await issue(world)
        taken = await asyncio.gather(*(take(world, secret) for _ in range(20)))
        assert sum(each is not None for each in taken) == 1


async def test_a_used_handle_is_still_found_so_that_a_replay_is_recognised(world: World) -> None:
    secret = await issue(world)
    await take(world, secret)
    assert await handles.find(world.database, handles.CODE, secret) == handles.Taken({"of": "Ana"}, NOW + MINUTE, NOW)


async def test_expiry_is_for_the_caller_to_judge_and_the_handle_is_used_up_either_way(world: World) -> None:
    secret = await issue(world)
    async with world.database.transaction() as transaction:
        late = await handles.take(transaction, handles.CODE, secret, NOW + HOUR)
    assert late is not None
    assert late.expires_at == NOW + MINUTE
    assert await take(world, secret) is None


async def test_a_handle_of_another_kind_is_neither_taken_nor_found(world: World) -> None:
    secret = await issue(world)
    assert await take(world, secret, handles.STORED_REQUEST) is None
    assert await handles.find(world.database, handles.STORED_REQUEST, secret) is None
    assert await take(world, secret) is not None


async def test_a_secret_that_was_never_issued_gives_nothing(world: World) -> None:
    secret = await issue(world)
    assert await take(world, secret[:-1]) is None
    assert await take(world, "") is None


async def test_the_database_keeps_no_handle_that_could_be_taken(world: World) -> None:
    secret = await issue(world)
    (row,) = await world.rows(Handle)
    assert secret not in str(row)
    assert await take(world, row.hash) is None


async def burn(world: World, secret: str) -> bool:
    async with world.database.transaction() as transaction:
        return await handles.burn(transaction, handles.CHALLENGE, secret, NOW, NOW + MINUTE)


async def test_wa_04_of_twenty_at_once_exactly_one_uses_up_what_was_never_stored(world: World) -> None:
    """An attacker sends the answer to a challenge at the same moment as the person who gave it."""
    for number in range(50):
        used = await asyncio.gather(*(burn(world, f"challenge {number}") for _ in range(20)))
        assert sum(used) == 1


async def test_what_was_used_up_is_never_taken(world: World) -> None:
    assert await burn(world, "challenge")
    assert await take(world, "challenge", handles.CHALLENGE) is None
    assert not await burn(world, "challenge")
