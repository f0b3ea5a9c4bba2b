"""Access tokens: whether one of them, its grant or its client was revoked."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, or_, select

from idp.store.db import Connection, Effect, Statement, Transaction
from idp.store.tables import ClientRow, RevokedToken, table_of

_REVOKED = table_of(RevokedToken)
_CLIENTS = table_of(ClientRow)


def not_revoked() -> ColumnElement[bool]:
    """Binds `jti`."""
    return ~select(_REVOKED.c.jti).where(_REVOKED.c.jti == bindparam("jti")).exists()


_REVOKE = Statement(
    Effect.REVOKE,
    lambda insert: (
        insert(_REVOKED)
        .values({column.name: bindparam(column.name) for column in _REVOKED.columns})
        .on_conflict_do_nothing()
        .returning(_REVOKED.c.jti)
    ),
)
_OF_CLIENT_IS_ALIVE = Statement(
    Effect.READ,
    select(_CLIENTS.c.client_id).where(
        and_(
            _CLIENTS.c.client_id == bindparam("client_id"),
            _CLIENTS.c.disabled_at.is_(None),
            or_(_CLIENTS.c.tokens_valid_from.is_(None), _CLIENTS.c.tokens_valid_from <= bindparam("issued_at")),
            not_revoked(),
        )
    ),
)


async def revoke(transaction: Transaction, jti: str, until: datetime) -> bool:
    """The token counts no more. `until` it would have been valid; False where it was revoked before."""
    return bool(await transaction.all(_REVOKE, jti=jti, expires_at=until))


async def of_client_is_alive(connection: Connection, client_id: str, jti: str, issued_at: datetime) -> bool:
    """Whether a token that a client got for itself still counts."""
    row = await connection.one(_OF_CLIENT_IS_ALIVE, client_id=client_id, jti=jti, issued_at=issued_at)
    return row is not None
