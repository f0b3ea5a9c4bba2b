"""Whether a list of leaked passwords is being tried in this worker: for each right one there are far too many wrong.

People mistype; together they are right more often than not. Whoever tries a list is wrong ninety-nine times in a
hundred, however slowly and from however many addresses.
"""

from collections import Counter
from datetime import datetime, timedelta

MINUTES = 10
LEAST = 50  # wrong ones, below which chance explains it
RATIO = 4  # wrong ones for each right one


class Stuffing:
    """Passwords of the last MINUTES, by the minute, whoever they were for and wherever they came from."""

    def __init__(self) -> None:
        self._wrong: Counter[int] = Counter()
        self._right: Counter[int] = Counter()
        self._told: datetime | None = None

    def right(self, now: datetime) -> None:
        self._right[_minute(now)] += 1

    def wrong(self, now: datetime) -> tuple[int, int] | None:
        """How many were wrong and right, where this is the one with which it is suspected; told once in MINUTES."""
        self._wrong[_minute(now)] += 1
        wrong, right = _recent(self._wrong, now), _recent(self._right, now)
        told_lately = self._told is not None and now < self._told + timedelta(minutes=MINUTES)
        if told_lately or wrong < LEAST or wrong < RATIO * right:
            return None
        self._told = now
        return wrong, right


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60


def _recent(counted: Counter[int], now: datetime) -> int:
    """All that is left when what is too old is gone."""
    oldest = _minute(now) - MINUTES
    for minute in [each for each in counted if each <= oldest]:
        del counted[minute]
    return counted.total()
