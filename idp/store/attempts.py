"""Sign-ins on their way, and who signed in with a browser last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from idp.store.db import Connection, Effect, Statement, Transaction, insert_row
from idp.store.seal import Sealer
from idp.store.tables import Attempt as AttemptRow
from idp.store.tables import RememberedAccount, User, table_of

PURPOSE = "username"
_ATTEMPTS = table_of(AttemptRow)
_REMEMBERED = table_of(RememberedAccount)
_USERS = table_of(User)
_CREATE = insert_row(_ATTEMPTS)
_FIND = Statement(Effect.READ, select(_ATTEMPTS).where(_ATTEMPTS.c.id == bindparam("id")))
_SAVE = Statement(
    Effect.WRITE,
    update(_ATTEMPTS)
    .where(
        _ATTEMPTS.c.id == bindparam("of"),
        _ATTEMPTS.c.version == bindparam("before"),
        _ATTEMPTS.c.done_at.is_(None),
    )
    .values(
        username=bindparam("new_username"),
        fault=bindparam("new_fault"),
        fresh_since=bindparam("new_fresh_since"),
        session_id=bindparam("new_session_id"),
        consented_by=bindparam("new_consented_by"),
        done_at=bindparam("new_done_at"),
        version=_ATTEMPTS.c.version + 1,
    ),
)
_REMEMBER = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_REMEMBERED)
        .values({column.name: bindparam(column.name) for column in _REMEMBERED.columns})
        .on_conflict_do_update(
            index_elements=["browser_hash"],
            set_={
                "user_id": bindparam("user_id"),
                "seen_at": bindparam("seen_at", type_=_REMEMBERED.c.seen_at.type),
            },
        )
    ),
)
_REMEMBERED_USER = Statement(
    Effect.READ,
    select(_USERS.c.id, _USERS.c.email, _USERS.c.claims)
    .join_from(_REMEMBERED, _USERS, _USERS.c.id == _REMEMBERED.c.user_id)
    .where(_REMEMBERED.c.browser_hash == bindparam("browser_hash")),
)
_FORGET = Statement(Effect.WRITE, delete(_REMEMBERED).where(_REMEMBERED.c.browser_hash == bindparam("browser_hash")))


@dataclass(frozen=True)
class Attempt:
    """One sign-in on its way. `request` is the judged authorization request as it was stored."""

    id: str
    browser_hash: str
    client_id: str
    request: dict[str, Any]
    username: str | None
    fault: str | None
    fresh_since: datetime | None
    session_id: str | None
    consented_by: str | None
    version: int
    created_at: datetime
    expires_at: datetime
    done_at: datetime | None


@dataclass(frozen=True)
class Remembered:
    """Who signed in with this browser last."""

    user_id: str
    email: str
    name: str


async def create(transaction: Transaction, sealer: Sealer, attempt: Attempt) -> None:
    await transaction.run(_CREATE, **vars(attempt) | {"username": _sealed(sealer, attempt)})


async def find(connection: Connection, sealer: Sealer, attempt_id: str) -> Attempt | None:
    row = await connection.one(_FIND, id=attempt_id)
    if row is None:
        return None
    username = None if row.username is None else sealer.unseal(row.username, PURPOSE, row.id).decode()
    return Attempt(**row._asdict() | {"username": username})


async def save(transaction: Transaction, sealer: Sealer, attempt: Attempt) -> bool:
    """Writes what may change; False where the attempt is done or somebody else wrote it since it was read."""
    touched = await transaction.run(
        _SAVE,
        of=attempt.id,
        before=attempt.version,
        new_username=_sealed(sealer, attempt),
        new_fault=attempt.fault,
        new_fresh_since=attempt.fresh_since,
        new_session_id=attempt.session_id,
        new_consented_by=attempt.consented_by,
        new_done_at=attempt.done_at,
    )
    return touched == 1


async def remember(transaction: Transaction, browser_hash: str, user_id: str, now: datetime) -> None:
    await transaction.run(_REMEMBER, browser_hash=browser_hash, user_id=user_id, seen_at=now)


async def remembered(connection: Connection, browser_hash: str) -> Remembered | None:
    row = await connection.one(_REMEMBERED_USER, browser_hash=browser_hash)
    return None if row is None else Remembered(row.id, row.email, row.claims.get("name") or row.email)


async def forget(transaction: Transaction, browser_hash: str) -> None:
    await transaction.run(_FORGET, browser_hash=browser_hash)


def _sealed(sealer: Sealer, attempt: Attempt) -> bytes | None:
    return None if attempt.username is None else sealer.seal(attempt.username.encode(), PURPOSE, attempt.id)
