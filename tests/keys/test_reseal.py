"""Rotating the secret key: the new one first, seal everything again, drop the old one. Nobody's access ends."""

from dataclasses import replace

import pytest

from idp import keys
from idp.settings import Settings
from idp.store import attempts, audit, credentials, grants, instance
from idp.store.reseal import BATCH, reseal
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import AuditRow, User
from tests.store.test_attempts import ATTEMPT
from tests.store.world import ADDRESS, DAY, IDLE, NOW, SECRET_KEY, SEED, World

NEW_KEY = "the secret key that comes after it, as long"
SETTINGS = Settings(issuer="http://localhost:8000")


class Lived:
    """A database in which every kind of secret is sealed."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def fill(self) -> None:
        world = self.world
        await instance.ensure(world.database, world.sealer, NOW)
        await keys.ensure(world.database, world.sealer, SETTINGS, NOW)
        self.person = await world.person()
        self.client_id = (await world.client()).client_id
        self.grant = await world.grant(await world.session(self.person), self.client_id)
        async with world.database.transaction() as transaction:
            self.attempt = replace(ATTEMPT, client_id=self.client_id)
            await attempts.save(transaction, world.sealer, self.attempt)
            await credentials.add(transaction, world.sealer, self.person, credentials.PASSWORD, {"hash": "h"}, NOW)
            await world.record(transaction, self.person)
            await world.record(transaction)

    async def opens_under(self, *secret_keys: str) -> None:
        """Everything, as a node with these keys reads it."""
        database, sealer = self.world.database, Sealer(secret_keys)
        await instance.ensure(database, sealer, NOW)
        await keys.load(database, sealer)
        family = await grants.family(database, self.grant, sealer, NOW, IDLE, 30 * DAY)
        assert family is not None
        assert (family.seed, family.lost, family.ended_reason) == (SEED, None, None)
        _, attempt = await attempts.current(database, sealer, self.attempt)
        assert attempt == replace(self.attempt, version=1)
        factor = await credentials.find(database, sealer, self.person, credentials.PASSWORD)
        assert factor is not None
        assert factor.data == {"hash": "h"}
        assert [row["personal"] for row in await audit.last(database, sealer, 9)] == [{"address": ADDRESS}] * 2


@pytest.fixture
async def lived(world: World) -> Lived:
    lived = Lived(world)
    await lived.fill()
    return lived


async def test_the_old_key_can_be_dropped_after_resealing_and_nobodys_access_ends(lived: Lived) -> None:
    await lived.opens_under(SECRET_KEY)
    with pytest.raises(instance.WrongSecretKey):
        await lived.opens_under(NEW_KEY)
    await lived.opens_under(NEW_KEY, SECRET_KEY)
    # the key check, two signing keys, a person's audit key, a factor, a seed, a name, a row about nobody
    assert await reseal(lived.world.database, Sealer([NEW_KEY, SECRET_KEY])) == 8
    await lived.opens_under(NEW_KEY, SECRET_KEY)
    await lived.opens_under(NEW_KEY)
    with pytest.raises(instance.WrongSecretKey):
        await lived.opens_under(SECRET_KEY)


async def test_resealing_twice_finds_nothing_left_to_do(lived: Lived) -> None:
    both = Sealer([NEW_KEY, SECRET_KEY])
    await reseal(lived.world.database, both)
    assert await reseal(lived.world.database, both) == 0


async def test_what_is_sealed_while_resealing_runs_is_open_to_both(lived: Lived) -> None:
    world = lived.world
    await reseal(world.database, Sealer([NEW_KEY, SECRET_KEY]))
    world.sealer = Sealer([NEW_KEY, SECRET_KEY])
    await world.person()
    assert await reseal(world.database, world.sealer) == 0


async def test_more_than_a_batch_is_sealed_again(world: World) -> None:
    people = BATCH + 1
    for _ in range(people):
        await world.person()
    both = Sealer([NEW_KEY, SECRET_KEY])
    assert await reseal(world.database, both) == people
    assert all(both.is_newest(row.audit_key) for row in await world.rows(User))


async def test_resealing_without_the_old_key_changes_nothing_and_says_what_is_missing(lived: Lived) -> None:
    with pytest.raises(SealBroken, match="not among the secret keys"):
        await reseal(lived.world.database, Sealer([NEW_KEY]))
    await lived.opens_under(SECRET_KEY)


async def test_an_audit_row_of_a_person_stays_sealed_under_the_persons_own_key(lived: Lived) -> None:
    before = [row.personal for row in await lived.world.rows(AuditRow) if row.pseudonym]
    await reseal(lived.world.database, Sealer([NEW_KEY, SECRET_KEY]))
    assert [row.personal for row in await lived.world.rows(AuditRow) if row.pseudonym] == before
