"""What is to be sent out, in the transaction of what it tells of: leased, tried, tried again later, or given up.

A lease is one statement, so of several workers one gets a row, and a worker that dies keeps it for LEASE. Whoever holds
a lease that another one has taken since changes nothing any more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from idp import quick_json
from idp.store.db import Connection, Database, Effect, Runner, Statement, Transaction, insert_row
from idp.store.ids import new_id
from idp.store.seal import Sealer
from idp.store.tables import OutboxRow, table_of

MAIL = "mail"
DECOY = "decoy"  # of a mail to nobody, so that a request for one takes as long; it is never sent
PURPOSE = "outbox"
LEASE = timedelta(minutes=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=2)
_OUTBOX = table_of(OutboxRow)
_PUT = insert_row(_OUTBOX)
_IS_DUE = (
    _OUTBOX.c.due_at <= bindparam("now", type_=_OUTBOX.c.due_at.type),
    _OUTBOX.c.expires_at > bindparam("now", type_=_OUTBOX.c.due_at.type),
    _OUTBOX.c.kind == bindparam("of_kind"),
)
_ANY_DUE = Statement(Effect.READ, select(_OUTBOX.c.id).where(*_IS_DUE).limit(1))
_LEASE = Statement(
    Effect.WRITE,
    update(_OUTBOX)
    .where(
        _OUTBOX.c.id.in_(
            select(_OUTBOX.c.id)
            .where(*_IS_DUE)
            .order_by(_OUTBOX.c.due_at)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    )
    .values(attempts=_OUTBOX.c.attempts + 1, due_at=bindparam("until", type_=_OUTBOX.c.due_at.type))
    .returning(_OUTBOX.c.id, _OUTBOX.c.payload, _OUTBOX.c.attempts),
)
_DONE = Statement(Effect.WRITE, delete(_OUTBOX).where(_OUTBOX.c.id == bindparam("of")))
_RETRY = Statement(
    Effect.WRITE,
    update(_OUTBOX)
    .where(_OUTBOX.c.id == bindparam("of"), _OUTBOX.c.attempts == bindparam("lease"))
    .values(due_at=bindparam("at", type_=_OUTBOX.c.due_at.type), error=bindparam("why")),
)
_LIST = Statement(
    Effect.READ,
    select(*(column for column in _OUTBOX.columns if column.name != "payload"))
    .where(_OUTBOX.c.kind != DECOY)
    .order_by(_OUTBOX.c.id),
)


@dataclass(frozen=True)
class Leased:
    """A row that this worker may send until its lease ends; `attempts` is the lease's number."""

    id: str
    payload: bytes
    attempts: int

    def data(self, sealer: Sealer) -> dict[str, Any]:
        """Raises SealBroken."""
        data: dict[str, Any] = quick_json.decode(sealer.unseal(self.payload, PURPOSE, self.id))
        return data


@dataclass(frozen=True)
class Waiting:
    """What an operator may know of a row. `due_at` is None where it was given up."""

    id: str
    kind: str
    attempts: int
    error: str | None
    created_at: datetime
    due_at: datetime | None
    expires_at: datetime


async def put(runner: Runner, sealer: Sealer, kind: str, data: dict[str, Any], now: datetime, until: datetime) -> None:
    """To be sent as soon as the transaction is done, and not after `until`."""
    row_id = new_id(now)
    payload = sealer.seal(quick_json.encode(data), PURPOSE, row_id)
    times = {"created_at": now, "due_at": now, "expires_at": until}
    await runner.run(_PUT, id=row_id, kind=kind, payload=payload, attempts=0, error=None, **times)


async def lease(database: Database, kind: str, most: int, now: datetime) -> list[Leased]:
    """Up to so many of those that are due, the oldest first."""
    if await database.one(_ANY_DUE, now=now, of_kind=kind) is None:
        return []  # which writes nothing, once a second
    async with database.transaction() as transaction:
        rows = await transaction.all(_LEASE, now=now, of_kind=kind, most=most, until=now + LEASE)
    return [Leased(*row) for row in rows]


async def done(transaction: Transaction, leased: Leased) -> None:
    """It was sent: whoever has another lease of it need not send it again."""
    await transaction.run(_DONE, of=leased.id)


async def later(transaction: Transaction, leased: Leased, why: str, now: datetime) -> None:
    """It is tried again, after a pause that doubles."""
    pause = min(FIRST_PAUSE * (1 << min(leased.attempts - 1, 10)), LONGEST_PAUSE)
    await transaction.run(_RETRY, of=leased.id, lease=leased.attempts, at=now + pause, why=why)


async def give_up(transaction: Transaction, leased: Leased, why: str) -> None:
    """It is set aside, for an operator to see."""
    await transaction.run(_RETRY, of=leased.id, lease=leased.attempts, at=None, why=why)


async def listed(connection: Connection) -> list[Waiting]:
    """What was not sent yet, the oldest first."""
    return [Waiting(**row._asdict()) for row in await connection.all(_LIST)]
