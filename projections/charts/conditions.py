"""The conditions of charts as conditions of the read store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.errors import InvalidQuery
from projections.charts.chart import Chart, Where, Window
from projections.charts.sources import Source
from projections.fields import Field
from projections.labels import PAIR, label_pair
from projections.regex.syntax import parse as parse_regex
from projections.search import AllOf, AnyOf, Clause, Filter, Query
from projections.store import (
    Between,
    Condition,
    Contains,
    EndsWith,
    Every,
    Exists,
    Is,
    Matches,
    Not,
    Some,
    StartsWith,
)
from projections.values import duration, instant

_NUMBERS = frozenset({"integer", "long", "short", "float", "double"})
_MILLISECOND = timedelta(milliseconds=1)


def condition_of(chart: Chart, window: Window, now: datetime) -> Condition:
    """Return which documents a chart is about.

    Raises:
        InvalidQuery: a field or value that the data does not have.
    """
    source = chart.source
    known = tuple(_known(source, window.filters))
    conditions = [
        source.filters.condition(Query(window.tenant, known), now),
        source.base,
        *(where_of(source, where) for where in chart.where),
    ]
    if source.date is not None:
        conditions.append(Between(source.date, at_least=window.start, at_most=window.end))
    return Every(tuple(conditions))


def where_of(source: Source, where: Where) -> Condition:
    """Return one condition of a chart; raises InvalidQuery."""
    if where.type == "OR":
        return Some(tuple(where_of(source, member) for member in where.members))
    field = document_field(source, where.field)
    if where.field in source.texts:
        raise InvalidQuery(f"{source.name} cannot be filtered by {where.field}")
    if where.type == "IS_NULL":
        return Not(Exists(field))
    if where.type == "IS_NOT_NULL":
        return Exists(field)
    if where.type in {"IS_TRUE", "IS_FALSE"}:
        return Is(field, (where.type == "IS_TRUE",))
    if field == "label_pairs":
        return _labels(where)
    return _compared(source, where, field)


def document_field(source: Source, name: str) -> str:
    """Return the document's field of a public name; raises InvalidQuery."""
    field = source.fields.get(name)
    if field is None:
        known = ", ".join(source.fields)
        raise InvalidQuery(f"{source.name} have no field {name}. Expected one of: [{known}]")
    return field


def _known(source: Source, clauses: tuple[Clause, ...]) -> list[Clause]:
    kept: list[Clause] = []
    for clause in clauses:
        if isinstance(clause, Filter):
            if source.supports(Field.parse(clause.field)):
                kept.append(clause)
        else:
            members = tuple(_known(source, clause.members))
            if members:
                kept.append(AllOf(members) if isinstance(clause, AllOf) else AnyOf(members))
    return kept


def _compared(source: Source, where: Where, field: str) -> Condition:
    values = tuple(_value(source, where.field, field, value) for value in where.values)
    if where.type in {"IN", "EQUAL_TO"}:
        return Is(field, values)
    if where.type in {"NOT_IN", "NOT_EQUAL_TO"}:
        return Not(Is(field, values))
    if not values:
        raise InvalidQuery(f"The filter {where.type} on {where.field} has no value")
    first = values[0]
    match where.type:
        case "GREATER_THAN":
            return Between(field, above=first)
        case "GREATER_THAN_OR_EQUAL_TO":
            return Between(field, at_least=first)
        case "LESS_THAN":
            return Between(field, below=first)
        case "LESS_THAN_OR_EQUAL_TO":
            return Between(field, at_most=first)
        case "CONTAINS":
            return Contains(field, str(first))
        case "STARTS_WITH":
            return StartsWith(field, str(first))
        case "ENDS_WITH":
            return EndsWith(field, str(first))
        case "REGEX":
            parse_regex(str(first))
            return Matches(field, str(first))
        case _:
            raise InvalidQuery(f"There is no filter {where.type}")


def _labels(where: Where) -> Condition:
    pairs: list[str] = []
    for value in where.values:
        if where.label_key is not None:
            pairs.append(label_pair(where.label_key, str(value)))
        elif isinstance(value, dict):
            pairs += [label_pair(str(key), str(text)) for key, text in value.items()]
        else:
            key, _, text = str(value).partition(":")
            pairs.append(label_pair(key, text))
    first = str(where.values[0]) if where.values else ""
    match where.type:
        case "EQUAL_TO":
            return Every(tuple(Is("label_pairs", (pair,)) for pair in pairs))
        case "NOT_EQUAL_TO" | "NOT_IN":
            return Not(Is("label_pairs", tuple(pairs)))
        case "IN":
            return Is("label_pairs", tuple(pairs))
        case "CONTAINS":
            after = "" if where.label_key is None else f"{where.label_key}{PAIR}"
            return Contains("label_pairs", first, after)
        case "STARTS_WITH" if where.label_key is not None:
            return StartsWith("label_pairs", label_pair(where.label_key, first))
        case _:
            raise InvalidQuery(f"Labels have no filter {where.type}")


def _value(source: Source, name: str, field: str, value: Any) -> Any:
    kind = source.model.fields.get(field, "keyword")
    if kind.startswith("date"):
        return instant(value, name)
    if name in source.durations:
        span = timedelta(seconds=value) if isinstance(value, int | float) else duration(value)
        return span // _MILLISECOND
    if kind in _NUMBERS:
        try:
            number = float(str(value))
        except ValueError:
            raise InvalidQuery(f"'{value}' is no number, as {name} needs one") from None
        return int(number) if number.is_integer() else number
    return str(value)
