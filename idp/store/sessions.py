"""Sessions: a cookie's hash, a person, and how they proved who they are."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select, update

from idp import quick_json
from idp.protocol.claims import Authentication
from idp.store.db import Connection, Effect, Row, Runner, Statement, Transaction, insert_row
from idp.store.ids import hash_of
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import Session, User, table_of

_SESSIONS = table_of(Session)
_USERS = table_of(User)
PURPOSE = "session_origin"
TOUCH_EVERY = timedelta(minutes=1)


def alive(table: Any = _SESSIONS) -> ColumnElement[bool]:
    """A session that still counts at `now`; binds `now` and `idle_since`."""
    return and_(
        table.c.ended_at.is_(None),
        table.c.expires_at > bindparam("now", type_=table.c.expires_at.type),
        table.c.seen_at > bindparam("idle_since", type_=table.c.seen_at.type),
    )


_FIND = Statement(
    Effect.READ,
    select(_SESSIONS, _USERS.c.email, _USERS.c.claims)
    .join_from(_SESSIONS, _USERS, _USERS.c.id == _SESSIONS.c.user_id)
    .where(_SESSIONS.c.cookie_hash == bindparam("cookie_hash"), alive(), _USERS.c.disabled_at.is_(None)),
)
_IS_ALIVE = Statement(Effect.READ, select(_SESSIONS.c.id).where(_SESSIONS.c.id == bindparam("id"), alive()))
_OF_PERSON = Statement(
    Effect.READ,
    select(_SESSIONS).where(_SESSIONS.c.user_id == bindparam("user_id"), alive()).order_by(_SESSIONS.c.seen_at.desc()),
)
_USER_OF = Statement(Effect.READ, select(_SESSIONS.c.user_id).where(_SESSIONS.c.id == bindparam("id")))
_START = insert_row(_SESSIONS)
_RENEW = Statement(
    Effect.WRITE,
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("of"), _SESSIONS.c.ended_at.is_(None))
    .values(
        cookie_hash=bindparam("new_hash"),
        authenticated_at=bindparam("proved_at"),
        seen_at=bindparam("now"),
        expires_at=bindparam("until"),
        amr=bindparam("new_amr"),
        acr=bindparam("new_acr"),
        origin=bindparam("new_origin"),
    ),
)
_STRENGTHEN = Statement(
    Effect.WRITE,
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("of"), _SESSIONS.c.ended_at.is_(None))
    .values(amr=bindparam("new_amr"), acr=bindparam("new_acr")),
)
_TOUCH = Statement(
    Effect.COUNT, update(_SESSIONS).where(_SESSIONS.c.id == bindparam("of")).values(seen_at=bindparam("now"))
)
_END = Statement(
    Effect.REVOKE,
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("of"), _SESSIONS.c.ended_at.is_(None))
    .values(ended_at=bindparam("now")),
)
_END_OWN = Statement(
    Effect.REVOKE,
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("of"), _SESSIONS.c.user_id == bindparam("by"), _SESSIONS.c.ended_at.is_(None))
    .values(ended_at=bindparam("now")),
)
_END_OF_USER = Statement(
    Effect.REVOKE,
    update(_SESSIONS)
    .where(_SESSIONS.c.user_id == bindparam("of"), _SESSIONS.c.ended_at.is_(None))
    .values(ended_at=bindparam("now")),
)


_END_OTHERS = Statement(
    Effect.REVOKE,
    update(_SESSIONS)
    .where(_SESSIONS.c.user_id == bindparam("of"), _SESSIONS.c.id != bindparam("kept"), _SESSIONS.c.ended_at.is_(None))
    .values(ended_at=bindparam("now")),
)


@dataclass(frozen=True)
class SignedIn:
    """A live session, its person, and the secret in the browser's cookie."""

    sid: str
    user_id: str
    email: str
    name: str
    authentication: Authentication
    seen_at: datetime
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Origin:
    """Where a session began, as far as that is known: what the browser is called, and its address."""

    device: str = ""
    address: str = ""


@dataclass(frozen=True)
class Listed:
    """A live session, as its person sees it."""

    sid: str
    began_at: datetime
    seen_at: datetime
    origin: Origin


async def find(connection: Connection, secret: str, now: datetime, idle: timedelta) -> SignedIn | None:
    row = await connection.one(_FIND, cookie_hash=hash_of(secret), now=now, idle_since=now - idle)
    return None if row is None else _signed_in(row, secret)


async def is_alive(connection: Connection, sid: str, now: datetime, idle: timedelta) -> bool:
    return await connection.one(_IS_ALIVE, id=sid, now=now, idle_since=now - idle) is not None


async def of_person(
    connection: Connection, sealer: Sealer, user_id: str, now: datetime, idle: timedelta
) -> list[Listed]:
    """The live ones, the one that was used last first."""
    rows = await connection.all(_OF_PERSON, user_id=user_id, now=now, idle_since=now - idle)
    return [Listed(row.id, row.authenticated_at, row.seen_at, _opened(sealer, row)) for row in rows]


async def user_of(connection: Connection, sid: str) -> str | None:
    """Whose session it is or was."""
    row = await connection.one(_USER_OF, id=sid)
    return None if row is None else str(row.user_id)


async def start(
    transaction: Transaction,
    secret: str,
    user_id: str,
    proof: Authentication,
    now: datetime,
    until: datetime,
    origin: bytes | None = None,
) -> None:
    """`origin` is what `sealed` made for this session."""
    await transaction.run(
        _START,
        id=proof.sid,
        cookie_hash=hash_of(secret),
        user_id=user_id,
        created_at=now,
        authenticated_at=proof.auth_time,
        seen_at=now,
        expires_at=until,
        amr=" ".join(proof.amr),
        acr=proof.acr,
        ended_at=None,
        origin=origin,
    )


async def renew(
    transaction: Transaction,
    secret: str,
    proof: Authentication,
    now: datetime,
    until: datetime,
    origin: bytes | None = None,
) -> bool:
    """The same session under a new secret, after its person proved again who they are. The old one opens nothing."""
    touched = await transaction.run(
        _RENEW,
        of=proof.sid,
        new_hash=hash_of(secret),
        proved_at=proof.auth_time,
        now=now,
        until=until,
        new_amr=" ".join(proof.amr),
        new_acr=proof.acr,
        new_origin=origin,
    )
    return touched == 1


async def strengthen(transaction: Transaction, sid: str, amr: tuple[str, ...], acr: str) -> None:
    """More was proved in the session; it is as old as before."""
    await transaction.run(_STRENGTHEN, of=sid, new_amr=" ".join(amr), new_acr=acr)


async def touch(runner: Runner, sid: str, now: datetime) -> None:
    await runner.run(_TOUCH, of=sid, now=now)


async def end(transaction: Transaction, sid: str, now: datetime) -> bool:
    return await transaction.run(_END, of=sid, now=now) == 1


async def end_own(transaction: Transaction, user_id: str, sid: str, now: datetime) -> bool:
    """Where it is this person's, and lives."""
    return await transaction.run(_END_OWN, of=sid, by=user_id, now=now) == 1


async def end_all_of(transaction: Transaction, user_id: str, now: datetime) -> int:
    return await transaction.run(_END_OF_USER, of=user_id, now=now)


async def end_others(transaction: Transaction, user_id: str, kept: str, now: datetime) -> int:
    """All of a person's but the session `kept`."""
    return await transaction.run(_END_OTHERS, of=user_id, kept=kept, now=now)


def sealed(sealer: Sealer, sid: str, origin: Origin) -> bytes:
    return sealer.seal(quick_json.encode([origin.device, origin.address]), PURPOSE, sid)


def _opened(sealer: Sealer, row: Row) -> Origin:
    """What cannot be read is not known: it keeps nobody from ending the session."""
    try:
        return Origin(*quick_json.decode(sealer.unseal(row.origin or b"", PURPOSE, row.id)))
    except SealBroken:
        return Origin()


def _signed_in(row: Row, secret: str) -> SignedIn:
    proof = Authentication(row.id, row.authenticated_at, tuple(row.amr.split()), row.acr)
    return SignedIn(row.id, row.user_id, row.email, row.claims.get("name") or row.email, proof, row.seen_at, secret)
