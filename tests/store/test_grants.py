"""Grants: who may rotate, whose tokens still count, and what ends them."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from idp.protocol.grants.authorization_code import Code
from idp.store import clients, consents, grants, sessions, users
from idp.store.ids import new_id
from idp.store.tables import ClientRow, Grant, User
from tests.store.world import DAY, HOUR, IDLE, MINUTE, NOW, SECOND, SEED, SessionOf, World

JTI = new_id(NOW)


class Household:
    """A person signed in to one app with two grants: one ends with the session, one outlives it."""

    def __init__(self, world: World, session: SessionOf, client_id: str, bound: str, offline: str) -> None:
        self.world, self.session, self.client_id, self.bound, self.offline = world, session, client_id, bound, offline

    async def alive(self, grant_id: str, now: datetime = NOW) -> bool:
        """As all who ask see it, who must agree: userinfo, introspection, the reading of a family, and its rotation."""
        database, sealer = self.world.database, self.world.sealer
        held = await grants.holder(database, grant_id, JTI, now, IDLE) is not None
        family = await grants.family(database, grant_id, sealer, now, IDLE, 30 * DAY)
        assert family is not None
        counts = await grants.token_is_alive(database, grant_id, family.client_id, JTI, now, IDLE)
        assert counts == held
        assert (family.lost is None and family.ended_reason is None) == held
        async with database.transaction() as transaction:
            rotated = await grants.rotate(transaction, grant_id, family.generation, now, IDLE)
        assert (rotated is not None) == held
        return held

    async def both(self, now: datetime = NOW) -> tuple[bool, bool]:
        return await self.alive(self.bound, now), await self.alive(self.offline, now)


@pytest.fixture
async def household(world: World) -> Household:
    client = await world.client()
    session = await world.session(await world.person(name="Ana"))
    bound = await world.grant(session, client.client_id)
    offline = await world.grant(session, client.client_id, offline=True)
    household = Household(world, session, client.client_id, bound, offline)
    assert await household.both() == (True, True)
    return household


async def test_a_rotation_moves_the_generation_by_one(world: World, household: Household) -> None:
    async with world.database.transaction() as transaction:
        assert await grants.rotate(transaction, household.bound, 1, NOW + MINUTE, IDLE) == 2
    family = await grants.family(world.database, household.bound, world.sealer, NOW, IDLE, 30 * DAY)
    assert family is not None
    assert (family.generation, family.rotated_at, family.seed) == (2, NOW + MINUTE, SEED)
    assert family.idle_expires_at == NOW + MINUTE + 30 * DAY
    assert family.expires_at == NOW + 180 * DAY


@pytest.mark.parametrize("generation", [-1, 0, 2, 3])
async def test_no_generation_but_the_current_one_is_rotated(household: Household, generation: int) -> None:
    world = household.world
    async with world.database.transaction() as transaction:
        assert await grants.rotate(transaction, household.bound, generation, NOW, IDLE) is None
    assert [row.generation for row in await world.rows(Grant)] == [1, 1]


async def test_ra_03_of_twenty_at_once_exactly_one_rotates(world: World, household: Household) -> None:
    """Twenty tabs, or a thief among them, present the same refresh token at the same moment."""

    async def rotate(generation: int) -> int | None:
        async with world.database.transaction() as transaction:
            return await grants.rotate(transaction, household.bound, generation, NOW, IDLE)

    for generation in range(1, 51):
        rotated = await asyncio.gather(*(rotate(generation) for _ in range(20)))
        assert [each for each in rotated if each is not None] == [generation + 1]


async def test_rt_09_nothing_of_a_disabled_person_is_alive(household: Household) -> None:
    """A dismissed employee keeps refreshing. Enabled again, what was not ended goes on."""
    async with household.world.database.transaction() as transaction:
        assert await users.disable(transaction, household.session.user_id, NOW)
    assert await household.both() == (False, False)
    async with household.world.database.transaction() as transaction:
        assert await users.enable(transaction, household.session.user_id)
    assert await household.both() == (True, True)


async def test_rt_09_nothing_of_a_disabled_client_is_alive(household: Household) -> None:
    """An app that was found to be malicious keeps the tokens it got."""
    await household.world.set(ClientRow, household.client_id, disabled_at=NOW)
    assert await household.both() == (False, False)


@pytest.mark.parametrize("whose", ["person", "client"])
async def test_rt_09_a_grant_goes_with_its_person_and_with_its_client(household: Household, whose: str) -> None:
    """A deleted account lives on in its refresh tokens."""
    world = household.world
    async with world.database.transaction() as transaction:
        if whose == "person":
            assert await users.delete_user(transaction, household.session.user_id)
        else:
            assert await clients.delete_client(transaction, household.client_id)
        assert await grants.rotate(transaction, household.offline, 1, NOW, IDLE) is None
    assert await world.count(Grant) == 0


async def test_rt_09_a_grant_bound_to_a_session_ends_with_it_and_an_offline_one_does_not(household: Household) -> None:
    """A stolen refresh token outlives the sign-out of its owner."""
    async with household.world.database.transaction() as transaction:
        assert await sessions.end(transaction, household.session.sid, NOW)
    assert await household.both() == (False, True)


@pytest.mark.parametrize(
    ("after", "bound"),
    [(IDLE - SECOND, True), (IDLE, False), (IDLE + SECOND, False)],
)
async def test_a_grant_bound_to_an_idle_session_is_not_alive(
    household: Household, after: timedelta, bound: bool
) -> None:
    assert await household.both(NOW + after) == (bound, True)


async def test_a_grant_bound_to_an_expired_session_is_not_alive(household: Household) -> None:
    now = NOW + 14 * DAY
    async with household.world.database.transaction() as transaction:
        await sessions.touch(transaction, household.session.sid, now - MINUTE)
    assert await household.both(now - SECOND) == (True, True)
    assert await household.both(now) == (False, True)


async def test_ending_a_grant_keeps_the_first_reason(household: Household) -> None:
    world = household.world
    async with world.database.transaction() as transaction:
        assert await grants.end(transaction, household.offline, "reuse", NOW)
        assert not await grants.end(transaction, household.offline, "another", NOW + HOUR)
    family = await grants.family(world.database, household.offline, world.sealer, NOW, IDLE, 30 * DAY)
    assert family is not None
    assert family.ended_reason == "reuse"
    assert await household.both() == (True, False)


async def test_signing_out_ends_what_ends_with_the_session_and_nothing_of_others(household: Household) -> None:
    world = household.world
    other = await world.session(household.session.user_id)
    of_other = await world.grant(other, household.client_id)
    async with world.database.transaction() as transaction:
        assert await grants.end_of_session(transaction, household.session.sid, NOW) == 1
        assert await grants.end_of_session(transaction, household.session.sid, NOW) == 0
    assert await household.both() == (False, True)
    assert await household.alive(of_other)


async def test_withdrawing_consent_ends_every_grant_of_that_app_and_of_no_other(household: Household) -> None:
    world, user_id = household.world, household.session.user_id
    stranger = await world.session(await world.person())
    of_stranger = await world.grant(stranger, household.client_id)
    of_other_app = await world.grant(household.session, (await world.client()).client_id)
    async with world.database.transaction() as transaction:
        assert await grants.end_of_consent(transaction, user_id, household.client_id, NOW) == 2
    assert await household.both() == (False, False)
    assert await household.alive(of_stranger)
    assert await household.alive(of_other_app)


async def test_ending_all_of_a_person_ends_every_grant_of_theirs_and_nobody_elses(household: Household) -> None:
    world = household.world
    stranger = await world.grant(await world.session(await world.person()), household.client_id)
    async with world.database.transaction() as transaction:
        assert await grants.end_of_user(transaction, household.session.user_id, "password set", NOW) == 2
    assert await household.both() == (False, False)
    assert await household.alive(stranger)


async def test_the_holder_is_the_person_with_their_claims(world: World, household: Household) -> None:
    holder = await grants.holder(world.database, household.bound, JTI, NOW, IDLE)
    assert holder == grants.Holder(
        household.session.user_id,
        {
            "name": "Ana",
            "email": "person1@example.com",
            "email_verified": True,
            "updated_at": int(NOW.timestamp()),
        },
    )


async def test_a_grant_without_refresh_tokens_has_no_family(world: World, household: Household) -> None:
    await world.set(Grant, household.bound, seed=None)
    assert await grants.family(world.database, household.bound, world.sealer, NOW, IDLE, 30 * DAY) is None
    assert await grants.holder(world.database, household.bound, JTI, NOW, IDLE) is not None


async def may_redeem(household: Household, now: datetime = NOW, **changes: Any) -> bool:
    subject = await grants.may_redeem(household.world.database, replace(code_of(household), **changes), now, IDLE)
    assert subject is None or subject.user_id == household.session.user_id
    return subject is not None


def code_of(household: Household) -> Code:
    session = household.session
    return Code(
        grant_id=new_id(NOW),
        client_id=household.client_id,
        redirect_uri="https://app.example.com/callback",
        scope=("openid",),
        nonce=None,
        code_challenge=None,
        user_id=session.user_id,
        sid=session.sid,
        auth_time=NOW,
        amr=("pwd",),
        acr="password",
    )


@pytest.fixture
async def consented(world: World, household: Household) -> Household:
    async with world.database.transaction() as transaction:
        await consents.give(transaction, household.session.user_id, household.client_id, frozenset({"openid"}), NOW)
    return household


async def test_cd_14_a_code_is_redeemed_while_the_person_the_session_and_the_consent_are_there(
    consented: Household,
) -> None:
    """A code is kept back until what it was given for has ended."""
    assert await may_redeem(consented)
    assert not await may_redeem(consented, NOW + IDLE)
    assert not await may_redeem(consented, client_id=(await consented.world.client()).client_id)
    assert not await may_redeem(consented, user_id=await consented.world.person())
    assert not await may_redeem(consented, sid="another")
    assert not await may_redeem(consented, scope=("openid", "email"))


@pytest.mark.parametrize("ended", ["person", "session", "consent"])
async def test_cd_14_a_code_is_dead_once_the_person_the_session_or_the_consent_ended(
    consented: Household, ended: str
) -> None:
    """A code is kept back until what it was given for has ended."""
    session = consented.session
    if ended == "person":
        await consented.world.set(User, session.user_id, disabled_at=NOW)
    async with consented.world.database.transaction() as transaction:
        if ended == "session":
            await sessions.end(transaction, session.sid, NOW)
        if ended == "consent":
            await consents.withdraw(transaction, session.user_id, consented.client_id)
    assert not await may_redeem(consented)


@pytest.mark.parametrize("ended", ["session", "consent"])
async def test_cd_14_a_grant_made_while_its_reason_ends_ends_too(consented: Household, ended: str) -> None:
    """A code is redeemed at the very moment at which its person changes their password or withdraws their consent."""
    world, session = consented.world, consented.session
    judged, made = asyncio.Event(), []

    async def redeem() -> None:
        async with world.database.transaction() as transaction:
            assert await grants.may_redeem(transaction, code_of(consented), NOW, IDLE)
            judged.set()
            await asyncio.sleep(0.2)  # the other transaction would be over by now, if it did not have to wait
            made.append(await world.grant_in(transaction, session, consented.client_id, offline=True))

    async def end() -> None:
        await judged.wait()
        async with world.database.transaction() as transaction:
            if ended == "session":
                await sessions.end_all_of(transaction, session.user_id, NOW)
                await grants.end_of_user(transaction, session.user_id, "password set", NOW)
            else:
                await consents.withdraw(transaction, session.user_id, consented.client_id)
                await grants.end_of_consent(transaction, session.user_id, consented.client_id, NOW)

    await asyncio.gather(redeem(), end())
    assert not await consented.alive(made[0])


async def test_rt_15_only_the_newest_grants_of_a_person_at_an_app_are_kept(world: World, household: Household) -> None:
    """An app, or who stole its credentials, redeems code after code and lets the table grow without an end."""
    ben = await world.session(await world.person())
    bens = await world.grant(ben, household.client_id)
    more = [await world.grant(household.session, household.client_id) for _ in range(3 + grants.EVICTED_FROM - 2)]

    async def evict() -> int:
        async with world.database.transaction() as transaction:
            return await grants.end_older(transaction, household.session.user_id, household.client_id, 3, NOW)

    assert await evict() == 0
    more.append(await world.grant(household.session, household.client_id))
    assert await evict() == grants.EVICTED_FROM + 1
    assert await evict() == 0
    alive = {row.id for row in await world.rows(Grant) if row.ended_at is None}
    assert alive == {bens, *sorted([household.bound, household.offline, *more])[-3:]}
