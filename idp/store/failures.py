"""Wrong passwords and codes in a row, by a key that names nobody; they outlive a restart."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from idp.factors.throttling import Failures
from idp.store.db import Connection, Effect, Runner, Statement, Transaction
from idp.store.tables import FailureRow, table_of

_FAILURES = table_of(FailureRow)
_FIND = Statement(
    Effect.READ,
    select(_FAILURES).where(_FAILURES.c.key.in_([bindparam("first"), bindparam("second")])),
)
_COUNT = Statement(
    Effect.COUNT,
    lambda insert: (
        insert(_FAILURES)
        .values(key=bindparam("key"), count=bindparam("one"), newest=bindparam("newest"))
        .on_conflict_do_update(
            index_elements=["key"],
            set_={"count": _FAILURES.c.count + 1, "newest": bindparam("newest", type_=_FAILURES.c.newest.type)},
        )
        .returning(_FAILURES.c.count)
    ),
)
_FORGET = Statement(Effect.COUNT, delete(_FAILURES).where(_FAILURES.c.key == bindparam("of")))


async def find(connection: Connection, keys: Sequence[str]) -> dict[str, Failures]:
    """Those that there are, of one key or two."""
    rows = await connection.all(_FIND, first=keys[0], second=keys[-1])
    return {row.key: Failures(row.count, row.newest) for row in rows}


async def count(transaction: Transaction, key: str, now: datetime) -> int:
    """One more; how many there are in a row now."""
    row = await transaction.one(_COUNT, key=key, one=1, newest=now)
    return 0 if row is None else int(row.count)


async def forget(runner: Runner, keys: Sequence[str]) -> None:
    for key in sorted(keys):  # so that two transactions never wait for each other
        await runner.run(_FORGET, of=key)
