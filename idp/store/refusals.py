"""Why requests were refused: few rows, for a while, so that whoever is refused can be told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select

from idp.store.db import Connection, Effect, Row, Statement, Transaction, insert_row
from idp.store.ids import new_id
from idp.store.tables import Refusal as RefusalRow
from idp.store.tables import table_of

MOST = 10_000
MOST_OF_CLIENT = 500
NOBODY = ""  # whoever is no client of ours: all of them share what one client has

_REFUSALS = table_of(RefusalRow)
_ADD = insert_row(_REFUSALS, Effect.COUNT)
_KEEP = Statement(
    Effect.COUNT,
    delete(_REFUSALS).where(
        _REFUSALS.c.client_id == bindparam("of"),
        _REFUSALS.c.id
        <= select(_REFUSALS.c.id)
        .where(_REFUSALS.c.client_id == bindparam("of"))
        .order_by(_REFUSALS.c.id.desc())
        .offset(MOST_OF_CLIENT)
        .limit(1)
        .scalar_subquery(),
    ),
)
_KEEP_ALL = Statement(
    Effect.COUNT,
    delete(_REFUSALS).where(
        _REFUSALS.c.id <= select(_REFUSALS.c.id).order_by(_REFUSALS.c.id.desc()).offset(MOST).limit(1).scalar_subquery()
    ),
)
_FIND = Statement(
    Effect.READ,
    select(_REFUSALS).where(_REFUSALS.c.reference == bindparam("reference")).order_by(_REFUSALS.c.id.desc()),
)
_LAST = Statement(Effect.READ, select(_REFUSALS).order_by(_REFUSALS.c.id.desc()).limit(bindparam("most")))


@dataclass(frozen=True)
class Refusal:
    """One refusal. `details` are `description`, `reason`, `received`, `expected`, and how many were `not_stored`."""

    reference: str
    at: datetime
    endpoint: str
    client_id: str
    error: str
    details: dict[str, Any]


async def add(transaction: Transaction, refusal: Refusal) -> None:
    """The newest of its client; the oldest go where there are too many, of this client or of all."""
    await transaction.run(_ADD, id=new_id(refusal.at), **vars(refusal))
    await transaction.run(_KEEP, of=refusal.client_id)
    await transaction.run(_KEEP_ALL)


async def find(connection: Connection, reference: str) -> Refusal | None:
    row = await connection.one(_FIND, reference=reference)
    return None if row is None else _refusal(row)


async def last(connection: Connection, most: int) -> list[Refusal]:
    """The newest, newest first."""
    return [_refusal(row) for row in await connection.all(_LAST, most=most)]


def _refusal(row: Row) -> Refusal:
    return Refusal(row.reference, row.at, row.endpoint, row.client_id, row.error, row.details)
