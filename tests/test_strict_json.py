import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from idp import base64url, strict_json

WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
OBJECTS = st.dictionaries(
    st.text(), st.one_of(st.none(), st.booleans(), WHOLE, st.text(), st.lists(WHOLE | st.text())), max_size=5
)


@given(OBJECTS, st.booleans())
def test_an_object_is_read_as_every_reader_reads_it(value: dict[str, Any], ascii_only: bool) -> None:
    assert strict_json.object_of(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


AMBIGUOUS = [
    *(b"", b" ", b"[]", b'"a"', b"1", b"null", b"{", b"{}{}", b"{'a':1}", b'{"a":1,}', b"{}//", b"\x00"),
    *(b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"b":{"a":1,"a":2}}', b'{"b":[{"a":1,"a":2}]}'),
    *(b'{"a":1.5}', b'{"a":1e3}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":9007199254740992}'),
    *(b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32-be"), b'{"a":"\xff"}'),
    *(b'{"a":"\\ud800"}', b'{"\\udfff":1}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\n"}', b'{"a":"\x00"}'),
    *(b'{"a":' * 9 + b"1" + b"}" * 9, b'{"a":' + b"[" * 8 + b"]" * 8 + b"}", b"[" * 100_000),
    *(b'{"a":' * depth + b"1" + b"}" * depth for depth in range(100, 1000, 50)),
    *(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"a":' + b"9" * 100_000 + b"}"),
]


def taken(read: Callable[[bytes], object], texts: Iterable[bytes]) -> list[bytes]:
    """Which of them. The others raise ValueError."""
    found = []
    for text in texts:
        with suppress(ValueError):
            read(text)
            found.append(text[:80])
    return found


def test_what_readers_differ_on_is_refused() -> None:
    assert taken(strict_json.object_of, AMBIGUOUS) == []


def test_the_greatest_depth_and_number_are_accepted() -> None:
    assert strict_json.object_of(b'{"a":' * 8 + b"1" + b"}" * 8)
    assert strict_json.object_of(b'{"a":9007199254740991,"b":"\\ud83d\\ude00"}') == {"a": 2**53 - 1, "b": "\U0001f600"}


@given(st.binary())
def test_bytes_have_one_spelling(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


def test_another_spelling_is_refused() -> None:
    texts = (b"AQ==", b"AR", b"AQA=", b"AQB", b"A", b"AQ ", b"A Q", b"AQ\n", b"+/+/", b"=", b".", "é".encode())
    assert taken(base64url.decode, texts) == []
