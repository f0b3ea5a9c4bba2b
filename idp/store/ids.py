"""Names of rows and secrets: time-ordered ids, unguessable secrets, and the hash under which a secret is kept."""

import hashlib
import os
import re
import secrets
import threading
from datetime import UTC, datetime

_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


class _Pages(threading.local):
    """Random bytes by the page: asking the kernel costs as much as ten names. Each thread has a page of its own."""

    def __init__(self) -> None:
        self._page, self._at = b"", 0
        os.register_at_fork(after_in_child=self._empty)

    def draw(self, size: int) -> bytes:
        if self._at + size > len(self._page):
            self._page, self._at = secrets.token_bytes(4096), 0
        self._at += size
        return self._page[self._at - size : self._at]

    def _empty(self) -> None:
        self._page, self._at = b"", 0


draw = _Pages().draw  # for names and nonces, which nobody may meet twice; a secret is drawn by itself


def new_id(now: datetime) -> str:
    """A UUIDv7 as 32 hexadecimal digits (RFC 9562 section 5.7): milliseconds first, so that indexes grow at one end."""
    random = draw(10).hex()
    variant = "89ab"[int(random[0], 16) & 3]
    return f"{int(now.timestamp() * 1000):012x}7{random[1:4]}{variant}{random[4:19]}"


def new_secret() -> str:
    """256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """How a generated secret is kept: it has 256 bits, so SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_id(text: str) -> bool:
    """Whether `new_id` could have made it."""
    return _ID.fullmatch(text) is not None


def time_of(row_id: str) -> datetime:
    """When an id was made, to the millisecond."""
    return datetime.fromtimestamp(int(row_id[:12], 16) / 1000, UTC)
