"""Recovery codes."""

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.factors import recovery

CODES = [recovery.code(bytes([number]) * 10) for number in range(recovery.COUNT)]
STORED = recovery.data(CODES)


def test_a_code_is_eighty_bits_in_letters_that_cannot_be_misread() -> None:
    drawn = {recovery.code(secrets.token_bytes(recovery.CODE_BYTES)) for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", code) for code in drawn)
    assert recovery.code(b"\xff" * 10) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"


def test_none_of_them_is_kept() -> None:
    assert not [code for code in CODES if code in str(STORED) or code.replace("-", "") in str(STORED)]


def test_each_counts_once() -> None:
    stored = STORED
    for left, code in zip(range(9, -1, -1), CODES, strict=True):
        used = recovery.verify(stored, code)
        assert used is not None
        assert recovery.remaining(used) == left
        assert recovery.verify(used, code) is None
        stored = used


@pytest.mark.parametrize(
    "code",
    [CODES[5].lower(), f" {CODES[5]} ", *(CODES[5].replace("-", between) for between in ("", " ", "\u2013", "\u2011"))],
)
def test_it_may_be_typed_in_any_case_with_or_without_dashes(code: str) -> None:
    assert recovery.verify(STORED, code) is not None


def test_letters_that_look_like_digits_are_put_right() -> None:
    stored = recovery.data(["0101-ABCD-0000-1111"])
    assert recovery.verify(stored, "OIOL-abcd-oooo-ilil") is not None


@given(st.text())
def test_nothing_else_is_a_code(typed: str) -> None:
    assert recovery.verify(STORED, typed) is None
