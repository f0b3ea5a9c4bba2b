"""Password hashes of other systems: each is verified as it is, until its person signs in and it is replaced."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping

import bcrypt

# What a hostile or careless import may make one sign-in cost: about a second, and 64 MiB.
MAX_ITERATIONS = 2_000_000
MAX_BCRYPT_COST = 14
MAX_SCRYPT_MEMORY = 64 * 1024 * 1024
_BCRYPT_BYTES = 72  # the rest was cut off where the hash was made, silently
_DJANGO = re.compile(r"pbkdf2_(sha256|sha1)\$([0-9]{1,8})\$([^$]{1,128})\$([A-Za-z0-9+/]{16,128}={0,2})")
_KEYCLOAK = re.compile(
    r"keycloak:pbkdf2(|-sha256|-sha512)\$([0-9]{1,8})\$([A-Za-z0-9+/]{8,}={0,2})\$([A-Za-z0-9+/]+={0,2})"
)
_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)")
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_SALTED = re.compile(r"\{(SSHA|SSHA256|SSHA512)\}([A-Za-z0-9+/]+={0,2})")
_SALTED_DIGESTS = {"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}


class UnknownHash(Exception):
    """A text that is none of the hashes that are known, or one that costs too much; the text says which."""


def _django(match: re.Match[str], password: bytes) -> bool:
    """Django's `pbkdf2_sha256$iterations$salt$hash`."""
    digest, iterations, salt, hashed = match.groups()
    return _pbkdf2(digest, password, salt.encode(), int(iterations), base64.b64decode(hashed))


def _keycloak(match: re.Match[str], password: bytes) -> bool:
    """What `of_keycloak` makes of Keycloak's credential."""
    digest, iterations, salt, hashed = match.groups()
    name = digest.removeprefix("-") or "sha1"
    return _pbkdf2(name, password, base64.b64decode(salt), int(iterations), base64.b64decode(hashed))


def _pbkdf2(digest: str, password: bytes, salt: bytes, iterations: int, expected: bytes) -> bool:
    made = hashlib.pbkdf2_hmac(digest, password, salt, iterations, len(expected))
    return hmac.compare_digest(made, expected)


def _scrypt(match: re.Match[str], password: bytes) -> bool:
    """Passlib's `$scrypt$ln=16,r=8,p=1$salt$hash`."""
    log_n, r, p = (int(match[index]) for index in (1, 2, 3))
    expected = _unpadded(match[5])
    made = hashlib.scrypt(
        password, salt=_unpadded(match[4]), n=1 << log_n, r=r, p=p, maxmem=2 * MAX_SCRYPT_MEMORY, dklen=len(expected)
    )
    return hmac.compare_digest(made, expected)


def _bcrypt(match: re.Match[str], password: bytes) -> bool:
    hashed = match[0].replace("$2y$", "$2b$", 1)  # PHP's name for the same
    return b"\x00" not in password and bcrypt.checkpw(password[:_BCRYPT_BYTES], hashed.encode())


def _salted(match: re.Match[str], password: bytes) -> bool:
    """LDAP's `{SSHA}`: the digest of password and salt, and the salt behind it (RFC 2307)."""
    name = _SALTED_DIGESTS[match[1]]
    size, raw = hashlib.new(name).digest_size, base64.b64decode(match[2])
    return hmac.compare_digest(hashlib.new(name, password + raw[size:]).digest(), raw[:size])


_SHAPES: Mapping[re.Pattern[str], Callable[[re.Match[str], bytes], bool]] = {
    _BCRYPT: _bcrypt,
    _DJANGO: _django,
    _KEYCLOAK: _keycloak,
    _SCRYPT: _scrypt,
    _SALTED: _salted,
}


def is_foreign(encoded: str) -> bool:
    return _shape(encoded) is not None


def is_cheap(encoded: str) -> bool:
    """Whether verifying it takes next to no time: a refusal then has to take it otherwise."""
    return _SALTED.fullmatch(encoded) is not None


def verify(encoded: str, password: bytes) -> bool:
    """Whether it is the password; False too for what is none of these hashes."""
    found = _shape(encoded)
    if found is None:
        return False
    match, check = found
    try:
        return check(match, password)
    except (ValueError, binascii.Error, MemoryError):
        return False


def check(encoded: str) -> None:
    """A hash that is being brought in. Raises UnknownHash."""
    found = _shape(encoded)
    if found is None:
        message = "it is none of bcrypt, argon2, PBKDF2 as Django or Keycloak writes it, scrypt, or {SSHA}"
        raise UnknownHash(message)
    match = found[0]
    if match.re is _BCRYPT and not 4 <= int(match[1]) <= MAX_BCRYPT_COST:
        message = f"bcrypt's cost must be 4 to {MAX_BCRYPT_COST}"
        raise UnknownHash(message)
    if match.re in (_DJANGO, _KEYCLOAK) and not 1 <= int(match[2]) <= MAX_ITERATIONS:
        message = f"PBKDF2 may have at most {MAX_ITERATIONS} iterations"
        raise UnknownHash(message)
    if match.re is _SCRYPT and not _affordable(match):
        message = "scrypt may take at most 64 MiB, with p at most 4"
        raise UnknownHash(message)
    if match.re is _SALTED and len(base64.b64decode(match[2])) <= hashlib.new(_SALTED_DIGESTS[match[1]]).digest_size:
        message = "there is no salt in it"
        raise UnknownHash(message)


def of_keycloak(credential: str) -> str:
    """The text form of a credential as Keycloak exports it: JSON with `credentialData` and `secretData`.

    Raises UnknownHash.
    """
    try:
        members = json.loads(credential)
        told, secret = json.loads(members["credentialData"]), json.loads(members["secretData"])
        algorithm, iterations = told["algorithm"], int(told["hashIterations"])
        encoded = f"keycloak:{algorithm}${iterations}${secret['salt']}${secret['value']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        message = "it is not a credential as Keycloak exports it"
        raise UnknownHash(message) from None
    check(encoded)
    return encoded


def _affordable(match: re.Match[str]) -> bool:
    log_n, r, p = (int(match[index]) for index in (1, 2, 3))
    return 1 <= log_n <= 20 and r >= 1 and 1 <= p <= 4 and 128 * r << log_n <= MAX_SCRYPT_MEMORY


def _unpadded(text: str) -> bytes:
    """Base64 without padding; passlib writes a dot for a plus."""
    plain = text.replace(".", "+")
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _shape(encoded: str) -> tuple[re.Match[str], Callable[[re.Match[str], bytes], bool]] | None:
    for pattern, check_ in _SHAPES.items():
        match = pattern.fullmatch(encoded)
        if match is not None:
            return match, check_
    return None
