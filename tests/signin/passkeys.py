"""What the tests of passkeys do as a browser does with its script, and as an operator does."""

import json
import re
from html import unescape
from typing import Any

import httpx2

from idp import passkeys
from idp.factors import passkey as rules
from idp.services import Services
from idp.store import users
from tests.authenticators import Device
from tests.oauth.wire import with_services
from tests.provider import EMAIL, Browser, Provider
from tests.signin.reading import page_of, path_of, post, token_of


def given(provider: Provider, device: Device, email: str = EMAIL, **changes: Any) -> dict[str, Any]:
    """Makes a passkey on this device for a person, as their account page would; what is stored of it."""

    async def work(services: Services) -> dict[str, Any]:
        person = await users.find_by_email(services.database, email)
        assert person is not None
        ceremony, known = await passkeys.creation(services.database, services, "session", "browser", person.id)
        options = passkeys.creation_options(services, ceremony, known, (person.email, person.name))
        data = await passkeys.made(services, ceremony, json.dumps(device.create(options)))
        data["name"] = str(rules.name_of(data["aaguid"], "", services.clock()))
        async with services.database.transaction() as transaction:
            assert await users.locked(transaction, person.id)
            assert await passkeys.add(transaction, services, ceremony, data | changes)
        return data

    return with_services(provider, work)


def options_of(browser: Browser) -> dict[str, Any]:
    """What the page asks its browser for, or to make, for which its script asks the server."""
    found = re.search(r'data-options="([^"]+)"', page_of(browser).text)
    told = unescape(found[1]) if found else browser.http.get(f"{path_of(browser)}/new-passkey").text
    options: dict[str, Any] = json.loads(told)
    return options


def send(browser: Browser, credential: dict[str, Any] | str, path: str = "/passkey", **fields: str) -> httpx2.Response:
    """Posts what the browser found, as the script does, and follows to the next page."""
    sent = credential if isinstance(credential, str) else json.dumps(credential)
    browser._follow(post(browser, path_of(browser) + path, csrf=token_of(browser), credential=sent, **fields))
    return page_of(browser)


def use(browser: Browser, device: Device, **changes: Any) -> httpx2.Response:
    """Uses the last passkey of this device on the page."""
    return send(browser, device.get(options_of(browser), **changes))
