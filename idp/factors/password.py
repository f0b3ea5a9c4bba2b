"""Passwords: argon2id, any Unicode, never trimmed (OWASP password storage: 19 MiB, two passes, one lane)."""

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

SALT_BYTES = 16
_LEAST_MEMORY = 8  # KiB, for one lane (RFC 9106 section 3.1)
MIN_LENGTH = 12
MAX_LENGTH = 256
AMR = "pwd"  # RFC 8176


class UnacceptablePassword(Exception):
    """A new password that breaks a rule; the text says which."""


@dataclass(frozen=True)
class Cost:
    """argon2id's parameters; memory in KiB."""

    memory_kib: int
    time: int
    parallelism: int


def normalized(password: str) -> bytes:
    """NFKC, as NIST SP 800-63B section 3.1.1.2 asks; a lone surrogate, which no keyboard sends, stays distinct."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def check_new(password: str) -> None:
    """The rules for a password that is being set: a length, and nothing about its composition."""
    if len(unicodedata.normalize("NFKC", password)) < MIN_LENGTH:
        message = f"a password needs at least {MIN_LENGTH} characters"
        raise UnacceptablePassword(message)
    if len(password) > MAX_LENGTH:
        message = f"a password has at most {MAX_LENGTH} characters"
        raise UnacceptablePassword(message)


def hash_password(password: str, cost: Cost, salt: bytes) -> str:
    return _hasher(cost).hash(normalized(password), salt=salt)


def is_too_long(password: str) -> bool:
    """Nobody has such a one, so nothing is hashed for it."""
    return len(password) > MAX_LENGTH * 4


def verify(encoded: str, password: str) -> bool:
    """Whether it is the password; False too for a hash that is malformed."""
    if is_too_long(password):
        return False
    try:
        return PasswordHasher().verify(encoded, normalized(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def needs_rehash(encoded: str, cost: Cost) -> bool:
    return _hasher(cost).check_needs_rehash(encoded)


def missing_work(encoded: str, cost: Cost) -> Cost | None:
    """What a hash at this cost takes beyond what `encoded` took: time grows with memory times passes."""
    try:
        found = extract_parameters(encoded)
    except InvalidHashError:
        return cost
    missing = cost.memory_kib * cost.time - found.memory_cost * found.time_cost
    if missing < _LEAST_MEMORY:
        return None
    memory = min(missing, cost.memory_kib)
    return Cost(memory, round(missing / memory), 1)


def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(cost.time, cost.memory_kib, cost.parallelism, salt_len=SALT_BYTES, type=Type.ID)
