"""Removing what has expired, in bounded batches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, bindparam, delete, select

from idp.factors.throttling import MOST_FAILURES, milliseconds
from idp.store.db import Database, Effect, Statement
from idp.store.tables import (
    Attempt,
    CounterRow,
    EmailCodeRow,
    FailureRow,
    Grant,
    Handle,
    OutboxRow,
    Refusal,
    RevokedToken,
    Session,
    SigningKey,
    table_of,
)

BATCH = 500
KEEP_HANDLES = timedelta(hours=1)  # a used code stays so long, so that its replay is recognised
KEEP_ATTEMPTS = timedelta(days=1)  # an expired attempt restarts by itself for so long
KEEP_ENDED = timedelta(days=1)
KEEP_UNSENT = timedelta(hours=1)
KEEP_REFUSALS = timedelta(days=7)
KEEP_FAILURES = timedelta(days=30)
KEEP_LOCKED = timedelta(days=365)

_HANDLES, _ATTEMPTS, _SESSIONS = table_of(Handle), table_of(Attempt), table_of(Session)
_GRANTS, _KEYS = table_of(Grant), table_of(SigningKey)
_REVOKED, _REFUSALS = table_of(RevokedToken), table_of(Refusal)
_FAILURES, _COUNTERS = table_of(FailureRow), table_of(CounterRow)
_EMAIL_CODES, _OUTBOX = table_of(EmailCodeRow), table_of(OutboxRow)


@dataclass(frozen=True)
class _Rule:
    """Rows of a table, or those that are `only`, are of no use `keep` after the time in `column`; binds `before`."""

    column: Column[Any]
    keep: timedelta
    only: ColumnElement[bool] | None = None
    as_stored: Callable[[datetime], object] = datetime.astimezone  # a time, as the column has it

    def statement(self) -> Statement:
        table: Table = self.column.table
        key = next(iter(table.primary_key.columns))
        old = select(key).where(self.column < bindparam("before")).limit(BATCH)
        if self.only is not None:
            old = old.where(self.only)
        return Statement(Effect.WRITE, delete(table).where(key.in_(old)))


_RULES = (
    _Rule(_HANDLES.c.expires_at, KEEP_HANDLES),
    _Rule(_ATTEMPTS.c.expires_at, KEEP_ATTEMPTS),
    _Rule(_EMAIL_CODES.c.expires_at, timedelta(0)),
    _Rule(_OUTBOX.c.expires_at, KEEP_UNSENT),
    _Rule(_SESSIONS.c.expires_at, KEEP_ENDED),
    _Rule(_SESSIONS.c.ended_at, KEEP_ENDED),
    _Rule(_GRANTS.c.expires_at, KEEP_ENDED),
    _Rule(_GRANTS.c.ended_at, KEEP_ENDED),
    _Rule(_KEYS.c.expires_at, timedelta(0)),
    _Rule(_REVOKED.c.expires_at, timedelta(0)),
    _Rule(_REFUSALS.c.at, KEEP_REFUSALS),
    _Rule(_FAILURES.c.newest, KEEP_FAILURES, _FAILURES.c.count < MOST_FAILURES),
    _Rule(_FAILURES.c.newest, KEEP_LOCKED),
    _Rule(_COUNTERS.c.full_at, timedelta(0), as_stored=milliseconds),
)
_STATEMENTS = tuple((rule, rule.statement()) for rule in _RULES)


async def prune(database: Database, now: datetime) -> dict[str, int]:
    """How many rows of each table went. Each batch is a transaction of its own, so that nobody waits long."""
    removed = {rule.column.table.name: 0 for rule in _RULES}
    for rule, statement in _STATEMENTS:
        while True:
            async with database.transaction() as transaction:
                gone = await transaction.run(statement, before=rule.as_stored(now - rule.keep))
            removed[rule.column.table.name] += gone
            if gone < BATCH:
                break
            await asyncio.sleep(0)  # SQLite's statements await nothing by themselves
    return removed
