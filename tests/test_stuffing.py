"""A list of leaked passwords that is tried slowly, from everywhere, is noticed by how seldom it is right."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.stuffing import LEAST, MINUTES, RATIO, Stuffing

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def told(stuffing: Stuffing, wrong: int, right: int, every: timedelta = timedelta(0)) -> list[tuple[int, int]]:
    """What is suspected while so many come, the right ones first."""
    for _ in range(right):
        stuffing.right(NOW)
    found = [stuffing.wrong(NOW + number * every) for number in range(wrong)]
    return [each for each in found if each is not None]


def test_rl_03_a_hundred_pairs_of_which_one_is_right_are_noticed_once() -> None:
    """The attacker tries a list of which one in a hundred is right."""
    assert told(Stuffing(), 99, 1) == [(LEAST, 1)]


@pytest.mark.parametrize(("wrong", "right"), [(LEAST - 1, 0), (99, 99 // RATIO + 1), (400, 1000)])
def test_people_who_mistype_are_nothing_to_notice(wrong: int, right: int) -> None:
    assert told(Stuffing(), wrong, right) == []


def test_rl_03_ten_in_a_minute_are_noticed_and_four_are_not() -> None:
    """The attacker stays as slow as every limit wants it."""
    assert told(Stuffing(), 200, 0, timedelta(seconds=6)) != []
    assert told(Stuffing(), 200, 0, timedelta(seconds=15)) == []


def test_it_is_told_again_after_ten_minutes_and_no_sooner() -> None:
    stuffing = Stuffing()
    found = told(stuffing, MINUTES * 60 * 2 + 60, 0, timedelta(seconds=1))
    assert len(found) == 3
    assert stuffing.wrong(NOW + timedelta(hours=3)) is None, "what was before is forgotten"
