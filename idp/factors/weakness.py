"""Whether a new password would be guessed soon: by the lists that guessers try first, and by its pattern."""

import re
import unicodedata
from collections.abc import Iterable
from math import prod
from threading import Lock

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS
from zxcvbn.matching import L33T_TABLE

from idp.wording import Text

LEAST_SCORE = 3  # of 4: more than 10^8 guesses
COMMON = Text("That password is one of those that are tried first: take another one.")
EASY = Text("That password is easy to guess: take several words that have nothing to do with each other or with you.")
_LONGEST = 72  # what zxcvbn takes; what comes after it only makes a password stronger
# It looks up every part of a password in every reading of signs as letters ("[", "(", "<" and "{" may each be a "c"):
# seconds for a long one with hundreds of readings. So the more there are, the less of it is looked at.
_READINGS, _SHORTEST = 8, 16
_LEAST_WORD, _LEAST_REST = 3, 8  # characters; different ones of the rest
_COMMON = frozenset(FREQUENCY_LISTS["passwords"])
_zxcvbn = Lock()  # it keeps what is known of the person in a variable of its module


def problem_of(password: str, about: Iterable[str] = ()) -> Text | None:
    """Why nobody should have this password, for its person; None where it may stand.

    `about` is what anybody knows of the person, such as their name and address. Takes up to 100 ms.
    """
    if is_common(password):
        return COMMON
    folded, known = _folded(password), {word for each in about for word in _words(each)}
    return EASY if _is_theirs(folded, known) or _score(folded, known) < LEAST_SCORE else None


def is_common(password: str) -> bool:
    """Whether it is one of the 30,000 that are taken most often, in any case and with spaces round it."""
    return _folded(password).strip() in _COMMON


def _is_theirs(folded: str, known: Iterable[str]) -> bool:
    """Whether little is left without what is known of the person: zxcvbn lets a name pass that has two signs in it."""
    rest = folded
    for word in sorted(known, key=len, reverse=True):
        if len(word) >= _LEAST_WORD:
            rest = rest.replace(word, "")
    return rest != folded and len(set(rest)) < _LEAST_REST


def _score(folded: str, known: Iterable[str]) -> int:
    text = folded[:_LONGEST]
    if not text:
        return 0
    readings = prod(max(1, sum(sign in text for sign in signs)) for signs in L33T_TABLE.values())
    length = max(_SHORTEST, _LONGEST * _READINGS // max(readings, _READINGS))
    with _zxcvbn:
        return int(zxcvbn(text[:length], user_inputs=sorted(known))["score"])


def _words(text: str) -> Iterable[str]:
    """`ana.maria@example.com` with its parts, as its person would type them."""
    folded = _folded(text)
    return (each for each in (folded, *folded.split("@"), *re.split(r"[\W_]+", folded)) if each)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
