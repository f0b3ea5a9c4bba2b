"""Bringing the schema to what this code expects. Two starts at once migrate once."""

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from idp.store.db import StoreUnavailable

_PACKAGE = Path(__file__).resolve().parent.parent
_BESIDE = _PACKAGE / "_migrations"
MIGRATIONS = _BESIDE if _BESIDE.is_dir() else _PACKAGE.parent / "migrations"
_ADVISORY_LOCK = 0x1D9_0001


class WrongSchema(Exception):
    """The schema is not the one that this version knows; the text says what to do."""


def migrate(url: str) -> str:
    """Upgrades to the newest revision and returns it. Raises WrongSchema or StoreUnavailable."""
    _run(url, _upgrade)
    return head()


def downgrade(url: str, revision: str) -> None:
    _run(url, lambda connection: command.downgrade(_config(connection), revision))


def head() -> str:
    found = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert found is not None  # noqa: S101  # there is at least one revision
    return found


def require_current(url: str) -> None:
    """Raises WrongSchema unless the schema is the one of this code. An empty database gets it at once."""

    def check(connection: Connection) -> None:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is None:
            _upgrade(connection)
        elif current not in _known():
            raise _newer(current)
        elif current != head():
            raise WrongSchema(f"the database is at revision {current}, this version needs {head()}: run `idp migrate`")

    _run(url, check)


def on_connection(url: str, work: Callable[[Connection], None]) -> None:
    """Runs `work` on a connection of the database, under the lock that migrations take."""
    _run(url, work)


def _upgrade(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head():
        return
    if current is not None and current not in _known():
        raise _newer(current)
    command.upgrade(_config(connection), "head")


def _known() -> set[str]:
    return {each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


def _newer(current: str) -> WrongSchema:
    return WrongSchema(
        f"the database is at revision {current}, which this version does not know: it was migrated by a newer one"
    )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(url: str, work: Callable[[Connection], None]) -> None:
    try:
        if url.startswith("sqlite:///"):
            _on_sqlite(Path(url.removeprefix("sqlite:///")), work)
        else:
            asyncio.run(_on_postgres(url, work))
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        message = "PostgreSQL needs its driver: install this package with its extra `postgres`, or asyncpg"
        raise StoreUnavailable(message) from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(f"the database cannot be reached: {_in_its_own_words(error)}") from error


def _in_its_own_words(error: BaseException) -> str:
    """What the driver says, without what SQLAlchemy puts round it."""
    own = getattr(error, "orig", None) or error
    own = own.__cause__ or own
    return str(own) or type(own).__name__


def _on_sqlite(path: Path, work: Callable[[Connection], None]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.with_name(f".{path.name}.migrating")):
        path.touch(mode=0o600)
        engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(engine, "connect", _in_our_hands)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        try:
            with engine.begin() as connection:
                work(connection)
        finally:
            engine.dispose()


def _in_our_hands(connection: Any, _record: object) -> None:
    """The driver begins transactions late and not at all before DDL: half a migration would stay."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _on_postgres(url: str, work: Callable[[Connection], None]) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  # asyncpg is an extra

    from idp.store.postgres import open_connection  # noqa: PLC0415

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: open_connection(url))
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})"))
            await connection.run_sync(work)
            await connection.commit()
            await connection.execute(text(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})"))
    finally:
        await engine.dispose()
