"""Recovery codes: ten, for the day when every other second factor is lost; each counts once."""

import hashlib
import hmac
import re
from typing import Any

NAME = "recovery"
AMR = "otp"  # RFC 8176 knows no better: a password that counts once
COUNT = 10
CODE_BYTES = 10  # 80 bits, so that a fast hash is enough
# Crockford's base 32: nothing in it can be misread, and what is misread all the same is put right.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_BETWEEN = " \\-\u2010\u2011\u2012\u2013\u2014\u2212"  # whatever looks like what is printed between the groups
_TYPED = re.compile(f"[0-9A-Za-z{_BETWEEN}]{{1,64}}")


def code(random: bytes) -> str:
    """CODE_BYTES random bytes as four groups of four."""
    bits = int.from_bytes(random)
    text = "".join(_ALPHABET[bits >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def data(codes: list[str]) -> dict[str, Any]:
    """What is kept of them: hashes, and how many there were."""
    return {"hashes": [_hash(each) for each in codes]}


def remaining(stored: dict[str, Any]) -> int:
    return len(stored["hashes"])


def verify(stored: dict[str, Any], typed: str) -> dict[str, Any] | None:
    """The data to write back, without the code that was used; None where it is none of them."""
    if not _TYPED.fullmatch(typed):
        return None
    wanted = _hash(typed)
    matches = [hmac.compare_digest(each, wanted) for each in stored["hashes"]]
    if not any(matches):
        return None
    return {"hashes": [each for each, match in zip(stored["hashes"], matches, strict=True) if not match]}


def _hash(typed: str) -> str:
    letters = re.sub(f"[{_BETWEEN}]", "", typed).upper().translate(_MISREAD)
    return hashlib.sha256(letters.encode()).hexdigest()
