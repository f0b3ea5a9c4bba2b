"""Memory: the only place that speaks SQL."""

from pathlib import Path

from idp.store.db import Database
from idp.store.sqlite import SqliteDatabase


def open_database(url: str, pool: int) -> Database:
    """The database of a URL; its driver is imported only where it is used."""
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")))
    from idp.store.postgres import PostgresDatabase  # noqa: PLC0415  # asyncpg is an extra

    return PostgresDatabase(url, pool)
