"""Where the templates are, and with them the files and languages of the pages."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_BESIDE = _PACKAGE / "_templates"
TEMPLATES = _BESIDE if _BESIDE.is_dir() else _PACKAGE.parent / "templates"
STATIC = TEMPLATES / "static"
LANGUAGES = TEMPLATES / "languages"
