"""The chain of the audit: each seal vouches for the rows since the one before it, and for that one.

Who owns the database can change, remove and add rows; without the secret key nobody makes a seal that fits. What is
newer than LAG is not sealed yet: transactions of it may still be on their way. That the newest seals are there is
known by whoever keeps the log, which names each of them.
"""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select

from idp import quick_json
from idp.store.db import Connection, Database, Effect, Row, Statement
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import AuditRow, AuditSealRow, table_of

PURPOSE = "audit_seal"
LAG = timedelta(minutes=1)
MOST_ROWS = 50_000  # under one seal
_PAGE = 100  # rows read at once: nobody waits long for the loop
_START = ""
_AUDIT, _SEALS = table_of(AuditRow), table_of(AuditSealRow)
_ROWS = Statement(
    Effect.READ,
    select(_AUDIT)
    .where(_AUDIT.c.id > bindparam("after"), _AUDIT.c.id <= bindparam("until"))
    .order_by(_AUDIT.c.id)
    .limit(bindparam("most")),
)
_COUNT = Statement(Effect.READ, select(func.count().label("rows")).where(_AUDIT.c.id > bindparam("after")))
_LAST = Statement(Effect.READ, select(_SEALS).where(_SEALS.c.number > _START).order_by(_SEALS.c.number.desc()).limit(1))
_ALL = Statement(
    Effect.READ, select(_SEALS).where(_SEALS.c.number > bindparam("after")).order_by(_SEALS.c.number).limit(_PAGE)
)
_ADD = Statement(
    Effect.AUDIT,
    lambda insert: (
        insert(_SEALS)
        .values({column.name: bindparam(column.name) for column in _SEALS.columns})
        .on_conflict_do_nothing(index_elements=["number"])
        .returning(_SEALS.c.number)
    ),
)


class Broken(Exception):
    """The audit is not what was sealed; the text says where."""


@dataclass(frozen=True)
class Seal:
    """The rows up to and with the id `until`: how many there are since the seal before, and the digest of them all."""

    number: int
    until: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Verified:
    """`rows` stand under the seals up to `last`, which is None where there is none; `newer` ones under no seal yet."""

    last: Seal | None
    rows: int
    newer: int


async def seal_next(database: Database, sealer: Sealer, now: datetime) -> Seal | None:
    """One seal for the rows that are due; None where there are none, or another worker was at it."""
    newest = await database.one(_LAST)
    last = None if newest is None else _opened(sealer, newest)
    if newest is not None and last is not None and newest.created_at > now - LAG and last.rows < MOST_ROWS:
        return None
    until = f"{int((now - LAG).timestamp() * 1000):012x}"  # no id of a later millisecond is less than that
    found = await _digest(database, last, until, MOST_ROWS)
    if found.rows == 0:
        return None
    plain = quick_json.encode([found.until, found.rows, found.digest])
    number = _name(found.number)
    async with database.transaction() as transaction:
        added = await transaction.one(_ADD, number=number, created_at=now, seal=sealer.seal(plain, PURPOSE, number))
    return None if added is None else found


async def verify(connection: Connection, sealer: Sealer, expected: tuple[int, str] | None = None) -> Verified:
    """Reads all of it. `expected` is the number and digest of a seal that the log named. Raises Broken."""
    last: Seal | None = None
    rows, seen = 0, expected is None
    while page := await connection.all(_ALL, after=_START if last is None else _name(last.number)):
        for row in page:
            seal = _opened(sealer, row)
            await _check(connection, last, seal)
            last, rows = seal, rows + seal.rows
            seen = seen or expected == (seal.number, seal.digest)
    if not seen:
        message = "the seal that the log names is not there: the end of the audit was cut off, or made anew"
        raise Broken(message)
    newer = await connection.one(_COUNT, after=_START if last is None else last.until)
    return Verified(last, rows, 0 if newer is None else newer.rows)


async def _check(connection: Connection, last: Seal | None, seal: Seal) -> None:
    expected = 1 if last is None else last.number + 1
    where = f"between {'the beginning' if last is None else last.until} and {seal.until}"
    if seal.number != expected:
        message = f"seal {expected} is missing"
        raise Broken(message)
    found = await _digest(connection, last, seal.until, None)
    if found.rows != seal.rows:
        message = f"{where} there are {found.rows} rows, and {seal.rows} were sealed"
        raise Broken(message)
    if not hmac.compare_digest(found.digest, seal.digest):
        message = f"{where} a row was changed"
        raise Broken(message)


async def _digest(connection: Connection, last: Seal | None, until: str, most: int | None) -> Seal:
    after, digest, rows = (_START, hashlib.sha256(), 0) if last is None else (last.until, _begun(last), 0)
    while page := await connection.all(_ROWS, after=after, until=until, most=_PAGE):
        for row in page:
            digest.update(_told(row))
        after, rows = page[-1].id, rows + len(page)
        if most is not None and rows >= most:
            break
        await asyncio.sleep(0)
    return Seal(1 if last is None else last.number + 1, after, rows, digest.hexdigest())


def _begun(last: Seal) -> Any:  # hashlib names no type for it
    return hashlib.sha256(bytes.fromhex(last.digest))


def _told(row: Row) -> bytes:
    """A row without what may be sealed anew under another key: that has a seal of its own."""
    values = row._asdict()
    personal = values.pop("personal")
    kept = None if personal is None or values["pseudonym"] is None else personal.hex()
    told = quick_json.encode([kept, values.pop("at").isoformat(), *(values[name] for name in sorted(values))])
    return len(told).to_bytes(4) + told


def _opened(sealer: Sealer, row: Row) -> Seal:
    """Raises Broken."""
    try:
        until, rows, digest = quick_json.decode(sealer.unseal(row.seal, PURPOSE, row.number))
    except SealBroken as error:
        message = f"seal {int(row.number)} is none of ours: {error}"
        raise Broken(message) from None
    return Seal(int(row.number), until, rows, digest)


def _name(number: int) -> str:
    """As its row is called: in the order of the numbers."""
    return f"{number:010d}"
