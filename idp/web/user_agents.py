"""Where a browser runs, in a word that a person knows: by what it says of itself, which nothing relies on."""

from starlette.requests import Request

# The first that is found in the header User-Agent counts: each names those after it as well.
_PLATFORMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


def platform(request: Request) -> str:
    """Empty where it says nothing that we know."""
    said = request.headers.get("user-agent", "")
    return next((name for mark, name in _PLATFORMS if mark in said), "")
