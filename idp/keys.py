"""Signing keys: made, loaded, rotated, published, and the only signing there is.

A key is `next` (published, not used), `current` (signs) and `retired` (published until the last token it signed has
expired). Rotation moves each one on. A key is published at least as long before its first use as anybody may cache
the JWKS, so that no client ever sees a signature by a key it does not have.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from idp import quick_json
from idp.base64url import encode as base64url
from idp.protocol import jwt, key_policy
from idp.protocol.jwt import PublicKeys
from idp.settings import Settings
from idp.store import keys as stored_keys
from idp.store.db import Database
from idp.store.ids import new_id
from idp.store.keys import StoredKey
from idp.store.seal import Sealer

ALGORITHM = "RS256"
RELOAD_EVERY = timedelta(seconds=5)
CLOCK_SKEW = timedelta(seconds=60)


class RotationTooEarly(Exception):
    """The next key has not been published for long enough; the text says when it will have been."""


class RotatedElsewhere(Exception):
    """Somebody else rotated at the same moment."""


class BadSigningKey(Exception):
    """A key in the database is not one that was made here."""


_PADDING, _HASH = padding.PKCS1v15(), hashes.SHA256()  # RS256 (RFC 7518 section 3.3)


@lru_cache(maxsize=64)
def _header(kid: str, typ: str) -> bytes:
    """The same for every token of a key, so it is written once."""
    return base64url(quick_json.encode({"alg": ALGORITHM, "kid": kid, "typ": typ}))


@dataclass(frozen=True)
class Ring:
    """The keys as one worker uses them. `jwks` is the document as it is served; `states` tells whether they changed."""

    kid: str
    signer: rsa.RSAPrivateKey
    published: PublicKeys
    jwks: bytes
    states: tuple[tuple[str, bool, bool], ...]


class Keys:
    """Holds the ring of this worker. `reload` follows rotations made elsewhere."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        """A compact JWS (RFC 7515 section 3.1). The key is named, and the algorithm is never anybody's choice."""
        ring = self.ring
        signing_input = _header(ring.kid, typ) + b"." + base64url(quick_json.encode(claims))
        return (signing_input + b"." + base64url(ring.signer.sign(signing_input, _PADDING, _HASH))).decode()

    async def reload(self, database: Database, sealer: Sealer) -> bool:
        """Whether the ring changed. Reads a few columns; opens keys only where something did."""
        if await stored_keys.kids(database) == self.ring.states:
            return False
        self.ring = await load(database, sealer)
        return True


async def load(database: Database, sealer: Sealer) -> Ring:
    """Raises BadSigningKey."""
    found = await stored_keys.stored(database, sealer)
    current = next(key for key in found if key.state == "current")
    signers = {key.kid: _signer(key) for key in found}
    public = {kid: signer.as_dict(private=False) for kid, signer in signers.items()}
    return Ring(
        kid=current.kid,
        signer=signers[current.kid].get_op_key("sign"),
        published={kid: jwt.public_key(jwk) for kid, jwk in public.items()},
        jwks=quick_json.encode({"keys": list(public.values())}),
        states=tuple((key.kid, key.active_at is not None, key.retired_at is not None) for key in found),
    )


def _signer(key: StoredKey) -> RSAKey:
    """What the policy refuses signs nothing, however it got into the database."""
    try:
        signer = RSAKey.import_key(key.private_key, {"kid": key.kid, "use": "sig", "alg": ALGORITHM})
        key_policy.check(signer.as_dict(private=False))
        signer.get_op_key("sign")
    except Exception as error:  # noqa: BLE001  # a damaged PEM fails in many ways
        raise BadSigningKey(
            f"The signing key {key.kid} in the database cannot be used: {error}. It is not as it was made: "
            "restore the database from a backup."
        ) from None
    return signer


async def ensure(database: Database, sealer: Sealer, settings: Settings, now: datetime) -> None:
    """Makes the first current key and the first next one, where they are missing."""
    states = await stored_keys.kids(database)
    has_current = any(active and not retired for _, active, retired in states)
    has_next = any(not active for _, active, _ in states)
    if has_current and has_next:
        return
    new = [await _generate(settings, now) for _ in range(2)]
    async with database.transaction() as transaction:
        if not has_current:
            await stored_keys.add(transaction, sealer, replace(new[0], active_at=now))
        if not has_next:
            await stored_keys.add(transaction, sealer, new[1])


async def rotate(database: Database, sealer: Sealer, settings: Settings, now: datetime, *, early: bool = False) -> str:
    """Makes the next key current; the kid that signs from now on.

    Raises RotationTooEarly where somebody may still cache a JWKS without it, unless `early`: for a key that leaked.
    """
    fresh = await _generate(settings, now)
    found = await stored_keys.stored(database, sealer)
    coming = next(key for key in found if key.state == "next")
    current = next(key for key in found if key.state == "current")
    ready = coming.created_at + settings.jwks_max_age + RELOAD_EVERY
    if now < ready and not early:
        since, until = f"{coming.created_at:%H:%M:%S}", f"{ready:%H:%M:%S}"
        message = f"the next key was published at {since} UTC and may be used from {until} UTC on"
        raise RotationTooEarly(message)
    async with database.transaction() as transaction:
        transaction.durable()
        moved = await stored_keys.retire(transaction, current.kid, now, now + _published_after(settings))
        moved = moved and await stored_keys.activate(transaction, coming.kid, now)
        if not moved or not await stored_keys.add(transaction, sealer, fresh):
            message = "somebody else rotated the keys at the same moment; look at `idp key list`"
            raise RotatedElsewhere(message)
    return coming.kid


def _published_after(settings: Settings) -> timedelta:
    """How long a retired key is needed: a worker may sign with it until it reloads, and then its tokens must expire."""
    longest = max(settings.access_token_lifetime, settings.id_token_lifetime)
    return longest + settings.jwks_max_age + RELOAD_EVERY + CLOCK_SKEW


async def _generate(settings: Settings, now: datetime) -> StoredKey:
    private = await asyncio.to_thread(rsa.generate_private_key, 65537, settings.signing_key_bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return StoredKey(new_id(now), ALGORITHM, pem, now, None, None, None)
