"""Hashes that other systems made of passwords."""

import base64
import hashlib
import json

import bcrypt
import pytest
from argon2 import PasswordHasher, Type

from idp.factors import foreign_hashes, password
from idp.factors.foreign_hashes import UnknownHash
from idp.factors.password import Cost, acceptable_hash, missing_work, needs_rehash, verify

RIGHT = "pässword 1234 \U0001f511"
RAW = RIGHT.encode()
COST = Cost(memory_kib=19456, time=2, parallelism=1)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def salted(name: str, digest: str, salt: bytes = b"saltsalt") -> str:
    return f"{{{name}}}{b64(hashlib.new(digest, RAW + salt).digest() + salt)}"


def pbkdf2(digest: str, rounds: int = 1000) -> bytes:
    return hashlib.pbkdf2_hmac(digest, RAW, b"saltsaltsalt", rounds)


KEYCLOAK = json.dumps(
    {
        "type": "password",
        "secretData": json.dumps(
            {"value": b64(pbkdf2("sha256")), "salt": b64(b"saltsaltsalt"), "additionalParameters": {}}
        ),
        "credentialData": json.dumps(
            {"hashIterations": 1000, "algorithm": "pbkdf2-sha256", "additionalParameters": {}}
        ),
    }
)
SCRYPT = hashlib.scrypt(RAW, salt=b"saltsaltsalt", n=1 << 10, r=8, p=1, dklen=32)
MADE = {
    "bcrypt 2b": bcrypt.hashpw(RAW, bcrypt.gensalt(4)).decode(),
    "bcrypt 2a": bcrypt.hashpw(RAW, bcrypt.gensalt(4, prefix=b"2a")).decode(),
    "bcrypt 2y": bcrypt.hashpw(RAW, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    "Django sha256": f"pbkdf2_sha256$1000$saltsaltsalt${b64(pbkdf2('sha256'))}",
    "Django sha1": f"pbkdf2_sha1$1000$saltsaltsalt${b64(pbkdf2('sha1'))}",
    "Keycloak sha256": acceptable_hash(KEYCLOAK),
    "Keycloak sha512": f"keycloak:pbkdf2-sha512$1000${b64(b'saltsaltsalt')}${b64(pbkdf2('sha512'))}",
    "Keycloak sha1": f"keycloak:pbkdf2$1000${b64(b'saltsaltsalt')}${b64(pbkdf2('sha1'))}",
    "scrypt": f"$scrypt$ln=10,r=8,p=1${b64(b'saltsaltsalt')}${b64(SCRYPT).rstrip('=')}",
    "scrypt of passlib": f"$scrypt$ln=10,r=8,p=1${b64(b'saltsaltsalt')}${b64(SCRYPT).rstrip('=').replace('+', '.')}",
    "SSHA": salted("SSHA", "sha1"),
    "SSHA256": salted("SSHA256", "sha256"),
    "SSHA512": salted("SSHA512", "sha512"),
    "argon2i": PasswordHasher(1, 64, 1, type=Type.I).hash(RAW),
    "argon2d": PasswordHasher(1, 64, 1, type=Type.D).hash(RAW),
}
# Published, by others than us.
PUBLISHED = {
    # Django's own tests, django/tests/auth_tests/test_hashers.py: the password is "lètmein"
    "Django": (
        "pbkdf2_sha256$1500000$seasalt$P4UiMPVduVWIL/oS1GzH+IofsccjJNM5hUTikBvi5to=",
        "lètmein",
    ),
    # OpenWall's crypt_blowfish
    "bcrypt": ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    # RFC 7914 section 12
    "scrypt": (
        (
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
            "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
        ),
        "pleaseletmein",
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_pw_01_a_hash_of_another_system_is_verified_and_then_replaced(name: str) -> None:
    """The attacker steals the database and prefers the hashes that came from a weaker system."""
    encoded = MADE[name]
    assert acceptable_hash(encoded) == encoded
    assert verify(encoded, RIGHT)
    assert not verify(encoded, RIGHT + "x")
    assert not verify(encoded, "")
    assert not verify(encoded, "x" * 2000)
    assert needs_rehash(encoded, COST)


@pytest.mark.parametrize("name", PUBLISHED)
def test_hashes_that_others_published_are_verified(name: str) -> None:
    encoded, plain = PUBLISHED[name]
    assert verify(acceptable_hash(encoded), plain)
    assert not verify(encoded, f"{plain}!")


def test_a_person_may_type_composed_letters_apart() -> None:
    encoded = f"pbkdf2_sha256$10$salt${b64(hashlib.pbkdf2_hmac('sha256', 'é'.encode(), b'salt', 10))}"
    assert verify(encoded, "e\u0301")


def test_pw_03_bcrypt_reads_72_bytes_where_it_was_made_and_here_alike() -> None:
    """The attacker hopes that what bcrypt cuts off is cut off after the sign-in as well."""
    encoded = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert verify(encoded, "a" * 72)
    assert verify(encoded, "a" * 73), "so it was where the hash was made; it is replaced by one of all of it"
    assert not verify(encoded, "a" * 71)
    assert not verify(encoded, "a" * 72 + "\x00")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "plain",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "$1$salt$hash",
            "$5$a$b",
        ),
        *("pbkdf2_sha256$3000000$salt$" + "A" * 43 + "=", "pbkdf2_sha256$0$salt$" + "A" * 43 + "="),
        *("$2b$15$" + "a" * 53, "$2b$03$" + "a" * 53, "$2b$31$" + "a" * 53, "$2x$10$" + "a" * 53),
        *(
            "$scrypt$ln=20,r=8,p=1$c2FsdA$aGFzaA",
            "$scrypt$ln=10,r=8,p=99$c2FsdA$aGFzaA",
            "$scrypt$ln=0,r=8,p=1$c2FsdA$aGFzaA",
        ),
        "{SSHA}" + b64(b"x" * 20),
        *(
            "$argon2id$v=19$m=9999999,t=99,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$nonsense",
            "$argon2i$v=19$m=64,t=1,p=64$c2Fs$aGFz",
        ),
        *('{"credentialData": "{}", "secretData": "{}"}', '{"a": 1}', "{" * 100_000 + '"'),
        KEYCLOAK.replace("pbkdf2-sha256", "md5"),
        KEYCLOAK.replace("1000", "99999999"),
    ],
    ids=lambda text: f"{len(text)} {text[:30]}",
)
def test_do_08_a_hash_that_is_unknown_weak_or_costs_too_much_is_not_taken(text: str) -> None:
    """The attacker, or a careless import, brings a hash whose verification takes a minute or all memory."""
    with pytest.raises(UnknownHash):
        acceptable_hash(text)


@pytest.mark.parametrize("name", [*MADE, "broken SSHA", "broken PBKDF2"])
def test_pw_04_whatever_is_typed_against_whatever_is_kept_is_an_answer(name: str) -> None:
    """The attacker types what no keyboard sends, against hashes of every kind."""
    broken = {"broken SSHA": "{SSHA}====", "broken PBKDF2": "pbkdf2_sha256$1$s$" + "=" * 9}
    encoded = MADE.get(name) or broken[name]
    for typed in ("\ud800", "\x00", "a\x00b", "", "\U0001f511" * 40):
        assert verify(encoded, typed) is False


def test_a_cheap_hash_is_refused_as_slowly_as_one_of_ours() -> None:
    assert missing_work(MADE["SSHA"], COST) == COST
    assert missing_work(MADE["bcrypt 2b"], COST) is None
    assert foreign_hashes.is_foreign(MADE["SSHA"])
    assert not foreign_hashes.is_foreign(password.hash_password("x", Cost(8, 1, 1), b"s" * 16))
