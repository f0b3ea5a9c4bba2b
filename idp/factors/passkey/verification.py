"""Judging what a browser answers in a ceremony: what the library checks, and what it leaves out (sections 7.1, 7.2).

The library is loaded when it is first needed: no command but the server's is to wait for it.
"""
# ruff: noqa: PLC0415

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp import strict_json
from idp.factors import passkey
from idp.factors.passkey import ALGORITHMS, MAX_CREDENTIAL_ID, TRANSPORTS, bytes_of, cbor, text_of

CREATE, GET = "webauthn.create", "webauthn.get"
MAX_ANSWER = 16 * 1024  # an RSA key, a long id and every extension fit
_BOM = b"\xef\xbb\xbf"
_LEAST_RSA, _MOST_RSA, _RSA_EXPONENT = 2048, 4096, 65537
_EC2, _OKP, _RSA = (-7, 2, 1), (-8, 1, 6), (-257, 3, None)  # algorithm, key type and curve (RFC 9053 section 7)
_SEEN = 120


class Refused(Exception):
    """An answer that proves nothing; the text says why, for the log."""


class ForeignOrigin(Refused):
    """An answer for another site; the text names the one that is configured and the one that was seen."""


class Cloned(Refused):
    """A right answer with a counter that does not go forward: the key exists twice, or the device is broken."""


@dataclass(frozen=True)
class Expected:
    """What the answer must be for. `origin` is the only site that may have asked, `rp_id` its host."""

    challenge: bytes
    rp_id: str
    origin: str


@dataclass(frozen=True)
class Answer:
    """What a browser sent, taken apart and not judged yet. `client` is what it signs beside the device's data."""

    credential_id: bytes
    challenge: bytes
    client: dict[str, Any]
    response: dict[str, Any]
    sent: dict[str, Any]


@dataclass(frozen=True)
class Asserted:
    """A passkey that was used: its data to write back, and whether its device verified who used it."""

    data: dict[str, Any]
    user_verified: bool


def read(text: str) -> Answer:
    """The text of PublicKeyCredential.toJSON(). Raises Refused."""
    if len(text) > MAX_ANSWER:
        raise Refused("the answer is too long")
    try:
        sent = strict_json.object_of(text.encode())
        credential_id = bytes_of(_text(sent, "id"))
        response = sent["response"]
        client = strict_json.object_of(bytes_of(_text(response, "clientDataJSON")).removeprefix(_BOM))
        challenge = bytes_of(_text(client, "challenge"))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"the answer is malformed: {_told(error)}") from None
    if sent.get("rawId") != sent["id"] or sent.get("type") != "public-key":
        raise Refused("the answer has two ids, or another type than public-key")
    if not 0 < len(credential_id) <= MAX_CREDENTIAL_ID:
        raise Refused(f"the id of the passkey has {len(credential_id)} bytes")
    return Answer(credential_id, challenge, client, response, sent)


def registered(
    answer: Answer, expected: Expected, user_handle: bytes, now: datetime, *, presence: bool = True
) -> dict[str, Any]:
    """The data of a new passkey (section 7.1). Raises Refused.

    `presence` False is for one that the browser made by itself, moments after a password.
    """
    _check_client(answer, expected, CREATE)
    found = _verify_creation(answer, expected, presence=presence)
    if found.credential_id != answer.credential_id:
        raise Refused("the device names another passkey than the browser")
    _check_key(found.credential_public_key, expected)
    return {
        "credential_id": text_of(found.credential_id),
        "public_key": text_of(found.credential_public_key),
        "sign_count": found.sign_count,
        "backup_eligible": found.credential_device_type == "multi_device",
        "backed_up": found.credential_backed_up,
        "aaguid": found.aaguid,
        "transports": _transports(answer.response),
        "discoverable": _discoverable(answer.sent),
        "verifies": found.user_verified,
        "user_handle": text_of(user_handle),
        "last_used": now.isoformat(),
    }


def asserted(answer: Answer, data: dict[str, Any], expected: Expected, now: datetime, *, identified: bool) -> Asserted:
    """The use of a passkey with these data (section 7.2). Raises Refused; Cloned where all but the counter is right.

    `identified` says whether it was known before whose passkey is asked for; else its answer must say so.
    """
    _check_client(answer, expected, GET)
    _check_user_handle(answer, data, identified=identified)
    found = _verify_use(answer, data, expected)
    eligible = found.credential_device_type == "multi_device"
    if eligible != data["backup_eligible"]:
        raise Refused("the passkey can be copied now and could not before, or the other way round")
    if (found.new_sign_count or data["sign_count"]) and found.new_sign_count <= data["sign_count"]:
        raise Cloned(f"its counter is {found.new_sign_count} after {data['sign_count']}")
    used = {"sign_count": found.new_sign_count, "backed_up": found.credential_backed_up, "last_used": now.isoformat()}
    used["verifies"] = passkey.stands_alone(data) or found.user_verified
    return Asserted(data | used, found.user_verified)


def is_cross_platform(answer: Answer) -> bool:
    """Whether another device than the one with the browser answered."""
    return answer.sent.get("authenticatorAttachment") == "cross-platform"


def _check_client(answer: Answer, expected: Expected, ceremony: str) -> None:
    client = answer.client
    if client.get("type") != ceremony:
        raise Refused(f"the answer is of another ceremony than {ceremony}")
    if not hmac.compare_digest(answer.challenge, expected.challenge):
        raise Refused("the answer is to another challenge")
    seen = client.get("origin")
    if seen != expected.origin:
        ours = f"{expected.origin} (RP ID {expected.rp_id})"
        raise ForeignOrigin(f"the passkey was asked for by {_told(seen)}, and this provider is {ours}")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise Refused("the passkey was asked for within a page of another site")


def _check_user_handle(answer: Answer, data: dict[str, Any], *, identified: bool) -> None:
    sent = answer.response.get("userHandle")
    if sent is None and identified:
        return
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), data["user_handle"].encode()):
        raise Refused("the answer names nobody, or another person than the passkey is of")


def _verify_creation(answer: Answer, expected: Expected, *, presence: bool) -> Any:  # what the library found
    from webauthn import verify_registration_response
    from webauthn.helpers import parse_cbor

    with _anything_is_a_refusal(expected):
        sent = bytes_of(_text(answer.response, "attestationObject"))
        cbor.check_item(sent)
        _check_attestation(parse_cbor(sent))
        return verify_registration_response(
            credential=_for_library(answer, "attestationObject"),
            expected_challenge=expected.challenge,
            expected_rp_id=expected.rp_id,
            expected_origin=expected.origin,
            require_user_presence=presence,
            supported_pub_key_algs=list(ALGORITHMS),  # type: ignore[arg-type]  # its numbers are its enum's
        )


def _check_attestation(sent: Any) -> None:  # CBOR
    """None, or by the key itself, which browsers let through: no other one was asked for, nor is it looked at."""
    statement = sent["attStmt"]
    by_itself = sent["fmt"] == "packed" and isinstance(statement, dict) and "x5c" not in statement
    if not by_itself and (sent["fmt"], statement) != ("none", {}):
        raise Refused("the answer has an attestation, which was not asked for")
    cbor.check_authenticator_data(sent["authData"])


def _verify_use(answer: Answer, data: dict[str, Any], expected: Expected) -> Any:  # what the library found
    """The counter is judged afterwards: only who has the key may make it look as if it were cloned."""
    from webauthn import verify_authentication_response

    if text_of(answer.credential_id) != data["credential_id"]:
        raise Refused("the answer is of another passkey")
    with _anything_is_a_refusal(expected):
        cbor.check_authenticator_data(bytes_of(_text(answer.response, "authenticatorData")))
        return verify_authentication_response(
            credential=_for_library(answer, "authenticatorData", "signature"),
            expected_challenge=expected.challenge,
            expected_rp_id=expected.rp_id,
            expected_origin=expected.origin,
            credential_public_key=bytes_of(data["public_key"]),
            credential_current_sign_count=0,
        )


def _check_key(encoded: bytes, expected: Expected) -> None:
    """The type, the curve and the size that its algorithm demands: the library looks at the algorithm alone."""
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

    with _anything_is_a_refusal(expected):
        key: Any = decode_credential_public_key(encoded)
        _check_shape(key, decoded_public_key_to_cryptography(key))  # which refuses points that are not on the curve


def _check_shape(key: Any, public: Any) -> None:  # the library's, and cryptography's of it
    shape = key.alg, key.kty, getattr(key, "crv", None)
    if shape not in (_EC2, _OKP, _RSA):
        raise Refused(f"a key of the shape {_told(shape)}, which no offered algorithm has")
    if shape != _RSA:
        return
    if not _LEAST_RSA <= public.key_size <= _MOST_RSA or public.public_numbers().e != _RSA_EXPONENT:
        raise Refused("an RSA key of another size or exponent than 2048 to 4096 bits and 65537")


@contextmanager
def _anything_is_a_refusal(expected: Expected) -> Iterator[None]:
    """Whatever hostile CBOR makes of a library, it proves nothing."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  # see above
        raise Refused(f"{_told(error)} (RP ID {expected.rp_id}, asked for by {expected.origin})") from None


def _for_library(answer: Answer, *members: str) -> dict[str, Any]:
    """Nothing but what it verifies."""
    response = {name: _text(answer.response, name) for name in ("clientDataJSON", *members)}
    identifier = text_of(answer.credential_id)
    return {"id": identifier, "rawId": identifier, "type": "public-key", "response": response}


def _transports(response: dict[str, Any]) -> list[str]:
    """As the browser says them; they help it to find the device again."""
    said = response.get("transports")
    return [each for each in TRANSPORTS if each in said] if isinstance(said, list) else []


def _discoverable(sent: dict[str, Any]) -> bool | None:
    """Whether the device finds it without being told whose it is; None where the browser does not say."""
    results = sent.get("clientExtensionResults")
    properties = results.get("credProps") if isinstance(results, dict) else None
    said = properties.get("rk") if isinstance(properties, dict) else None
    return said if isinstance(said, bool) else None


def _text(container: dict[str, Any], name: str) -> str:
    value = container[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _told(seen: object) -> str:
    """What somebody else wrote, for a line of the log."""
    shown = f"{type(seen).__name__}: {seen}" if isinstance(seen, Exception) else repr(seen)
    return shown[:_SEEN]
