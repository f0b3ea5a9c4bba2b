"""Sealing everything again under the newest secret key, so that an old one can be dropped. Ends nobody's access."""

from typing import Any

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, and_, bindparam, select, update
from sqlmodel import SQLModel

from idp.store.audit import PURPOSE as AUDIT_PURPOSE
from idp.store.db import Database, Effect, Row, Statement
from idp.store.seal import Sealer

BATCH = 200


async def reseal(database: Database, sealer: Sealer) -> int:
    """How many values were sealed again. Works beside a running server: each write is a compare-and-set."""
    done = 0
    for table in SQLModel.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, LargeBinary) and "purpose" in column.info:
                done += await _column(database, sealer, table, column)
    return done


async def _column(database: Database, sealer: Sealer, table: Table, column: Column[Any]) -> int:
    key = next(iter(table.primary_key.columns))
    ours: ColumnElement[bool] = column.is_not(None)
    if column.info["purpose"] == AUDIT_PURPOSE:  # where there is a person, it is sealed under the person's own key
        ours = and_(ours, table.c.pseudonym.is_(None))
    page = Statement(
        Effect.READ,
        select(key.label("row"), column.label("sealed"))
        .where(ours, key > bindparam("after"))
        .order_by(key)
        .limit(BATCH),
    )
    write = Statement(
        Effect.WRITE,
        update(table)
        .where(key == bindparam("of"), column == bindparam("before"))
        .values({column.name: bindparam("new")}),
    )
    done, after = 0, ""
    while rows := await database.all(page, after=after):
        async with database.transaction() as transaction:
            for row in rows:
                done += await _value(transaction, sealer, write, column, row)
        after = rows[-1].row
    return done


async def _value(transaction: Any, sealer: Sealer, write: Statement, column: Column[Any], row: Row) -> int:
    if sealer.is_newest(row.sealed):
        return 0
    purpose = column.info["purpose"]
    new = sealer.seal(sealer.unseal(row.sealed, purpose, row.row), purpose, row.row)
    return int(await transaction.run(write, of=row.row, before=row.sealed, new=new))
