"""The read store in SQLite: documents as JSON beside indexed columns, free text in FTS5."""

# ruff: noqa: S608 - names of tables and columns are ours, values always travel as parameters

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time
from typing import Any

from domain.errors import BrokenInvariant
from infra.embedded.search_database import Database
from infra.embedded.search_schema import Table, instant_of, signature
from infra.embedded.search_sql import Groups, Where, order_by
from infra.embedded.search_tables import REFUSALS, Tables
from projections.store import (
    Condition,
    DocumentWriter,
    Failure,
    Grouping,
    Hits,
    Order,
    ReadModel,
    Write,
)

_NEWEST = 1_000_000
_SCAN_ROWS = 500


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
        self._models = tuple(models)
        self._database = Database(path)
        self._outdated = self._prepare()

    def outdated(self) -> list[ReadModel]:
        """Models whose tables are new or of another shape: they must be rebuilt."""
        if self._outdated:  # another process may have rebuilt them
            self._outdated = self._prepare()
        return list(self._outdated)

    def _prepare(self) -> list[ReadModel]:
        outdated: list[ReadModel] = []
        with self._database.transaction() as writer:
            found = writer.execute("SELECT model, signature FROM generations")
            known: dict[str, str] = dict(found.fetchall())
            for model in self._models:
                if model.name not in known:
                    _create(writer, self._database.table(model, 1))
                    writer.execute("INSERT INTO generations VALUES (?, 1, NULL, '')", (model.name,))
                if known.get(model.name) != signature(model):
                    outdated.append(model)
        return outdated

    # -- reading

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
        with self._database.reading() as connection:
            table = self._database.live(connection, model)
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
        with self._database.reading() as connection:
            row = connection.execute(
                self._database.live(connection, model).find, (document_id,)
            ).fetchone()
        return None if row is None else model.decoder.decode(row[2])

    def count(self, model: ReadModel, condition: Condition) -> int:
        """How many documents a condition holds for."""
        with self._database.reading() as connection:
            table = self._database.live(connection, model)
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
        with self._database.reading() as connection:
            table = self._database.live(connection, model)
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
        with self._database.reading() as connection:
            table = self._database.live(connection, model)
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
        with self._database.transaction() as writer:
            tables = Tables(writer)
            targets: dict[str, Table] = {}
            for write in writes:
                name = write.model.name
                target = targets.get(name)
                if target is None:
                    generation = building.get(name)
                    target = targets[name] = (
                        self._database.live(writer, write.model)
                        if generation is None
                        else self._database.table(write.model, generation)
                    )
                try:
                    tables.write(target, write)
                except REFUSALS as error:
                    failures.append(Failure(write, f"{type(error).__name__}: {error}"))
        return failures

    def sync(self) -> None:
        """Write the write-ahead log through to the disk."""
        self._database.sync()

    def refresh(self) -> None:
        """Nothing to do: what is committed is seen."""

    def close(self) -> None:
        """Close all connections; a later call is refused."""
        self._database.close()

    # -- generations

    def claim(self, owner: str, seconds: float) -> bool:
        """Take or renew the right to change generations for so long; False: another has it."""
        now = time()
        with self._database.transaction() as writer:
            row = writer.execute("SELECT owner, until FROM claim").fetchone()
            if row is not None and row[0] != owner and row[1] > now:
                return False
            writer.execute("DELETE FROM claim")
            writer.execute("INSERT INTO claim VALUES (?, ?)", (owner, now + seconds))
        return True

    def release(self, owner: str) -> None:
        """Give the right back, if this owner has it."""
        with self._database.transaction() as writer:
            writer.execute("DELETE FROM claim WHERE owner = ?", (owner,))

    def begin(self, models: Sequence[ReadModel]) -> DocumentWriter:
        """Make empty generations of these models; the returned writer fills them."""
        self.discard(models)
        building: dict[str, int] = {}
        with self._database.transaction() as writer:
            for model in models:
                (live,) = writer.execute(
                    "SELECT live FROM generations WHERE model = ?", (model.name,)
                ).fetchone()
                building[model.name] = live % _NEWEST + 1
                _create(writer, self._database.table(model, building[model.name]))
                writer.execute(
                    "UPDATE generations SET building = ? WHERE model = ?",
                    (building[model.name], model.name),
                )
        return _Building(self, building)

    def switch(self, models: Sequence[ReadModel]) -> None:
        """Make the new generations the live ones at once, and drop the old ones."""
        with self._database.transaction() as writer:
            for model in models:
                live, building = _generations(writer, model)
                if building is None:
                    raise BrokenInvariant(f"{model} has no new generation to switch to")
                writer.execute(
                    "UPDATE generations SET live = ?, building = NULL, signature = ?"
                    " WHERE model = ?",
                    (building, signature(model), model.name),
                )
                _drop(writer, model, live)
        self._outdated = [model for model in self._outdated if model not in models]

    def adopt(self, models: Sequence[ReadModel]) -> None:
        """Declare the live generations complete as they are."""
        with self._database.transaction() as writer:
            for model in models:
                writer.execute(
                    "UPDATE generations SET signature = ? WHERE model = ?",
                    (signature(model), model.name),
                )
        self._outdated = [model for model in self._outdated if model not in models]

    def discard(self, models: Sequence[ReadModel]) -> None:
        """Drop the new generations."""
        with self._database.transaction() as writer:
            for model in models:
                _, building = _generations(writer, model)
                if building is not None:
                    _drop(writer, model, building)
                    writer.execute(
                        "UPDATE generations SET building = NULL WHERE model = ?", (model.name,)
                    )


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


def _create(writer: sqlite3.Connection, table: Table) -> None:
    for statement in table.create():
        writer.execute(statement)


def _generations(writer: sqlite3.Connection, model: ReadModel) -> tuple[int, int | None]:
    row: tuple[int, int | None] = writer.execute(
        "SELECT live, building FROM generations WHERE model = ?", (model.name,)
    ).fetchone()
    return row


def _drop(writer: sqlite3.Connection, model: ReadModel, generation: int) -> None:
    # by what is there, not by the model: the old generation may be of another shape
    name = f"{model.name}_{generation}"
    named = "type = 'table' AND (name = ? OR substr(name, 1, ?) = ?)"
    parameters = (name, len(name) + 1, f"{name}_")
    for kind in ("sql LIKE 'CREATE VIRTUAL%'", "TRUE"):  # full text takes its own tables away
        tables = writer.execute(
            f"SELECT name FROM sqlite_master WHERE {named} AND {kind}",
            parameters,
        ).fetchall()
        for (table,) in tables:
            writer.execute(f'DROP TABLE "{table}"')


def _shown(value: Any, *, is_date: bool, is_flag: bool) -> Any:
    if value is None:
        return None
    if is_date:
        return instant_of(value)
    return bool(value) if is_flag else value
