"""The table of waits, and the arithmetic of a limit."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.factors.throttling import LONGEST, NOTHING_HELPS, Failures, Limit, account, address, device, in_words, wait

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0), (9, 0), (10, 5), (11, 10), (12, 20), (13, 40), (16, 320), (17, 640), (18, 900), (999, 900)],
)
def test_an_address_waits_twice_as_long_each_time(count: int, seconds: int) -> None:
    assert wait(address(9), Failures(count, NOW), NOW) == seconds * SECOND


@pytest.mark.parametrize(
    ("count", "left"),
    [
        (20, 0 * SECOND),
        (21, 60 * SECOND),
        (22, 120 * SECOND),
        (99, LONGEST),
        (100, NOTHING_HELPS),
        (101, NOTHING_HELPS),
    ],
)
def test_an_account_is_slowed_down_and_then_locked(count: int, left: timedelta) -> None:
    assert wait(account(20), Failures(count, NOW), NOW) == left


def test_a_wait_passes() -> None:
    failures = Failures(11, NOW)
    assert wait(address(9), failures, NOW + 4 * SECOND) == 6 * SECOND
    assert wait(address(9), failures, NOW + 10 * SECOND) == timedelta(0)
    assert wait(device(9), Failures(20, NOW), NOW + timedelta(days=999)) == NOTHING_HELPS


def test_nobody_waits_without_failures() -> None:
    assert wait(address(9), None, NOW) == timedelta(0)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(milliseconds=1), "1 second"),
        (4.2 * SECOND, "5 seconds"),
        (90 * SECOND, "90 seconds"),
        (91 * SECOND, "2 minutes"),
        (LONGEST, "15 minutes"),
    ],
)
def test_a_wait_is_said_in_words_and_rounded_up(left: timedelta, words: str) -> None:
    assert str(in_words(left)) == words


def test_a_limit_gives_its_burst_and_then_one_at_a_time() -> None:
    limit, full_at, now = Limit(3, 10 * SECOND), 0, NOW
    given = []
    for second in range(31):
        now = NOW + second * SECOND
        if not limit.left(full_at, now):
            full_at = max(full_at, int(now.timestamp() * 1000)) + limit.cost
            given.append(second)
    assert given == [0, 1, 2, 10, 20, 30]
    assert limit.left(full_at, now) == 10 * SECOND
