"""Access tokens that were revoked, alone or with all that their client got for itself."""

from idp.store import clients, grants, tokens
from idp.store.ids import new_id, time_of
from idp.store.prune import prune
from idp.store.tables import RevokedToken
from tests.store.world import HOUR, IDLE, MINUTE, NOW, SECOND, World


async def revoke(world: World, jti: str) -> bool:
    async with world.database.transaction() as transaction:
        return await tokens.revoke(transaction, jti, NOW + HOUR)


async def counts(world: World, client_id: str, jti: str) -> bool:
    return await tokens.of_client_is_alive(world.database, client_id, jti, time_of(jti))


async def test_a_token_is_revoked_once_and_no_other_with_it(world: World) -> None:
    client, other = await world.client(), await world.client()
    revoked, kept = new_id(NOW), new_id(NOW)
    assert await counts(world, client.client_id, revoked)
    assert await revoke(world, revoked)
    assert not await revoke(world, revoked)
    assert not await counts(world, client.client_id, revoked)
    assert await counts(world, client.client_id, kept)
    assert await counts(world, other.client_id, kept)


async def test_a_revoked_token_of_a_grant_opens_nothing_while_the_others_do(world: World) -> None:
    client, session = await world.client(), await world.session(await world.person())
    grant, revoked, kept = await world.grant(session, client.client_id), new_id(NOW), new_id(NOW)
    await revoke(world, revoked)
    for jti, alive in ((revoked, False), (kept, True)):
        assert await grants.token_is_alive(world.database, grant, client.client_id, jti, NOW, IDLE) is alive
        assert (await grants.holder(world.database, grant, jti, NOW, IDLE) is not None) is alive


async def test_a_token_is_not_of_another_client_whose_grant_it_names(world: World) -> None:
    client, other, session = await world.client(), await world.client(), await world.session(await world.person())
    grant = await world.grant(session, client.client_id)
    assert not await grants.token_is_alive(world.database, grant, other.client_id, new_id(NOW), NOW, IDLE)


async def test_what_a_client_got_before_it_was_revoked_counts_no_more_and_what_it_gets_then_does(world: World) -> None:
    client, other = await world.client(), await world.client()
    before, soon, after = new_id(NOW - SECOND), new_id(NOW + SECOND), new_id(NOW + MINUTE)
    async with world.database.transaction() as transaction:
        await clients.end_tokens(transaction, client.client_id, NOW)
    assert [await counts(world, client.client_id, jti) for jti in (before, soon, after)] == [False, True, True]
    assert await counts(world, other.client_id, before)
    async with world.database.transaction() as transaction:  # an update of the client does not take it back
        assert await clients.replace(transaction, client, NOW + HOUR)
    assert not await counts(world, client.client_id, before)


async def test_nothing_counts_of_a_client_that_is_gone(world: World) -> None:
    client, jti = await world.client(), new_id(NOW)
    async with world.database.transaction() as transaction:
        await clients.delete_client(transaction, client.client_id)
    assert not await counts(world, client.client_id, jti)


async def test_who_was_revoked_is_remembered_until_the_token_would_have_expired(world: World) -> None:
    await revoke(world, new_id(NOW))
    assert (await prune(world.database, NOW + HOUR))["revoked_tokens"] == 0
    assert (await prune(world.database, NOW + HOUR + SECOND))["revoked_tokens"] == 1
    assert await world.count(RevokedToken) == 0
