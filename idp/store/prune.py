"""Removing what has expired, in bounded batches."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Table, bindparam, delete, select

from idp.store.db import Database, Effect, Statement
from idp.store.tables import Attempt, Grant, Handle, Refusal, RevokedToken, Session, SigningKey, table_of

BATCH = 500
KEEP_HANDLES = timedelta(hours=1)  # a used code stays so long, so that its replay is recognised
KEEP_ATTEMPTS = timedelta(days=1)  # an expired attempt restarts by itself for so long
KEEP_ENDED = timedelta(days=1)
KEEP_REFUSALS = timedelta(days=7)

_HANDLES, _ATTEMPTS, _SESSIONS = table_of(Handle), table_of(Attempt), table_of(Session)
_GRANTS, _KEYS = table_of(Grant), table_of(SigningKey)
_REVOKED, _REFUSALS = table_of(RevokedToken), table_of(Refusal)


@dataclass(frozen=True)
class _Rule:
    """Rows of a table are of no use `keep` after the time in `column`, of which there is an index; binds `before`."""

    column: Column[Any]
    keep: timedelta

    def statement(self) -> Statement:
        table: Table = self.column.table
        key = next(iter(table.primary_key.columns))
        old = select(key).where(self.column < bindparam("before")).limit(BATCH)
        return Statement(Effect.WRITE, delete(table).where(key.in_(old)))


_RULES = (
    _Rule(_HANDLES.c.expires_at, KEEP_HANDLES),
    _Rule(_ATTEMPTS.c.expires_at, KEEP_ATTEMPTS),
    _Rule(_SESSIONS.c.expires_at, KEEP_ENDED),
    _Rule(_SESSIONS.c.ended_at, KEEP_ENDED),
    _Rule(_GRANTS.c.expires_at, KEEP_ENDED),
    _Rule(_GRANTS.c.ended_at, KEEP_ENDED),
    _Rule(_KEYS.c.expires_at, timedelta(0)),
    _Rule(_REVOKED.c.expires_at, timedelta(0)),
    _Rule(_REFUSALS.c.at, KEEP_REFUSALS),
)
_STATEMENTS = tuple((rule.column.table.name, rule.statement(), rule.keep) for rule in _RULES)


async def prune(database: Database, now: datetime) -> dict[str, int]:
    """How many rows of each table went. Each batch is a transaction of its own, so that nobody waits long."""
    removed = {table: 0 for table, _, _ in _STATEMENTS}
    for table, statement, keep in _STATEMENTS:
        while True:
            async with database.transaction() as transaction:
                gone = await transaction.run(statement, before=now - keep)
            removed[table] += gone
            if gone < BATCH:
                break
            await asyncio.sleep(0)  # SQLite's statements await nothing by themselves
    return removed
