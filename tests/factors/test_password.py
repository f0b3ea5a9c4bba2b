import base64
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp.factors.password import (
    MAX_LENGTH,
    MIN_LENGTH,
    Cost,
    UnacceptablePassword,
    check_new,
    hash_password,
    missing_work,
    needs_rehash,
    normalized,
    verify,
)

SALT = b"somesalt" * 2
CHEAP = Cost(memory_kib=8, time=1, parallelism=1)
DEFAULT = Cost(memory_kib=19456, time=2, parallelism=1)
SLOW_ENOUGH_TO_MEASURE = Cost(memory_kib=8192, time=1, parallelism=1)
RIGHT = "correct horse battery staple"
HASH = hash_password(RIGHT, CHEAP, SALT)


@pytest.mark.parametrize(
    "encoded",
    [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ],
    ids=["one lane", "two lanes"],
)
def test_pw_01_the_hashes_of_argon2s_reference_implementation_verify(encoded: str) -> None:
    """Its `test.c`, version 1.3; the first it makes of `password` and `somesalt` is also what we make."""
    assert verify(encoded, "password")
    assert not verify(encoded, "Password")


def test_pw_01_we_make_the_hash_of_argon2s_reference_implementation() -> None:
    """Whoever steals the database guesses passwords: what is stored is argon2id as its authors make it."""
    made = hash_password("password", Cost(memory_kib=256, time=2, parallelism=1), b"somesalt")
    assert made == "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"


@pytest.mark.parametrize("cost", [CHEAP, DEFAULT, Cost(64, 3, 2)], ids=str)
def test_pw_01_a_hash_says_how_it_was_made(cost: Cost) -> None:
    """Whoever steals the database looks for hashes that cost less than the operator set."""
    kind, version, parameters, salt, digest = hash_password(RIGHT, cost, SALT).split("$")[1:]
    assert (kind, version) == ("argon2id", "v=19")
    assert parameters == f"m={cost.memory_kib},t={cost.time},p={cost.parallelism}"
    assert base64.b64decode(salt + "==") == SALT
    assert len(base64.b64decode(digest + "=")) == 32


def test_pw_01_another_salt_gives_another_hash_of_the_same_password() -> None:
    """Whoever steals the database looks for people with the same password, to guess all of them at once."""
    other = hash_password(RIGHT, CHEAP, SALT[::-1])
    assert other.rsplit("$", 1)[1] != HASH.rsplit("$", 1)[1]
    assert verify(other, RIGHT)


@pytest.mark.parametrize(
    ("now", "outdated"),
    [
        (CHEAP, False),
        (Cost(16, 1, 1), True),
        (Cost(8, 2, 1), True),
        (Cost(16, 1, 2), True),
        (DEFAULT, True),
    ],
    ids=str,
)
def test_pw_01_a_hash_of_other_parameters_is_outdated_and_still_verifies(now: Cost, outdated: bool) -> None:
    """Whoever steals the database looks for hashes that are still as cheap to guess as they were years ago."""
    assert needs_rehash(HASH, now) is outdated
    assert verify(HASH, RIGHT)


def test_pw_01_a_stronger_hash_is_outdated_too_when_the_operator_lowers_the_cost() -> None:
    """The attacker sends passwords to a server that the old cost of its hashes would overload."""
    assert needs_rehash(hash_password(RIGHT, Cost(16, 2, 1), SALT), CHEAP)


@pytest.mark.parametrize(
    "encoded",
    [
        *("", "x", "$", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$", HASH[:-1], HASH[:-10], HASH + "A", HASH + "$"),
        *(HASH.replace("argon2id", "argon2"), HASH.replace("argon2id", "argon2i"), HASH.replace("m=8", "m=0")),
        *(HASH.replace("m=8", "m=4294967295"), HASH.replace("t=1", "t=0"), HASH.replace("v=19", "v=99"), HASH[1:]),
        *(f"\x00{HASH}", f"é{HASH}", f"{HASH}é", f"{HASH[:-1]}\ud800", "$2b$12$" + "a" * 53, RIGHT),
    ],
    ids=ascii,
)
def test_pw_04_a_hash_that_is_malformed_verifies_nothing_and_breaks_nothing(encoded: str) -> None:
    """The attacker wrote a hash to the database that a parser reads past its end, or that would cost gigabytes."""
    assert verify(encoded, RIGHT) is False


@pytest.mark.parametrize(
    "wrong",
    [
        *(f"{RIGHT} ", f" {RIGHT}", f"{RIGHT}\n", RIGHT.upper(), RIGHT.capitalize(), RIGHT[:-1], RIGHT + "e", ""),
        *(f"{RIGHT}\x00", f"{RIGHT}\x00x", RIGHT.replace(" ", ""), RIGHT.replace(" ", "  "), RIGHT.replace("o", "0")),
    ],
    ids=ascii,
)
def test_pw_03_every_character_counts_and_nothing_is_trimmed(wrong: str) -> None:
    """The attacker knows a password but for its case, a space, a line break or its last letter."""
    assert verify(HASH, RIGHT)
    assert not verify(HASH, wrong)


def test_pw_03_what_stands_after_a_nul_counts() -> None:
    """A C string ends there: every password with the same beginning would open."""
    encoded = hash_password("correct\x00horse", CHEAP, SALT)
    assert verify(encoded, "correct\x00horse")
    assert not verify(encoded, "correct\x00mouse")
    assert not verify(encoded, "correct")


@pytest.mark.parametrize("length", [72, 73, 128, MAX_LENGTH])
def test_pw_03_the_last_character_of_a_long_password_counts(length: int) -> None:
    """A bcrypt reads 72 bytes and forgets the rest."""
    encoded = hash_password("a" * length, CHEAP, SALT)
    assert verify(encoded, "a" * length)
    assert not verify(encoded, "a" * (length - 1) + "b")
    assert not verify(encoded, "a" * (length - 1))
    assert not verify(encoded, "a" * (length + 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë Schröder", unicodedata.normalize("NFD", "Zoë Schröder")),
        ("Ångström unit", "A\u030angstro\u0308m unit"),  # the letter and its parts
        ("ｐａｓｓｗｏｒｄ１２３４", "password1234"),  # full-width
        ("ﬁrewall ﬂuid", "firewall fluid"),
        ("20\u00a0Euro fuffzig", "20 Euro fuffzig"),
    ],
    ids=["NFD", "combining", "full-width", "ligatures", "no-break space"],
)
def test_pw_03_two_ways_of_writing_the_same_text_are_one_password(one: str, other: str) -> None:
    """NFKC: keyboards and systems write the same letter in different ways."""
    assert one != other
    assert verify(hash_password(one, CHEAP, SALT), other)
    assert verify(hash_password(other, CHEAP, SALT), one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pässword", "password"),
        ("straße", "strasse"),
        ("Kelvin", "kelvin"),
        ("\u0131I", "iI"),
        ("p\u0430ypal", "paypal"),
        ("e\u200be", "ee"),
    ],
    ids=["accent", "sharp s", "case", "dotless i", "Cyrillic", "zero width"],
)
def test_pw_03_what_only_looks_alike_is_not_the_same_password(one: str, other: str) -> None:
    """The attacker types a password that looks like the right one, or that is it without its accents."""
    assert not verify(hash_password(one, CHEAP, SALT), other)


@pytest.mark.parametrize(
    "password",
    ["\ud800", "a\udfffb", "\udc80" * 12, "𝄞𝄢🐎🔋", "\u202eabc\u202c", "\x00", "\ufffe", "e" + "\u0301" * 200],
    ids=ascii,
)
def test_pw_04_any_text_is_a_password(password: str) -> None:
    """argon2-cffi encodes strictly: a lone surrogate would be an error page."""
    encoded = hash_password(password, CHEAP, SALT)
    assert verify(encoded, password)
    assert not verify(encoded, password + "x")
    assert not verify(HASH, password)


@given(st.text(st.characters(), max_size=40))
@example("\ud800")
@example("\ufdfa" * MAX_LENGTH)
def test_pw_04_every_text_verifies_against_its_own_hash(password: str) -> None:
    """The attacker sends text that no keyboard makes, for the hash to fail with an error page."""
    assert verify(hash_password(password, CHEAP, SALT), password)


@given(st.text(max_size=40), st.text(max_size=40))
def test_pw_03_two_texts_are_one_password_only_if_unicode_says_they_are(one: str, other: str) -> None:
    """The attacker looks for another text that is taken for the right password."""
    same = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    assert (normalized(one) == normalized(other)) is same


def test_a_lone_surrogate_is_no_other_character() -> None:
    assert len({normalized(text) for text in ("\ud800", "\ud801", "\ufffd", "?", "")}) == 5


@pytest.mark.parametrize("length", [MAX_LENGTH * 4 + 1, 10_000_000])
def test_do_06_a_password_longer_than_any_that_can_be_set_is_wrong_at_once(length: int) -> None:
    """The attacker sends passwords of megabytes, which grow when they are normalized, to keep the server busy."""
    began = time.thread_time()
    assert not verify(HASH, "\ufdfa" * length)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize(
    "password",
    ["a" * MIN_LENGTH, "a" * MAX_LENGTH, " " * MIN_LENGTH, "1" * MIN_LENGTH, "Ä" * MIN_LENGTH, "🐎" * MIN_LENGTH],
)
def test_a_new_password_needs_a_length_and_nothing_else(password: str) -> None:
    """NIST SP 800-63B section 3.1.1.2: rules about its composition make passwords worse."""
    check_new(password)


@pytest.mark.parametrize(
    "password",
    ["", "a", "a" * (MIN_LENGTH - 1), "a\u0308" * (MIN_LENGTH - 1), "🐎" * (MIN_LENGTH - 1), "\ufdfa"],
    ids=ascii,
)
def test_a_new_password_that_is_too_short_is_refused(password: str) -> None:
    """Characters are counted as they are hashed and as they are typed: a letter with its accent is one.

    The Arabic sign of the last one is 18 letters once it is normalized.
    """
    with pytest.raises(UnacceptablePassword, match=f"at least {MIN_LENGTH} characters"):
        check_new(password)


def test_a_new_password_that_is_too_long_is_refused_and_not_cut() -> None:
    with pytest.raises(UnacceptablePassword, match=f"at most {MAX_LENGTH} characters"):
        check_new("a" * (MAX_LENGTH + 1))


def test_the_operator_may_ask_for_a_longer_one() -> None:
    check_new("a" * 15, 15)
    with pytest.raises(UnacceptablePassword, match="at least 15 characters"):
        check_new("a" * 14, 15)


def test_a_password_that_may_be_set_may_always_be_entered_again_however_it_is_written() -> None:
    longest = "ΐ" * MAX_LENGTH  # which is three characters in NFD
    check_new(longest)
    encoded = hash_password(longest, CHEAP, SALT)
    assert verify(encoded, unicodedata.normalize("NFD", longest))


def test_pw_13_a_wrong_password_costs_what_the_right_one_does() -> None:
    """An early exit tells how much of a guess is right. CPU time of this thread, the least of several rounds."""
    encoded = hash_password(RIGHT, SLOW_ENOUGH_TO_MEASURE, SALT)
    guesses = {
        "right": RIGHT,
        "first letter": "X" + RIGHT[1:],
        "last letter": RIGHT[:-1] + "X",
        "none": "",
        "long": "a" * 256,
    }
    least = dict.fromkeys(guesses, float("inf"))
    for _ in range(7):
        for name, guess in guesses.items():
            began = time.thread_time()
            verify(encoded, guess)
            least[name] = min(least[name], time.thread_time() - began)
    assert min(least.values()) > 0.5 * max(least.values()), least


@pytest.mark.parametrize("cost", [Cost(65536, 10, 1), Cost(1048576, 20, 16), Cost(19456, 3, 1), Cost(20000, 2, 1)])
def test_pw_12_making_up_for_a_cheaper_hash_takes_no_more_memory_than_a_hash(cost: Cost) -> None:
    """The attacker tries the passwords of people whose hashes are old, to exhaust the memory."""
    encoded = hash_password("correct horse battery", Cost(19456, 2, 1), b"s" * 16)
    missing = missing_work(encoded, cost)
    assert missing is not None
    assert missing.memory_kib <= cost.memory_kib
    wanted = cost.memory_kib * cost.time - 19456 * 2
    assert abs(missing.memory_kib * missing.time - wanted) <= missing.memory_kib / 2


def test_en_01_nothing_is_missing_where_the_hash_is_as_costly_and_all_where_it_is_none() -> None:
    """The attacker tells by the time who has an old hash, or one that is broken."""
    cost = Cost(8192, 1, 1)
    assert missing_work(hash_password("correct horse battery", cost, b"s" * 16), cost) is None
    assert missing_work("nonsense", cost) == cost
