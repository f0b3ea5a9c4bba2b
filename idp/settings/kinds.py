"""How the values of settings are written: durations, moments, lists and numbers."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_LONGEST = timedelta(days=3650)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: object) -> timedelta:
    """`15m` and the like. Raises ValueError."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        value = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta) and value > _LONGEST:
        message = "at most 3650d"
        raise ValueError(message)
    if isinstance(value, timedelta):
        return value
    message = "write a duration as a number and a unit, such as 90s, 15m, 12h or 30d"
    raise ValueError(message)


def moment(value: object) -> datetime:
    """`2027-03-01`, or a time with a zone: without one it is UTC. Raises ValueError."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        message = "write a date such as 2027-03-01, or a time such as 2027-03-01T08:00+01:00"
        raise ValueError(message) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def listed(value: object) -> object:
    """Commas and newlines separate alike: a file with a key on each line is as good as a list."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in re.split(r"[,\n]", value) if part.strip())


def number(value: object) -> object:
    """A Literal of numbers takes no text, which is all that an environment holds."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Duration = Annotated[timedelta, BeforeValidator(duration)]
Moment = Annotated[datetime, BeforeValidator(moment)]
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
