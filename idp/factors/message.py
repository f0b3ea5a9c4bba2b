"""A code that is sent to somebody, and the link beside it: ten minutes, five tries in one sign-in.

It is bound to one sign-in in one browser, so whoever reads the mail, or makes its reader press the link, gets in
nowhere. A new mail does not undo the one before it: whichever arrives first is good.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

NAME = "email"
AMR = "mca"  # RFC 8176: by another channel than the one that it is typed into
DIGITS = 8
CODES = 10**DIGITS
LIFETIME = timedelta(minutes=10)
PAUSE = timedelta(seconds=30)  # between two mails
MOST_TRIES = 5
MOST_SENT = 5  # in one sign-in
_CODE = re.compile(r"[0-9](?:[ -]?[0-9]){7}")
_LINK = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Sent:
    """What is kept of a mail: keyed hashes of its code and of its link, and until when they count."""

    code_mac: str
    link_mac: str
    until: datetime


class Verdict(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    OLD = "old"


def code(number: int) -> str:
    """Of a number below CODES."""
    return f"{number:0{DIGITS}d}"


def grouped(digits: str) -> str:
    """As a person reads and types it."""
    return f"{digits[:4]} {digits[4:]}"


def sent(key: bytes, sign_in: str, digits: str, link: str, until: datetime) -> Sent:
    return Sent(_mac(key, sign_in, digits), _mac(key, sign_in, link), until)


def check(key: bytes, sign_in: str, mails: Sequence[Sent], typed: str, now: datetime) -> Verdict:
    """Whether a code, with ASCII digits and at most a space or a hyphen between two, or a link is in one of `mails`."""
    text = typed.strip(" ")
    digits = re.sub(r"[ -]", "", text) if _CODE.fullmatch(text) else None
    if digits is None and not _LINK.fullmatch(text):
        return Verdict.WRONG
    wanted = _mac(key, sign_in, digits or text)
    same = [hmac.compare_digest(wanted, each.link_mac if digits is None else each.code_mac) for each in mails]
    matches = [each for each, is_same in zip(mails, same, strict=True) if is_same]
    if not matches:
        return Verdict.WRONG
    return Verdict.RIGHT if any(now < each.until for each in matches) else Verdict.OLD


def _mac(key: bytes, sign_in: str, secret: str) -> str:
    return hmac.digest(key, f"{sign_in}:{secret}".encode(), hashlib.sha256).hex()
