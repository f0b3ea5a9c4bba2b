"""The outbox: each row is leased to one worker, tried again later, or set aside, and lost in no case."""

import asyncio
from datetime import datetime, timedelta

import pytest

from idp.store import outbox
from idp.store.outbox import FIRST_PAUSE, LEASE, LONGEST_PAUSE, Leased
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import OutboxRow
from tests.store.world import HOUR, MINUTE, NOW, SECOND, World

UNTIL = NOW + HOUR


async def put(world: World, number: int = 1, now: datetime = NOW, until: datetime = UNTIL) -> None:
    async with world.database.transaction() as transaction:
        await outbox.put(transaction, world.sealer, outbox.MAIL, {"number": number}, now, until)


async def lease(world: World, now: datetime = NOW, most: int = 10) -> list[Leased]:
    return await outbox.lease(world.database, outbox.MAIL, most, now)


async def test_what_was_put_is_leased_and_gone_when_it_is_done(world: World) -> None:
    await put(world)
    (leased,) = await lease(world)
    assert leased.data(world.sealer) == {"number": 1}
    assert await lease(world) == []
    async with world.database.transaction() as transaction:
        await outbox.done(transaction, leased)
    assert await lease(world, NOW + LEASE) == []
    assert await outbox.listed(world.database) == []


async def test_it_goes_with_the_transaction_that_it_tells_of(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with world.database.transaction() as transaction:
            await outbox.put(transaction, world.sealer, outbox.MAIL, {}, NOW, UNTIL)
            raise ZeroDivisionError
    assert await lease(world) == []


async def test_ra_36_of_many_workers_at_once_one_gets_each_row(world: World) -> None:
    """Situation: every worker of every node looks at the same moment, and the person must not get eight mails."""
    for number in range(30):
        await put(world, number)
    found = await asyncio.gather(*(lease(world, most=4) for _ in range(12)))
    numbers = [leased.data(world.sealer)["number"] for each in found for leased in each]
    assert len(numbers) == len(set(numbers))
    while more := await lease(world, most=4):
        numbers += [each.data(world.sealer)["number"] for each in more]
    assert sorted(numbers) == list(range(30))


async def test_the_oldest_goes_first_and_no_more_than_were_asked_for(world: World) -> None:
    for number in (2, 1, 3):
        await put(world, number, NOW + number * SECOND)
    late = NOW + MINUTE
    assert {each.data(world.sealer)["number"] for each in await lease(world, late, 2)} == {1, 2}
    assert len(await lease(world, late, 2)) == 1


async def test_a_worker_that_dies_keeps_a_row_for_a_minute(world: World) -> None:
    await put(world)
    await lease(world)
    assert await lease(world, NOW + LEASE - SECOND) == []
    (again,) = await lease(world, NOW + LEASE)
    assert again.attempts == 2


async def test_whoever_comes_back_with_an_old_lease_changes_nothing(world: World) -> None:
    """A worker that was stopped for an hour says that it failed, while another one is sending."""
    await put(world)
    (old,) = await lease(world)
    (new,) = await lease(world, NOW + LEASE)
    async with world.database.transaction() as transaction:
        await outbox.give_up(transaction, old, "too slow")
        await outbox.later(transaction, old, "too slow", NOW)
    assert await lease(world, NOW + LEASE + SECOND) == []
    (waiting,) = await outbox.listed(world.database)
    assert (waiting.error, waiting.due_at) == (None, NOW + 2 * LEASE)
    async with world.database.transaction() as transaction:
        await outbox.done(transaction, old)  # it was sent in the end: nobody need send it again
    assert new.attempts == 2
    assert await outbox.listed(world.database) == []


async def test_pauses_double_up_to_two_minutes(world: World) -> None:
    await put(world, until=NOW + 10 * HOUR)
    now, pauses = NOW, list[timedelta]()
    for _ in range(8):
        (leased,) = await lease(world, now)
        async with world.database.transaction() as transaction:
            await outbox.later(transaction, leased, "451", now)
        (waiting,) = await outbox.listed(world.database)
        assert waiting.due_at is not None
        pauses.append(waiting.due_at - now)
        now = waiting.due_at
    assert pauses == [FIRST_PAUSE * 2**number for number in range(5)] + [LONGEST_PAUSE] * 3


async def test_what_was_given_up_or_is_of_no_use_any_more_is_not_tried(world: World) -> None:
    await put(world)
    (leased,) = await lease(world)
    async with world.database.transaction() as transaction:
        await outbox.give_up(transaction, leased, "550")
    assert await lease(world, NOW + 30 * MINUTE) == []
    (waiting,) = await outbox.listed(world.database)
    assert (waiting.error, waiting.due_at, waiting.attempts) == ("550", None, 1)
    await put(world, until=NOW + MINUTE)
    assert await lease(world, NOW + MINUTE) == []


async def test_other_kinds_are_left_alone_and_decoys_are_not_shown(world: World) -> None:
    async with world.database.transaction() as transaction:
        for kind in (outbox.DECOY, "webhook"):
            await outbox.put(transaction, world.sealer, kind, {}, NOW, UNTIL)
    assert await lease(world) == []
    assert [each.kind for each in await outbox.listed(world.database)] == ["webhook"]


async def test_nothing_of_a_message_can_be_read_in_the_table(world: World) -> None:
    async with world.database.transaction() as transaction:
        await outbox.put(transaction, world.sealer, outbox.MAIL, {"text": "canary-1234"}, NOW, UNTIL)
    (row,) = await world.rows(OutboxRow)
    assert b"canary" not in row.payload
    (leased,) = await lease(world)
    with pytest.raises(SealBroken):
        leased.data(Sealer(["another secret key, which is long enough"]))
