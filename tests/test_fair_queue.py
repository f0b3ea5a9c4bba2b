"""Who waits for a thread: the order, who makes room for whom, and that no place is ever lost."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.fair_queue import FairQueue, Overloaded


class World:
    """One queue, and those who came to it."""

    def __init__(self, inside: int = 1, longest: int = 4) -> None:
        self.queue = FairQueue(inside, longest)
        self.tasks: list[asyncio.Task[None]] = []
        self.inside: list[str] = []
        self.refused: list[str] = []

    async def come(self, *addresses: str) -> None:
        for address in addresses:
            self.tasks.append(asyncio.create_task(self._enter(address)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _enter(self, address: str) -> None:
        try:
            await self.queue.enter(address)
        except Overloaded:
            self.refused.append(address)
        else:
            self.inside.append(address)

    async def leave(self, times: int = 1) -> None:
        for _ in range(times):
            self.queue.leave()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def test_a_crowd_of_one_address_waits_for_itself_and_others_take_turns_with_it() -> None:
    async def work() -> None:
        world = World(inside=1, longest=10)
        await world.come("a", "a", "a", "a", "b", "c", "b")
        await world.leave(6)
        assert world.inside == ["a", "a", "b", "c", "a", "b", "a"]
        assert world.refused == []

    asyncio.run(work())


def test_where_no_more_may_wait_the_newest_of_the_largest_crowd_makes_room() -> None:
    async def work() -> None:
        world = World(inside=1, longest=4)
        await world.come("a", "a", "a", "a", "a")
        await world.come("a")
        assert world.refused == ["a"]  # a crowd makes no room for itself
        await world.come("b", "c")
        assert world.refused == ["a", "a", "a"]
        await world.leave(4)
        assert world.inside == ["a", "a", "b", "c", "a"]

    asyncio.run(work())


def test_nobody_is_sent_away_for_somebody_who_has_as_many_waiting() -> None:
    async def work() -> None:
        world = World(inside=1, longest=2)
        await world.come("a", "a", "b", "c")
        assert world.refused == ["c"]

    asyncio.run(work())


def test_who_would_be_sent_away_is_told_before_anything_is_done_for_them() -> None:
    async def work() -> None:
        world = World(inside=1, longest=2)
        world.queue.check("a")
        await world.come("a", "a", "a")
        world.queue.check("b")
        with pytest.raises(Overloaded):
            world.queue.check("a")
        await world.leave(3)
        world.queue.check("a")

    asyncio.run(work())


@pytest.mark.parametrize("let_in_first", [False, True])
def test_who_goes_away_while_waiting_leaves_their_place_to_the_next(*, let_in_first: bool) -> None:
    async def work() -> None:
        world = World(inside=1, longest=4)
        await world.come("a", "b", "c")
        if let_in_first:
            world.queue.leave()  # b has its turn, and goes away before it takes it
        world.tasks[1].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not let_in_first:
            await world.leave()
        await asyncio.sleep(0)
        assert world.inside == ["a", "c"]
        await world.leave()
        await world.come("d")
        assert world.inside == ["a", "c", "d"]

    asyncio.run(work())


@given(
    st.lists(
        st.one_of(
            st.sampled_from("aaabc").map(lambda address: ("come", address)),
            st.just(("leave", "")),
            st.integers(0, 30).map(lambda number: ("cancel", str(number))),
        ),
        max_size=40,
    )
)
def test_whatever_happens_no_place_is_lost_and_no_more_are_inside_than_may_be(steps: list[tuple[str, str]]) -> None:
    async def work() -> None:
        world, inside, left = World(inside=2, longest=3), 2, 0
        for step, what in steps:
            if step == "come":
                await world.come(what)
            elif step == "cancel" and int(what) < len(world.tasks):
                world.tasks[int(what)].cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            elif step == "leave" and len(world.inside) > left:
                await world.leave()
                left += 1
            assert len(world.inside) - left <= inside
        while len(world.inside) > left:
            await world.leave()
            left += 1
        assert all(task.done() for task in world.tasks)
        await world.come("z", "z")
        assert Counter(world.inside)["z"] == inside

    asyncio.run(work())
