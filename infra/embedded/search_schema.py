"""Tables of the SQLite read store, derived from a read model's mapping and document."""

# ruff: noqa: S608 - names of tables and columns are ours, values always travel as parameters

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from projections.store import ReadModel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPES = {"double": "REAL", "float": "REAL", "keyword": "TEXT"}
_STORED = '"_version" INTEGER NOT NULL, "_doc" BLOB NOT NULL'
_TERMS = "term TEXT NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (term, doc)"
_WORDS = "body, content='', detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 0'"
DATES = frozenset({"date", "date_nanos"})
SCHEMA = 1
"""Raise it when the same mapping makes other tables."""


def microseconds(instant: datetime) -> int:
    """Return how an instant is stored: microseconds since the epoch."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(stored: float) -> datetime:
    """Return the aware UTC instant of stored microseconds."""
    return _EPOCH + timedelta(microseconds=stored)


def plain(value: Any) -> Any:
    """Return a condition's value as it is stored."""
    if isinstance(value, datetime):
        return microseconds(value)
    if isinstance(value, bool):
        return int(value)
    return value


class Table:
    """One generation of one read model in SQLite."""

    def __init__(self, model: ReadModel, generation: int) -> None:
        self.model = model
        self.name = f"{model.name}_{generation}"
        self.columns = model.columns
        self.dates = frozenset(f for f, kind in model.fields.items() if kind in DATES)
        self.lists = tuple(sorted(model.lists & set(model.fields)))
        self.texts = model.texts
        self.is_plain = not self.lists and not self.texts
        self.decode_words = _words_decoder(model, (*self.lists, *self.texts))
        marks = ", ".join("?" for _ in self.columns)
        names = ", ".join(f'"{column}"' for column in self.columns)
        setters = ", ".join(f'"{column}" = ?' for column in self.columns)
        self.find = f'SELECT rowid, "_version", "_doc" FROM "{self.name}" WHERE "{model.key}" = ?'
        self.insert = (
            f'INSERT INTO "{self.name}" ("_version", "_doc", {names}) VALUES (?, ?, {marks})'
        )
        self.update = (
            f'UPDATE "{self.name}" SET "_version" = ?, "_doc" = ?, {setters} WHERE rowid = ?'
        )
        self.delete = f'DELETE FROM "{self.name}" WHERE rowid = ?'
        self.row = _row_of(self.columns, model)

    def terms(self, field: str) -> str:
        """Name of the table with the values of a list field."""
        return f"{self.name}_{field}_terms"

    def words(self, field: str) -> str:
        """Name of the full-text table of a text field."""
        return f"{self.name}_{field}_words"

    def names(self) -> list[str]:
        """Names of all its tables."""
        return [
            *(self.words(field) for field in self.texts),
            *(self.terms(field) for field in self.lists),
            self.name,
        ]

    def create(self) -> list[str]:
        """Return the statements that make it."""
        required = self.model.required
        columns = ", ".join(
            f'"{column}" {_TYPES.get(self.model.fields[column], "INTEGER")}'
            f"{' NOT NULL' if column in required else ''}"
            f"{' UNIQUE' if column == self.model.key else ''}"
            for column in self.columns
        )
        statements = [
            f'CREATE TABLE "{self.name}" (rowid INTEGER PRIMARY KEY, {_STORED}, {columns})',
            *(
                f'CREATE TABLE "{self.terms(field)}" ({_TERMS}) WITHOUT ROWID'
                for field in self.lists
            ),
            *(
                f'CREATE VIRTUAL TABLE "{self.words(field)}" USING fts5({_WORDS})'
                for field in self.texts
            ),
        ]
        for number, lookup in enumerate(self.model.lookups):
            fields = ", ".join(f'"{field}"' for field in lookup)
            statements.append(f'CREATE INDEX "{self.name}_by_{number}" ON "{self.name}" ({fields})')
        return statements


def signature(model: ReadModel) -> str:
    """Return a text that changes when a model's tables or documents change."""
    described = json.dumps(
        [SCHEMA, model.mapping, model.lookups, model.key, sorted(model.required)], sort_keys=True
    )
    return hashlib.sha256(described.encode()).hexdigest()


def _row_of(columns: tuple[str, ...], model: ReadModel) -> Callable[[Any], list[Any]]:
    pick = attrgetter(*columns)
    dates = [at for at, column in enumerate(columns) if model.fields[column] in DATES]

    def row(document: Any) -> list[Any]:
        values = list(pick(document))
        for at in dates:
            if values[at] is not None:
                values[at] = (values[at] - _EPOCH) // _MICROSECOND
        return values

    return row


def _words_decoder(model: ReadModel, fields: tuple[str, ...]) -> msgspec.json.Decoder[Any] | None:
    """A decoder that reads only the list and text fields of a stored document."""
    if not fields:
        return None
    kinds = {member.name: member for member in msgspec.structs.fields(model.document)}
    kept = msgspec.defstruct(
        "Words",
        [
            (field, kinds[field].type)
            if kinds[field].required
            else (field, kinds[field].type, msgspec.field(default_factory=list))
            for field in fields
        ],
        kw_only=True,
    )
    return msgspec.json.Decoder(kept)
