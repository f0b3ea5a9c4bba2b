"""Every statement of the store, as both databases get it."""

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import idp.store
from idp.store import audit, clients, handles, outbox, prune, users
from idp.store.db import Statement, Transaction, insert_row
from idp.store.migrate import migrate
from idp.store.postgres import PostgresDatabase
from idp.store.sqlite import SqliteDatabase
from idp.store.tables import Handle, table_of
from tests.store.world import NOW, World, opened

# What lists everything may look at everything, and these tables have a handful of rows.
LISTS = (users._LIST, clients._LIST, clients._ALL_REDIRECT_URIS, audit._LAST, outbox._LIST)
SMALL = ("signing_keys", "instance", "refusals")  # the last one by its bound of 10,000 rows


def statements() -> Iterator[tuple[str, Statement]]:
    for module in pkgutil.iter_modules(idp.store.__path__, "idp.store."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                yield f"{module.name.removeprefix('idp.store.')}.{name}", value
    for number, (rule, statement) in enumerate(prune._STATEMENTS):
        yield f"prune {number} of {rule.column.table.name}", statement


STATEMENTS = dict(statements())


def test_there_are_statements_in_every_module_that_speaks_sql() -> None:
    modules = {name.partition(".")[0] for name in STATEMENTS if "." in name}
    assert modules >= {"attempts", "audit", "clients", "consents", "credentials", "grants", "handles", "instance"}
    assert modules >= {"keys", "sessions", "users"}
    assert len(STATEMENTS) > 50


async def test_every_statement_is_understood_and_what_varies_in_it_has_a_name(world: World) -> None:
    for name, statement in STATEMENTS.items():
        compiled = world.database.compiled(statement)
        unnamed = {bind for bind in compiled.names if bind.rpartition("_")[2].isdigit()}
        fixed = {bind for bind, value in compiled._defaults.items() if value is not None}
        assert unnamed <= fixed, name  # what it says itself, such as the 1 in generation + 1
        if isinstance(world.database, SqliteDatabase):
            world.database.writer.execute(f"EXPLAIN {compiled.sql}", [None] * len(compiled.names))
        else:
            assert isinstance(world.database, PostgresDatabase)
            async with world.database.acquired() as connection:
                prepared = await connection.prepare(compiled.sql)
                assert len(prepared.get_parameters()) == len(compiled.names), name
                assert bool(prepared.get_attributes()) == compiled.returns_rows, name


async def test_no_statement_looks_through_a_whole_table(sqlite_database: str) -> None:
    """With millions of rows it would hold the loop for seconds, or run into PostgreSQL's statement timeout."""
    await asyncio.to_thread(migrate, sqlite_database)
    async with opened(sqlite_database) as database:
        assert isinstance(database, SqliteDatabase)
        for name, statement in STATEMENTS.items():
            if statement in LISTS:
                continue
            compiled = database.compiled(statement)
            plan = database.writer.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", [None] * len(compiled.names))
            scans = [row[3] for row in plan if row[3].startswith("SCAN") and row[3].split()[1] not in SMALL]
            assert scans == [], name


async def test_deleting_what_others_refer_to_looks_through_no_table(sqlite_database: str) -> None:
    """Each foreign key is the start of an index, so that a cascade finds its rows."""
    await asyncio.to_thread(migrate, sqlite_database)
    async with opened(sqlite_database) as database:
        assert isinstance(database, SqliteDatabase)
        ask = database.writer.execute
        for (table,) in ask("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            indexes = [each[1] for each in ask(f"PRAGMA index_list({table})") if not each[4]]
            first = {ask(f"PRAGMA index_info({index})").fetchone()[2] for index in indexes}
            references = {each[3] for each in ask(f"PRAGMA foreign_key_list({table})")}
            assert references <= first, table


async def test_a_value_that_is_forgotten_is_an_error_and_not_null(world: World) -> None:
    """With NULL for `now` a code would be taken, and could be taken again."""
    async with world.database.transaction() as transaction:
        with pytest.raises(KeyError, match="now"):
            await transaction.one(handles._TAKE, of="hash", of_kind=handles.CODE)


async def test_a_row_that_exists_already_is_an_error_and_the_transaction_is_over(world: World) -> None:
    """No statement relies on catching it: after it PostgreSQL turns a commit into a rollback."""
    row = {"hash": "h", "kind": "k", "data": {}, "created_at": NOW, "expires_at": NOW, "used_at": None}
    statement = insert_row(table_of(Handle))

    async def work(transaction: Transaction) -> None:
        assert await transaction.run(statement, **row) == 1

    await world.transact(work)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await world.transact(work)
    assert await world.count(Handle) == 1
