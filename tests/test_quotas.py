"""How many requests an app may send: shared by workers, waited for afterwards, and bounded in memory."""

import asyncio
from datetime import timedelta

import pytest

from idp.quotas import MINUTE, OverQuota, Quotas
from idp.store.volatile import InMemory
from tests.store.world import NOW, SECOND


async def taken(quotas: Quotas, key: str, now: object = NOW, most: int = 1000) -> int:
    """How many there are before the first refusal."""
    for count in range(most):
        try:
            await quotas.take(key, now)  # type: ignore[arg-type]
        except OverQuota:
            return count
    return most


@pytest.mark.parametrize("per_minute", [1, 7, 49, 50, 99, 100, 600])
async def test_one_worker_gives_what_it_may_and_no_more(per_minute: int) -> None:
    size = max(1, per_minute // 50)
    assert per_minute - size < await taken(Quotas(InMemory(), per_minute), "a") <= per_minute


@pytest.mark.parametrize("workers", [2, 5])
async def test_workers_share_one_limit(workers: int) -> None:
    shared = InMemory()
    several = [Quotas(shared, 600) for _ in range(workers)]
    assert sum([await taken(each, "a") for each in several]) == 600


async def test_apps_do_not_share_one() -> None:
    quotas = Quotas(InMemory(), 100)
    assert await taken(quotas, "a") == await taken(quotas, "b") == 100


async def test_what_is_used_up_comes_back_with_time_and_the_refusal_says_when() -> None:
    quotas = Quotas(InMemory(), 600)
    await taken(quotas, "a")
    with pytest.raises(OverQuota) as refused:
        await quotas.take("a", NOW)
    assert timedelta(0) < refused.value.quota.reset <= 2 * SECOND
    assert await taken(quotas, "a", NOW + refused.value.quota.reset) == 12
    assert await taken(quotas, "a", NOW + 2 * MINUTE) == 600


async def test_nobody_keeps_a_portion_for_later() -> None:
    shared = InMemory()
    hoarding, other = Quotas(shared, 600), Quotas(shared, 600)
    await hoarding.take("a", NOW)
    assert await taken(other, "a", NOW + MINUTE) == 600
    assert await taken(hoarding, "a", NOW + MINUTE) == 0


async def test_of_many_at_once_no_more_pass_than_one_portion_too_many_for_each_of_them() -> None:
    quotas = Quotas(InMemory(), 600)

    async def one() -> bool:
        try:
            await quotas.take("a", NOW)
        except OverQuota:
            return False
        return True

    passed = await asyncio.gather(*(one() for _ in range(1000)))
    assert sum(passed) == 600


async def test_memory_is_bounded_whatever_the_keys() -> None:
    quotas = Quotas(InMemory(), 600)
    for number in range(10_100):
        await quotas.take(str(number), NOW)
    assert len(quotas._portions) == 10_000


async def test_what_is_told_is_written_as_structured_fields() -> None:
    quota = await Quotas(InMemory(), 600).take("a", NOW)
    assert quota.headers == [(b"ratelimit-policy", b'"client";q=600;w=60'), (b"ratelimit", b'"client";r=11;t=2')]
