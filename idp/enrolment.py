"""Setting up an authenticator app and recovery codes: what a person is shown, and what is kept of it."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from idp.factors import recovery, totp
from idp.services import Services
from idp.store import credentials
from idp.store.db import Transaction
from idp.store.ids import hash_of


@dataclass(frozen=True)
class Setup:
    """A new secret in base32, and ten recovery codes."""

    secret: str
    recovery_codes: list[str]


def setup(services: Services, name: str) -> Setup:
    """The same for the same `name` at each reload, so that nothing that is abandoned has to be stored."""
    key = services.sealer.subkey("enrolment")

    def derived(what: str, size: int) -> bytes:
        return hmac.digest(key, f"{what}:{name}".encode(), hashlib.sha256)[:size]

    codes = [recovery.code(derived(f"recovery {number}", recovery.CODE_BYTES)) for number in range(recovery.COUNT)]
    return Setup(totp.secret(derived("totp", totp.SECRET_BYTES)), codes)


async def add_authenticator(
    transaction: Transaction, services: Services, user_id: str, secret: str, name: str, code: str, now: datetime
) -> bool:
    """False where `code` is not one that an app with this secret shows now, or the secret is set up already."""
    device = totp.verify(totp.device(secret, name), code, now)
    if device is None:
        return False
    lookup = f"{totp.NAME}:{hash_of(secret)}"
    return await credentials.add(transaction, services.sealer, user_id, totp.NAME, device, now, lookup)


async def replace_recovery_codes(
    transaction: Transaction, services: Services, user_id: str, codes: Sequence[str], now: datetime
) -> None:
    """Those that there were count no more."""
    await credentials.remove(transaction, user_id, recovery.NAME)
    data = recovery.data(list(codes))
    await credentials.add(transaction, services.sealer, user_id, recovery.NAME, data, now)
