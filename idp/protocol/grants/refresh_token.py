"""Refresh tokens: a family and a generation (RFC 6749 section 6, RFC 9700 section 4.14).

A token is `family.generation.mac`. The family is the id of its grant; the mac is HMAC-SHA-256 under a random seed of
32 bytes that belongs to this family alone and is sealed at rest. One row holds the whole family.

Threat model, in the order of the checks:

- Guessing, or changing a token: the mac has 256 bits and is compared as text in constant time. A wrong mac touches
  nothing, so nobody can end a family whose token they never held.
- A stolen database: seeds are sealed, so its rows mint nothing. A stolen sealing key without the database mints
  nothing either, and one family's seed mints nothing for another.
- A stolen token, shown by another client: a right mac from a wrong client proves a leak and ends the family.
- A stolen token, used after the honest client rotated: an older generation is reuse and ends the family. Used before:
  the honest client's next refresh is the reuse and ends it; the thief has at most one access token's lifetime.
- A lost response: the generation before the current one gets, within the grace, the same successor again, as often
  as it asks. The successor is computed, so nothing forks. A thief inside the grace gets what the honest client got,
  and the first rotation by either makes the other's next one reuse. Grace 0 switches this off.
- Two at once: the rotation is one compare-and-set; whoever loses is judged again by what the row then says.
- A database that lost its last commits: a right mac of a generation ahead of the row was given out by us and is
  not theft; it is refused under a name of its own and ends nothing.
- A token that outlives its reason: an ended grant, person, client or session is looked at in the statement that
  rotates; idle and absolute limits are in the row.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.protocol.claims import Authentication
from idp.protocol.clients import REFRESH_TOKEN
from idp.protocol.errors import InvalidGrant

GRANT_TYPE = REFRESH_TOKEN
NOT_VALID = "The refresh token is not valid."
SEED_BYTES = 32
_TOKEN = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,9})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Presented:
    """A refresh token as it came, taken apart but not believed."""

    family: str
    generation: int
    mac: str


@dataclass(frozen=True)
class Family:
    """The row of a grant that has refresh tokens. `lost`: which of its person, client and session is no more."""

    grant_id: str
    client_id: str
    user_id: str
    scope: tuple[str, ...]
    seed: bytes
    generation: int
    rotated_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    lost: str | None
    authentication: Authentication


@dataclass(frozen=True)
class Rotate:
    """The token is current: the row moves from this generation to the next."""

    generation: int


@dataclass(frozen=True)
class Repeat:
    """The answer was lost: the same successor again."""

    generation: int


@dataclass(frozen=True)
class End:
    """The token proves a leak: the family ends."""

    reason: str


Decision = Rotate | Repeat | End


def read(token: str) -> Presented:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidGrant(NOT_VALID, "not a refresh token of this provider")
    return Presented(match[1], int(match[2]), match[3])


def mint(family: str, generation: int, seed: bytes) -> str:
    """The one refresh token of this generation."""
    return f"{family}.{generation}.{_mac(family, generation, seed)}"


def _mac(family: str, generation: int, seed: bytes) -> str:
    digest = hmac.digest(seed, f"refresh:{family}:{generation}".encode("ascii"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_genuine(presented: Presented, family: Family) -> bool:
    """Whether we made it, of whichever generation it is."""
    return hmac.compare_digest(_mac(presented.family, presented.generation, family.seed), presented.mac)


def decide(presented: Presented, family: Family | None, client_id: str, now: datetime, grace: timedelta) -> Decision:
    """What to do with a presented token. Raises InvalidGrant, each with its own reason, where nothing is to be done."""
    if family is None:
        raise InvalidGrant(NOT_VALID, "no such family")
    if not is_genuine(presented, family):
        raise InvalidGrant(NOT_VALID, "wrong mac")
    if family.ended_reason is not None:
        when = "" if family.ended_at is None else f" at {family.ended_at:%Y-%m-%dT%H:%M:%SZ}"
        raise InvalidGrant(NOT_VALID, f"the grant was ended{when}: {family.ended_reason}")
    if family.client_id != client_id:
        return End("refresh token used by another client")
    if family.lost is not None:
        raise InvalidGrant(NOT_VALID, f"{family.lost} is no longer active")
    if now >= family.idle_expires_at:
        raise InvalidGrant(NOT_VALID, f"unused for too long: it expired at {family.idle_expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if now >= family.expires_at:
        raise InvalidGrant(NOT_VALID, f"too old: the family expired at {family.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return _by_generation(presented.generation, family, now, grace)


def _by_generation(generation: int, family: Family, now: datetime, grace: timedelta) -> Decision:
    if generation == family.generation:
        return Rotate(generation)
    if generation > family.generation:
        raise InvalidGrant(NOT_VALID, "generation ahead of the database: it lost its last commits")
    # Two at once read the clock before the row: without a grace, the loser's `now` may lie before `rotated_at`.
    if generation == family.generation - 1 and grace and now < family.rotated_at + grace:
        return Repeat(family.generation)
    return End(f"refresh token reused: generation {generation}, current {family.generation}")
