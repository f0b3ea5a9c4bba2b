"""JSON objects that have one meaning to every reader (I-JSON, RFC 7493), with whole numbers only."""

import json
from typing import Any, NoReturn

MAX_DEPTH = 8
MAX_NUMBER = 2**53 - 1  # beyond it readers round differently (RFC 7493 section 2.2)


def object_of(data: bytes) -> dict[str, Any]:
    """Raises ValueError for all else: UTF-16 or a BOM, a name that stands twice, fractions and NaN, depth over 8."""
    text = data.decode("utf-8")
    try:
        found = _DECODER.decode(text)
        depth = _depth(found)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict) or depth > MAX_DEPTH:
        raise ValueError("no object, or nested too deep")
    if "\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair has no UTF-8 (RFC 7493 section 2.1)
    return found


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):  # readers differ on which one counts (RFC 7515 section 4, RFC 7519 section 4)
        raise ValueError("a name stands twice")
    return found


def _whole(digits: str) -> int:
    number = int(digits)  # ValueError beyond 4300 digits
    if abs(number) > MAX_NUMBER:
        raise ValueError("a number is too large")
    return number


def _refuse(number: str) -> NoReturn:
    raise ValueError("a number is not whole")


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_refuse, parse_constant=_refuse)
