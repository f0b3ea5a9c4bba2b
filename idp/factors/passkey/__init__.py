"""Passkeys (WebAuthn Level 3): what is asked of a browser, what is kept of a passkey, and what it proves."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from idp import base64url
from idp.factors.passkey.authenticators import MAKERS
from idp.wording import Month, Text

NAME = "passkey"
CHALLENGE_LIFETIME = timedelta(minutes=5)
USER_HANDLE_BYTES = 64  # random, and about nobody (section 14.6.1)
MAX_CREDENTIAL_ID = 1023  # section 7.1, step 24
MAX_NAME = 60
# The best first: EdDSA, ES256, RS256 (RFC 9053, RFC 8812).
ALGORITHMS = (-8, -7, -257)
TRANSPORTS = ("internal", "hybrid", "usb", "nfc", "ble", "smart-card")
_TIMEOUT = int(CHALLENGE_LIFETIME.total_seconds() * 1000)
# RFC 8176. A key that is copied from device to device is software's; of any other nothing but its possession is known,
# because no attestation is asked for.
SYNCED, BOUND, PRESENCE, VERIFIED = "swk", "pop", "user", "mfa"


def lookup_of(credential_id: bytes) -> str:
    """Under what a passkey is found, and unique among those of everybody (section 7.1, step 25)."""
    return f"{NAME}:{hashlib.sha256(credential_id).hexdigest()}"


def creation_options(
    *,
    challenge: bytes,
    rp: tuple[str, str],
    user_handle: bytes,
    account: tuple[str, str],
    known: Iterable[dict[str, Any]],
    alone: bool = False,
) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON. `rp` is its id and name, `account` the address and name of the person.

    `known` are the data of the passkeys that the person has: none of their authenticators makes a second one. `alone`:
    they have nothing else to sign in with.
    """
    wish = "required" if alone else "preferred"
    return {
        "rp": {"id": rp[0], "name": rp[1]},
        "user": {"id": text_of(user_handle), "name": account[0], "displayName": account[1]},
        "challenge": text_of(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in ALGORITHMS],
        "timeout": _TIMEOUT,
        "attestation": "none",
        "authenticatorSelection": {"residentKey": wish, "userVerification": wish},
        "excludeCredentials": [_descriptor(each) for each in known],
        "extensions": {"credProps": True},
    }


def request_options(*, challenge: bytes, rp_id: str, allowed: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON; without `allowed`, which are data of passkeys, for any person."""
    return {
        "challenge": text_of(challenge),
        "rpId": rp_id,
        "timeout": _TIMEOUT,
        "userVerification": "preferred",
        "allowCredentials": [_descriptor(each) for each in allowed],
    }


def methods_of(data: dict[str, Any], *, user_verified: bool) -> tuple[str, ...]:
    """What its use proves, as `amr` has it: with the person verified by the device it is two factors."""
    key = SYNCED if data["backup_eligible"] else BOUND
    return (key, PRESENCE, VERIFIED) if user_verified else (key, PRESENCE)


def user_handle_of(known: Sequence[dict[str, Any]]) -> bytes | None:
    """The one of the passkeys that a person has; None where they have none yet."""
    return bytes_of(known[0]["user_handle"]) if known else None


def name_of(aaguid: str, platform: str, now: datetime) -> Text:
    """What a new passkey is called until its person says otherwise: who keeps it, or else where it was made."""
    about: dict[str, object] = {"month": Month(now.date())}
    if aaguid in MAKERS:
        return Text("%(maker)s, %(month)s", about | {"maker": MAKERS[aaguid]})
    if platform:
        return Text("Passkey on %(system)s, %(month)s", about | {"system": platform})
    return Text("Passkey, %(month)s", about)


def is_on_a_phone_or_computer(data: dict[str, Any]) -> bool:
    """And on no security key, which goes from one device to the next."""
    return not data["transports"] or not {"internal", "hybrid"}.isdisjoint(data["transports"])


def stands_alone(data: dict[str, Any]) -> bool:
    """Whether it is known to be enough to sign in: its device has verified the person, when it was made or later."""
    return bool(data.get("verifies"))


def last_used(data: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(data["last_used"])


def renamed(data: dict[str, Any], typed: str) -> dict[str, Any] | None:
    """The data with another name; None where it is none."""
    cleaned = " ".join(typed.split())
    return data | {"name": cleaned[:MAX_NAME]} if cleaned and cleaned.isprintable() else None


def text_of(data: bytes) -> str:
    return base64url.encode(data).decode("ascii")


def bytes_of(text: str) -> bytes:
    """Raises ValueError for any other spelling than the one of `text_of`."""
    return base64url.decode(text.encode("ascii"))


def _descriptor(data: dict[str, Any]) -> dict[str, Any]:
    return {"type": "public-key", "id": data["credential_id"], "transports": data["transports"]}
