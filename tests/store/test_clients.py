"""Clients and their secrets."""

from dataclasses import replace
from datetime import datetime

import pytest

from idp.protocol.clients import Client
from idp.store import clients
from idp.store.clients import ClientRecord
from idp.store.tables import ClientRow, ClientSecret
from tests.store.world import HOUR, MINUTE, NOW, SECOND, World


@pytest.fixture
async def client(world: World) -> Client:
    return await world.client(audience=("https://api.example.com",), post_logout_redirect_uris=("https://a/bye",))


async def add_secret(world: World, client: Client, secret_hash: str) -> str:
    async with world.database.transaction() as transaction:
        return await clients.add_secret(transaction, client.client_id, secret_hash, NOW)


async def test_a_client_is_found_as_it_was_stored(world: World, client: Client) -> None:
    assert await clients.find(world.database, client.client_id) == client
    assert await clients.find_with_secrets(world.database, client.client_id, NOW) == (client, ())
    assert await clients.show(world.database, client.client_id) == ClientRecord(client, NOW, NOW, None)
    assert await clients.listed(world.database) == [ClientRecord(client, NOW, NOW, None)]


async def test_a_client_that_is_not_there_is_nobody(world: World) -> None:
    assert await clients.find(world.database, "nobody") is None
    assert await clients.find_with_secrets(world.database, "nobody", NOW) == (None, ())
    assert await clients.show(world.database, "nobody") is None


async def test_a_disabled_client_is_nobody_but_for_its_operator(world: World, client: Client) -> None:
    await add_secret(world, client, "hash")
    await world.set(ClientRow, client.client_id, disabled_at=NOW)
    assert await clients.find(world.database, client.client_id) is None
    assert await clients.find_with_secrets(world.database, client.client_id, NOW) == (None, ())
    assert await clients.redirect_uris(world.database) == []
    assert await clients.show(world.database, client.client_id) == ClientRecord(client, NOW, NOW, NOW)


async def test_what_is_replaced_is_seen_at_once(world: World, client: Client) -> None:
    """Clients are parsed once; a change must not be hidden by that."""
    changed = replace(client, client_name="Books", redirect_uris=("https://books.example.com/cb", "https://b/2"))
    async with world.database.transaction() as transaction:
        assert await clients.replace(transaction, changed, NOW + HOUR)
        assert await clients.find(transaction, client.client_id) == changed
        assert not await clients.replace(transaction, replace(changed, client_id="nobody"), NOW)
    assert await clients.find(world.database, client.client_id) == changed
    assert await clients.show(world.database, client.client_id) == ClientRecord(changed, NOW, NOW + HOUR, None)
    assert await clients.redirect_uris(world.database) == list(changed.redirect_uris)


async def test_secrets_live_side_by_side_until_the_old_ones_end(world: World, client: Client) -> None:
    await add_secret(world, client, "old")
    new = await add_secret(world, client, "new")
    other = await world.client()
    await add_secret(world, other, "of another")
    async with world.database.transaction() as transaction:
        await clients.end_other_secrets(transaction, client.client_id, but=new, now=NOW, until=NOW + HOUR)

    async def live(at: datetime) -> set[str]:
        found, hashes = await clients.find_with_secrets(world.database, client.client_id, at)
        assert found == client
        return set(hashes)

    assert await live(NOW + HOUR - SECOND) == {"old", "new"}
    assert await live(NOW + HOUR) == {"new"}
    assert await clients.find_with_secrets(world.database, other.client_id, NOW + HOUR) == (other, ("of another",))


async def test_an_end_that_was_set_is_never_put_off(world: World, client: Client) -> None:
    await add_secret(world, client, "old")
    new = await add_secret(world, client, "new")
    for until in (NOW + HOUR, NOW + 2 * HOUR):
        async with world.database.transaction() as transaction:
            await clients.end_other_secrets(transaction, client.client_id, but=new, now=NOW, until=until)
    assert await clients.find_with_secrets(world.database, client.client_id, NOW + HOUR) == (client, ("new",))


async def test_of_three_secrets_two_are_alive_at_most(world: World, client: Client) -> None:
    for number in range(3):
        kept = await add_secret(world, client, f"number {number}")
        async with world.database.transaction() as transaction:
            now = NOW + number * MINUTE
            await clients.end_other_secrets(transaction, client.client_id, but=kept, now=now, until=now + HOUR)
    _, hashes = await clients.find_with_secrets(world.database, client.client_id, NOW + 2 * MINUTE)
    assert set(hashes) == {"number 1", "number 2"}
    live = await clients.live_secrets(world.database, client.client_id, NOW + 2 * MINUTE)
    assert [each.expires_at for each in live] == [NOW + 2 * MINUTE + HOUR, None]


async def test_a_client_is_deleted_once_and_its_secrets_with_it(world: World, client: Client) -> None:
    await add_secret(world, client, "hash")
    async with world.database.transaction() as transaction:
        assert await clients.delete_client(transaction, client.client_id)
        assert not await clients.delete_client(transaction, client.client_id)
    assert await world.count(ClientSecret) == 0
    assert await clients.listed(world.database) == []
