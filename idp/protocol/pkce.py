"""Proof Key for Code Exchange, S256 alone (RFC 7636)."""

import base64
import hashlib
import hmac
import re

from idp.protocol.errors import InvalidGrant, InvalidRequest

METHODS = ("S256",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def check_challenge(challenge: str | None, method: str | None, *, required: bool) -> str | None:
    """The challenge of a request (RFC 7636 section 4.3); plain does not exist (RFC 9700 section 2.1.1)."""
    if challenge is None:
        if method is not None:
            raise InvalidRequest("The parameter code_challenge is missing, but code_challenge_method was sent.")
        if required:
            raise InvalidRequest("The parameter code_challenge is missing; this client must use PKCE.")
        return None
    if method != "S256":
        raise InvalidRequest("The parameter code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The parameter code_challenge must be 43 characters of base64url.")
    return challenge


def check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is a downgrade (RFC 9700 section 4.8.2)."""
    if challenge is None:
        if verifier is not None:
            raise InvalidGrant(
                "The authorization code is not valid.",
                "code_verifier sent, but the request had no code_challenge",
            )
        return
    if verifier is None:
        raise InvalidGrant("The authorization code is not valid.", "code_verifier missing")
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(s256(verifier), challenge):
        raise InvalidGrant("The authorization code is not valid.", "code_verifier does not match code_challenge")


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
