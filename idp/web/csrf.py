"""A form's token: bound to what it acts on and to the browser's cookie, because before sign-in there is no session."""

import base64
import hashlib
import hmac

from starlette.requests import Request

from idp.protocol.params import Params
from idp.services import Services
from idp.web import forms


class Forged(Exception):
    """A post that did not come from a page of ours in this browser."""


def token(services: Services, subject: str, browser: str, person: str = "") -> str:
    """`subject` is the attempt or session that the form acts on; `person` whom the page was shown to."""
    key = services.sealer.subkey("csrf")
    digest = hmac.digest(key, f"{subject}\x1f{browser}\x1f{person}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def check_origin(request: Request, services: Services) -> None:
    origin = request.headers.get("origin")
    if origin is not None and origin != services.settings.issuer:
        message = "the Origin header is not ours"
        raise Forged(message)


def check(request: Request, services: Services, sent: str | None, expected: str) -> None:
    """Raises Forged. A missing Origin is judged by the token; `null` and any foreign one are refused."""
    check_origin(request, services)
    if sent is None or not hmac.compare_digest(sent.encode("utf-8", "replace"), expected.encode()):
        message = "the form's token is missing or belongs to another page"
        raise Forged(message)


async def read_form(request: Request, services: Services, expected: str | None) -> Params:
    """The form of who is signed in. Raises Forged or InvalidRequest.

    None is for nobody: there is no token then, and still nothing is done for another site, which brings no cookie.
    """
    check_origin(request, services)
    if expected is None:
        return Params({})
    form = await forms.read(request)
    form.refuse_repeated()
    check(request, services, form.get("csrf"), expected)
    return form
