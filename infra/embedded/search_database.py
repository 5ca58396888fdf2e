"""The database file of the SQLite read store: connections, transactions, which tables are live.

One connection writes; every reader takes one of its own. In WAL mode readers see the last committed
state and never wait for the writer, nor it for them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import BrokenInvariant
from infra.embedded.search_schema import Table
from infra.embedded.search_sql import matches
from projections.store import ReadModel, StoreUnavailable

_GENERATIONS = """
CREATE TABLE IF NOT EXISTS generations (
    model TEXT PRIMARY KEY,
    live INTEGER NOT NULL,
    building INTEGER,
    signature TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS claim (owner TEXT NOT NULL, until REAL NOT NULL);
"""
_IDLE_READERS = 8


@contextmanager
def told() -> Iterator[None]:
    """Say what SQLite says in the port's words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"the read store does not answer: {error}") from error


class Database:
    """One file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises StoreUnavailable."""
        self._path = path
        self._lock = threading.RLock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._tables: dict[tuple[str, int], Table] = {}
        self._wal: int | None = None
        self.closed = False
        with told():
            self.writer = _opened(path)
            """To be used inside of `transaction` only."""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writing connection, in a transaction of its own."""
        with told(), self._lock:
            if self.closed:
                raise StoreUnavailable("the read store is closed")
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
            except BaseException:
                self.writer.execute("ROLLBACK")
                raise
            self.writer.execute("COMMIT")

    def table(self, model: ReadModel, generation: int) -> Table:
        """The tables of a generation."""
        table = self._tables.get((model.name, generation))
        if table is None:
            table = self._tables[model.name, generation] = Table(model, generation)
        return table

    def live(self, connection: sqlite3.Connection, model: ReadModel) -> Table:
        """The tables of the live generation, as this connection sees it."""
        row = connection.execute(
            "SELECT live FROM generations WHERE model = ?", (model.name,)
        ).fetchone()
        if row is None:
            raise BrokenInvariant(f"{model} was not given to the read store")
        return self.table(model, row[0])

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of our own, in one snapshot."""
        with told():
            connection = self._take_reader()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            if self.closed or len(self._idle) >= _IDLE_READERS:
                connection.close()
            else:
                self._idle.append(connection)

    def _take_reader(self) -> sqlite3.Connection:
        if self.closed:
            raise StoreUnavailable("the read store is closed")
        try:
            return self._idle.pop()
        except IndexError:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            connection.create_function("matches", 2, matches, deterministic=True)
            return connection

    def sync(self) -> None:
        """Write the write-ahead log through to the disk."""
        with told(), self._lock:
            if self.closed:
                raise StoreUnavailable("the read store is closed")
            if self._wal is None:
                self._wal = os.open(f"{self._path}-wal", os.O_RDONLY)
            os.fdatasync(self._wal)

    def close(self) -> None:
        """Close all connections; a later call is refused."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            if self._wal is not None:
                os.close(self._wal)
            while self._idle:
                self._idle.pop().close()
            self.writer.close()


def _opened(path: Path) -> sqlite3.Connection:
    """The writing connection; a file that is no database is put aside: the log has everything."""
    try:
        connection = _connect(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.replace(path.with_name(path.name + ".broken"))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        connection = _connect(path)
    connection.executescript(_GENERATIONS)
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # uses of one connection never overlap; only the thread changes
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # a commit survives SIGKILL as it is; `sync` is for the power cut
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
