"""What a browser is, in words that a person knows: by what it says of itself, which nothing relies on."""

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
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)


def device(request: Request) -> str:
    """Such as "Firefox on Windows"; empty where it says nothing that we know."""
    browser, where = _first(request, _BROWSERS), platform(request)
    return f"{browser} on {where}" if browser and where else browser or where


def platform(request: Request) -> str:
    """Empty where it says nothing that we know."""
    return _first(request, _PLATFORMS)


def _first(request: Request, known: tuple[tuple[str, str], ...]) -> str:
    said = request.headers.get("user-agent", "")
    return next((name for mark, name in known if mark in said), "")
