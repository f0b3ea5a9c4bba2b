"""Whether a new password would be guessed soon: by the lists that guessers try first, and by its pattern."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

LEAST_SCORE = 3  # of 4: more than 10^8 guesses
_LONGEST = 72  # what zxcvbn takes; what comes after it only makes a password stronger
_COMMON = "it is one of those that are tried first; take another"
_EASY = "it is easy to guess; take several words that have nothing to do with each other or with you"


def problem_of(password: str, about: Iterable[str] = ()) -> str | None:
    """Why nobody should have this password, as the end of a sentence; None where it may stand.

    `about` is what anybody knows of the person, such as their name and address. Takes up to 60 ms.
    """
    folded = unicodedata.normalize("NFKC", password).casefold()
    if folded.strip() in _common():
        return _COMMON
    known = [word for each in about for word in (each, *each.replace("@", " ").split())]
    found = zxcvbn(folded[:_LONGEST], user_inputs=known)
    return _EASY if found["score"] < LEAST_SCORE else None


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])
