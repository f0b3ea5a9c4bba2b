import time
from random import Random
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.difference import MAX_VALUE, Piece, between, harmless, visible

REGISTERED = "https://app.example.com/cb"


@pytest.mark.parametrize(
    ("received", "marks", "pieces"),
    [
        ("https://app.example.com/cb/", " " * 26 + "^", [Piece(27, "/", "")]),
        ("http://app.example.com/cb", " " * 4 + "^", [Piece(5, "", "s")]),
        ("https://app.example.com/CB", " " * 24 + "^^", [Piece(25, "CB", "cb")]),
        ("https://app.example.com:8443/cb", " " * 23 + "^" * 5, [Piece(24, ":8443", "")]),
        (
            "https://\u0430pp.example.com/cb",
            " " * 8 + "^" * len("\\u{430}"),
            [Piece(9, "U+0430 CYRILLIC SMALL LETTER A", "a")],
        ),
        ("https://app.example.com/cb\u200b", " " * 26 + "^" * 8, [Piece(27, "U+200B ZERO WIDTH SPACE", "")]),
    ],
)
def test_the_difference_is_marked_character_by_character(received: str, marks: str, pieces: list[Piece]) -> None:
    found = between(received, [REGISTERED])
    assert found is not None
    assert (found.marks, list(found.pieces)) == (marks, pieces)
    assert found.received.isascii()


def test_it_is_compared_with_what_is_most_like_it() -> None:
    found = between(
        "https://app.example.com/callback/", ["https://other.example.com/", "https://app.example.com/callback"]
    )
    assert found is not None
    assert found.expected == "https://app.example.com/callback"


def test_without_anything_expected_there_is_no_difference() -> None:
    assert between("x", []) is None


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=3))
def test_whatever_differs_is_shown_in_printable_ascii(received: str, candidates: list[str]) -> None:
    found = between(received, candidates)
    if found is not None:
        shown = [found.received, found.expected, found.marks, *(each.received + each.expected for each in found.pieces)]
        assert all(each.isascii() and (each.isprintable() or not each) for each in shown)
        assert len(found.marks) <= len(found.received) + 1
        assert (not found.pieces) == (received == max(candidates, key=lambda each: each == received))


SECRETS = [
    "Zx9kQ2mN8vB4tR7wY1uP5sD3fG6hJ0aLcEiOoUuTt-_",  # a code, a secret, a verifier
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmExMiJ9Xx.c2lnbmF0dXJlU2lnbmF0dXJl12",
    "0190a5b0c0de7000800000000000abcd.3.Zx9kQ2mN8vB4tR7wY1uP5sD3fG6hJ0aLcEiOoUuTt-_",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "https://app.example.com/cb?x={}", "openid {} profile", "https://a/{}/b"])
def test_what_has_the_shape_of_a_credential_is_never_kept(secret: str, around: str) -> None:
    kept = harmless(around.format(secret))
    assert not [part for part in secret.split(".") if len(part) > 24 and not part.islower() and part in kept]
    assert "characters]" in kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://app/cb?password=hunter2&x=1", "https://app/cb?password=[hidden]&x=1"),
        ("https://app/cb?access_token=abc&CODE=1", "https://app/cb?access_token=[hidden]&CODE=[hidden]"),
        (
            "redirect_uri=https://app/cb?code=1&apiKey=2&keys=3",
            "redirect_uri=https://app/cb?code=[hidden]&apiKey=[hidden]&keys=3",
        ),
        ("https://ana:hunter2@app/cb", "https://[hidden]@app/cb"),
        (REGISTERED, REGISTERED),
        ("openid profile reports.read", "openid profile reports.read"),
        ("0190a5b0c0de7000800000000000abcd", "0190a5b0c0de7000800000000000abcd"),  # a client's id is no secret
    ],
)
def test_what_is_called_a_credential_is_never_kept_and_the_rest_is(value: str, kept: str) -> None:
    assert harmless(value) == kept


def test_a_value_is_cut() -> None:
    assert harmless("x " * 1000) == ("x " * 1000)[:MAX_VALUE] + "…"


@pytest.mark.parametrize("again", ["token", "pass", "code", "key", "a_", "A_", "a", "-", "//", "a=", "é"])
def test_do_07_what_is_sixty_kilobytes_long_is_searched_at_once(again: str) -> None:
    """The attacker sends a value that an expression tries in billions of ways, while everybody else waits."""
    for end in ("", "A", "!", "="):
        began = time.process_time()
        harmless(again * (60_000 // len(again)) + end)
        assert time.process_time() - began < 1


def test_nothing_steers_a_terminal() -> None:
    assert visible("a\x1b[2Jb\u202ec\r\n") == "a\\u{1b}[2Jb\\u{202e}c\\u{d}\\u{a}"


@pytest.mark.parametrize(
    "around", ["{}", "https://app/cb/{}", "\u00e9{}\u00e9", "a={}&b", "01a219d4f6fa7e7792808d85d7d4a365.3.{}", "({})"]
)
@pytest.mark.parametrize(
    "alphabet", ["0123456789abcdef", "abcdefghijklmnopqrstuvwxyz234567", ascii_letters, ascii_letters + digits + "_-"]
)
def test_lg_02_a_credential_of_any_alphabet_is_kept_nowhere(around: str, alphabet: str) -> None:
    """An app sends a secret where something else belongs, and somebody reads the story of its refusal."""
    dice = Random(7)  # noqa: S311  # the same credentials in each run
    for _ in range(2000):
        secret = "".join(dice.choices(alphabet, k=43))
        assert secret not in harmless(around.format(secret))


@pytest.mark.parametrize(
    "value",
    [
        "https://app.example.com/a-rather-long-callback-path-without-a-digit",
        "https://app.example.com/cb/550e8400-e29b-41d4-a716-446655440000",
        "01a219d4f6fa7e7792808d85d7d4a365",
    ],
)
def test_words_and_ids_are_kept_as_they_are(value: str) -> None:
    assert harmless(value) == value
