"""PostgreSQL through asyncpg: a bounded pool, bounded waits, one connection for a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from idp.store.db import ALONE, MAX_WAIT, Database, Row, Statement, StoreUnavailable, Transaction

_DOWN = (
    *(asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InsufficientResourcesError),
    asyncpg.InternalClientError,  # a connection that ended between two messages
    *(asyncpg.OperatorInterventionError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError),
    *(asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.ReadOnlySQLTransactionError),
    *(asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError),
    asyncpg.ForeignKeyViolationError,  # what the row belongs to was deleted at the same moment
    *(OSError, TimeoutError),
)
_NO_ANSWER = MAX_WAIT + 1  # for a server that is gone without a word; one that lives ends a statement before
_SERVER = {
    "application_name": "idp",
    "statement_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
}


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # it has no types of its own
    def get_reset_query(self) -> str:
        """Nothing: no statement of ours changes a session, so giving one back saves a round trip."""
        return ""


async def open_connection(url: str) -> asyncpg.Connection:
    """One connection, apart from any pool. Raises StoreUnavailable where the URL cannot be read."""
    try:
        return await asyncpg.connect(url)
    except (ValueError, OverflowError) as error:
        reason: object = "its port must be a number up to 65535, and in its password / be written %2F, @ %40 and : %3A"
        if isinstance(error, asyncpg.ClientConfigurationError):  # other errors may quote a piece of the password
            reason = error
        raise StoreUnavailable(f"IDP_DATABASE_URL cannot be used: {reason}") from None


class PostgresDatabase(Database):
    """`url` is postgresql://USER:PASSWORD@HOST:PORT/NAME."""

    def __init__(self, url: str, pool: int) -> None:
        super().__init__(asyncpg_dialect(), postgresql.insert)  # type: ignore[no-untyped-call]
        self._url = url
        self._size = pool
        self._pool: Any = None  # asyncpg's Pool; its own types are incomplete

    async def connect(self) -> None:
        with _translated():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._size,
                timeout=MAX_WAIT,
                command_timeout=_NO_ANSWER,
                connection_class=_Connection,
                server_settings=_SERVER,
            )

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @asynccontextmanager
    async def acquired(self) -> AsyncIterator[Any]:
        with _translated():
            async with self._pool.acquire(timeout=MAX_WAIT) as connection:
                yield connection

    def transaction(self) -> "PostgresTransaction":
        return PostgresTransaction(self)

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        compiled = self.compiled(statement)
        async with self.acquired() as connection:
            try:
                rows = await connection.fetch(compiled.sql, *compiled.arguments(values))
            except asyncpg.CharacterNotInRepertoireError:
                return []  # no text of PostgreSQL holds U+0000, so nothing is found by it
        return [compiled.read(row) for row in rows]

    async def run(self, statement: Statement, /, **values: Any) -> int:
        assert statement.effect in ALONE  # noqa: S101  # anything else belongs in a transaction
        compiled = self.compiled(statement)
        async with self.acquired() as connection:
            return _touched(await connection.execute(compiled.sql, *compiled.arguments(values)))

    async def scrub(self) -> bool:
        """Its vacuum and its own log are the operator's to set."""
        return True

    async def maintain(self) -> None:
        """PostgreSQL looks after itself."""


class PostgresTransaction(Transaction):
    """READ COMMITTED; what decides is one statement."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__()
        self._database = database
        self._acquired = database.acquired()
        self._connection: Any = None
        self._transaction: Any = None

    async def _begin(self) -> None:
        self._connection = await self._acquired.__aenter__()
        try:
            self._transaction = self._connection.transaction()
            with _translated():
                await self._transaction.start()
        except BaseException:
            await self._acquired.__aexit__(None, None, None)
            raise

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        self._note(statement)
        compiled = self._database.compiled(statement)
        with _translated():
            rows = await self._connection.fetch(compiled.sql, *compiled.arguments(values))
        return [compiled.read(row) for row in rows]

    async def run(self, statement: Statement, /, **values: Any) -> int:
        self._note(statement)
        compiled = self._database.compiled(statement)
        with _translated():
            status = await self._connection.execute(compiled.sql, *compiled.arguments(values))
        return _touched(status)

    async def _commit(self) -> None:
        try:
            with _translated():
                await self._transaction.commit()
        finally:
            await self._acquired.__aexit__(None, None, None)

    async def _rollback(self) -> None:
        try:
            with _translated():
                await self._transaction.rollback()
        finally:
            await self._acquired.__aexit__(None, None, None)


def _touched(status: str) -> int:
    """The number in a command tag such as `UPDATE 1`."""
    return int(status.rsplit(" ", 1)[-1])


class _translated:  # noqa: N801  # reads as a statement
    """Turns what asyncpg raises when the server cannot be asked into StoreUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DOWN):
            message = f"the database does not answer: {type(error).__name__}"
            raise StoreUnavailable(message) from error
