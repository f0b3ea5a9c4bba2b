"""Our cookies: their names, their attributes, and reading them strictly."""

from datetime import timedelta
from typing import Literal

from starlette.datastructures import Headers
from starlette.responses import Response

from idp.settings import Settings

BROWSER = "browser"
SESSION = "session"
STRICT = "strict"  # a twin of the session that no other site's link or form brings
ACCOUNT = "account"
OFFERED = "offered"
METHOD = "method"  # how somebody signed in here last; it names nobody
DEVICE = "device"
LANGUAGE = "language"  # that somebody chose here, and when
LINK = "link"  # of a mail, on its way from the address to the page
BROWSER_LIFETIME = timedelta(days=400)  # the longest that browsers keep a cookie
_MAX_VALUE = 256


def name(settings: Settings, purpose: str) -> str:
    """`__Host-` keeps other hosts from setting it; on loopback http, without Secure, the port keeps servers apart."""
    return f"__Host-idp_{purpose}" if settings.secure else f"idp_{purpose}_{settings.issuer_port}"


def read(headers: Headers, settings: Settings, purpose: str) -> str | None:
    """The cookie's value. One that came twice, or that we cannot have set, counts as absent."""
    wanted = name(settings, purpose)
    found = [
        value
        for header in headers.getlist("cookie")
        for part in header.split(";")
        for key, equals, value in [part.lstrip(" \t").partition("=")]
        if equals and key == wanted
    ]
    if len(found) != 1 or not found[0] or len(found[0]) > _MAX_VALUE or not found[0].isascii():
        return None
    return found[0]


def write(response: Response, settings: Settings, purpose: str, value: str, lifetime: timedelta | None = None) -> None:
    age = "" if lifetime is None else f"; Max-Age={int(lifetime.total_seconds())}"
    secure = "; Secure" if settings.secure else ""
    response.headers.append(
        "set-cookie",
        f"{name(settings, purpose)}={value}; HttpOnly{age}; Path=/; SameSite={_same_site(purpose)}{secure}",
    )


def clear(response: Response, settings: Settings, purpose: str) -> None:
    response.delete_cookie(
        name(settings, purpose), path="/", secure=settings.secure, httponly=True, samesite=_same_site(purpose)
    )


def _same_site(purpose: str) -> Literal["strict", "lax"]:
    return "strict" if purpose == STRICT else "lax"
