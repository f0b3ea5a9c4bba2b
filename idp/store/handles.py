"""Handles are taken, not read: one statement marks the row used and returns what it was."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from idp.store.db import Connection, Effect, Statement, Transaction, insert_row
from idp.store.ids import hash_of, new_secret
from idp.store.tables import Handle, table_of

CODE = "code"
STORED_REQUEST = "stored_request"
TICKET = "ticket"
CHALLENGE = "challenge"
EMAIL_LINK = "email_link"
NOT_ME = "not_me"
RECOVERY = "recovery"
EMAIL_CHANGE = "email_change"
SIGN_UP = "sign_up"
VERIFICATION = "verification"
WORK = "work"
RIDDLE = "riddle"

_HANDLES = table_of(Handle)
_ADD = insert_row(_HANDLES, Effect.COUNT)
_TAKE = Statement(
    Effect.TAKE,
    update(_HANDLES)
    .where(
        _HANDLES.c.hash == bindparam("of"),
        _HANDLES.c.kind == bindparam("of_kind"),
        _HANDLES.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
    .returning(_HANDLES.c.data, _HANDLES.c.expires_at),
)
_BURN = Statement(
    Effect.TAKE,
    lambda insert: (
        insert(_HANDLES)
        .values({column.name: bindparam(column.name) for column in _HANDLES.columns})
        .on_conflict_do_nothing(index_elements=["hash"])
        .returning(_HANDLES.c.hash)
    ),
)
_FIND = Statement(
    Effect.READ,
    select(_HANDLES.c.data, _HANDLES.c.expires_at, _HANDLES.c.used_at).where(
        _HANDLES.c.hash == bindparam("of"), _HANDLES.c.kind == bindparam("of_kind")
    ),
)


@dataclass(frozen=True)
class Taken:
    """What a handle stood for. Whether it had expired is for the caller to judge: it is used up either way."""

    data: dict[str, Any]
    expires_at: datetime
    used_at: datetime | None = None


async def issue(transaction: Transaction, kind: str, data: dict[str, Any], now: datetime, expires_at: datetime) -> str:
    """The new handle's secret, which is kept nowhere."""
    secret = new_secret()
    await keep(transaction, kind, secret, data, now, expires_at)
    return secret


async def keep(
    transaction: Transaction, kind: str, secret: str, data: dict[str, Any], now: datetime, expires_at: datetime
) -> None:
    """A handle whose secret was drawn before."""
    await transaction.run(
        _ADD, hash=hash_of(secret), kind=kind, data=data, created_at=now, expires_at=expires_at, used_at=None
    )


async def take(transaction: Transaction, kind: str, secret: str, now: datetime) -> Taken | None:
    """What the handle stood for, to exactly one caller; None to everybody else."""
    row = await transaction.one(_TAKE, of=hash_of(secret), of_kind=kind, now=now)
    return None if row is None else Taken(row.data, row.expires_at)


async def burn(transaction: Transaction, kind: str, secret: str, now: datetime, expires_at: datetime) -> bool:
    """Uses up something that was never stored, because we recognise it: True to exactly one caller."""
    row = await transaction.one(
        _BURN, hash=hash_of(secret), kind=kind, data={}, created_at=now, expires_at=expires_at, used_at=now
    )
    return row is not None


async def find(connection: Connection, kind: str, secret: str) -> Taken | None:
    """What the handle stands or stood for, used or not: to recognise a replay, or to read what carries no authority."""
    row = await connection.one(_FIND, of=hash_of(secret), of_kind=kind)
    return None if row is None else Taken(*row)
