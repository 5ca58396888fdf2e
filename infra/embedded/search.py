"""The read store in SQLite: documents as JSON beside indexed columns, free text in FTS5.

One connection writes; every reading thread has its own. In WAL mode readers see the last committed
state and never wait for the writer, nor it for them.
"""

# ruff: noqa: S608 - names of tables and columns are ours, values always travel as parameters

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

import msgspec

from domain.errors import BrokenInvariant
from infra.embedded.search_schema import Table, instant_of, signature
from infra.embedded.search_sql import Groups, Where, matches, order_by
from projections.store import (
    Condition,
    Delete,
    DeleteWhere,
    DocumentWriter,
    Failure,
    Grouping,
    Hits,
    Order,
    ReadModel,
    StoreUnavailable,
    Upsert,
    Write,
)

_GENERATIONS = (
    "CREATE TABLE IF NOT EXISTS generations (model TEXT PRIMARY KEY, live INTEGER NOT NULL,"
    " building INTEGER, signature TEXT NOT NULL)"
)
_CLAIM = "CREATE TABLE IF NOT EXISTS claim (owner TEXT NOT NULL, until REAL NOT NULL)"
_NEWEST = 1_000_000
_SCAN_ROWS = 500
_IDLE_READERS = 8


@contextmanager
def _told() -> Iterator[None]:
    """Say what SQLite says in the port's words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"the read store does not answer: {error}") from error


class SqliteReadStore:
    """ReadStore and Generations over one database file."""

    def __init__(self, path: Path, models: Sequence[ReadModel]) -> None:
        """Open or create the database.

        Args:
            path: the file; its folder exists.
            models: every read model of the program.

        Raises:
            StoreUnavailable: the file cannot be opened.
        """
        self._path = path
        self._models = {model.name: model for model in models}
        self._lock = threading.RLock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._tables: dict[tuple[str, int], Table] = {}
        self._closed = False
        with _told():
            self._writer = _opened(path)
            self._wal: int | None = None
            self._outdated = self._prepare()

    def outdated(self) -> list[ReadModel]:
        """Models whose tables are new or of another shape: they must be rebuilt."""
        if self._outdated:  # another process may have rebuilt them
            with _told():
                self._outdated = self._prepare()
        return list(self._outdated)

    def _prepare(self) -> list[ReadModel]:
        outdated: list[ReadModel] = []
        with self._transaction():
            known = {
                row[0]: (row[1], row[2])
                for row in self._writer.execute("SELECT model, live, signature FROM generations")
            }
            for model in self._models.values():
                if model.name not in known:
                    self._create(Table(model, 1))
                    self._writer.execute(
                        "INSERT INTO generations VALUES (?, 1, NULL, '')", (model.name,)
                    )
                if known.get(model.name, (1, ""))[1] != signature(model):
                    outdated.append(model)
        return outdated

    def _create(self, table: Table) -> None:
        for statement in table.create():
            self._writer.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def _table(self, model: ReadModel, generation: int) -> Table:
        table = self._tables.get((model.name, generation))
        if table is None:
            table = self._tables[model.name, generation] = Table(model, generation)
        return table

    def _live(self, connection: sqlite3.Connection, model: ReadModel) -> Table:
        row = connection.execute(
            "SELECT live FROM generations WHERE model = ?", (model.name,)
        ).fetchone()
        if row is None:
            raise BrokenInvariant(f"{model} was not given to the read store")
        return self._table(model, row[0])

    # -- reading

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of our own, in one snapshot."""
        with _told():
            connection = self._take_reader()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            if self._closed or len(self._idle) >= _IDLE_READERS:
                connection.close()
            else:
                self._idle.append(connection)

    def _take_reader(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("the read store is closed")
        try:
            return self._idle.pop()
        except IndexError:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            connection.create_function("matches", 2, matches, deterministic=True)
            return connection

    def search(
        self,
        model: ReadModel,
        condition: Condition,
        orders: Sequence[Order] = (),
        *,
        start: int = 0,
        size: int = 10,
        distinct: str | None = None,
    ) -> Hits:
        """The documents of a page and the number of all."""
        with self._reading() as connection:
            table = self._live(connection, model)
            where = Where(table, condition)
            order = order_by(table, orders)
            if distinct is not None:
                sql = (
                    f'SELECT "_doc" FROM (SELECT t.*, row_number() OVER (PARTITION BY'
                    f' t."{distinct}"{order}) AS "_place" FROM "{table.name}" t WHERE {where.sql}'
                    f' AND t."{distinct}" IS NOT NULL) t WHERE "_place" = 1{order} LIMIT ? OFFSET ?'
                )
                counted = f'count(DISTINCT t."{distinct}")'
            else:
                sql = (
                    f'SELECT "_doc" FROM "{table.name}" t WHERE {where.sql}{order} LIMIT ? OFFSET ?'
                )
                counted = "count(*)"
            found = connection.execute(sql, [*where.parameters, size, start]).fetchall()
            if len(found) < size and (found or start == 0):
                total = start + len(found)
            else:
                (total,) = connection.execute(
                    f'SELECT {counted} FROM "{table.name}" t WHERE {where.sql}',
                    where.parameters,
                ).fetchone()
        decode = model.decoder.decode
        return Hits([decode(row[0]) for row in found], total)

    def get(self, model: ReadModel, document_id: str) -> Any | None:
        """The document as last written."""
        with self._reading() as connection:
            row = connection.execute(self._live(connection, model).find, (document_id,)).fetchone()
        return None if row is None else model.decoder.decode(row[2])

    def count(self, model: ReadModel, condition: Condition) -> int:
        """How many documents a condition holds for."""
        with self._reading() as connection:
            table = self._live(connection, model)
            where = Where(table, condition)
            row = connection.execute(
                f'SELECT count(*) FROM "{table.name}" t WHERE {where.sql}',
                where.parameters,
            ).fetchone()
        return int(row[0])

    def aggregate(
        self, model: ReadModel, condition: Condition, grouping: Grouping
    ) -> list[dict[str, Any]]:
        """One row per group."""
        with self._reading() as connection:
            table = self._live(connection, model)
            groups = Groups(table, Where(table, condition), grouping)
            found = connection.execute(groups.sql, groups.parameters).fetchall()
        return [
            {
                name: _shown(row[at], is_date=groups.dates[at], is_flag=groups.flags[at])
                for at, name in enumerate(groups.names)
            }
            for row in found
        ]

    def scan(
        self, model: ReadModel, condition: Condition, orders: Sequence[Order] = ()
    ) -> Iterator[Any]:
        """Every document for which the condition holds, as of one moment."""
        with self._reading() as connection:
            table = self._live(connection, model)
            where = Where(table, condition)
            cursor = connection.execute(
                f'SELECT "_doc" FROM "{table.name}" t WHERE {where.sql}{order_by(table, orders)}',
                where.parameters,
            )
            while rows := cursor.fetchmany(_SCAN_ROWS):
                for row in rows:
                    yield model.decoder.decode(row[0])

    # -- writing

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        """Write all in order, in one transaction."""
        return self.write(writes, {})

    def write(self, writes: Sequence[Write], building: dict[str, int]) -> list[Failure]:
        """Write all in order; into these new generations instead of the live ones, by model."""
        failures: list[Failure] = []
        if self._closed:
            raise StoreUnavailable("the read store is closed")
        with _told(), self._transaction():
            tables: dict[str, Table] = {}
            for write in writes:
                name = write.model.name
                table = tables.get(name)
                if table is None:
                    generation = building.get(name)
                    table = tables[name] = (
                        self._live(self._writer, write.model)
                        if generation is None
                        else self._table(write.model, generation)
                    )
                try:
                    self._write(table, write)
                except (
                    sqlite3.IntegrityError,
                    sqlite3.DataError,
                    sqlite3.InterfaceError,
                    sqlite3.ProgrammingError,
                    OverflowError,
                    UnicodeEncodeError,
                ) as error:
                    failures.append(Failure(write, f"{type(error).__name__}: {error}"))
        return failures

    def _write(self, table: Table, write: Write) -> None:
        match write:
            case Upsert():
                self._upsert(table, write)
            case Delete():
                row = self._writer.execute(table.find, (write.id,)).fetchone()
                if row is not None and row[1] <= write.version:
                    self._remove(table, row[0], row[2])
            case DeleteWhere():
                where = Where(table, write.condition)
                rows = self._writer.execute(
                    f'SELECT t.rowid, t."_doc" FROM "{table.name}" t WHERE {where.sql}',
                    where.parameters,
                ).fetchall()
                for rowid, stored in rows:
                    self._remove(table, rowid, stored)

    def _upsert(self, table: Table, write: Upsert) -> None:
        document: Any = write.document
        stored = msgspec.json.encode(document)
        row = self._writer.execute(table.find, (write.id,)).fetchone()
        values = table.row(document)
        if row is None:
            cursor = self._writer.execute(table.insert, [write.version, stored, *values])
            assert cursor.lastrowid is not None
            for field in table.lists:
                self._add_terms(table, field, cursor.lastrowid, getattr(document, field))
            for field in table.texts:
                self._add_words(table, field, cursor.lastrowid, getattr(document, field))
        elif row[1] < write.version:
            self._writer.execute(table.update, [write.version, stored, *values, row[0]])
            if table.decode_words is not None:
                self._replace_words(table, row[0], table.decode_words.decode(row[2]), document)

    def _replace_words(self, table: Table, rowid: int, old: Any, new: Any) -> None:
        for field in table.lists:
            before, after = getattr(old, field), getattr(new, field)
            if before != after:
                self._drop_terms(table, field, rowid, before)
                self._add_terms(table, field, rowid, after)
        for field in table.texts:
            before, after = getattr(old, field), getattr(new, field)
            if before != after:
                self._drop_words(table, field, rowid, before)
                self._add_words(table, field, rowid, after)

    def _remove(self, table: Table, rowid: int, stored: bytes) -> None:
        if table.decode_words is not None:
            old = table.decode_words.decode(stored)
            for field in table.lists:
                self._drop_terms(table, field, rowid, getattr(old, field))
            for field in table.texts:
                self._drop_words(table, field, rowid, getattr(old, field))
        self._writer.execute(table.delete, (rowid,))

    def _add_terms(self, table: Table, field: str, rowid: int, terms: Sequence[str]) -> None:
        if terms:
            self._writer.executemany(
                f'INSERT OR IGNORE INTO "{table.terms(field)}" VALUES (?, ?)',
                [(term, rowid) for term in terms],
            )

    def _drop_terms(self, table: Table, field: str, rowid: int, terms: Sequence[str]) -> None:
        self._writer.executemany(
            f'DELETE FROM "{table.terms(field)}" WHERE term = ? AND doc = ?',
            [(term, rowid) for term in terms],
        )

    def _add_words(self, table: Table, field: str, rowid: int, text: str) -> None:
        self._writer.execute(
            f'INSERT INTO "{table.words(field)}" (rowid, body) VALUES (?, ?)',
            (rowid, text),
        )

    def _drop_words(self, table: Table, field: str, rowid: int, text: str) -> None:
        name = table.words(field)
        self._writer.execute(
            f'INSERT INTO "{name}" ("{name}", rowid, body) VALUES (\'delete\', ?, ?)',
            (rowid, text),
        )

    def sync(self) -> None:
        """Write the write-ahead log through to the disk."""
        with _told(), self._lock:
            if self._closed:
                raise StoreUnavailable("the read store is closed")
            if self._wal is None:
                self._wal = os.open(f"{self._path}-wal", os.O_RDONLY)
            os.fdatasync(self._wal)

    def refresh(self) -> None:
        """Nothing to do: what is committed is seen."""

    def close(self) -> None:
        """Close all connections; a later call is refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._wal is not None:
                os.close(self._wal)
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    # -- generations

    def claim(self, owner: str, seconds: float) -> bool:
        """Take or renew the right to change generations for so long; False: another has it."""
        now = time()
        with _told(), self._transaction():
            row = self._writer.execute("SELECT owner, until FROM claim").fetchone()
            if row is not None and row[0] != owner and row[1] > now:
                return False
            self._writer.execute("DELETE FROM claim")
            self._writer.execute("INSERT INTO claim VALUES (?, ?)", (owner, now + seconds))
        return True

    def release(self, owner: str) -> None:
        """Give the right back, if this owner has it."""
        with _told(), self._transaction():
            self._writer.execute("DELETE FROM claim WHERE owner = ?", (owner,))

    def begin(self, models: Sequence[ReadModel]) -> DocumentWriter:
        """Make empty generations of these models; the returned writer fills them."""
        self.discard(models)
        building: dict[str, int] = {}
        with _told(), self._transaction():
            for model in models:
                (live,) = self._writer.execute(
                    "SELECT live FROM generations WHERE model = ?", (model.name,)
                ).fetchone()
                building[model.name] = live % _NEWEST + 1
                self._create(self._table(model, building[model.name]))
                self._writer.execute(
                    "UPDATE generations SET building = ? WHERE model = ?",
                    (building[model.name], model.name),
                )
        return _Building(self, building)

    def switch(self, models: Sequence[ReadModel]) -> None:
        """Make the new generations the live ones at once, and drop the old ones."""
        with _told(), self._transaction():
            for model in models:
                live, building = self._generations(model)
                if building is None:
                    raise BrokenInvariant(f"{model} has no new generation to switch to")
                self._writer.execute(
                    "UPDATE generations SET live = ?, building = NULL, signature = ?"
                    " WHERE model = ?",
                    (building, signature(model), model.name),
                )
                self._drop(model, live)
        self._outdated = [model for model in self._outdated if model not in models]

    def adopt(self, models: Sequence[ReadModel]) -> None:
        """Declare the live generations complete as they are."""
        with _told(), self._transaction():
            for model in models:
                self._writer.execute(
                    "UPDATE generations SET signature = ? WHERE model = ?",
                    (signature(model), model.name),
                )
        self._outdated = [model for model in self._outdated if model not in models]

    def discard(self, models: Sequence[ReadModel]) -> None:
        """Drop the new generations."""
        with _told(), self._transaction():
            for model in models:
                _, building = self._generations(model)
                if building is not None:
                    self._drop(model, building)
                    self._writer.execute(
                        "UPDATE generations SET building = NULL WHERE model = ?", (model.name,)
                    )

    def _generations(self, model: ReadModel) -> tuple[int, int | None]:
        row: tuple[int, int | None] = self._writer.execute(
            "SELECT live, building FROM generations WHERE model = ?", (model.name,)
        ).fetchone()
        return row

    def _drop(self, model: ReadModel, generation: int) -> None:
        # by what is there, not by the model: the old generation may be of another shape
        name = f"{model.name}_{generation}"
        named = "type = 'table' AND (name = ? OR substr(name, 1, ?) = ?)"
        parameters = (name, len(name) + 1, f"{name}_")
        for kind in ("sql LIKE 'CREATE VIRTUAL%'", "TRUE"):  # full text takes its own tables away
            tables = self._writer.execute(
                f"SELECT name FROM sqlite_master WHERE {named} AND {kind}",
                parameters,
            ).fetchall()
            for (table,) in tables:
                self._writer.execute(f'DROP TABLE "{table}"')


class _Building:
    """Writes to new generations."""

    def __init__(self, store: SqliteReadStore, generations: dict[str, int]) -> None:
        self._store = store
        self._generations = generations

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        """Write all in order, in one transaction."""
        return self._store.write(writes, self._generations)

    def sync(self) -> None:
        """Write through to the disk."""
        self._store.sync()


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
    connection.execute(_GENERATIONS)
    connection.execute(_CLAIM)
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # uses of one connection never overlap; only the thread changes
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # a commit survives SIGKILL as it is; `sync` is for the power cut
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _shown(value: Any, *, is_date: bool, is_flag: bool) -> Any:
    if value is None:
        return None
    if is_date:
        return instant_of(value)
    return bool(value) if is_flag else value
