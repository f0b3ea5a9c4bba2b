"""The overview: with what a person can sign in, and where to change it."""

from datetime import datetime

from starlette.responses import Response

from idp.account.access import Asking
from idp.factors import password, recovery, totp
from idp.store import credentials
from idp.store.credentials import StoredFactor
from idp.web import own


async def overview(asking: Asking) -> Response:
    devices = await _of(asking, totp.NAME)
    passwords = await _of(asking, password.NAME)
    return asking.shown(
        "account/security.html",
        password={"since": _day(passwords[0].updated_at)} if passwords else None,
        password_page=own.PASSWORD,
        devices=[
            {
                "name": device.data["name"],
                "since": _day(device.created_at),
                "locked": totp.is_locked(device.data),
                "remove_action": f"{own.AUTHENTICATOR}/{device.id}/remove",
            }
            for device in devices
        ],
        authenticator_page=own.AUTHENTICATOR,
        remaining=sum(recovery.remaining(codes.data) for codes in await _of(asking, recovery.NAME)),
        recovery_page=own.RECOVERY_CODES,
    )


async def _of(asking: Asking, factor: str) -> list[StoredFactor]:
    return await credentials.of_person(asking.services.database, asking.services.sealer, asking.session.user_id, factor)


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d} (UTC)"
