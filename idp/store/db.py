"""The database: statements compiled once and run on the driver, and the rule of what a transaction commits.

An OAuthError is an answer, so it commits; any other exception is a failure, so it rolls back. Otherwise the
revocation that a reused token triggers would be undone by the error that reports it. An OAuthError commits only where
the writes so far are takes, revocations, counters and audit; after any other write it rolls back too, and says so
in the log under `transaction_rule_broken`.
"""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import Dialect, Table, bindparam, insert
from sqlalchemy.sql import ClauseElement

from idp.protocol.errors import OAuthError

log = structlog.get_logger("idp.store")

MAX_WAIT = 2.0


class StoreUnavailable(Exception):
    """The database cannot be asked now: down, or busy for longer than anybody should wait. Try again later."""


class Effect(Enum):
    """What a statement does, for the transaction rule."""

    READ = "read"
    TAKE = "take"
    REVOKE = "revoke"
    COUNT = "count"
    AUDIT = "audit"
    WRITE = "write"


KEPT_BY_AN_ANSWER = frozenset({Effect.READ, Effect.TAKE, Effect.REVOKE, Effect.COUNT, Effect.AUDIT})

ALONE = frozenset({Effect.COUNT, Effect.AUDIT})  # what may be a transaction of its own

Insert = Callable[[Table], Any]  # the insert of a dialect, with on_conflict_do_update
Row = Any  # a named tuple of the statement's columns


@dataclass(frozen=True, eq=False)
class Statement:
    """One SQL statement with named binds. Where the dialects differ, `clause` is a function of the dialect's insert."""

    effect: Effect
    clause: ClauseElement | Callable[[Insert], Any]


def insert_row(table: Table, effect: Effect = Effect.WRITE) -> Statement:
    """INSERT of every column, each a bind of its own name."""
    return Statement(effect, insert(table).values({column.name: bindparam(column.name) for column in table.columns}))


def _getter(names: Sequence[str]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """What takes the values of these names out of a dictionary, in their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


class Compiled:
    """A statement as its driver takes it: text, the order of its binds, and how to read a row."""

    def __init__(self, statement: Statement, dialect: Dialect, dialect_insert: Insert) -> None:
        clause = statement.clause
        built: Any = clause if isinstance(clause, ClauseElement) else clause(dialect_insert)
        compiled = built.compile(dialect=dialect)
        self.sql = str(compiled)
        # A bind that has no value of its own must get one: forgotten, it is a KeyError and not NULL.
        self._defaults = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self.names = tuple(compiled.positiontup or ())
        self._values = _getter(self.names)
        self._writers = tuple(
            (index, writer)
            for index, name in enumerate(self.names)
            if (writer := compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) is not None
        )
        columns = list(getattr(built, "exported_columns", ()))
        self.returns_rows = bool(columns)
        self._row: Any = namedtuple("Row", [column.key for column in columns]) if columns else None  # noqa: PYI024
        self._readers = tuple(
            (index, reader)
            for index, column in enumerate(columns)
            if (reader := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        )

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        arguments = list(self._values({**self._defaults, **values} if self._defaults else values))
        for index, writer in self._writers:
            arguments[index] = writer(arguments[index])
        return arguments

    def read(self, raw: Sequence[Any]) -> Row:
        values = list(raw)
        for index, reader in self._readers:
            values[index] = reader(values[index])
        assert self._row is not None  # noqa: S101  # only statements that return rows are read
        return self._row._make(values)


class Connection(ABC):
    """What runs statements: the database itself for single reads, or a transaction."""

    @abstractmethod
    async def all(self, statement: Statement, /, **values: Any) -> list[Row]: ...

    async def one(self, statement: Statement, /, **values: Any) -> Row | None:
        rows = await self.all(statement, **values)
        return rows[0] if rows else None


class Runner(Connection):
    """A connection that writes too: a transaction, or the database for one statement on its own."""

    @abstractmethod
    async def run(self, statement: Statement, /, **values: Any) -> int:
        """Runs a statement that returns no rows; the number of rows it touched."""


class Transaction(Runner, AbstractAsyncContextManager["Transaction"]):
    """Commits at its end, or not, as the rule at the top says."""

    def __init__(self) -> None:
        self._wrote = False
        self._durable = False

    @abstractmethod
    async def _begin(self) -> None: ...

    @abstractmethod
    async def _commit(self) -> None: ...

    @abstractmethod
    async def _rollback(self) -> None: ...

    def _note(self, statement: Statement) -> None:
        effect = statement.effect
        if effect is Effect.REVOKE:
            self._durable = True
        elif effect is Effect.WRITE:
            self._wrote = True

    def durable(self) -> None:
        """What this transaction does must survive a power cut: it takes access away, or changes a factor."""
        self._durable = True

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, OAuthError) and not self._wrote):
            await self._commit()
        else:
            if isinstance(error, OAuthError):
                log.error("transaction_rule_broken", error=error.error, reason=error.reason)
            await self._rollback()


class Database(Runner):
    """The one durable store. Outside any transaction, `all` and `one` read, and `run` counts or records."""

    def __init__(self, dialect: Dialect, dialect_insert: Insert) -> None:
        self._dialect = dialect
        self._insert = dialect_insert
        self._compiled: dict[Statement, Compiled] = {}

    def compiled(self, statement: Statement) -> Compiled:
        found = self._compiled.get(statement)
        if found is None:
            found = self._compiled[statement] = Compiled(statement, self._dialect, self._insert)
        return found

    @abstractmethod
    async def connect(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def transaction(self) -> Transaction: ...

    @abstractmethod
    async def scrub(self) -> bool:
        """Takes what was deleted out of the files as well; False where somebody reads and it cannot be done now."""

    @abstractmethod
    async def maintain(self) -> None:
        """What the engine needs from time to time; called every second while a server runs."""
