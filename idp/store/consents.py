"""What people allowed which clients."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, delete, or_, select, update

from idp.store.db import Connection, Effect, Statement, Transaction
from idp.store.tables import ClientRow, Consent, table_of

_CONSENTS = table_of(Consent)
_CLIENTS = table_of(ClientRow)
_OF_CLIENT = _CLIENTS.c.client_id == _CONSENTS.c.client_id
_COUNTS = or_(
    _CLIENTS.c.consents_valid_from.is_(None), _CLIENTS.c.consents_valid_from <= _CONSENTS.c.updated_at
)  # it was given to the client as it is now
_FIND = Statement(
    Effect.READ,
    select(_CONSENTS.c.scope)
    .join_from(_CONSENTS, _CLIENTS, _OF_CLIENT)
    .where(_CONSENTS.c.user_id == bindparam("user_id"), _CONSENTS.c.client_id == bindparam("client_id"), _COUNTS),
)
_OF_USER = Statement(
    Effect.READ,
    select(
        _CONSENTS.c.client_id,
        _CONSENTS.c.scope,
        _CONSENTS.c.created_at,
        _CLIENTS.c.client_name,
        _CLIENTS.c.redirect_uris,
    )
    .join_from(_CONSENTS, _CLIENTS, _OF_CLIENT)
    .where(_CONSENTS.c.user_id == bindparam("user_id"))
    .order_by(_CLIENTS.c.client_name),
)
_VALID_FROM = (
    select(_CLIENTS.c.consents_valid_from).where(_CLIENTS.c.client_id == bindparam("client_id")).scalar_subquery()
)
_GIVE = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_CONSENTS)
        .values({column.name: bindparam(column.name) for column in _CONSENTS.columns})
        .on_conflict_do_update(
            index_elements=["user_id", "client_id"],
            set_={
                "scope": case((_CONSENTS.c.updated_at < _VALID_FROM, bindparam("scope")), else_=_CONSENTS.c.scope),
                "updated_at": bindparam("updated_at", type_=_CONSENTS.c.updated_at.type),
            },
        )
        .returning(_CONSENTS.c.scope)
    ),
)
_WIDEN = Statement(
    Effect.WRITE,
    update(_CONSENTS)
    .where(_CONSENTS.c.user_id == bindparam("of_user"), _CONSENTS.c.client_id == bindparam("of_client"))
    .values(scope=bindparam("new_scope")),
)
_WITHDRAW = Statement(
    Effect.REVOKE,
    delete(_CONSENTS).where(
        _CONSENTS.c.user_id == bindparam("user_id"), _CONSENTS.c.client_id == bindparam("client_id")
    ),
)
_WITHDRAW_ALL = Statement(Effect.REVOKE, delete(_CONSENTS).where(_CONSENTS.c.user_id == bindparam("user_id")))


@dataclass(frozen=True)
class ConnectedApp:
    """A client that a person allowed something."""

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...]
    scope: tuple[str, ...]
    since: datetime


async def find(connection: Connection, user_id: str, client_id: str) -> frozenset[str]:
    """What the client as it is now was allowed."""
    row = await connection.one(_FIND, user_id=user_id, client_id=client_id)
    return frozenset() if row is None else frozenset(row.scope.split())


async def of_user(connection: Connection, user_id: str) -> list[ConnectedApp]:
    return [
        ConnectedApp(row.client_id, row.client_name, tuple(row.redirect_uris), tuple(row.scope.split()), row.created_at)
        for row in await connection.all(_OF_USER, user_id=user_id)
    ]


async def give(transaction: Transaction, user_id: str, client_id: str, scope: frozenset[str], now: datetime) -> None:
    """Adds to what was allowed before, if it still counts; what is withdrawn at the same moment does not come back."""
    given = " ".join(sorted(scope))
    row = await transaction.one(
        _GIVE, user_id=user_id, client_id=client_id, scope=given, created_at=now, updated_at=now
    )
    assert row is not None  # noqa: S101  # inserted or found, and ours until the transaction ends
    if row.scope != given:
        union = " ".join(sorted(scope | frozenset(row.scope.split())))
        await transaction.run(_WIDEN, of_user=user_id, of_client=client_id, new_scope=union)


async def withdraw(transaction: Transaction, user_id: str, client_id: str) -> bool:
    return await transaction.run(_WITHDRAW, user_id=user_id, client_id=client_id) == 1


async def withdraw_all(transaction: Transaction, user_id: str) -> None:
    """All that a person allowed anybody."""
    await transaction.run(_WITHDRAW_ALL, user_id=user_id)
