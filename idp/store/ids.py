"""Names of rows and secrets: time-ordered ids, unguessable secrets, and the hash under which a secret is kept."""

import hashlib
import secrets
from datetime import datetime


def new_id(now: datetime) -> str:
    """A UUIDv7 as 32 hexadecimal digits (RFC 9562 section 5.7): milliseconds first, so that indexes grow at one end."""
    number = int(now.timestamp() * 1000) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return f"{number:032x}"


def new_secret() -> str:
    """256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """How a generated secret is kept: it has 256 bits, so SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
