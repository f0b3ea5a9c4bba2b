"""Which installation this database belongs to, and whether our sealing keys are its own."""

from datetime import datetime

from sqlalchemy import bindparam, select

from idp.store.db import Connection, Database, Effect, Statement
from idp.store.ids import new_id
from idp.store.seal import SealBroken, Sealer
from idp.store.tables import Instance, table_of

_INSTANCE = table_of(Instance)
_PURPOSE = "key_check"
_NAME = "instance"
_KNOWN = b"idp"
_FIND = Statement(Effect.READ, select(_INSTANCE))
_CREATE = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_INSTANCE)
        .values({column.name: bindparam(column.name) for column in _INSTANCE.columns})
        .on_conflict_do_nothing()
    ),
)


class WrongSecretKey(Exception):
    """None of the secret keys is one of those that this database was sealed under."""


async def ensure(database: Database, sealer: Sealer, now: datetime) -> str:
    """The instance's id; makes it in an empty database. Raises WrongSecretKey."""
    row = await database.one(_FIND)
    if row is None:
        async with database.transaction() as transaction:
            # Of two that start at once one makes the row, and the other is checked against it.
            sealed = sealer.seal(_KNOWN, _PURPOSE, _NAME)
            await transaction.run(_CREATE, name=_NAME, id=new_id(now), created_at=now, key_check=sealed)
            row = await transaction.one(_FIND)
    assert row is not None  # noqa: S101  # it was just made
    _check(row.key_check, sealer)
    return str(row.id)


async def find(connection: Connection) -> str | None:
    row = await connection.one(_FIND)
    return None if row is None else str(row.id)


def _check(sealed: bytes, sealer: Sealer) -> None:
    try:
        sealer.unseal(sealed, _PURPOSE, _NAME)
    except SealBroken:
        message = (
            "This database was sealed under another secret key. "
            "Give IDP_SECRET_KEY the key it was made with (several, comma-separated, while you rotate)."
        )
        raise WrongSecretKey(message) from None
