"""Password hashes of other systems: each is verified as it is, until its person signs in and it is replaced.

bcrypt    $2b$10$SALT-AND-HASH (also $2a$ and $2y$)
Django    pbkdf2_sha256$ITERATIONS$SALT$HASH (also sha1 and sha512); the salt is text, the hash base64
Keycloak  keycloak:pbkdf2-sha256$ITERATIONS$SALT$HASH (also pbkdf2 and pbkdf2-sha512); both are base64.
`of_keycloak` makes it of the JSON that Keycloak exports
scrypt    $scrypt$ln=16,r=8,p=1$SALT$HASH, as passlib writes it: base64 without padding
LDAP      {SSHA}BASE64 of the digest and the salt behind it (also SSHA256 and SSHA512; RFC 2307)
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt

# What a hostile or careless import may make one sign-in cost: about two seconds, and 64 MiB.
MAX_ITERATIONS = 2_000_000
MAX_BCRYPT_COST = 14
MAX_SCRYPT_MEMORY = 64 * 1024 * 1024
_LEAST_BYTES, _MOST_BYTES = 16, 64  # of a hash: a shorter one is guessed, and each 20 to 64 take all iterations again
_BCRYPT_BYTES = 72  # the rest was cut off where the hash was made, silently
# Measured in CPU time, in the unit of `Foreign.work`.
_BCRYPT_WORK = 125  # times 2 to the power of its cost
_PBKDF2_WORK = {"sha1": 0.5, "sha256": 0.5, "sha512": 1.1}  # an iteration
_SCRYPT_WORK = 4.5  # a KiB
_SALTED = {"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}


class UnknownHash(Exception):
    """A text that is none of the hashes that are known, or one that costs too much; the text says which."""


@dataclass(frozen=True)
class Foreign:
    """A hash that was read; `work` is what one verification takes, as argon2id's KiB times passes."""

    work: int
    matches: Callable[[bytes], bool]


def read(encoded: str) -> Foreign:
    """Raises UnknownHash."""
    for pattern, reader in _READERS.items():
        found = pattern.fullmatch(encoded)
        if found is not None:
            return reader(found)
    message = "it is none of bcrypt, argon2, PBKDF2 as Django or Keycloak writes it, scrypt, and {SSHA}"
    raise UnknownHash(message)


def work(encoded: str) -> int:
    """0 too for what is none of these hashes."""
    try:
        return read(encoded).work
    except UnknownHash:
        return 0


def verify(encoded: str, password: bytes) -> bool:
    """Whether it is the password; False too for what is none of these hashes."""
    try:
        return read(encoded).matches(password)
    except (UnknownHash, ValueError, MemoryError):
        return False


def of_keycloak(credential: str) -> str:
    """The text form of a credential as Keycloak exports it: JSON with `credentialData` and `secretData`.

    Its PBKDF2 becomes ours above, its argon2 the form of argon2's authors, which is not read here. Raises UnknownHash.
    """
    try:
        members = json.loads(credential)
        told, secret = json.loads(members["credentialData"]), json.loads(members["secretData"])
        salt, hashed, iterations = str(secret["salt"]), str(secret["value"]), told["hashIterations"]
        if told["algorithm"] != "argon2":
            return f"keycloak:{told['algorithm']}${iterations}${salt}${hashed}"
        cost = f"m={_only(told, 'memory')},t={iterations},p={_only(told, 'parallelism')}"
        version = {"1.0": 16, "1.3": 19}[_only(told, "version")]
        return f"$argon2{_only(told, 'type')}$v={version}${cost}${salt.rstrip('=')}${hashed.rstrip('=')}"
    except (ValueError, LookupError, TypeError, RecursionError):
        message = "it is not a credential as Keycloak exports it"
        raise UnknownHash(message) from None


def _only(told: Mapping[str, Any], name: str) -> str:
    (value,) = told["additionalParameters"][name]
    return str(value)


def _bcrypt(found: re.Match[str]) -> Foreign:
    cost, encoded = int(found[1]), found[0].replace("$2y$", "$2b$", 1).encode()  # PHP's name for the same
    if not 4 <= cost <= MAX_BCRYPT_COST:
        message = f"bcrypt's cost must be 4 to {MAX_BCRYPT_COST}"
        raise UnknownHash(message)
    return Foreign(
        _BCRYPT_WORK << cost,
        lambda password: b"\x00" not in password and bcrypt.checkpw(password[:_BCRYPT_BYTES], encoded),
    )


def _django(found: re.Match[str]) -> Foreign:
    digest, iterations, salt, hashed = found.groups()
    return _pbkdf2(digest, int(iterations), salt.encode("utf-8", "surrogatepass"), hashed)


def _keycloak(found: re.Match[str]) -> Foreign:
    digest, iterations, salt, hashed = found.groups()
    return _pbkdf2(digest.removeprefix("-") or "sha1", int(iterations), _decoded(salt), hashed)


def _pbkdf2(digest: str, iterations: int, salt: bytes, hashed: str) -> Foreign:
    if not 1 <= iterations <= MAX_ITERATIONS:
        message = f"PBKDF2 may have at most {MAX_ITERATIONS} iterations"
        raise UnknownHash(message)
    expected = _sized(_decoded(hashed))
    blocks = -(-len(expected) // hashlib.new(digest).digest_size)
    return Foreign(
        round(_PBKDF2_WORK[digest] * iterations * blocks),
        lambda password: hmac.compare_digest(
            hashlib.pbkdf2_hmac(digest, password, salt, iterations, len(expected)), expected
        ),
    )


def _scrypt(found: re.Match[str]) -> Foreign:
    log_n, r, p = (int(found[index]) for index in (1, 2, 3))
    if not (1 <= log_n < 16 * r and 1 <= p <= 4 and 128 * r << log_n <= MAX_SCRYPT_MEMORY):  # RFC 7914 section 2
        message = "scrypt may take at most 64 MiB, with p at most 4"
        raise UnknownHash(message)
    salt, expected = _decoded(found[4]), _sized(_decoded(found[5]))
    return Foreign(
        round(_SCRYPT_WORK * (128 * r * p << log_n) / 1024),
        lambda password: hmac.compare_digest(
            hashlib.scrypt(
                password, salt=salt, n=1 << log_n, r=r, p=p, maxmem=2 * MAX_SCRYPT_MEMORY, dklen=len(expected)
            ),
            expected,
        ),
    )


def _salted(found: re.Match[str]) -> Foreign:
    name, raw = _SALTED[found[1]], _decoded(found[2])
    size = hashlib.new(name).digest_size
    expected, salt = raw[:size], raw[size:]
    if not salt:
        message = "there is no salt in it"
        raise UnknownHash(message)
    return Foreign(0, lambda password: hmac.compare_digest(hashlib.new(name, password + salt).digest(), expected))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        message = "a part of it is not base64; perhaps it was cut off"
        raise UnknownHash(message) from None


def _sized(hashed: bytes) -> bytes:
    if not _LEAST_BYTES <= len(hashed) <= _MOST_BYTES:
        message = f"the hash in it must have {_LEAST_BYTES} to {_MOST_BYTES} bytes"
        raise UnknownHash(message)
    return hashed


_BASE64 = "([A-Za-z0-9+/]{1,256}={0,2})"
_READERS: Mapping[re.Pattern[str], Callable[[re.Match[str]], Foreign]] = {
    # The last letters of salt and hash have bits that are always 0.
    re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"): _bcrypt,
    re.compile(r"pbkdf2_(sha256|sha1|sha512)\$([0-9]{1,8})\$([^$]{1,128})\$" + _BASE64): _django,
    re.compile(r"keycloak:pbkdf2(|-sha256|-sha512)\$([0-9]{1,8})\$" + _BASE64 + r"\$" + _BASE64): _keycloak,
    re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$" + _BASE64 + r"\$" + _BASE64): _scrypt,
    re.compile(r"\{(SSHA|SSHA256|SSHA512)\}" + _BASE64): _salted,
}
