"""What people may say of themselves, and what no name may be: it is shown to others, in apps and in mails."""

import re
import unicodedata
from collections.abc import Mapping

from idp.wording import Text

# Neither what an app may take for a fact or for a key (addresses, numbers, a date of birth, preferred_username), nor
# what leads somewhere (picture, website, profile): those an operator asserts.
NAMES = ("name", "given_name", "family_name", "nickname")
OWN_CLAIMS = (*NAMES, "zoneinfo")
MOST = 64
_ADDRESS = re.compile(r"://|\bwww\W|[^\W_][.\u3002][^\W\d_]{2,}", re.IGNORECASE)
_ZONE = re.compile(r"UTC|[A-Za-z]+(?:/[A-Za-z0-9_+-]+){1,2}")
_TOO_LONG = Text("Use at most %(most)s letters, digits and signs, all in one line.", {"most": MOST})
_NO_ADDRESS = Text("This looks like a web address. If it is none, put a space after the dot.")
_NO_ZONE = Text("Write it as Europe/Paris: a continent, a slash and a large city.")


def faults(said: Mapping[str, str]) -> dict[str, Text]:
    """By its claim, what is wrong with what a person says of themselves; an empty value takes a claim back."""
    found = {name: _fault(name, text) for name, text in said.items() if text}
    return {name: fault for name, fault in found.items() if fault is not None}


def _fault(name: str, text: str) -> Text | None:
    if len(text) > MOST or not text.isprintable():
        return _TOO_LONG
    if name == "zoneinfo":
        return None if _ZONE.fullmatch(text) else _NO_ZONE
    return _NO_ADDRESS if _ADDRESS.search(unicodedata.normalize("NFKC", text)) else None
