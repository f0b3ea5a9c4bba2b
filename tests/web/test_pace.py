"""Pages that arrive together begin one by one, with a round of the loop between them."""

import asyncio

import pytest

from idp.web.pace import Pace


async def _begun(pace: Pace, name: str, seen: list[str]) -> None:
    await pace.turn()
    seen.append(name)


async def _others(seen: list[str], rounds: int) -> None:
    for _ in range(rounds):
        seen.append("-")
        await asyncio.sleep(0)


def test_pw_12_between_two_pages_of_a_crowd_everything_else_has_its_turn() -> None:
    """The attacker sends five hundred forms in one moment, so that the apps' requests wait for all of them."""

    async def work() -> None:
        pace, seen = Pace(), list[str]()
        crowd = [asyncio.create_task(_begun(pace, name, seen)) for name in "abcd"]
        other = asyncio.create_task(_others(seen, 12))
        await asyncio.gather(*crowd, other)
        order = "".join(seen)
        assert order.replace("-", "") == "abcd"
        assert all(pair not in order for pair in ("ab", "bc", "cd"))

    asyncio.run(work())


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_who_goes_away_before_their_turn_holds_up_nobody(gone: int) -> None:
    async def work() -> None:
        pace, seen = Pace(), list[str]()
        crowd = [asyncio.create_task(_begun(pace, name, seen)) for name in "abc"]
        await asyncio.sleep(0)
        crowd[gone].cancel()
        await asyncio.wait_for(asyncio.gather(*crowd, return_exceptions=True), 5)
        await asyncio.wait_for(_begun(pace, "d", seen), 5)
        assert seen == [name for name in "abcd" if name != "abc"[gone] or name == "a"]

    asyncio.run(work())
