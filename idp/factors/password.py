"""Passwords: argon2id, any Unicode, never trimmed (OWASP password storage: 19 MiB, two passes, one lane)."""

import re
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from idp.factors import foreign_hashes
from idp.factors.foreign_hashes import UnknownHash
from idp.wording import Text

SALT_BYTES = 16
_LEAST_MEMORY = 8  # KiB, for one lane (RFC 9106 section 3.1)
# What an argon2 hash of another system may take: KiB, KiB times passes, and lanes.
_MOST_MEMORY, _MOST_WORK, _MOST_LANES = 256 * 1024, 1024 * 1024, 16
_ARGON2 = "$argon2"
# Salt and hash have 8 and 16 bytes at least (RFC 9106 section 3.1), and their base64 is whole.
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?"
_ARGON2_SHAPE = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=[0-9]{1,10},t=[0-9]{1,10},p=[0-9]{1,3}"
    rf"\$(?=[^$]{{11,86}}\$){_BASE64}\$(?=[^$]{{22,86}}$){_BASE64}"
)
MIN_LENGTH = 12
MAX_LENGTH = 256
NAME = "password"
AMR = "pwd"  # RFC 8176


class UnacceptablePassword(Exception):
    """A new password that breaks a rule; the text tells its person, in a sentence, why and what to do."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


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
    if len(password) > MAX_LENGTH:
        most = {"most": MAX_LENGTH}
        message = Text("That password is too long: take at most %(most)s characters.", most)
        raise UnacceptablePassword(message)
    # As it is typed too: NFKC makes 18 characters of one Arabic sign.
    if min(len(password), len(unicodedata.normalize("NFKC", password))) < least:
        message = Text(
            "That password is too short: take at least %(least)s characters, such as four or five words.",
            {"least": least},
        )
        raise UnacceptablePassword(message)


def acceptable_hash(text: str) -> str:
    """A hash that another system made, as it is kept. Raises UnknownHash."""
    encoded = text.strip()
    if encoded.startswith("{") and '"' in encoded:
        encoded = foreign_hashes.of_keycloak(encoded)
    if encoded.startswith(_ARGON2):
        _check_argon2(encoded)
    else:
        foreign_hashes.read(encoded)
    return encoded


def _check_argon2(encoded: str) -> None:
    if _ARGON2_SHAPE.fullmatch(encoded) is None:
        message = "it looks like argon2, but is not written as argon2 is"
        raise UnknownHash(message)
    found = extract_parameters(encoded)
    memory, passes, lanes = found.memory_cost, found.time_cost, found.parallelism
    if not (1 <= lanes <= _MOST_LANES and passes and _LEAST_MEMORY * lanes <= memory <= _MOST_MEMORY):
        message = f"argon2 may have 1 to {_MOST_LANES} lanes, with 8 KiB for each, and at most 256 MiB"
        raise UnknownHash(message)
    if memory * passes > _MOST_WORK:
        message = "argon2 may take at most 1 GiB times passes"
        raise UnknownHash(message)


def hash_password(password: str, cost: Cost, salt: bytes) -> str:
    return _hasher(cost).hash(normalized(password), salt=salt)


def is_too_long(password: str) -> bool:
    """Nobody has such a one, so nothing is hashed for it."""
    return len(password) > MAX_LENGTH * 4


def verify(encoded: str, password: str) -> bool:
    """Whether it is the password; False too for a hash that is malformed."""
    if is_too_long(password):
        return False
    if not encoded.startswith(_ARGON2):  # of the text as it was typed, and as we would have hashed it
        typed = password.encode("utf-8", "surrogatepass")
        return any(foreign_hashes.verify(encoded, each) for each in dict.fromkeys((typed, normalized(password))))
    try:
        return PasswordHasher().verify(encoded, normalized(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def needs_rehash(encoded: str, cost: Cost) -> bool:
    return not encoded.startswith(_ARGON2) or _hasher(cost).check_needs_rehash(encoded)


def missing_work(encoded: str, cost: Cost) -> Cost | None:
    """What a hash at this cost takes beyond what `encoded` took: time grows with memory times passes.

    Another system's hash may take longer than ours, which nothing can hide before its person signs in.
    """
    taken = _work(encoded)
    if not taken:
        return cost
    missing = cost.memory_kib * cost.time - taken
    if missing < _LEAST_MEMORY:
        return None
    memory = min(missing, cost.memory_kib)
    return Cost(memory, round(missing / memory), 1)


def _work(encoded: str) -> int:
    try:
        found = extract_parameters(encoded)
    except InvalidHashError:
        return foreign_hashes.work(encoded)
    return found.memory_cost * found.time_cost


def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(cost.time, cost.memory_kib, cost.parallelism, salt_len=SALT_BYTES, type=Type.ID)
