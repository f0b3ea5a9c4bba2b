"""The ways in which somebody can prove a second factor, the one that they used last first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idp.factors import message, passkey, recovery, totp
from idp.wording import Text


@dataclass(frozen=True)
class Way:
    """One of them, as the page calls it; `field` is where its errors are told, and `last_used` seconds since 1970."""

    name: str
    title: Text
    field: str
    last_used: float


def listed(
    has: Mapping[str, Sequence[dict[str, Any]]], *, locked: bool, by_mail: bool, passkey_first: bool
) -> list[Way]:
    """Those that a person has, by the data of their factors. Codes for a lost device come last.

    `locked`: codes of an app are not looked at. `by_mail`: they have no better one. `passkey_first`: whatever was last.
    """
    passkeys, devices, codes = has[passkey.NAME], has[totp.NAME], has[recovery.NAME]
    ways = []
    if passkeys:
        used = max(passkey.last_used(data).timestamp() for data in passkeys)
        ways.append(Way(passkey.NAME, Text("Use a passkey"), "passkey", used))
    if devices:
        used = -1.0 if locked else max(data["last_step"] for data in devices) * float(totp.STEP_SECONDS)
        ways.append(Way(totp.NAME, Text("Use a code of your authenticator app"), "code", used))
    ways.sort(key=lambda way: (passkey_first and way.name != passkey.NAME, -way.last_used))
    if by_mail:
        ways.append(Way(message.NAME, Text("Use a code by e-mail"), "email-code", 0.0))
    if any(recovery.remaining(data) for data in codes):
        ways.append(Way(recovery.NAME, Text("Use a recovery code"), "recovery" if devices else "code", 0.0))
    return ways
