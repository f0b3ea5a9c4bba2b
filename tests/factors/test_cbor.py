"""CBOR is looked at before it is decoded: nothing but what authenticators write gets to the library."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor

from idp.factors.passkey import cbor

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=300) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-300, 300) | st.text(max_size=9), inner),
    max_leaves=8,
)
SIMPLE = encode_cbor({"fmt": "none", "attStmt": {}, "authData": b"x"})


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(PLAIN)
def test_what_has_no_tag_and_four_levels_at_most_is_let_through(value: Any) -> None:
    if levels(value) <= cbor.MOST_LEVELS:
        cbor.check_item(encode_cbor(value))
        return
    with pytest.raises(ValueError, match="four levels"):
        cbor.check_item(encode_cbor(value))


@given(st.binary(max_size=200))
def test_nothing_but_a_value_error_comes_of_any_bytes(data: bytes) -> None:
    for check in (cbor.check_item, cbor.check_authenticator_data):
        try:
            check(data)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIMPLE + b"\0",
        SIMPLE[:-1],
        b"\xd8\x23\x63a+b",
        b"\x81\xd8\x23\x63a+b",
        b"\xa1\x61a\xc1\x00",
        b"\x9f\x00\xff",
        b"\x5f\x41a\xff",
        b"\xfb" + bytes(8),
        b"\xf9\x00\x00",
        b"\xf7",
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\x81" * 5 + b"\x00",
    ],
    ids=[
        *("nothing", "one byte more", "one byte less", "a regular expression", "one in a list", "a date in a map"),
        *("a list without end", "bytes without end", "a float", "a half float", "undefined"),
        *("a list of 2**64", "2**64 bytes", "five levels"),
    ],
)
def test_wa_11_what_no_authenticator_writes_is_refused_at_once(data: bytes) -> None:
    """The attacker sends CBOR that makes a decoder work, wait or fetch."""
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        cbor.check_item(data)
    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize("flags", [0x40, 0x80, 0xC0])
def test_wa_11_a_tag_is_refused_wherever_it_stands_in_authenticator_data(flags: int) -> None:
    """The attacker puts it in place of the key, or of an extension."""
    key, tag = encode_cbor({1: 2}), b"\xd8\x23\x63a+b"
    head = bytes(32) + bytes([flags]) + bytes(4)
    credential = bytes(16) + (3).to_bytes(2) + b"abc"
    right = head + (credential + key if flags & 0x40 else b"") + (key if flags & 0x80 else b"")
    cbor.check_authenticator_data(right)
    for wrong in (right[: -len(key)] + tag, right + b"\0", right[:-1]):
        with pytest.raises(ValueError, match=r"."):
            cbor.check_authenticator_data(wrong)
