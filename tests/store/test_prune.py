"""Pruning: what has expired goes, in small steps, and what lives stays."""

import asyncio
from datetime import timedelta

import pytest

from idp.factors import message
from idp.factors.throttling import MOST_FAILURES, Limit
from idp.store import attempts, email_codes, failures, handles, outbox, sessions
from idp.store.db import Transaction
from idp.store.prune import BATCH, KEEP_FAILURES, KEEP_LOCKED, prune
from idp.store.tables import Attempt, Grant, Handle, Session, User
from idp.store.volatile import InDatabase
from tests.store.test_attempts import ATTEMPT
from tests.store.world import DAY, HOUR, MINUTE, NOW, SECOND, World


async def issue(transaction: Transaction) -> str:
    return await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)


async def pruned(world: World, after: timedelta) -> dict[str, int]:
    """What went at that time; nothing else."""
    return {table: gone for table, gone in (await prune(world.database, NOW + after)).items() if gone}


async def test_nothing_goes_from_an_empty_database(world: World) -> None:
    tables = ("handles", "attempts", "sessions", "grants", "signing_keys", "revoked_tokens", "refusals")
    assert await prune(world.database, NOW) == dict.fromkeys(
        (*tables, "failures", "counters", "email_codes", "outbox"), 0
    )


@pytest.mark.parametrize("used", [True, False])
async def test_a_code_stays_an_hour_after_it_expired_so_that_its_replay_is_recognised(world: World, used: bool) -> None:
    async with world.database.transaction() as transaction:
        code = await issue(transaction)
        if used:
            await handles.take(transaction, handles.CODE, code, NOW)
    assert await pruned(world, MINUTE + HOUR) == {}
    assert await handles.find(world.database, handles.CODE, code) is not None
    assert await pruned(world, MINUTE + HOUR + SECOND) == {"handles": 1}
    assert await world.count(Handle) == 0


async def test_what_was_not_sent_stays_an_hour_for_an_operator_to_see(world: World) -> None:
    async with world.database.transaction() as transaction:
        await outbox.put(transaction, world.sealer, outbox.MAIL, {}, NOW, NOW + MINUTE)
        await outbox.put(transaction, world.sealer, outbox.DECOY, {}, NOW, NOW + MINUTE)
    assert await pruned(world, MINUTE + HOUR) == {}
    assert await pruned(world, MINUTE + HOUR + SECOND) == {"outbox": 2}


async def test_the_codes_of_a_sign_in_go_when_it_is_over(world: World) -> None:
    sent = message.sent(b"a key", "row", "12345678", "L" * 43, NOW + MINUTE)
    async with world.database.transaction() as transaction:
        assert await email_codes.send(transaction, "row", None, sent, NOW, NOW + 30 * MINUTE)
    assert await pruned(world, 30 * MINUTE) == {}
    assert await pruned(world, 30 * MINUTE + SECOND) == {"email_codes": 1}


async def test_an_attempt_stays_a_day_after_it_expired_so_that_it_restarts_by_itself(world: World) -> None:
    async with world.database.transaction() as transaction:
        await attempts.save(transaction, world.sealer, ATTEMPT)
    assert await pruned(world, 30 * MINUTE + DAY) == {}
    assert await pruned(world, 30 * MINUTE + DAY + SECOND) == {"attempts": 1}
    assert await world.count(Attempt) == 0


async def test_sessions_and_grants_go_a_day_after_their_end_and_the_living_stay(world: World) -> None:
    person, client = await world.person(), await world.client()
    _, ends, lives = [await world.session(person, NOW + days * DAY) for days in (1, 9, 9)]
    of_ended, of_living = [await world.grant(each, client.client_id) for each in (ends, lives)]
    async with world.database.transaction() as transaction:
        await sessions.end(transaction, ends.sid, NOW + DAY)
    await world.set(Grant, of_ended, ended_at=NOW + DAY)
    assert await pruned(world, 2 * DAY) == {}
    assert await pruned(world, 2 * DAY + SECOND) == {"sessions": 2, "grants": 1}
    assert [row.id for row in await world.rows(Session)] == [lives.sid]
    assert [row.id for row in await world.rows(Grant)] == [of_living]
    assert await pruned(world, 181 * DAY + SECOND) == {"sessions": 1, "grants": 1}
    assert await world.count(User) == 1


async def test_more_than_a_batch_goes_in_batches(world: World) -> None:
    async with world.database.transaction() as transaction:
        for _ in range(BATCH + 1):
            await issue(transaction)
        kept = await handles.issue(transaction, handles.CODE, {}, NOW, NOW + DAY)
    assert await pruned(world, 2 * HOUR) == {"handles": BATCH + 1}
    assert await world.count(Handle) == 1
    assert await handles.find(world.database, handles.CODE, kept) is not None


async def test_others_write_between_two_batches(world: World) -> None:
    """Nobody waits for the whole of it."""
    batches = 5
    async with world.database.transaction() as transaction:
        for _ in range(batches * BATCH):
            await issue(transaction)
    pruning = asyncio.create_task(prune(world.database, NOW + 2 * HOUR))
    written = 0
    while not pruning.done():
        async with world.database.transaction() as transaction:
            await handles.issue(transaction, handles.STORED_REQUEST, {}, NOW, NOW + DAY)
        written += 1
        await asyncio.sleep(0)
    assert (await pruning)["handles"] == batches * BATCH
    assert written >= batches - 1
    assert await world.count(Handle) == written


async def test_wrong_guesses_are_forgotten_after_a_month_and_a_locked_account_after_a_year(world: World) -> None:
    async with world.database.transaction() as transaction:
        await failures.count(transaction, "few", NOW)
        for _ in range(MOST_FAILURES):
            await failures.count(transaction, "locked", NOW)
    await InDatabase(world.database).spend("limit", Limit(3, SECOND), NOW)
    gone = await prune(world.database, NOW)
    assert (gone["failures"], gone["counters"]) == (0, 0)
    gone = await prune(world.database, NOW + KEEP_FAILURES + SECOND)
    assert (gone["failures"], gone["counters"]) == (1, 1)
    assert list(await failures.find(world.database, ["few", "locked"])) == ["locked"]
    assert (await prune(world.database, NOW + KEEP_LOCKED + SECOND))["failures"] == 1
