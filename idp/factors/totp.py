"""Time-based one-time codes of an authenticator app (RFC 6238): six digits, half a minute, one step of drift."""

import base64
import re
from datetime import datetime
from typing import Any

import pyotp
from pyotp.exceptions import OTPVerificationError

from idp.wording import Text

NAME = "totp"
AMR = "otp"  # RFC 8176
SECRET_BYTES = 20  # RFC 4226 section 4, R6
DIGITS = 6
STEP_SECONDS = 30
DRIFT_STEPS = 1
MAX_NAME = 40
UNNAMED = Text("Authenticator app")
_CODE = re.compile(r"[0-9](?:[ -]?[0-9]){5}")


def secret(random: bytes) -> str:
    """SECRET_BYTES random bytes in base32, as apps take it."""
    return base64.b32encode(random).decode("ascii")


def uri(encoded: str, account: str, issuer: str) -> str:
    """What the QR code holds: `otpauth:` with the parameters that every app knows."""
    return pyotp.TOTP(encoded).provisioning_uri(name=account, issuer_name=issuer)


def grouped(encoded: str) -> str:
    """The secret as a person types it: in groups of four."""
    return " ".join(encoded[at : at + 4] for at in range(0, len(encoded), 4))


def code_of(typed: str) -> str | None:
    """Six ASCII digits, one space or hyphen allowed between any two; None for anything else.

    pyotp would take full-width and superscript digits too, and so the same code again in another spelling.
    """
    stripped = typed.strip(" ")
    return re.sub(r"[ -]", "", stripped) if _CODE.fullmatch(stripped) else None


def device(encoded: str, name: str) -> dict[str, Any]:
    """The data of a factor. `last_step` is the newest step that was used: it and older ones count no more."""
    return {"secret": encoded, "name": name, "last_step": -1}


def verify(data: dict[str, Any], typed: str, now: datetime) -> dict[str, Any] | None:
    """The data to write back where the code is right, at most a step off and newer than the last one; else None."""
    code = code_of(typed)
    if code is None:
        return None
    try:
        matched = pyotp.TOTP(data["secret"]).verify_and_get_timecode(code, for_time=now, valid_window=DRIFT_STEPS)
    except OTPVerificationError:
        return None
    return data | {"last_step": matched} if matched > data["last_step"] else None


def name_of(typed: str | None, otherwise: str) -> str:
    """What a person calls a device; `otherwise` where they say nothing."""
    cleaned = " ".join((typed or "").split())
    return cleaned[:MAX_NAME] if cleaned and cleaned.isprintable() else otherwise
