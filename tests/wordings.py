"""Every sentence that people may read, as it stands in the code and the templates, and a language made of them."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

ROOT = Path(__file__).parents[1]
KEYWORDS: dict[str, Any] = {"Text": None, "counted": (1, 2), "gettext": None, "ngettext": (1, 2)}
_OPTIONS = {"**": {"newstyle_gettext": "true", "silent": "false"}}
_PART = re.compile(r"(<[^>]+>)")
_OURS = re.compile(r"[^\W\d_]")


@cache
def messages() -> tuple[str | tuple[str, str], ...]:
    """A pair where the sentence counts something."""
    code = extract_from_dir(str(ROOT / "idp"), [("**.py", "python")], keywords=KEYWORDS)
    kinds = [("**.html", "jinja2"), ("**.txt", "jinja2")]
    pages = extract_from_dir(str(ROOT / "templates"), kinds, _OPTIONS, keywords=KEYWORDS)
    return tuple(
        {
            (message if isinstance(message, str) else (message[0], message[1])): 0
            for _, _, message, _, _ in [*code, *pages]
        }
    )


def marked(sentence: str) -> str:
    """In brackets, and longer by two fifths, as other languages are: each part between two tags by itself."""
    return "".join(part if part.startswith("<") else _bracketed(part) for part in _PART.split(sentence))


def _bracketed(part: str) -> str:
    words = re.sub(r"%\(\w+\)s", "", part)
    if not _OURS.search(words):
        return part
    longer = " ".join("long" for _ in range(max(1, len(words) // 12)))
    return f"[{part.strip()} {longer}]".join(re.findall(r"^\s*|\s*$", part)[:2] if part != part.strip() else ("", ""))


def write_pseudo_language(path: Path) -> None:
    catalogue = Catalog(locale=path.stem, fuzzy=False)
    for message in messages():
        catalogue.add(message, marked(message) if isinstance(message, str) else tuple(map(marked, message)))
    with path.open("wb") as file:
        write_po(file, catalogue)
