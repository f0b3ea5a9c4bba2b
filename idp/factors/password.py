"""Passwords: argon2id, any Unicode, never trimmed (OWASP password storage: 19 MiB, two passes, one lane)."""

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from idp.factors import foreign_hashes
from idp.factors.foreign_hashes import UnknownHash

SALT_BYTES = 16
_LEAST_MEMORY = 8  # KiB, for one lane (RFC 9106 section 3.1)
_MOST_WORK, _MOST_LANES = 1024 * 1024, 16  # KiB times passes
MIN_LENGTH = 12
MAX_LENGTH = 256
NAME = "password"
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


def check_new(password: str, least: int = MIN_LENGTH) -> None:
    """The rules for a password that is being set: a length, and nothing about its composition."""
    if len(unicodedata.normalize("NFKC", password)) < least:
        message = f"a password needs at least {least} characters"
        raise UnacceptablePassword(message)
    if len(password) > MAX_LENGTH:
        message = f"a password has at most {MAX_LENGTH} characters"
        raise UnacceptablePassword(message)


def acceptable_hash(text: str) -> str:
    """A hash that another system made, as it is kept. Raises UnknownHash."""
    cleaned = text.strip()
    if cleaned.startswith("{") and '"' in cleaned:
        return foreign_hashes.of_keycloak(cleaned)
    if not cleaned.startswith("$argon2"):
        foreign_hashes.check(cleaned)
        return cleaned
    try:
        found = extract_parameters(cleaned)
    except InvalidHashError:
        message = "it looks like argon2, but is not written as argon2 is"
        raise UnknownHash(message) from None
    if found.memory_cost * found.time_cost > _MOST_WORK or found.parallelism > _MOST_LANES:
        message = "argon2 may take at most 1 GiB times passes, and 16 lanes"
        raise UnknownHash(message)
    return cleaned


def hash_password(password: str, cost: Cost, salt: bytes) -> str:
    return _hasher(cost).hash(normalized(password), salt=salt)


def is_too_long(password: str) -> bool:
    """Nobody has such a one, so nothing is hashed for it."""
    return len(password) > MAX_LENGTH * 4


def verify(encoded: str, password: str) -> bool:
    """Whether it is the password; False too for a hash that is malformed."""
    if is_too_long(password):
        return False
    if foreign_hashes.is_foreign(encoded):  # of the text as it was typed, and as we would have hashed it
        typed = password.encode("utf-8", "surrogatepass")
        return any(foreign_hashes.verify(encoded, each) for each in dict.fromkeys((typed, normalized(password))))
    try:
        return PasswordHasher().verify(encoded, normalized(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def needs_rehash(encoded: str, cost: Cost) -> bool:
    if foreign_hashes.is_foreign(encoded):
        return True
    return _hasher(cost).check_needs_rehash(encoded)


def missing_work(encoded: str, cost: Cost) -> Cost | None:
    """What a hash at this cost takes beyond what `encoded` took: time grows with memory times passes.

    Another system's hash may take longer than ours, which nothing can hide before its person signs in.
    """
    if foreign_hashes.is_foreign(encoded):
        return cost if foreign_hashes.is_cheap(encoded) else None
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
