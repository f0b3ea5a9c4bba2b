"""Who signed in with this browser last, and how: cookies that open nothing, and of which the database knows nothing."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from idp.factors import message, passkey
from idp.services import Services
from idp.store import users
from idp.store.ids import hash_of
from idp.store.seal import SealBroken, from_text, to_text
from idp.store.users import Person
from idp.web import cookies

PURPOSE = "remembered"
_PASSKEYS = (passkey.SYNCED, passkey.BOUND)


def remember(response: Response, services: Services, browser: str, user_id: str) -> None:
    """Bound to the cookie of this browser: copied to another one it says nothing."""
    sealed = services.sealer.seal(user_id.encode(), PURPOSE, hash_of(browser))
    cookies.write(response, services.settings, cookies.ACCOUNT, to_text(sealed), cookies.BROWSER_LIFETIME)


def remember_method(response: Response, services: Services, amr: Sequence[str]) -> None:
    """What came first, by its name in `amr`."""
    cookies.write(response, services.settings, cookies.METHOD, amr[0], cookies.BROWSER_LIFETIME)


def by_passkey(request: Request, services: Services) -> bool:
    return cookies.read(request.headers, services.settings, cookies.METHOD) in _PASSKEYS


def by_mail(request: Request, services: Services) -> bool:
    return cookies.read(request.headers, services.settings, cookies.METHOD) == message.AMR


def forget(response: Response, services: Services) -> None:
    cookies.clear(response, services.settings, cookies.ACCOUNT)


async def find(request: Request, services: Services, browser: str) -> Person | None:
    value = cookies.read(request.headers, services.settings, cookies.ACCOUNT)
    if value is None:
        return None
    try:
        user_id = services.sealer.unseal(from_text(value), PURPOSE, hash_of(browser)).decode()
    except SealBroken:
        return None
    return await users.find(services.database, user_id)
