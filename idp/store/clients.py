"""Clients and their secrets."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Text, bindparam, delete, or_, select, type_coerce, update

from idp.protocol.clients import Client
from idp.store.db import Connection, Effect, Row, Statement, Transaction, insert_row
from idp.store.ids import new_id
from idp.store.tables import ClientRow, ClientSecret, table_of

_CLIENTS = table_of(ClientRow)
_SECRETS = table_of(ClientSecret)

# Lists stay JSON text here: `_parsed` remembers what each text means, so a hot client is read but not parsed again.
COLUMNS = (
    *(_CLIENTS.c.client_id, _CLIENTS.c.client_name, _CLIENTS.c.token_endpoint_auth_method),
    type_coerce(_CLIENTS.c.redirect_uris, Text).label("redirect_uris"),
    type_coerce(_CLIENTS.c.post_logout_redirect_uris, Text).label("post_logout_redirect_uris"),
    type_coerce(_CLIENTS.c.grant_types, Text).label("grant_types"),
    _CLIENTS.c.scope,
    type_coerce(_CLIENTS.c.audience, Text).label("audience"),
    *(_CLIENTS.c.profile, _CLIENTS.c.second_factor, _CLIENTS.c.second_factor_from, _CLIENTS.c.max_age),
)
_FIND = Statement(
    Effect.READ,
    select(*COLUMNS).where(_CLIENTS.c.client_id == bindparam("client_id"), _CLIENTS.c.disabled_at.is_(None)),
)
_FIND_WITH_SECRETS = Statement(
    Effect.READ,
    select(*COLUMNS, _SECRETS.c.secret_hash)
    .select_from(
        _CLIENTS.outerjoin(
            _SECRETS,
            (_SECRETS.c.client_id == _CLIENTS.c.client_id)
            & or_(_SECRETS.c.expires_at.is_(None), _SECRETS.c.expires_at > bindparam("now")),
        )
    )
    .where(_CLIENTS.c.client_id == bindparam("client_id"), _CLIENTS.c.disabled_at.is_(None)),
)
_LIST = Statement(
    Effect.READ,
    select(*COLUMNS, _CLIENTS.c.created_at, _CLIENTS.c.updated_at, _CLIENTS.c.disabled_at).order_by(
        _CLIENTS.c.client_id
    ),
)
_SHOW = Statement(
    Effect.READ,
    select(*COLUMNS, _CLIENTS.c.created_at, _CLIENTS.c.updated_at, _CLIENTS.c.disabled_at).where(
        _CLIENTS.c.client_id == bindparam("client_id")
    ),
)
_CREATE = insert_row(_CLIENTS)
_UPDATE = Statement(
    Effect.WRITE,
    update(_CLIENTS)
    .where(_CLIENTS.c.client_id == bindparam("of"))
    .values(
        {
            column.name: bindparam(column.name)
            for column in _CLIENTS.columns
            if column.name not in ("client_id", "created_at", "disabled_at", "tokens_valid_from", "consents_valid_from")
        }
    ),
)
_DELETE = Statement(Effect.REVOKE, delete(_CLIENTS).where(_CLIENTS.c.client_id == bindparam("client_id")))
_ADD_SECRET = insert_row(_SECRETS)
_END_SECRETS = Statement(
    Effect.REVOKE,
    update(_SECRETS)
    .where(_SECRETS.c.client_id == bindparam("of"), _SECRETS.c.id != bindparam("but"))
    .where(or_(_SECRETS.c.expires_at.is_(None), _SECRETS.c.expires_at > bindparam("until")))
    .values(expires_at=bindparam("until")),
)
_END_TOKENS = Statement(
    Effect.REVOKE,
    update(_CLIENTS).where(_CLIENTS.c.client_id == bindparam("of")).values(tokens_valid_from=bindparam("now")),
)
_END_CONSENTS = Statement(
    Effect.REVOKE,
    update(_CLIENTS).where(_CLIENTS.c.client_id == bindparam("of")).values(consents_valid_from=bindparam("now")),
)
# Of those that are on their way out already; a rotation leaves two at most.
_END_OLDER_SECRETS = Statement(
    Effect.REVOKE,
    update(_SECRETS)
    .where(_SECRETS.c.client_id == bindparam("of"), _SECRETS.c.expires_at > bindparam("now"))
    .values(expires_at=bindparam("now")),
)
_LIVE_SECRETS = Statement(
    Effect.READ,
    select(_SECRETS.c.created_at, _SECRETS.c.expires_at)
    .where(_SECRETS.c.client_id == bindparam("client_id"))
    .where(or_(_SECRETS.c.expires_at.is_(None), _SECRETS.c.expires_at > bindparam("now")))
    .order_by(_SECRETS.c.created_at),
)
_ALL_REDIRECT_URIS = Statement(Effect.READ, select(_CLIENTS.c.redirect_uris).where(_CLIENTS.c.disabled_at.is_(None)))


@dataclass(frozen=True)
class ClientRecord:
    """A client with what its operator wants to know."""

    client: Client
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None


_SECRET_ENDED = Statement(
    Effect.READ,
    select(_SECRETS.c.expires_at).where(
        _SECRETS.c.client_id == bindparam("client_id"), _SECRETS.c.secret_hash == bindparam("hash")
    ),
)


@dataclass(frozen=True)
class LiveSecret:
    """A secret that a client may use, until `expires_at` where it is on its way out."""

    created_at: datetime
    expires_at: datetime | None


async def find(connection: Connection, client_id: str) -> Client | None:
    """An enabled client."""
    row = await connection.one(_FIND, client_id=client_id)
    return None if row is None else client_of(row)


async def find_with_secrets(
    connection: Connection, client_id: str, now: datetime
) -> tuple[Client | None, tuple[str, ...]]:
    """An enabled client and the hashes of its live secrets."""
    rows = await connection.all(_FIND_WITH_SECRETS, client_id=client_id, now=now)
    if not rows:
        return None, ()
    return client_of(rows[0]), tuple(row.secret_hash for row in rows if row.secret_hash)


async def show(connection: Connection, client_id: str) -> ClientRecord | None:
    row = await connection.one(_SHOW, client_id=client_id)
    return None if row is None else _record(row)


async def listed(connection: Connection) -> list[ClientRecord]:
    return [_record(row) for row in await connection.all(_LIST)]


async def redirect_uris(connection: Connection) -> list[str]:
    """Those of every enabled client, for the origins that may call us from a browser."""
    return [uri for row in await connection.all(_ALL_REDIRECT_URIS) for uri in row.redirect_uris]


async def create(transaction: Transaction, client: Client, now: datetime) -> None:
    times = {"created_at": now, "updated_at": now, "disabled_at": None}
    since = {"tokens_valid_from": None, "consents_valid_from": None}
    await transaction.run(_CREATE, **_values(client), **times, **since)


async def replace(transaction: Transaction, client: Client, now: datetime) -> bool:
    values = _values(client)
    return await transaction.run(_UPDATE, of=values.pop("client_id"), **values, updated_at=now) == 1


async def delete_client(transaction: Transaction, client_id: str) -> bool:
    return await transaction.run(_DELETE, client_id=client_id) == 1


async def add_secret(transaction: Transaction, client_id: str, secret_hash: str, now: datetime) -> str:
    secret_id = new_id(now)
    await transaction.run(
        _ADD_SECRET,
        id=secret_id,
        client_id=client_id,
        secret_hash=secret_hash,
        created_at=now,
        expires_at=None,
    )
    return secret_id


async def end_other_secrets(transaction: Transaction, client_id: str, but: str, now: datetime, until: datetime) -> None:
    """The one before lives on `until` then; any that was older ends now, so that two are alive at most."""
    await transaction.run(_END_OLDER_SECRETS, of=client_id, now=now)
    await transaction.run(_END_SECRETS, of=client_id, but=but, until=until)


async def live_secrets(connection: Connection, client_id: str, now: datetime) -> list[LiveSecret]:
    """The oldest first."""
    return [LiveSecret(*row) for row in await connection.all(_LIVE_SECRETS, client_id=client_id, now=now)]


async def secret_ended_at(connection: Connection, client_id: str, secret_hash: str) -> datetime | None:
    """When a secret that counts no more did so for the last time; None where it never did."""
    row = await connection.one(_SECRET_ENDED, client_id=client_id, hash=secret_hash)
    return None if row is None else row.expires_at


async def end_tokens(transaction: Transaction, client_id: str, now: datetime) -> None:
    """What the client got for itself before now counts no more."""
    await transaction.run(_END_TOKENS, of=client_id, now=now)


async def end_consents(transaction: Transaction, client_id: str, now: datetime) -> None:
    """What people allowed it before now is asked again. What it has got by it stays."""
    await transaction.run(_END_CONSENTS, of=client_id, now=now)


def _values(client: Client) -> dict[str, Any]:
    values = asdict(client)
    for name in ("redirect_uris", "post_logout_redirect_uris", "grant_types", "audience"):
        values[name] = list(values[name])
    return values | {"scope": " ".join(client.scope)}


def client_of(row: Row) -> Client:
    """The client of a row that begins with COLUMNS."""
    return _parsed(*row[: len(COLUMNS)])


def _record(row: Row) -> ClientRecord:
    return ClientRecord(client_of(row), row.created_at, row.updated_at, row.disabled_at)


@lru_cache(maxsize=4096)
def _parsed(  # the columns in their order
    client_id: str,
    client_name: str,
    token_endpoint_auth_method: str,
    redirect_uris: str,
    post_logout_redirect_uris: str,
    grant_types: str,
    scope: str,
    audience: str,
    profile: str,
    second_factor: str,
    second_factor_from: datetime | None,
    max_age: int | None,
) -> Client:
    return Client(
        client_id=client_id,
        client_name=client_name,
        token_endpoint_auth_method=token_endpoint_auth_method,
        redirect_uris=tuple(json.loads(redirect_uris)),
        post_logout_redirect_uris=tuple(json.loads(post_logout_redirect_uris)),
        grant_types=tuple(json.loads(grant_types)),
        scope=tuple(scope.split()),
        audience=tuple(json.loads(audience)),
        profile=profile,
        second_factor=second_factor,
        second_factor_from=second_factor_from,
        max_age=max_age,
    )
