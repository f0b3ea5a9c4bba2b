"""Signing keys at rest."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from idp.store.db import Connection, Effect, Statement, Transaction
from idp.store.seal import Sealer
from idp.store.tables import SigningKey, table_of

_KEYS = table_of(SigningKey)
PURPOSE = "signing_key"
_ALL = Statement(Effect.READ, select(_KEYS).order_by(_KEYS.c.created_at, _KEYS.c.kid))
_ADD = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_KEYS).values({column.name: bindparam(column.name) for column in _KEYS.columns}).on_conflict_do_nothing()
    ),
)
_ACTIVATE = Statement(
    Effect.WRITE,
    update(_KEYS).where(_KEYS.c.kid == bindparam("of"), _KEYS.c.active_at.is_(None)).values(active_at=bindparam("now")),
)
_RETIRE = Statement(
    Effect.WRITE,
    update(_KEYS)
    .where(_KEYS.c.kid == bindparam("of"), _KEYS.c.retired_at.is_(None))
    .values(retired_at=bindparam("now"), expires_at=bindparam("until")),
)


@dataclass(frozen=True)
class StoredKey:
    """A signing key: `private_key` is PEM (PKCS 8), sealed in the row."""

    kid: str
    algorithm: str
    private_key: bytes
    created_at: datetime
    active_at: datetime | None
    retired_at: datetime | None
    expires_at: datetime | None

    @property
    def state(self) -> str:
        if self.active_at is None:
            return "next"
        return "current" if self.retired_at is None else "retired"


async def stored(connection: Connection, sealer: Sealer) -> list[StoredKey]:
    rows = await connection.all(_ALL)
    return [
        StoredKey(**row._asdict() | {"private_key": sealer.unseal(row.private_key, PURPOSE, row.kid)}) for row in rows
    ]


async def kids(connection: Connection) -> tuple[tuple[str, bool, bool], ...]:
    """What tells a worker that the keys changed, without opening them."""
    return tuple((row.kid, row.active_at is not None, row.retired_at is not None) for row in await connection.all(_ALL))


async def add(transaction: Transaction, sealer: Sealer, key: StoredKey) -> bool:
    """False where there is already a key in this state: the table allows one next and one current."""
    sealed = sealer.seal(key.private_key, PURPOSE, key.kid)
    added = await transaction.run(
        _ADD,
        kid=key.kid,
        algorithm=key.algorithm,
        private_key=sealed,
        created_at=key.created_at,
        active_at=key.active_at,
        retired_at=key.retired_at,
        expires_at=key.expires_at,
    )
    return added == 1


async def activate(transaction: Transaction, kid: str, now: datetime) -> bool:
    return await transaction.run(_ACTIVATE, of=kid, now=now) == 1


async def retire(transaction: Transaction, kid: str, now: datetime, until: datetime) -> bool:
    return await transaction.run(_RETIRE, of=kid, now=now, until=until) == 1
