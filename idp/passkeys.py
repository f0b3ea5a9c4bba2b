"""The ceremonies of passkeys, for every page that holds one: challenges that count once, and what answers make of them.

A challenge is not stored when it is drawn, so that a visitor who does nothing leaves nothing: it says itself when that
was, and proves by a MAC what for. The first answer to it uses it up, whatever the answer is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from idp.factors import passkey
from idp.factors.passkey import CHALLENGE_LIFETIME, verification
from idp.factors.passkey.verification import CREATE, GET, Cloned, Expected, Refused
from idp.services import Services
from idp.settings import Settings
from idp.store import credentials, handles
from idp.store.credentials import StoredFactor
from idp.store.db import Connection, Transaction
from idp.store.ids import hash_of
from idp.store.users import Person

_TIME, _RANDOM = 6, 16


class Why(StrEnum):
    """Why an answer counts for nothing."""

    REFUSED = "refused"
    UNKNOWN = "unknown"  # we know no such passkey, so its device may forget it
    COPIED = "copied"
    UNVERIFIED = "unverified"  # it would have to stand alone, and its device did not verify the person
    OTHER = "other"  # it is of another person than was named
    STALE = "stale"  # too late, twice, or overtaken


@dataclass(frozen=True)
class Failed(Exception):  # an answer, and no error
    """`reason` is for the log; `person` is whose passkey it was, where that is known; `unknown` the id of nobody's."""

    why: Why
    reason: str
    person: Person | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Ceremony:
    """What a challenge is for: `subject` is the attempt or session, `browser` the secret of its cookie.

    `person` is who is known already; nobody is, where a passkey is to say who it is.
    """

    kind: str
    subject: str
    browser: str
    person: str = ""
    first: bool = False  # whether a passkey that is made is the person's first one: it brings the handle of them all


@dataclass(frozen=True)
class Use:
    """A passkey that was used: whose it is, what is stored of it and what is to be, and what that proves.

    `is_elsewhere`: it is on another device than the browser, such as a phone.
    """

    person: Person
    stored: StoredFactor
    data: dict[str, Any]
    methods: tuple[str, ...]
    user_verified: bool
    is_elsewhere: bool


def use(subject: str, browser: str, person: str = "") -> Ceremony:
    return Ceremony(GET, subject, browser, person)


async def creation(
    connection: Connection, services: Services, subject: str, browser: str, person: str
) -> tuple[Ceremony, list[dict[str, Any]]]:
    """The ceremony in which a person makes another passkey, and the data of those that they have."""
    known = await of_person(connection, services, person)
    return Ceremony(CREATE, subject, browser, person, not known), [each.data for each in known]


def alone(subject: str, secret: str) -> Ceremony:
    """The ceremony in which who is nobody yet makes the passkey that they will sign in with."""
    return Ceremony(CREATE, subject, secret, first=True)


async def of_person(connection: Connection, services: Services, person: str) -> list[StoredFactor]:
    return await credentials.of_person(connection, services.sealer, person, passkey.NAME)


def request_options(services: Services, ceremony: Ceremony, allowed: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What a browser is asked for; without `allowed` for a passkey of anybody."""
    challenge = _draw(services, ceremony)
    return passkey.request_options(challenge=challenge, rp_id=rp_id(services.settings), allowed=allowed)


def creation_options(
    services: Services, ceremony: Ceremony, known: Sequence[dict[str, Any]], account: tuple[str, str]
) -> dict[str, Any]:
    challenge = _draw(services, ceremony)
    return passkey.creation_options(
        challenge=challenge,
        rp=(rp_id(services.settings), services.settings.site_name),
        user_handle=_user_handle(services, challenge, known),
        account=account,
        known=known,
        alone=not ceremony.person,
    )


async def used(services: Services, ceremony: Ceremony, sent: str) -> Use:
    """Judges an answer to `request_options`. Raises Failed. Nothing is written but that the challenge was used."""
    now, person = services.clock(), None
    try:
        answer = verification.read(sent)
        await _take(services, ceremony, answer.challenge, now)
        lookup = passkey.lookup_of(answer.credential_id)
        found = await credentials.find_with_owner(services.database, services.sealer, lookup)
        if found is None:
            raise Failed(Why.UNKNOWN, "no person has this passkey", unknown=passkey.text_of(answer.credential_id))
        person, stored = found
        expected, identified = _expected(services.settings, answer.challenge), bool(ceremony.person)
        done = verification.asserted(answer, stored.data, expected, now, identified=identified)
    except Cloned as error:
        raise Failed(Why.COPIED, str(error), person) from None
    except Refused as error:
        raise Failed(Why.REFUSED, str(error), person) from None
    if ceremony.person not in ("", person.id):
        raise Failed(Why.REFUSED, "the passkey is of another person than who is signing in", person)
    methods = passkey.methods_of(done.data, user_verified=done.user_verified)
    elsewhere = verification.is_cross_platform(answer) and passkey.is_on_a_phone_or_computer(stored.data)
    return Use(person, stored, done.data, methods, done.user_verified, elsewhere)


async def made(services: Services, ceremony: Ceremony, sent: str, *, presence: bool = True) -> dict[str, Any]:
    """Judges an answer to `creation_options`: the data of the new passkey, for `add`. Raises Failed."""
    now = services.clock()
    try:
        answer = verification.read(sent)
        await _take(services, ceremony, answer.challenge, now)
        known = [each.data for each in await of_person(services.database, services, ceremony.person)]
        if ceremony.first is bool(known):
            raise Failed(Why.STALE, "the person's first passkey was made, or their last one removed, meanwhile")
        handle = _user_handle(services, answer.challenge, known)
        expected = _expected(services.settings, answer.challenge)
        return verification.registered(answer, expected, handle, now, presence=presence)
    except Refused as error:
        raise Failed(Why.REFUSED, str(error)) from None


async def add(transaction: Transaction, services: Services, ceremony: Ceremony, data: dict[str, Any]) -> bool:
    """Under the lock on its person. False where anybody has this passkey, or another first one was faster."""
    known = await of_person(transaction, services, ceremony.person)
    handles_of_all = {each.data["user_handle"] for each in known}
    if ceremony.first is bool(known) or not handles_of_all <= {data["user_handle"]}:
        return False
    lookup = passkey.lookup_of(passkey.bytes_of(data["credential_id"]))
    now = services.clock()
    return await credentials.add(transaction, services.sealer, ceremony.person, passkey.NAME, data, now, lookup)


def rp_id(settings: Settings) -> str:
    """The relying party is the issuer's host: no page of another host, nor of a part of it, uses its passkeys."""
    return urlsplit(settings.issuer).hostname or ""


def _expected(settings: Settings, challenge: bytes) -> Expected:
    return Expected(challenge, rp_id(settings), settings.issuer)


def _draw(services: Services, ceremony: Ceremony) -> bytes:
    drawn = int(services.clock().timestamp()).to_bytes(_TIME) + secrets.token_bytes(_RANDOM)
    return drawn + _mac(services, ceremony, drawn)


async def _take(services: Services, ceremony: Ceremony, challenge: bytes, now: datetime) -> None:
    """Uses a challenge up. Raises Failed where it was for something else, is too old, or was used up already."""
    drawn = challenge[: _TIME + _RANDOM]
    if not hmac.compare_digest(challenge, drawn + _mac(services, ceremony, drawn)):
        raise Failed(Why.STALE, "the challenge is none of ours, or of another page, browser, person or ceremony")
    since = datetime.fromtimestamp(int.from_bytes(drawn[:_TIME]), UTC)
    if now >= since + CHALLENGE_LIFETIME:
        raise Failed(Why.STALE, "the challenge is too old")
    async with services.database.transaction() as transaction:
        until = since + CHALLENGE_LIFETIME
        if not await handles.burn(transaction, handles.CHALLENGE, challenge.hex(), now, until):
            raise Failed(Why.STALE, "the challenge was used before")


def _mac(services: Services, ceremony: Ceremony, drawn: bytes) -> bytes:
    bound = ceremony.kind, ceremony.subject, hash_of(ceremony.browser), ceremony.person, str(ceremony.first)
    key = services.sealer.subkey("passkey")
    return hmac.digest(key, "\x1f".join(bound).encode() + b"\x1f" + drawn, hashlib.sha256)


def _user_handle(services: Services, challenge: bytes, known: Sequence[dict[str, Any]]) -> bytes:
    """The one of the passkeys that the person has. For the first one it is drawn with the challenge."""
    key = services.sealer.subkey("user-handle")
    return passkey.user_handle_of(known) or hmac.digest(key, challenge, hashlib.sha512)
