"""Factors at rest: one sealed JSON value each, written back by compare-and-set."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from idp import quick_json
from idp.factors import password
from idp.store.db import Connection, Effect, Statement, Transaction
from idp.store.ids import new_id
from idp.store.seal import Sealer
from idp.store.tables import Credential, User, table_of
from idp.store.users import Person, canonical, person_of

PURPOSE = "credential"
PASSWORD = password.NAME
_CREDENTIALS = table_of(Credential)
_USERS = table_of(User)
_FIND = Statement(
    Effect.READ,
    select(_CREDENTIALS).where(_CREDENTIALS.c.lookup == bindparam("lookup")),
)
_WITH_PERSON = Statement(
    Effect.READ,
    select(_USERS, _CREDENTIALS.c.id.label("factor_id"), _CREDENTIALS.c.data, _CREDENTIALS.c.version)
    .select_from(_USERS.outerjoin(_CREDENTIALS, _CREDENTIALS.c.lookup == bindparam("factor") + ":" + _USERS.c.id))
    .where(_USERS.c.email_canonical == bindparam("email")),
)
_OWNED = Statement(
    Effect.READ,
    select(_USERS, _CREDENTIALS.c.id.label("factor_id"), _CREDENTIALS.c.data, _CREDENTIALS.c.version)
    .join_from(_CREDENTIALS, _USERS, _USERS.c.id == _CREDENTIALS.c.user_id)
    .where(_CREDENTIALS.c.lookup == bindparam("lookup")),
)
_STILL = Statement(
    Effect.READ,
    select(_CREDENTIALS.c.id)
    # the person first, whom whoever changes something of theirs locks first, too
    .join_from(_USERS, _CREDENTIALS, _USERS.c.id == _CREDENTIALS.c.user_id)
    .where(
        _CREDENTIALS.c.id == bindparam("id"),
        _CREDENTIALS.c.version == bindparam("version"),
        _USERS.c.disabled_at.is_(None),
    )
    # not FOR SHARE: two who both have it, and then both write a new hash, would wait for each other
    .with_for_update(key_share=True),
)
_CHANGED = Statement(
    Effect.READ,
    select(_CREDENTIALS.c.updated_at)
    .where(_CREDENTIALS.c.lookup == bindparam("lookup"))
    .with_for_update(key_share=True),
)
_ADD = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_CREDENTIALS)
        .values({column.name: bindparam(column.name) for column in _CREDENTIALS.columns})
        .on_conflict_do_nothing()
        .returning(_CREDENTIALS.c.id)
    ),
)
_REPLACE = Statement(
    Effect.WRITE,
    update(_CREDENTIALS)
    .where(_CREDENTIALS.c.id == bindparam("of"), _CREDENTIALS.c.version == bindparam("before"))
    .values(data=bindparam("new_data"), version=_CREDENTIALS.c.version + 1, updated_at=bindparam("now")),
)


_ENROLLED = Statement(Effect.READ, select(_CREDENTIALS.c.factor).where(_CREDENTIALS.c.user_id == bindparam("user_id")))
_OF_PERSON = Statement(
    Effect.READ,
    select(_CREDENTIALS)
    .where(_CREDENTIALS.c.user_id == bindparam("user_id"), _CREDENTIALS.c.factor == bindparam("factor"))
    .order_by(_CREDENTIALS.c.id),
)
_REMOVE = Statement(
    Effect.REVOKE,
    delete(_CREDENTIALS).where(
        _CREDENTIALS.c.user_id == bindparam("user_id"),
        _CREDENTIALS.c.factor == bindparam("factor"),
        or_(_CREDENTIALS.c.id == bindparam("id"), bindparam("id", type_=_CREDENTIALS.c.id.type).is_(None)),
    ),
)
_LISTED = Statement(
    Effect.READ,
    select(_CREDENTIALS.c.id, _CREDENTIALS.c.factor, _CREDENTIALS.c.created_at).where(
        _CREDENTIALS.c.user_id == bindparam("user_id")
    ),
)


@dataclass(frozen=True)
class StoredFactor:
    """A person's factor; `data` is what its rule book wrote, `version` what a write must still find."""

    id: str
    data: dict[str, Any]
    version: int
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Listed:
    """Which factor somebody has, and since when."""

    id: str
    factor: str
    created_at: datetime


async def find(connection: Connection, sealer: Sealer, user_id: str, factor: str) -> StoredFactor | None:
    row = await connection.one(_FIND, lookup=_single(user_id, factor))
    return (
        None
        if row is None
        else StoredFactor(row.id, quick_json.decode(sealer.unseal(row.data, PURPOSE, row.id)), row.version)
    )


async def find_with_person(
    connection: Connection, sealer: Sealer, email: str, factor: str
) -> tuple[Person | None, StoredFactor | None]:
    """Who has this address, and their factor, in one read."""
    row = await connection.one(_WITH_PERSON, email=canonical(email), factor=factor)
    if row is None:
        return None, None
    person = person_of(row)
    if row.factor_id is None:
        return person, None
    data = quick_json.decode(sealer.unseal(row.data, PURPOSE, row.factor_id))
    return person, StoredFactor(row.factor_id, data, row.version)


async def find_with_owner(connection: Connection, sealer: Sealer, lookup: str) -> tuple[Person, StoredFactor] | None:
    """The factor that is found by this, whoever has it, and who does."""
    row = await connection.one(_OWNED, lookup=lookup)
    if row is None:
        return None
    data = quick_json.decode(sealer.unseal(row.data, PURPOSE, row.factor_id))
    return person_of(row), StoredFactor(row.factor_id, data, row.version)


async def enrolled(connection: Connection, user_id: str) -> frozenset[str]:
    """The names of the factors that a person has."""
    return frozenset(row.factor for row in await connection.all(_ENROLLED, user_id=user_id))


async def listed(connection: Connection, user_id: str) -> list[Listed]:
    """All that a person has."""
    return [Listed(*row) for row in await connection.all(_LISTED, user_id=user_id)]


async def of_person(connection: Connection, sealer: Sealer, user_id: str, factor: str) -> list[StoredFactor]:
    """All that a person has of a factor, the oldest first."""
    rows = await connection.all(_OF_PERSON, user_id=user_id, factor=factor)
    return [
        StoredFactor(
            row.id,
            quick_json.decode(sealer.unseal(row.data, PURPOSE, row.id)),
            row.version,
            row.created_at,
            row.updated_at,
        )
        for row in rows
    ]


async def remove(transaction: Transaction, user_id: str, factor: str, credential_id: str | None = None) -> int:
    """How many went: one, or all that the person has of this factor."""
    return await transaction.run(_REMOVE, user_id=user_id, factor=factor, id=credential_id)


async def unchanged(transaction: Transaction, stored: StoredFactor) -> bool:
    """Whether the factor is still what was read, and its person may sign in. Who changes that waits for us to end."""
    return await transaction.one(_STILL, id=stored.id, version=stored.version) is not None


async def changed_at(transaction: Transaction, user_id: str, factor: str) -> datetime | None:
    """Since when a person's factor is what it is; None where there is none. Who changes it waits for us to end."""
    row = await transaction.one(_CHANGED, lookup=_single(user_id, factor))
    return None if row is None else row.updated_at


async def add(
    transaction: Transaction,
    sealer: Sealer,
    user_id: str,
    factor: str,
    data: dict[str, Any],
    now: datetime,
    lookup: str | None = None,
) -> bool:
    """False where there is one with this `lookup`: by default, where the person already has this factor."""
    credential_id = new_id(now)
    row = await transaction.one(
        _ADD,
        id=credential_id,
        user_id=user_id,
        factor=factor,
        lookup=lookup or _single(user_id, factor),
        data=_sealed(sealer, credential_id, data),
        version=1,
        created_at=now,
        updated_at=now,
    )
    return row is not None


async def replace(
    transaction: Transaction, sealer: Sealer, stored: StoredFactor, data: dict[str, Any], now: datetime
) -> bool:
    """False where somebody else was faster."""
    sealed = _sealed(sealer, stored.id, data)
    return await transaction.run(_REPLACE, of=stored.id, before=stored.version, new_data=sealed, now=now) == 1


async def put(
    transaction: Transaction,
    sealer: Sealer,
    user_id: str,
    factor: str,
    stored: StoredFactor | None,
    data: dict[str, Any],
    now: datetime,
) -> bool:
    """A factor that a person has once, in the place of what was `stored`. False where somebody else was faster."""
    if stored is None:
        return await add(transaction, sealer, user_id, factor, data, now)
    return await replace(transaction, sealer, stored, data, now)


def _single(user_id: str, factor: str) -> str:
    """The look-up value of a factor that a person can have once."""
    return f"{factor}:{user_id}"


def _sealed(sealer: Sealer, credential_id: str, data: dict[str, Any]) -> bytes:
    return sealer.seal(quick_json.encode(data), PURPOSE, credential_id)
