"""Conditions, orders and groupings of the read store as SQL."""

# ruff: noqa: S608 - names of tables and columns are ours, values always travel as parameters

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from domain.errors import BrokenInvariant
from infra.embedded.search_schema import Table, plain
from projections.regex.automaton import matcher
from projections.store import (
    Between,
    Condition,
    Contains,
    EndsWith,
    Every,
    Exists,
    Grouping,
    Interval,
    Is,
    Key,
    Matches,
    Measure,
    MeasureKind,
    Not,
    Order,
    Some,
    StartsWith,
    Words,
)

_MINUTE = 60_000_000
_WIDTHS = {
    Interval.MINUTE: _MINUTE,
    Interval.HOUR: 60 * _MINUTE,
    Interval.DAY: 24 * 60 * _MINUTE,
}
_MONDAY = 4 * 24 * 60 * _MINUTE
"""From the epoch, a Thursday, to the first Monday."""

_compiled = lru_cache(maxsize=64)(matcher)


def matches(pattern: str, value: str | None) -> bool | None:
    """Tell whether a pattern is found in a value: the SQL function `matches`."""
    return None if value is None else _compiled(pattern)(str(value))


class Where:
    """A condition as SQL over one table; parameters in order."""

    def __init__(self, table: Table, condition: Condition) -> None:
        self._table = table
        self.parameters: list[Any] = []
        self.sql = self._of(condition)

    def _of(self, condition: Condition) -> str:
        match condition:
            case Is(field=field, values=values):
                return self._value(field, lambda column: self._among(column, values))
            case Exists(field=field):
                return self._exists(field)
            case Between():
                return self._value(condition.field, lambda column: self._between(column, condition))
            case StartsWith(field=field, text=text):
                return self._value(field, lambda column: self._prefix(column, text))
            case EndsWith(field=field, text=text):
                return self._value(field, lambda column: self._suffix(column, text))
            case Contains():
                return self._value(condition.field, lambda column: self._within(column, condition))
            case Matches(field=field, pattern=pattern):
                return self._value(
                    field, lambda column: f"matches({self._take(pattern)}, {column})"
                )
            case Words(words=words, field=field):
                return self._words(words, field)
            case Not(condition=Exists(field=field)) if field not in self._table.lists:
                return f"{self._column(field)} IS NULL"
            case Not(condition=inner):
                return f"({self._of(inner)}) IS NOT TRUE"
            case Every(conditions=conditions):
                return self._joined(conditions, " AND ", "TRUE")
            case Some(conditions=conditions):
                return self._joined(conditions, " OR ", "FALSE")

    def _take(self, value: Any) -> str:
        self.parameters.append(plain(value))
        return "?"

    def _column(self, field: str) -> str:
        if field not in self._table.columns:
            raise BrokenInvariant(f"{self._table.model} has no field {field} to look for")
        return f't."{field}"'

    def _value(self, field: str, test: Any) -> str:
        if field in self._table.lists:
            terms = self._table.terms(field)
            return f't.rowid IN (SELECT doc FROM "{terms}" WHERE {test("term")})'
        return str(test(self._column(field)))

    def _exists(self, field: str) -> str:
        if field in self._table.lists:
            return f't.rowid IN (SELECT doc FROM "{self._table.terms(field)}")'
        return f"{self._column(field)} IS NOT NULL"

    def _joined(self, conditions: Sequence[Condition], joint: str, empty: str) -> str:
        parts = [self._of(condition) for condition in conditions]
        return empty if not parts else "(" + joint.join(parts) + ")"

    def _among(self, column: str, values: Sequence[Any]) -> str:
        if len(values) == 1:
            return f"{column} = {self._take(values[0])}"
        return f"{column} IN ({', '.join(self._take(value) for value in values)})"

    def _between(self, column: str, wanted: Between) -> str:
        bounds = (
            (">", wanted.above),
            (">=", wanted.at_least),
            ("<", wanted.below),
            ("<=", wanted.at_most),
        )
        parts = [
            f"{column} {sign} {self._take(bound)}" for sign, bound in bounds if bound is not None
        ]
        return "(" + " AND ".join(parts) + ")" if parts else f"{column} IS NOT NULL"

    def _prefix(self, column: str, text: str) -> str:
        if not text:
            return f"{column} IS NOT NULL"
        after = following(text)
        least = f"{column} >= {self._take(text)}"
        return least if after is None else f"({least} AND {column} < {self._take(after)})"

    def _suffix(self, column: str, text: str) -> str:
        if not text:
            return f"{column} IS NOT NULL"
        return f"substr({column}, {self._take(-len(text))}) = {self._take(text)}"

    def _within(self, column: str, wanted: Contains) -> str:
        if not wanted.after:
            return f"instr({column}, {self._take(wanted.text)}) > 0"
        begins = self._prefix(column, wanted.after)
        rest = f"substr({column}, {self._take(len(wanted.after) + 1)})"
        return f"({begins} AND instr({rest}, {self._take(wanted.text)}) > 0)"

    def _matches(self, column: str, pattern: str) -> str:
        return f"matches({self._take(pattern)}, {column})"

    def _words(self, words: Sequence[str], field: str) -> str:
        if not words:
            return "TRUE"
        name = self._table.words(field)
        asked = self._take(" AND ".join(f'"{word}"*' for word in words))
        return f't.rowid IN (SELECT rowid FROM "{name}" WHERE "{name}" MATCH {asked})'


def following(text: str) -> str | None:
    """Return the smallest text greater than every text that begins so; None: there is none."""
    for at in range(len(text) - 1, -1, -1):
        code = ord(text[at]) + 1
        if code <= 0x10FFFF:
            # surrogates are no letters
            return text[:at] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return None


def order_by(table: Table, orders: Sequence[Order]) -> str:
    """Return the ORDER BY clause, documents without a value last; empty without orders."""
    parts: list[str] = []
    for order in orders:
        if order.field not in table.columns:
            raise BrokenInvariant(f"{table.model} cannot be sorted by {order.field}")
        direction = "DESC" if order.descending else "ASC"
        last = "" if order.descending or order.field in table.model.required else " NULLS LAST"
        parts.append(f't."{order.field}" {direction}{last}')
    return f" ORDER BY {', '.join(parts)}" if parts else ""


class Groups:
    """A grouping as SQL over one table."""

    def __init__(self, table: Table, where: Where, grouping: Grouping) -> None:
        self._table = table
        before: list[Any] = []
        joins: list[str] = []
        keys: list[str] = []
        presence: list[str] = []
        for number, key in enumerate(grouping.keys):
            if key.field in table.lists:
                alias = f"k{number}"
                joins.append(f' JOIN "{table.terms(key.field)}" {alias} ON {alias}.doc = t.rowid')
                if key.prefix:
                    joins[-1] += f" AND {alias}.term >= ? AND {alias}.term < ?"
                    before += [key.prefix, following(key.prefix)]
                keys.append(f"substr({alias}.term, {len(key.prefix) + 1})")
            else:
                keys.append(_bucket(key, self._column(key.field)))
                presence.append(f"{self._column(key.field)} IS NOT NULL")
        measures = [self._measure(measure) for measure in grouping.measures]
        self.dates = [key.field in table.dates for key in grouping.keys] + [
            measure.field in table.dates and measure.kind in {MeasureKind.MIN, MeasureKind.MAX}
            for measure in grouping.measures
        ]
        kinds = table.model.fields
        self.flags = [kinds[key.field] == "boolean" for key in grouping.keys] + [
            False for _ in grouping.measures
        ]
        self.names = [key.name for key in grouping.keys] + [m.name for m in grouping.measures]
        self.sql = (
            f'SELECT {", ".join([*keys, *measures, "count(*)"])} FROM "{table.name}" t'
            f"{''.join(joins)} WHERE {' AND '.join([where.sql, *presence])}"
        )
        self.parameters = [*before, *where.parameters]
        if keys:
            numbers = ", ".join(str(number + 1) for number in range(len(keys)))
            self.sql += f" GROUP BY {numbers} ORDER BY count(*) DESC, {numbers} LIMIT ?"
            self.parameters.append(grouping.limit)

    def _measure(self, measure: Measure) -> str:
        computed = f"{measure.kind.value}({self._column(measure.field) if measure.field else '*'})"
        return f"coalesce({computed}, 0)" if measure.kind is MeasureKind.SUM else computed

    def _column(self, field: str) -> str:
        if field not in self._table.columns:
            raise BrokenInvariant(f"{self._table.model} cannot be grouped by {field}")
        return f't."{field}"'


def _bucket(key: Key, column: str) -> str:
    if key.interval is None:
        return column
    if key.interval is Interval.MONTH:
        return f"unixepoch({column} / 1000000, 'unixepoch', 'start of month') * 1000000"
    if key.interval is Interval.WEEK:
        week = 7 * _WIDTHS[Interval.DAY]
        return f"{column} - ((({column} - {_MONDAY}) % {week}) + {week}) % {week}"
    width = _WIDTHS[key.interval]
    return f"{column} - (({column} % {width}) + {width}) % {width}"
