"""How long to wait after wrong passwords and codes: longer each time, and on one's own device not for others' guesses.

Failures in a row are counted for an account as a whole, for an account and an address, and for an account and a device
that its person signed in with before. The first slows a crowd down, the second slows one guesser down long before, and
whoever has the third is bound by it alone: so a stranger's guesses keep nobody out of an account that is theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.wording import Text, counted

LONGEST = timedelta(minutes=15)
MOST_FAILURES = 100  # in a row, of one account (NIST SP 800-63B section 3.2.2)


@dataclass(frozen=True)
class Pace:
    """`free` failures in a row cost nothing; the next waits are `first`, and each time twice as long, up to LONGEST.

    After `last` of them no waiting helps.
    """

    free: int
    first: timedelta
    last: int | None = None


@dataclass(frozen=True)
class Failures:
    """How many there were in a row, and when the newest was."""

    count: int
    newest: datetime


NOTHING_HELPS = timedelta.max  # as a wait


def account(free: int) -> Pace:
    return Pace(free, timedelta(minutes=1), last=MOST_FAILURES)


def address(free: int) -> Pace:
    """With one account."""
    return Pace(free, timedelta(seconds=5))


def device(free: int) -> Pace:
    """Beyond the last one it is a stranger."""
    return Pace(free, timedelta(seconds=5), last=free + 11)


def wait(pace: Pace, failures: Failures | None, now: datetime) -> timedelta:
    """How long until the next try; zero where it may be now."""
    if failures is None or failures.count <= pace.free:
        return timedelta(0)
    if pace.last is not None and failures.count >= pace.last:
        return NOTHING_HELPS
    doublings = min(failures.count - pace.free - 1, 20)
    until = failures.newest + min(pace.first * (1 << doublings), LONGEST)
    return max(until - now, timedelta(0))


def whole_seconds(left: timedelta) -> int:
    """Rounded up, so that nobody comes back too early."""
    return -(-left // timedelta(seconds=1))


def in_words(left: timedelta) -> Text:
    """As a person would say it, rounded up."""
    seconds = whole_seconds(left)
    if seconds <= 90:
        return counted("%(count)s second", "%(count)s seconds", seconds)
    minutes = -(-seconds // 60)
    if minutes <= 90:
        return counted("%(count)s minute", "%(count)s minutes", minutes)
    hours = -(-minutes // 60)
    if hours <= 72:
        return counted("%(count)s hour", "%(count)s hours", hours)
    return counted("%(count)s day", "%(count)s days", -(-hours // 24))


@dataclass(frozen=True)
class Limit:
    """So many at once, and then one in `every` (the generic cell rate algorithm, which needs one number a key).

    That number is when the limit would be whole again: `full_at`, in milliseconds since 1970.
    """

    burst: int
    every: timedelta

    @property
    def cost(self) -> int:
        """Of one, in milliseconds."""
        return self.every // timedelta(milliseconds=1)

    @property
    def window(self) -> int:
        """What all of it is worth, in milliseconds."""
        return self.burst * self.cost

    def left(self, full_at: int, now: datetime) -> timedelta:
        """How long until one more may be; zero where it may be now."""
        at = milliseconds(now)
        return timedelta(milliseconds=max(0, max(full_at, at) + self.cost - self.window - at))


def milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)
