"""How a value that was sent differs from one that was expected, character by character."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_VALUE = 300
_MOST = 8
# What may be something that we or others give out, a code, a secret, a verifier, a token: a long run of letters and
# digits that is not made of words, and neither an id of ours nor a UUID, which many addresses hold.
_SECRET = re.compile(
    r"(?<![\w-])(?![0-9a-f]{32}(?![\w-]))(?![0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-]))"
    r"(?!(?:(?:[a-z]{0,23}[_-])*[a-z]{0,23}|(?:[A-Z]{0,23}[_-])*[A-Z]{0,23})(?![\w-]))[\w-]{24,}",
    re.ASCII,
)
# A word is looked at from its beginning alone: tried from everywhere in it, a long one would take minutes.
_NAMED = re.compile(
    r"(?i)(?<!\w)(?=\w*?(?:pass|token|code)|\w*(?:secret|key|assertion|otp|pin|state|nonce)=)(\w+=)[^&#\s]+"
)
_USERINFO = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True)
class Piece:
    """A place where the two differ; what is shown is readable whatever it is. Either side may be empty."""

    at: int
    received: str
    expected: str


@dataclass(frozen=True)
class Difference:
    """The value received, the expected one that is most like it, a line that marks the first under the value."""

    received: str
    expected: str
    marks: str
    pieces: tuple[Piece, ...]


def harmless(value: str) -> str:
    """A value as it may be kept and shown: cut, and without what looks like a credential."""
    hidden = _USERINFO.sub("//[hidden]@", value)
    hidden = _NAMED.sub(r"\1[hidden]", hidden)
    hidden = _SECRET.sub(lambda found: f"[{len(found[0])} characters]", hidden)
    return hidden if len(hidden) <= MAX_VALUE else f"{hidden[:MAX_VALUE]}…"


def visible(text: str) -> str:
    """Printable ASCII alone: nothing steers a terminal, and nothing looks like what it is not."""
    return "".join(each if " " <= each <= "~" else f"\\u{{{ord(each):x}}}" for each in text)


def between(received: str, candidates: Sequence[str]) -> Difference | None:
    """None where there is nothing to compare with."""
    if not candidates:
        return None
    expected = max(candidates, key=lambda each: SequenceMatcher(None, received, each, autojunk=False).ratio())
    matcher = SequenceMatcher(None, received, expected, autojunk=False)
    changes = [(i, j, k, m) for kind, i, j, k, m in matcher.get_opcodes() if kind != "equal"]
    marks = _marks(received, ((i, j) for i, j, _, _ in changes))
    pieces = tuple(Piece(i + 1, _named(received[i:j]), _named(expected[k:m])) for i, j, k, m in changes[:_MOST])
    return Difference(visible(received), visible(expected), marks, pieces)


def _marks(received: str, spans: Iterable[tuple[int, int]]) -> str:
    """A caret under each character that is changed or too much, and where something is missing."""
    marked = [" " * len(visible(each)) for each in received] + [" "]
    for start, end in spans:
        for index in range(start, max(end, start + 1)):
            marked[index] = "^" * len(marked[index])
    return "".join(marked).rstrip()


def _named(text: str) -> str:
    """Characters that hide are called by their code points."""
    if text.isascii() and text.isprintable():
        return text
    return ", ".join(f"U+{ord(each):04X} {unicodedata.name(each, 'control character')}" for each in text[:4])
