"""Removing what has expired, in bounded batches."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, bindparam, delete, or_, select

from idp.store.db import Database, Effect, Statement
from idp.store.tables import Attempt, Grant, Handle, RememberedAccount, Session, SigningKey, table_of

BATCH = 500
KEEP_HANDLES = timedelta(hours=1)  # a used code stays so long, so that its replay is recognised
KEEP_ATTEMPTS = timedelta(days=1)  # an expired attempt restarts by itself for so long
KEEP_ENDED = timedelta(days=1)
KEEP_REMEMBERED = timedelta(days=400)

_HANDLES, _ATTEMPTS, _SESSIONS = table_of(Handle), table_of(Attempt), table_of(Session)
_GRANTS, _REMEMBERED, _KEYS = table_of(Grant), table_of(RememberedAccount), table_of(SigningKey)


@dataclass(frozen=True)
class _Rule:
    """Rows of `table` for which `expired` holds are of no use `keep` later; binds `before`."""

    table: Table
    expired: ColumnElement[bool]
    keep: timedelta

    def statement(self) -> Statement:
        key = next(iter(self.table.primary_key.columns))
        old = select(key).where(self.expired).limit(BATCH)
        return Statement(Effect.WRITE, delete(self.table).where(key.in_(old)))


_BEFORE = bindparam("before", type_=_HANDLES.c.expires_at.type)
_RULES = (
    _Rule(_HANDLES, _HANDLES.c.expires_at < _BEFORE, KEEP_HANDLES),
    _Rule(_ATTEMPTS, _ATTEMPTS.c.expires_at < _BEFORE, KEEP_ATTEMPTS),
    _Rule(_SESSIONS, or_(_SESSIONS.c.expires_at < _BEFORE, _SESSIONS.c.ended_at < _BEFORE), KEEP_ENDED),
    _Rule(_GRANTS, or_(_GRANTS.c.expires_at < _BEFORE, _GRANTS.c.ended_at < _BEFORE), KEEP_ENDED),
    _Rule(_REMEMBERED, _REMEMBERED.c.seen_at < _BEFORE, KEEP_REMEMBERED),
    _Rule(_KEYS, _KEYS.c.expires_at < _BEFORE, timedelta(0)),
)
_STATEMENTS = tuple((rule.table.name, rule.statement(), rule.keep) for rule in _RULES)


async def prune(database: Database, now: datetime) -> dict[str, int]:
    """How many rows of each table went. Each batch is a transaction of its own, so that nobody waits long."""
    removed: dict[str, int] = {}
    for table, statement, keep in _STATEMENTS:
        removed[table] = 0
        while True:
            async with database.transaction() as transaction:
                gone = await transaction.run(statement, before=now - keep)
            removed[table] += gone
            if gone < BATCH:
                break
    return removed
