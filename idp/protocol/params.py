"""Parameters of a request, read once and strictly: UTF-8, no control characters, nothing twice, empty is absent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

from idp.protocol.errors import InvalidRequest

MAX_FIELDS = 100
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Params:
    """The parameters of one request. A name that came more than once stands in `repeated` and has its first value."""

    values: Mapping[str, str]
    repeated: frozenset[str] = field(default=frozenset())

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def require(self, name: str) -> str:
        """The value of `name`; InvalidRequest where it is absent or empty."""
        value = self.values.get(name)
        if value is None:
            raise InvalidRequest(f"The parameter {name} is missing.")
        return value

    def refuse_repeated(self) -> None:
        """OAuth 2.1 section 3.1: parameters must not be included more than once."""
        if self.repeated:
            names = ", ".join(sorted(self.repeated))
            raise InvalidRequest("A parameter was sent more than once.", f"sent more than once: {names[:300]}")


def parse(encoded: str | bytes) -> Params:
    """Reads `application/x-www-form-urlencoded` text, a query or a body.

    Raises InvalidRequest for more than 100 fields, bytes that are not UTF-8, and control characters.
    """
    try:
        text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
        fields = text.split("&", MAX_FIELDS)
        if len(fields) > MAX_FIELDS:
            raise InvalidRequest("There are too many parameters.")
        split = (field.partition("=") for field in fields if field)
        return from_pairs([(_decoded(name), _decoded(value)) for name, _, value in split])
    except UnicodeDecodeError:
        raise InvalidRequest("The parameters are not valid UTF-8.") from None


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text


def from_pairs(pairs: list[tuple[str, str]]) -> Params:
    values: dict[str, str] = {}
    seen: set[str] = set()
    repeated: set[str] = set()
    for name, value in pairs:
        if _FORBIDDEN.search(name) or _FORBIDDEN.search(value):
            raise InvalidRequest("A parameter holds a control character.")
        if name in seen:
            repeated.add(name)
            continue
        seen.add(name)
        if value:
            values[name] = value
    return Params(MappingProxyType(values), frozenset(repeated))
