"""What a browser is, in words that a person knows: by what it says of itself, which nothing relies on."""

from datetime import datetime

from starlette.requests import Request

from idp.factors import passkey
from idp.web.languages import language_of
from idp.wording import Text

_ON = " on "
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


def passkey_name(request: Request, aaguid: str, now: datetime) -> str:
    """What a passkey that is made in this browser is called, in its person's language."""
    return str(language_of(request).words(passkey.name_of(aaguid, platform(request), now)))


def in_words(device: str) -> Text | str:
    """Of what `device` said once."""
    browser, on, system = device.partition(_ON)
    return Text("%(browser)s on %(system)s", {"browser": browser, "system": system}) if on else device


def device(request: Request) -> str:
    """Such as "Firefox on Windows"; empty where it says nothing that we know."""
    browser, where = _first(request, _BROWSERS), platform(request)
    return f"{browser}{_ON}{where}" if browser and where else browser or where


def platform(request: Request) -> str:
    """Empty where it says nothing that we know."""
    return _first(request, _PLATFORMS)


def _first(request: Request, known: tuple[tuple[str, str], ...]) -> str:
    said = request.headers.get("user-agent", "")
    return next((name for mark, name in known if mark in said), "")
