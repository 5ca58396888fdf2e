"""Documents into the tables of one generation: the document, its columns, its terms, its words."""

# ruff: noqa: S608 - names of tables and columns are ours, values always travel as parameters

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from infra.embedded.search_schema import Table
from infra.embedded.search_sql import Where
from projections.store import Delete, DeleteWhere, Upsert, Write

REFUSALS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)
"""What SQLite says of a document that it will never take."""


class Tables:
    """Writes through one connection, whose owner has begun a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._writer = connection

    def write(self, table: Table, write: Write) -> None:
        """Carry out one write; raises one of REFUSALS."""
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
