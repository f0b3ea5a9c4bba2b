"""Grants: one row for what a code gave and for the whole family of its refresh tokens."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update

from idp.protocol.claims import Authentication, Entitlement
from idp.protocol.grants.authorization_code import Code
from idp.protocol.grants.refresh_token import Family
from idp.store import sessions, tokens, users
from idp.store.db import Connection, Effect, Statement, Transaction, insert_row
from idp.store.seal import Sealer
from idp.store.tables import ClientRow, Consent, Grant, Session, User, table_of
from idp.store.users import Subject

PURPOSE = "seed"
EVICTED_FROM = 9  # beyond the limit: ten are ended together, which costs hardly more than one
EVICTED_AT_ONCE = 1000  # where the limit was lowered, nobody waits for all that are beyond it
_GRANTS = table_of(Grant)
_USERS = table_of(User)
_CLIENTS = table_of(ClientRow)
_SESSIONS = table_of(Session)
_CONSENTS = table_of(Consent)


def _reasons() -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[bool]]:
    """Its person, its client and, unless it is offline, its session still are; binds `now` and `idle_since`."""
    return (
        select(_USERS.c.id)
        .where(_USERS.c.id == _GRANTS.c.user_id, _USERS.c.disabled_at.is_(None))
        .correlate(_GRANTS)
        .exists(),
        select(_CLIENTS.c.client_id)
        .where(_CLIENTS.c.client_id == _GRANTS.c.client_id, _CLIENTS.c.disabled_at.is_(None))
        .correlate(_GRANTS)
        .exists(),
        or_(
            _GRANTS.c.offline,
            select(_SESSIONS.c.id)
            .where(_SESSIONS.c.id == _GRANTS.c.session_id, sessions.alive())
            .correlate(_GRANTS)
            .exists(),
        ),
    )


def _reason_alive() -> ColumnElement[bool]:
    return and_(*_reasons())


_REASONS = ("the person", "the client", "the session")


_CREATE = insert_row(_GRANTS)
_FAMILY = Statement(
    Effect.READ,
    select(_GRANTS, *(reason.label(f"reason_{number}") for number, reason in enumerate(_reasons()))).where(
        _GRANTS.c.id == bindparam("id"), _GRANTS.c.seed.is_not(None)
    ),
)
_ROTATE = Statement(
    Effect.TAKE,
    update(_GRANTS)
    .where(
        _GRANTS.c.id == bindparam("of"),
        _GRANTS.c.generation == bindparam("current"),
        _GRANTS.c.ended_at.is_(None),
        _reason_alive(),
    )
    .values(generation=_GRANTS.c.generation + 1, rotated_at=bindparam("now"))
    .returning(_GRANTS.c.generation),
)
_HOLDER = Statement(
    Effect.READ,
    select(_USERS.c.id, _USERS.c.email, _USERS.c.email_verified_at, _USERS.c.claims, _USERS.c.updated_at)
    .join_from(_GRANTS, _USERS, _USERS.c.id == _GRANTS.c.user_id)
    .where(_GRANTS.c.id == bindparam("id"), _GRANTS.c.ended_at.is_(None), _reason_alive(), tokens.not_revoked()),
)
_TOKEN_IS_ALIVE = Statement(
    Effect.READ,
    select(_GRANTS.c.id).where(
        _GRANTS.c.id == bindparam("id"),
        _GRANTS.c.client_id == bindparam("client_id"),
        _GRANTS.c.ended_at.is_(None),
        _reason_alive(),
        tokens.not_revoked(),
    ),
)
_PARTIES = Statement(Effect.READ, select(_GRANTS.c.user_id, _GRANTS.c.client_id).where(_GRANTS.c.id == bindparam("id")))
_MAY_REDEEM = Statement(
    Effect.READ,
    select(_USERS.c.id, _USERS.c.pseudonym, _USERS.c.audit_key, _CONSENTS.c.scope)
    .join_from(_CONSENTS, _USERS, _USERS.c.id == _CONSENTS.c.user_id)
    .join(_SESSIONS, and_(_SESSIONS.c.id == bindparam("session_id"), _SESSIONS.c.user_id == _USERS.c.id))
    .where(
        _CONSENTS.c.user_id == bindparam("user_id"),
        _CONSENTS.c.client_id == bindparam("client_id"),
        _USERS.c.disabled_at.is_(None),
        sessions.alive(),
    )
    .with_for_update(read=True, of=(_USERS, _SESSIONS, _CONSENTS)),
)


_APPS = Statement(
    Effect.READ,
    select(_GRANTS.c.session_id, _CLIENTS.c.client_name)
    .join_from(_GRANTS, _CLIENTS, _CLIENTS.c.client_id == _GRANTS.c.client_id)
    .where(
        _GRANTS.c.user_id == bindparam("user_id"),
        _GRANTS.c.ended_at.is_(None),
        _GRANTS.c.expires_at > bindparam("now", type_=_GRANTS.c.expires_at.type),
    )
    .distinct()
    .order_by(_CLIENTS.c.client_name),
)


_LAST_USED = Statement(
    Effect.READ,
    select(_GRANTS.c.client_id, func.max(_GRANTS.c.rotated_at).label("at"))
    .where(_GRANTS.c.user_id == bindparam("user_id"))
    .group_by(_GRANTS.c.client_id),
)


def _end(*which: ColumnElement[bool]) -> Statement:
    return Statement(
        Effect.REVOKE,
        update(_GRANTS)
        .where(*which, _GRANTS.c.ended_at.is_(None))
        .values(ended_at=bindparam("now"), ended_reason=bindparam("reason"))
        .returning(_GRANTS.c.id),
    )


_OLDER = (
    select(_GRANTS.c.id)
    .where(
        _GRANTS.c.user_id == bindparam("of_user"),
        _GRANTS.c.client_id == bindparam("of_client"),
        _GRANTS.c.ended_at.is_(None),
    )
    .order_by(_GRANTS.c.id.desc())
    .offset(bindparam("newest"))
)
_IS_OLDER = Statement(Effect.READ, _OLDER.limit(1))
_END_OLDER = Statement(  # no revocation: nobody took anything away, so no disk is waited for
    Effect.WRITE,
    update(_GRANTS)
    .where(_GRANTS.c.id.in_(_OLDER.limit(EVICTED_AT_ONCE)))
    .values(ended_at=bindparam("now"), ended_reason=bindparam("reason")),
)
_BIND_TO_SESSIONS = Statement(
    Effect.REVOKE,
    update(_GRANTS).where(_GRANTS.c.client_id == bindparam("of"), _GRANTS.c.offline.is_(True)).values(offline=False),
)
_END = _end(_GRANTS.c.id == bindparam("of"))
_END_OF_CONSENT = _end(_GRANTS.c.user_id == bindparam("of_user"), _GRANTS.c.client_id == bindparam("of_client"))
_END_OF_CLIENT = _end(_GRANTS.c.client_id == bindparam("of_client"))
_END_OF_USER = _end(_GRANTS.c.user_id == bindparam("of_user"))
_END_ELSEWHERE = _end(_GRANTS.c.user_id == bindparam("of_user"), _GRANTS.c.session_id != bindparam("kept"))
_END_OF_SESSION = _end(
    # its person's, of whom there is an index
    _GRANTS.c.user_id == select(_SESSIONS.c.user_id).where(_SESSIONS.c.id == bindparam("of_session")).scalar_subquery(),
    _GRANTS.c.session_id == bindparam("of_session"),
    _GRANTS.c.offline.is_(False),
)


@dataclass(frozen=True)
class Parties:
    """Who allowed whom."""

    user_id: str
    client_id: str


@dataclass(frozen=True)
class Holder:
    """The person of a live grant, with the claims that userinfo may give."""

    user_id: str
    claims: dict[str, Any]


async def may_redeem(connection: Connection, code: Code, now: datetime, idle: timedelta) -> Subject | None:
    """The person, if what a code was given for still holds: they, their session and their consent to all of it.

    Whoever ends one of them waits for this transaction (SQLite has one writer anyway), so that what ends the session
    or the consent first and their grants then finds the grant that this transaction makes.
    """
    row = await connection.one(
        _MAY_REDEEM,
        user_id=code.user_id,
        client_id=code.client_id,
        session_id=code.sid,
        now=now,
        idle_since=now - idle,
    )
    if row is None or not set(code.scope) <= set(row.scope.split()):
        return None
    return Subject(row.id, row.pseudonym, row.audit_key)


async def why_not(connection: Connection, code: Code, now: datetime, idle: timedelta) -> str:
    """Which of the things that a code was given for holds no more, for the log."""
    person = await users.find(connection, code.user_id)
    if person is None or person.disabled_at is not None:
        return "the person was disabled or deleted"
    if not await sessions.is_alive(connection, code.sid, now, idle):
        return "their session has ended"
    return "their consent was withdrawn, or does not hold all that the code is for"


async def create(
    transaction: Transaction,
    entitlement: Entitlement,
    *,
    offline: bool,
    sealed_seed: bytes | None,
    now: datetime,
    until: datetime,
) -> None:
    """The grant of a redeemed code; `sealed_seed` where it has refresh tokens."""
    proof = entitlement.authentication
    assert proof is not None  # noqa: S101  # a code is always a person's
    await transaction.run(
        _CREATE,
        id=entitlement.grant_id,
        client_id=entitlement.client_id,
        user_id=entitlement.sub,
        session_id=proof.sid,
        offline=offline,
        scope=" ".join(entitlement.scope),
        auth_time=proof.auth_time,
        amr=" ".join(proof.amr),
        acr=proof.acr,
        seed=sealed_seed,
        generation=0,
        created_at=now,
        rotated_at=now,
        expires_at=until,
        ended_at=None,
        ended_reason=None,
    )


async def family(
    connection: Connection,
    grant_id: str,
    sealer: Sealer,
    now: datetime,
    session_idle: timedelta,
    refresh_idle: timedelta,
) -> Family | None:
    row = await connection.one(_FAMILY, id=grant_id, now=now, idle_since=now - session_idle)
    if row is None:
        return None
    return Family(
        grant_id=row.id,
        client_id=row.client_id,
        user_id=row.user_id,
        scope=tuple(row.scope.split()),
        seed=sealer.unseal(row.seed, PURPOSE, row.id),
        generation=row.generation,
        rotated_at=row.rotated_at,
        idle_expires_at=row.rotated_at + refresh_idle,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ended_reason=None if row.ended_at is None else row.ended_reason or "ended",
        lost=next((name for name, alive in zip(_REASONS, row[-3:], strict=True) if not alive), None),
        authentication=Authentication(row.session_id, row.auth_time, tuple(row.amr.split()), row.acr),
    )


async def rotate(
    transaction: Transaction, grant_id: str, generation: int, now: datetime, session_idle: timedelta
) -> int | None:
    """The next generation, to exactly one caller; None where the row has moved on or ended."""
    row = await transaction.one(_ROTATE, of=grant_id, current=generation, now=now, idle_since=now - session_idle)
    return None if row is None else int(row.generation)


async def holder(
    connection: Connection, grant_id: str, jti: str, now: datetime, session_idle: timedelta
) -> Holder | None:
    """Whose grant it is, if it lives and this access token of it was not revoked."""
    row = await connection.one(_HOLDER, id=grant_id, jti=jti, now=now, idle_since=now - session_idle)
    if row is None:
        return None
    email = {"email": row.email, "email_verified": row.email_verified_at is not None}
    return Holder(row.id, {**row.claims, **email, "updated_at": int(row.updated_at.timestamp())})


async def token_is_alive(
    connection: Connection, grant_id: str, client_id: str, jti: str, now: datetime, session_idle: timedelta
) -> bool:
    """Whether an access token of this grant still counts."""
    row = await connection.one(
        _TOKEN_IS_ALIVE, id=grant_id, client_id=client_id, jti=jti, now=now, idle_since=now - session_idle
    )
    return row is not None


async def parties(connection: Connection, grant_id: str) -> Parties | None:
    row = await connection.one(_PARTIES, id=grant_id)
    return None if row is None else Parties(*row)


async def end_older(transaction: Transaction, user_id: str, client_id: str, newest: int, now: datetime) -> int:
    """Ends all live grants of a person at a client but the `newest`, once there are a few too many."""
    of = {"of_user": user_id, "of_client": client_id}
    if await transaction.one(_IS_OLDER, **of, newest=newest + EVICTED_FROM) is None:
        return 0
    return await transaction.run(_END_OLDER, **of, newest=newest, now=now, reason="too many for one person and app")


async def bind_to_sessions(transaction: Transaction, client_id: str) -> None:
    """No grant of this client outlives its session any more."""
    await transaction.run(_BIND_TO_SESSIONS, of=client_id)


async def end(transaction: Transaction, grant_id: str, reason: str, now: datetime) -> bool:
    return bool(await transaction.all(_END, of=grant_id, reason=reason, now=now))


async def end_of_consent(transaction: Transaction, user_id: str, client_id: str, now: datetime) -> int:
    rows = await transaction.all(
        _END_OF_CONSENT, of_user=user_id, of_client=client_id, reason="consent withdrawn", now=now
    )
    return len(rows)


async def end_of_client(transaction: Transaction, client_id: str, reason: str, now: datetime) -> int:
    return len(await transaction.all(_END_OF_CLIENT, of_client=client_id, reason=reason, now=now))


async def end_of_user(transaction: Transaction, user_id: str, reason: str, now: datetime) -> int:
    return len(await transaction.all(_END_OF_USER, of_user=user_id, reason=reason, now=now))


async def end_elsewhere(transaction: Transaction, user_id: str, kept: str, reason: str, now: datetime) -> int:
    """All of a person's but those that the session `kept` gave."""
    return len(await transaction.all(_END_ELSEWHERE, of_user=user_id, kept=kept, reason=reason, now=now))


async def apps_by_session(connection: Connection, user_id: str, now: datetime) -> dict[str, list[str]]:
    """The names of the apps that have access by each of a person's sessions."""
    found: dict[str, list[str]] = {}
    for row in await connection.all(_APPS, user_id=user_id, now=now):
        found.setdefault(row.session_id, []).append(row.client_name)
    return found


async def last_used(connection: Connection, user_id: str) -> dict[str, datetime]:
    """When each app of a person last got tokens for them, as far as the grants that are kept tell."""
    return {row.client_id: row.at for row in await connection.all(_LAST_USED, user_id=user_id)}


async def end_of_session(transaction: Transaction, sid: str, now: datetime) -> int:
    """Those that end with their session: all but the offline ones."""
    return len(await transaction.all(_END_OF_SESSION, of_session=sid, reason="session ended", now=now))
