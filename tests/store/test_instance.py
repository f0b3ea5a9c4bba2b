"""A database belongs to one installation, and to its sealing keys."""

import asyncio

import pytest

from idp.store import instance
from idp.store.instance import WrongSecretKey
from idp.store.seal import Sealer
from idp.store.tables import Instance
from tests.store.world import NOW, SECRET_KEY, World

OTHER_KEY = "the secret key of another installation"


async def test_the_first_start_names_the_instance_and_every_later_one_finds_it(world: World) -> None:
    assert await instance.find(world.database) is None
    first = await instance.ensure(world.database, world.sealer, NOW)
    assert await instance.ensure(world.database, world.sealer, NOW) == first
    assert await instance.find(world.database) == first


async def test_a_node_with_another_key_refuses_to_start(world: World) -> None:
    await instance.ensure(world.database, world.sealer, NOW)
    with pytest.raises(WrongSecretKey, match="IDP_SECRET_KEY"):
        await instance.ensure(world.database, Sealer([OTHER_KEY]), NOW)


@pytest.mark.parametrize("keys", [[OTHER_KEY, SECRET_KEY], [SECRET_KEY, OTHER_KEY]])
async def test_a_node_that_rotates_its_keys_starts(world: World, keys: list[str]) -> None:
    first = await instance.ensure(world.database, world.sealer, NOW)
    assert await instance.ensure(world.database, Sealer(keys), NOW) == first


async def test_of_many_first_starts_at_once_there_is_one_instance(world: World) -> None:
    names = await asyncio.gather(*(instance.ensure(world.database, world.sealer, NOW) for _ in range(10)))
    assert len(set(names)) == 1
    assert await world.count(Instance) == 1


async def test_of_first_starts_at_once_with_different_keys_only_those_of_one_key_succeed(world: World) -> None:
    """Two nodes that each made a key of their own would seal what the other cannot open."""
    sealers = [world.sealer, Sealer([OTHER_KEY])] * 3
    done = await asyncio.gather(
        *(instance.ensure(world.database, sealer, NOW) for sealer in sealers), return_exceptions=True
    )
    refused = [isinstance(each, WrongSecretKey) for each in done]
    assert refused in ([False, True] * 3, [True, False] * 3)
    assert await world.count(Instance) == 1
