"""Sign-ins on their way: many requests write one, and none overwrites another."""

import asyncio
from dataclasses import replace

import pytest

from idp.store import attempts
from idp.store.attempts import Attempt
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import Attempt as AttemptRow
from tests.store.world import HOUR, MINUTE, NOW, SECRET_KEY, World

ATTEMPT = Attempt(
    id="attempt",
    browser_hash="browser",
    client_id="app",
    request={"scope": ["openid"], "state": "é☃", "nonce": None},
    expires_at=NOW + 30 * MINUTE,
    username="ana@example.com",
    fresh_since=NOW,
)


async def save(world: World, attempt: Attempt) -> bool:
    async with world.database.transaction() as transaction:
        return await attempts.save(transaction, world.sealer, attempt)


@pytest.fixture
async def began(world: World) -> Attempt:
    """An attempt of which nothing is recorded yet, at a client that there is."""
    return replace(ATTEMPT, client_id=(await world.client()).client_id)


@pytest.fixture
async def attempt(world: World, began: Attempt) -> Attempt:
    assert await save(world, began)
    return replace(began, version=1)


async def now(world: World, began: Attempt) -> Attempt:
    client, found = await attempts.current(world.database, world.sealer, began)
    assert client is not None
    return found


def test_a_url_holds_the_attempt_as_it_began_and_nobody_else_can_read_or_make_one() -> None:
    sealer, other = Sealer([SECRET_KEY]), Sealer(["another secret key, which is long enough"])
    ticket = attempts.seal(sealer, ATTEMPT)
    assert attempts.unseal(sealer, ticket) == ATTEMPT
    assert attempts.unseal(other, ticket) is None
    assert attempts.seal(sealer, ATTEMPT) != ticket
    for changed in (ticket[:-1], ticket + "A", "B" + ticket[1:], ticket[:80] + "!" + ticket[81:], "", "é", "A" * 600):
        assert attempts.unseal(sealer, changed) is None


async def test_nothing_is_known_of_an_attempt_before_something_is_recorded(world: World, began: Attempt) -> None:
    assert await now(world, began) == began
    assert await world.count(AttemptRow) == 0


async def test_an_attempt_of_a_client_that_is_gone_has_none(world: World) -> None:
    assert await attempts.current(world.database, world.sealer, ATTEMPT) == (None, ATTEMPT)


async def test_what_may_change_is_saved_and_the_version_moves_on(
    world: World, began: Attempt, attempt: Attempt
) -> None:
    changed = replace(
        attempt,
        username=None,
        fault="wrong_password",
        fresh_since=NOW + MINUTE,
        session_id="session",
        consented_by="ana",
        done_at=NOW + HOUR,
    )
    assert await save(world, changed)
    assert await now(world, began) == replace(changed, version=2)


async def test_who_read_an_older_version_writes_nothing(world: World, began: Attempt, attempt: Attempt) -> None:
    assert await save(world, replace(attempt, fault="first"))
    assert not await save(world, replace(attempt, fault="second"))
    assert not await save(world, replace(began, fault="third"))
    assert await now(world, began) == replace(attempt, fault="first", version=2)


async def test_of_many_that_record_the_first_thing_at_once_one_does(world: World, began: Attempt) -> None:
    saved = await asyncio.gather(*(save(world, began) for _ in range(20)))
    assert saved.count(True) == 1


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
        await attempts.current(world.database, Sealer(["another secret key, which is long enough"]), attempt)
