"""What is kept of refusals: few, for a while, and a share for each client."""

from datetime import timedelta

from idp.store import refusals
from idp.store.prune import prune
from idp.store.refusals import NOBODY, Refusal
from idp.store.tables import Refusal as RefusalRow
from tests.store.world import DAY, NOW, SECOND, World


def refusal(number: int, client_id: str = "billing") -> Refusal:
    at = NOW + timedelta(milliseconds=number)
    details = {"description": "No.", "reason": f"number {number}"}
    return Refusal(f"{client_id[:4].upper():0<4}-{number:04}", at, "/token", client_id, "invalid_grant", details)


async def add(world: World, *added: Refusal) -> None:
    async with world.database.transaction() as transaction:
        for each in added:
            await refusals.add(transaction, each)


async def test_a_refusal_is_found_by_its_reference(world: World) -> None:
    await add(world, refusal(1), refusal(2))
    assert await refusals.find(world.database, "BILL-0002") == refusal(2)
    assert await refusals.find(world.database, "BILL-0003") is None
    assert await refusals.last(world.database, 1) == [refusal(2)]


async def test_one_client_pushes_out_its_own_refusals_and_nobody_elses(
    world: World,
) -> None:
    await add(world, refusal(0, "quiet"), refusal(0, NOBODY))
    await add(world, *(refusal(number) for number in range(refusals.MOST_OF_CLIENT + 3)))
    assert await world.count(RefusalRow) == refusals.MOST_OF_CLIENT + 2
    assert await refusals.find(world.database, "BILL-0002") is None
    for kept in (refusal(3), refusal(refusals.MOST_OF_CLIENT + 2), refusal(0, "quiet"), refusal(0, NOBODY)):
        assert await refusals.find(world.database, kept.reference) == kept


async def test_of_all_together_there_are_never_more_than_ten_thousand(world: World) -> None:
    clients = refusals.MOST // refusals.MOST_OF_CLIENT + 1
    rows = [
        {"id": f"{number:032x}", **vars(refusal(number, f"c{number % clients:03}"))} for number in range(refusals.MOST)
    ]
    async with world.database.transaction() as transaction:
        for row in rows:
            await transaction.run(refusals._ADD, **row)
    assert await world.count(RefusalRow) == refusals.MOST
    await add(world, refusal(1, "new"), refusal(2, "new"))
    assert await world.count(RefusalRow) == refusals.MOST
    assert await refusals.find(world.database, rows[1]["reference"]) is None
    assert await refusals.find(world.database, rows[2]["reference"]) is not None


async def test_after_seven_days_nothing_is_kept(world: World) -> None:
    await add(world, refusal(0))
    assert (await prune(world.database, NOW + 7 * DAY))["refusals"] == 0
    assert (await prune(world.database, NOW + 7 * DAY + SECOND))["refusals"] == 1
