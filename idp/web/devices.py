"""The devices that a person signed in with, in a sealed cookie: it opens nothing, and strangers cannot lock it out."""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from idp.services import Services
from idp.store.ids import hash_of
from idp.store.seal import SealBroken, from_text, to_text
from idp.store.users import Person
from idp.web import cookies

PURPOSE = "device"
LIFETIME = timedelta(days=180)
MOST = 5  # people who use one browser
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENTRY = struct.Struct(">16sQ")  # whose device it is, and since when, in microseconds since 1970


def known(request: Request, services: Services, browser: str, person: Person | None, now: datetime) -> bool:
    """Whether the person signed in with this browser, not too long ago, and has not disowned it since."""
    since = None if person is None else _people(request, services, browser).get(person.id)
    if person is None or since is None or since < now - LIFETIME:
        return False
    return person.devices_valid_from is None or since >= person.devices_valid_from


def remember(response: Response, request: Request, services: Services, browser: str, user_id: str) -> None:
    """Bound to the cookie of this browser: copied to another one it says nothing."""
    now = services.clock()
    others = {key: since for key, since in _people(request, services, browser).items() if key != user_id}
    newest = sorted(others.items(), key=lambda each: each[1], reverse=True)[: MOST - 1]
    packed = b"".join(_pack(key, since) for key, since in [(user_id, now), *newest])
    value = to_text(services.sealer.seal(packed, PURPOSE, hash_of(browser)))
    cookies.write(response, services.settings, cookies.DEVICE, value, LIFETIME)


def forget(response: Response, services: Services) -> None:
    cookies.clear(response, services.settings, cookies.DEVICE)


def _people(request: Request, services: Services, browser: str) -> Mapping[str, datetime]:
    value = cookies.read(request.headers, services.settings, cookies.DEVICE)
    if value is None:
        return {}
    try:
        packed = services.sealer.unseal(from_text(value), PURPOSE, hash_of(browser))
    except SealBroken:
        return {}
    return {user_id.hex(): _EPOCH + timedelta(microseconds=since) for user_id, since in _ENTRY.iter_unpack(packed)}


def _pack(user_id: str, since: datetime) -> bytes:
    return _ENTRY.pack(bytes.fromhex(user_id), (since - _EPOCH) // timedelta(microseconds=1))
