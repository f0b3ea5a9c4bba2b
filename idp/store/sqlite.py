"""SQLite in WAL mode, called directly: a statement takes microseconds, a hop to a thread would take more.

The loop never waits for the file. Its connections have no busy timeout: a lock held by another process is retried
with awaited pauses, 2 s in all. Checkpoints and the syncs that make a revocation durable run in a thread; a commit
syncs nothing (synchronous=NORMAL).
"""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite as sqlite_dialect

from idp.store.db import ALONE, MAX_WAIT, Database, Row, Statement, StoreUnavailable, Transaction

_PAUSE = 0.005
_CACHED_STATEMENTS = 512
_WAL_LIMIT = 16 * 1024 * 1024
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class SqliteDatabase(Database):
    """One file, one writer connection under one lock, one reader connection."""

    def __init__(self, path: Path) -> None:
        super().__init__(sqlite_dialect.dialect(), sqlite_dialect.insert)
        self.path = path
        self.lock = asyncio.Lock()
        self.batch: _Batch | None = None
        self._queued = 0
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._maintained = False

    async def connect(self) -> None:
        try:
            self._writer = _open(self.path)
            self._reader = _open(self.path)
        except sqlite3.Error as error:
            message = f"the database {self.path} cannot be opened: {error}"
            raise StoreUnavailable(message) from error

    async def close(self) -> None:
        try:
            if self.batch is not None:
                await self.batch.committed()
        finally:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    @property
    def writer(self) -> sqlite3.Connection:
        assert self._writer is not None  # noqa: S101  # connect() comes first
        return self._writer

    def _idle(self) -> sqlite3.Connection:
        """The writer where it is between transactions: its page cache is warm, while any write empties the reader's.

        There it sees what is about to be committed. Where that fails, nobody was told that it had been done.
        """
        assert self._reader is not None  # noqa: S101  # connect() comes first
        return self._reader if self.lock.locked() else self.writer

    def transaction(self) -> "SqliteTransaction":
        return SqliteTransaction(self)

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        compiled = self.compiled(statement)
        raw = await retried(self._idle(), compiled.sql, compiled.arguments(values))
        return [compiled.read(row) for row in raw.fetchall()]

    async def run(self, statement: Statement, /, **values: Any) -> int:
        assert statement.effect in ALONE  # noqa: S101  # anything else belongs in a transaction
        compiled = self.compiled(statement)
        batch = await self.join()
        try:  # a statement is all or nothing by itself
            touched = _executed(self.writer, compiled.sql, compiled.arguments(values)).rowcount
        finally:
            self.lock.release()
        await batch.committed()
        return touched

    async def join(self) -> "_Batch":
        """The writer for one task alone until it releases the lock, in the batch that is open or a new one."""
        deadline = asyncio.get_running_loop().time() + MAX_WAIT
        await self._acquire(deadline)
        try:
            if self.batch is not None and not self.writer.in_transaction:
                self.lose()
            if self.batch is None:
                await retried(self.writer, "BEGIN IMMEDIATE", (), deadline)
                self.batch = _Batch(asyncio.create_task(self._commit_soon()))
        except BaseException:
            self.lock.release()
            raise
        return self.batch

    async def _acquire(self, deadline: float) -> None:
        if not self._queued and not self.lock.locked():
            await self.lock.acquire()  # at once: nobody holds it, and nobody was woken to take it
            return
        self._queued += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self.lock.acquire()
        except TimeoutError:
            message = "the database is busy"
            raise StoreUnavailable(message) from None
        finally:
            self._queued -= 1

    async def _commit_soon(self) -> None:
        """By the time it has its turn, whoever was ready has joined the batch."""
        await asyncio.sleep(0)
        async with self.lock:
            if self.batch is not None and not self.writer.in_transaction:
                self.lose()
            batch, self.batch = self.batch, None
            if batch is None:
                return  # it was lost
            try:
                await retried(self.writer, "COMMIT", ())
            except Exception as error:  # noqa: BLE001  # each of its transactions is told
                batch.settle(error)  # first: what follows may fail as well
                self._start_over()
                return
        batch.settle(None, synced=False)
        if batch.durable:
            try:
                await asyncio.to_thread(_sync, _wal(self.path))
            except StoreUnavailable as error:
                batch.settle(error)
            else:
                batch.settle(None)

    def lose(self) -> None:
        """Nothing of the batch is left: SQLite itself gave up, as it does when the disk is full, or we cannot go on."""
        batch, self.batch = self.batch, None
        if batch is not None:
            batch.settle(StoreUnavailable("the database cannot be used"))
        self._start_over()

    def _start_over(self) -> None:
        """Leaves a writer outside any transaction: a new one where this one cannot even roll back."""
        try:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
        except sqlite3.Error:
            self.writer.close()
            self._writer = _open(self.path)

    async def scrub(self) -> bool:
        """Empties the log: in the file itself, secure_delete has overwritten it."""
        until = asyncio.get_running_loop().time() + MAX_WAIT
        while not await asyncio.to_thread(self._truncate):
            if asyncio.get_running_loop().time() >= until:
                return False
            await asyncio.sleep(0.1)  # not at once: writers wait while it waits for readers
        return True

    def _truncate(self) -> bool:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.05)
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        finally:
            connection.close()
        return not busy

    async def maintain(self) -> None:
        """Moves the write-ahead log into the file, in a thread."""
        if not self._maintained:
            await retried(self.writer, "PRAGMA wal_autocheckpoint = 0", ())
            self._maintained = True
        await asyncio.to_thread(self._checkpoint)

    def _checkpoint(self) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.05)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if _wal(self.path).stat().st_size > _WAL_LIMIT:  # writers wait for this one; there is little left to move
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
        except (sqlite3.OperationalError, FileNotFoundError):
            pass  # somebody else holds the lock, or nothing was written yet; there is another time in a second
        finally:
            connection.close()


class _Batch:
    """Transactions of tasks that were ready together, committed together: a commit costs more than most of them.

    None of them is answered before. Each is a savepoint, so that one can be taken back alone.
    """

    def __init__(self, commit: asyncio.Task[None]) -> None:
        self._commit = commit  # the loop keeps no task alive by itself
        self._plain: list[asyncio.Future[None]] = []
        self._durable: list[asyncio.Future[None]] = []

    @property
    def durable(self) -> bool:
        return bool(self._durable)

    async def committed(self, *, durable: bool = False) -> None:
        """Returns when it is on its way to the disk, and on it where that is asked for; raises where it is lost."""
        waiter = asyncio.get_running_loop().create_future()
        (self._durable if durable else self._plain).append(waiter)
        await waiter

    def settle(self, error: Exception | None, *, synced: bool = True) -> None:
        for waiter in (*self._plain, *(self._durable if synced else ())):
            if waiter.done():
                continue  # told already, or cancelled
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


class SqliteTransaction(Transaction):
    """A savepoint of a batch, under the process's lock."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__()
        self._database = database

    async def _begin(self) -> None:
        self._batch = await self._database.join()
        self._connection = self._database.writer
        try:
            _executed(self._connection, "SAVEPOINT member", ())
        except BaseException:
            self._database.lock.release()
            raise

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        self._note(statement)
        compiled = self._database.compiled(statement)
        cursor = _executed(self._connection, compiled.sql, compiled.arguments(values))
        return [compiled.read(row) for row in cursor.fetchall()]

    async def run(self, statement: Statement, /, **values: Any) -> int:
        self._note(statement)
        compiled = self._database.compiled(statement)
        return _executed(self._connection, compiled.sql, compiled.arguments(values)).rowcount

    async def _commit(self) -> None:
        try:
            _executed(self._connection, "RELEASE member", ())
        except BaseException:
            self._database.lose()
            raise
        finally:
            self._database.lock.release()
        await self._batch.committed(durable=self._durable)

    async def _rollback(self) -> None:
        try:
            _executed(self._connection, "ROLLBACK TO member", ())
            _executed(self._connection, "RELEASE member", ())
        except (StoreUnavailable, sqlite3.Error):
            self._database.lose()
        finally:
            self._database.lock.release()


async def retried(
    connection: sqlite3.Connection, sql: str, arguments: Any, deadline: float | None = None
) -> sqlite3.Cursor:
    """Runs a statement; while another process holds the lock, pauses and tries again, 2 s in all."""
    while True:
        try:
            return _executed(connection, sql, arguments)
        except _Locked as error:
            now = asyncio.get_running_loop().time
            if deadline is None:
                deadline = now() + MAX_WAIT
            elif now() >= deadline:
                message = "the database is locked by another process"
                raise StoreUnavailable(message) from error
        await asyncio.sleep(_PAUSE)


class _Locked(StoreUnavailable):
    """Another process holds the lock."""


def _executed(connection: sqlite3.Connection, sql: str, arguments: Any) -> sqlite3.Cursor:
    """Raises StoreUnavailable for what the file or its disk refuses, and no more than that."""
    try:
        return connection.execute(sql, arguments)
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise _Locked(str(error)) from error
        if code in _DISK:
            message = f"the database cannot be used: {error}"
            raise StoreUnavailable(message) from error
        raise
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise
        message = "what the row belongs to was deleted at the same moment"
        raise StoreUnavailable(message) from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=_CACHED_STATEMENTS
    )
    connection.execute("PRAGMA busy_timeout = 2000")  # for the next line alone, before anything is served
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -32000")  # KiB; the default of 2 MB is soon too small for random keys
    connection.execute("PRAGMA foreign_keys = ON")
    # What is deleted is overwritten; and the log, which holds what was written before, is cut off after a checkpoint.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _sync(path: Path) -> None:
    """What synchronous=FULL adds to a commit: the log is on the disk. A faster checkpoint synced it already."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except FileNotFoundError:
        return
    except OSError as error:  # no file can be opened any more, or the disk does not answer
        message = f"the database cannot be used: {error}"
        raise StoreUnavailable(message) from error
