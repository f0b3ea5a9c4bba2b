"""A small world in a database: people, clients, sessions and grants, at times that a test chooses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update
from sqlmodel import SQLModel

from idp.protocol.claims import Authentication, Entitlement
from idp.protocol.clients import Client
from idp.store import audit, clients, grants, open_database, sessions, users
from idp.store.db import Database, Effect, Row, Statement, Transaction
from idp.store.ids import new_id, new_secret
from idp.store.migrate import migrate
from idp.store.seal import Sealer
from idp.store.tables import table_of

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
IDLE = 12 * HOUR
POOL = 5
SECRET_KEY = "the secret key of the tests, long enough"
ADDRESS = "192.0.2.77"
SEED = b"a seed of exactly 32 bytes long."
CLIENT = Client(
    client_id="",
    client_name="Billing",
    token_endpoint_auth_method="client_secret_basic",
    redirect_uris=("https://app.example.com/callback",),
    post_logout_redirect_uris=(),
    grant_types=("authorization_code", "refresh_token"),
    scope=("openid", "email"),
    audience=(),
    profile="oauth2.1",
)


@dataclass(frozen=True)
class SessionOf:
    sid: str
    cookie: str
    user_id: str


@dataclass
class World:
    """What a node has: a database that is migrated, and the key that seals it."""

    database: Database
    sealer: Sealer
    people: int = 0

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        async with self.database.transaction() as transaction:
            await work(transaction)

    async def person(self, email: str | None = None, **claims: Any) -> str:
        self.people += 1
        email = email or f"person{self.people}@example.com"
        async with self.database.transaction() as transaction:
            user_id = await users.create(transaction, self.sealer, email, claims, NOW, verified=True)
        assert user_id is not None
        return user_id

    async def client(self, **changes: Any) -> Client:
        client = replace(CLIENT, client_id=new_id(NOW), **changes)
        async with self.database.transaction() as transaction:
            await clients.create(transaction, client, NOW)
        return client

    async def session(self, user_id: str, until: datetime = NOW + 14 * DAY) -> SessionOf:
        session = SessionOf(new_id(NOW), new_secret(), user_id)
        async with self.database.transaction() as transaction:
            await sessions.start(transaction, session.cookie, user_id, proof(session.sid), NOW, until)
        return session

    async def grant(self, session: SessionOf, client_id: str, *, offline: bool = False) -> str:
        async with self.database.transaction() as transaction:
            return await self.grant_in(transaction, session, client_id, offline=offline)

    async def grant_in(self, transaction: Transaction, session: SessionOf, client_id: str, *, offline: bool) -> str:
        grant_id = new_id(NOW)
        entitlement = Entitlement(client_id, ("openid",), (), grant_id, session.user_id, proof(session.sid), None)
        await grants.create(
            transaction,
            entitlement,
            offline=offline,
            sealed_seed=self.sealer.seal(SEED, grants.PURPOSE, grant_id),
            now=NOW,
            until=NOW + 180 * DAY,
        )
        return grant_id

    async def record(self, transaction: Transaction, user_id: str | None = None, **changes: Any) -> None:
        """An audit row."""
        row: dict[str, Any] = {"now": NOW, "event": "sign_in.failed", "personal": {"address": ADDRESS}, "details": {}}
        row |= {"request_id": "ABCD-EFGH", "client_id": "app", "grant_id": None, "session_id": None}
        await audit.add(transaction, self.sealer, user_id=user_id, **row | changes)

    async def set(self, model: type[SQLModel], key: str, **values: Any) -> None:
        """Writes columns of one row, as an operator with an SQL prompt would."""
        table = table_of(model)
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in values}
        statement = Statement(Effect.WRITE, update(table).where(primary_key(model) == bindparam("of")).values(new))
        async with self.database.transaction() as transaction:
            touched = await transaction.run(
                statement, of=key, **{f"new_{name}": value for name, value in values.items()}
            )
        assert touched == 1

    async def rows(self, model: type[SQLModel]) -> list[Row]:
        return await self.database.all(Statement(Effect.READ, select(table_of(model)).order_by(primary_key(model))))

    async def count(self, model: type[SQLModel]) -> int:
        return len(await self.rows(model))


def primary_key(model: type[SQLModel]) -> Any:
    return next(iter(table_of(model).primary_key.columns))


def proof(sid: str, at: datetime = NOW) -> Authentication:
    return Authentication(sid, at, ("pwd",), "urn:idp:acr:password")


@asynccontextmanager
async def opened(url: str, pool: int = POOL) -> AsyncIterator[Database]:
    database = open_database(url, pool)
    await database.connect()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database: the test runs once on each kind."""
    await asyncio.to_thread(migrate, database_url)
    async with opened(database_url) as database:
        yield database


@pytest.fixture
def world(database: Database) -> World:
    return World(database, Sealer([SECRET_KEY]))
