"""JSON where it is written for every request: several times faster than the standard library, the same text."""

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(enc_hook=str).encode
decode = msgspec.json.Decoder().decode


def encode(value: Any) -> bytes:
    """UTF-8 without spaces. What is no JSON is written as its `str`, and lone surrogates are escaped."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=str).encode()
