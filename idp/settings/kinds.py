"""How the values of settings are written: durations, moments, lists, numbers and URLs."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
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


def _redis(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("redis", "rediss", "redis+cluster") or not parts.hostname):
        message = "write redis://HOST:PORT, rediss://... with TLS, or redis+cluster://... for a cluster"
        raise ValueError(message)
    return value


def _smtp(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname or parts.path):
        message = "write smtp://USER:PASSWORD@HOST:587, smtps://... or smtp+plain://HOST:25"
        raise ValueError(message)
    if parts.scheme == "smtp+plain" and parts.password:
        message = "a password is not sent without TLS: write smtp:// or smtps://"
        raise ValueError(message)
    return value


def _sender(value: str) -> str:
    if value and (not value.isprintable() or not re.fullmatch(r"[^\s@]+@[^\s@]+", parseaddr(value)[1])):
        message = "write an address such as id@example.com, or Example <id@example.com>"
        raise ValueError(message)
    return value


def _range(value: str) -> str:
    parts = urlsplit(value)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    if value and (not safe or not parts.hostname or re.search(r"[\s?#]", value)):
        message = "write an https URL, such as https://api.pwnedpasswords.com/range"
        raise ValueError(message)
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]
Moment = Annotated[datetime, BeforeValidator(moment)]
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
RedisUrl = Annotated[str, AfterValidator(_redis)]
SmtpUrl = Annotated[str, AfterValidator(_smtp)]
Sender = Annotated[str, AfterValidator(_sender)]
RangeUrl = Annotated[str, AfterValidator(_range)]
