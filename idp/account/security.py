"""The overview: with what a person can sign in, and where to change it."""

import json
from datetime import date, datetime

from starlette.responses import Response

from idp import passkeys
from idp.account.access import Asking
from idp.factors import passkey, password, recovery, totp
from idp.store import credentials, users
from idp.store.credentials import StoredFactor
from idp.web import own


async def overview(asking: Asking) -> Response:
    devices = await _of(asking, totp.NAME)
    passwords = await _of(asking, password.NAME)
    keys = await _of(asking, passkey.NAME)
    person = await users.find(asking.services.database, asking.session.user_id)
    unconfirmed = person is not None and person.email_verified_at is None
    return asking.shown(
        "account/security.html",
        passkeys=[
            {
                "name": key.data["name"],
                "since": _day(key.created_at),
                "used": _day(passkey.last_used(key.data)),
                "synced": key.data["backed_up"],
                "rename_action": f"{own.PASSKEY}/{key.id}/rename",
                "remove_action": f"{own.PASSKEY}/{key.id}/remove",
            }
            for key in keys
        ],
        email_page=own.EMAIL,
        passkey_page=own.PASSKEY,
        signals=await signals(asking),
        password={"since": _day(passwords[0].updated_at)} if passwords else None,
        password_page=own.PASSWORD,
        devices=[
            {
                "name": device.data["name"],
                "since": _day(device.created_at),
                "remove_action": f"{own.AUTHENTICATOR}/{device.id}/remove",
            }
            for device in devices
        ],
        authenticator_page=own.AUTHENTICATOR,
        remaining=sum(recovery.remaining(codes.data) for codes in await _of(asking, recovery.NAME)),
        recovery_page=own.RECOVERY_CODES,
        address_page=own.ADDRESS if unconfirmed and asking.services.settings.smtp_url else None,
    )


async def signals(asking: Asking) -> str | None:
    """What the browser is told of the person's passkeys, so that it offers no others and calls them by their name."""
    keys = [key.data for key in await _of(asking, passkey.NAME)]
    handle = keys[0]["user_handle"] if keys else (asking.told or {}).get("gone")
    if not handle:
        return None
    told = {
        "rpId": passkeys.rp_id(asking.services.settings),
        "userId": handle,
        "allAcceptedCredentialIds": [key["credential_id"] for key in keys],
        "name": asking.session.email,
        "displayName": asking.session.name,
    }
    return json.dumps(told, separators=(",", ":"))


async def _of(asking: Asking, factor: str) -> list[StoredFactor]:
    return await credentials.of_person(asking.services.database, asking.services.sealer, asking.session.user_id, factor)


def _day(at: datetime | None) -> date | None:
    """In UTC."""
    return None if at is None else at.date()
