"""Conditions, orders and groupings of the read store as OpenSearch queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import BrokenInvariant
from projections.regex.lucene import to_lucene
from projections.store import (
    Between,
    Condition,
    Contains,
    EndsWith,
    Every,
    Exists,
    Grouping,
    Is,
    Key,
    Matches,
    Measure,
    MeasureKind,
    Not,
    Order,
    ReadModel,
    Some,
    StartsWith,
    Words,
)

Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2262, 4, 11, tzinfo=UTC)
"""Instants beyond these two do not fit into nanoseconds."""
_LONGEST_WORD = 255
_NOTHING: Json = {"match_none": {}}


def query_of(model: ReadModel, condition: Condition) -> Json:
    """Return the query for a condition, in filter context."""
    return {"bool": {"filter": [_query(model, condition)]}}


def _query(model: ReadModel, condition: Condition) -> Json:
    match condition:
        case Is(field=field, values=values):
            return {"terms": {_known(model, field): [_plain(value) for value in values]}}
        case Exists(field=field):
            return {"exists": {"field": _known(model, field)}}
        case Between():
            return _between(model, condition)
        case StartsWith(field=field, text=text):
            return {"prefix": {_known(model, field): {"value": text}}}
        case EndsWith(field=field, text=text):
            return {"wildcard": {_known(model, field): {"value": "*" + _escaped(text)}}}
        case Contains(field=field, text=text, after=after):
            pattern = f"{_escaped(after)}*{_escaped(text)}*"
            return {"wildcard": {_known(model, field): {"value": pattern}}}
        case Matches(field=field, pattern=pattern):
            # no flags: only what `to_lucene` writes has a meaning
            return {
                "regexp": {_known(model, field): {"value": to_lucene(pattern), "flags": "NONE"}}
            }
        case Words(words=words, field=field):
            return _all_of([{"prefix": {field: {"value": word[:_LONGEST_WORD]}}} for word in words])
        case Not(condition=inner):
            return {"bool": {"must_not": [_query(model, inner)]}}
        case Every(conditions=conditions):
            return _all_of([_query(model, inner) for inner in conditions])
        case Some(conditions=conditions):
            if not conditions:
                return _NOTHING
            return {
                "bool": {
                    "should": [_query(model, inner) for inner in conditions],
                    "minimum_should_match": 1,
                }
            }


def _all_of(queries: list[Json]) -> Json:
    return {"bool": {"filter": queries}} if queries else {"match_all": {}}


def _between(model: ReadModel, wanted: Between) -> Json:
    bounds = {
        "gt": wanted.above,
        "gte": wanted.at_least,
        "lt": wanted.below,
        "lte": wanted.at_most,
    }
    given = {sign: _plain(bound) for sign, bound in bounds.items() if bound is not None}
    field = _known(model, wanted.field)
    return {"range": {field: given}} if given else {"exists": {"field": field}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return min(max(value, _EPOCH), _LAST).isoformat()
    return value


def _escaped(text: str) -> str:
    return re.sub(r"([*?\\])", r"\\\1", text)


def _known(model: ReadModel, field: str) -> str:
    if model.fields.get(field, "object") in {"object", "text"}:
        raise BrokenInvariant(f"{model} has no field {field} to look for")
    return field


def sort_of(model: ReadModel, orders: Sequence[Order], *, total: bool) -> list[Json]:
    """Return the sort, documents without a value last.

    `total`: made total by the document's id, as reading page after page needs it.
    """
    fields = [order.field for order in orders]
    if total and model.key not in fields:
        orders = [*orders, Order(model.key)]
    return [
        {
            _known(model, order.field): {
                "order": "desc" if order.descending else "asc",
                "missing": "_last",
            }
        }
        for order in orders
    ]


# -- aggregations -----------------------------------------------------------------------------

Rows = Iterator[tuple[int, list[Any]]]
_METRICS = {
    MeasureKind.COUNT: "value_count",
    MeasureKind.SUM: "sum",
    MeasureKind.AVG: "avg",
    MeasureKind.MIN: "min",
    MeasureKind.MAX: "max",
}


def aggregations_of(model: ReadModel, grouping: Grouping) -> Json:
    """Return nested aggregations, named `k0`, `k1`, ... and `m0`, `m1`, ..."""
    inner: Json = {
        f"m{number}": {_METRICS[measure.kind]: {"field": _known(model, measure.field)}}
        for number, measure in enumerate(grouping.measures)
        if measure.field is not None
    }
    for number, key in reversed(list(enumerate(grouping.keys))):
        bucket = _bucket(model, key, grouping.limit)
        if inner:
            bucket["aggs"] = inner
        inner = {f"k{number}": bucket}
    return inner


def _bucket(model: ReadModel, key: Key, limit: int) -> Json:
    field = _known(model, key.field)
    if key.interval is not None:
        interval = key.interval.value
        return {
            "date_histogram": {"field": field, "calendar_interval": interval, "min_doc_count": 1}
        }
    terms: Json = {"field": field, "size": limit}
    if key.prefix:
        terms["include"] = re.sub(r"(\W)", r"\\\1", key.prefix) + ".*"
    return {"terms": terms}


def rows_of(
    model: ReadModel, grouping: Grouping, answer: Json, documents: int
) -> list[dict[str, Any]]:
    """Return the rows of an answer to `aggregations_of`, groups of the most documents first.

    Args:
        model: what was asked.
        grouping: what was asked.
        answer: the `aggregations` of the response.
        documents: how many documents were found in all.
    """
    rows = sorted(_rows(model, grouping, answer, documents, 0), key=lambda row: -row[0])
    names = [key.name for key in grouping.keys] + [measure.name for measure in grouping.measures]
    return [dict(zip(names, row, strict=True)) for _, row in rows[: grouping.limit]]


def _rows(model: ReadModel, grouping: Grouping, level: Json, count: int, depth: int) -> Rows:
    if depth == len(grouping.keys):
        values = [
            _measured(model, measure, level.get(f"m{number}"), count)
            for number, measure in enumerate(grouping.measures)
        ]
        yield count, values
        return
    shown = _shown(model, grouping.keys[depth])
    for bucket in level[f"k{depth}"]["buckets"]:
        value = shown(bucket["key"])
        for documents, row in _rows(model, grouping, bucket, bucket["doc_count"], depth + 1):
            yield documents, [value, *row]


def _shown(model: ReadModel, key: Key) -> Callable[[Any], Any]:
    kind = model.fields[key.field]
    if key.interval is not None or kind.startswith("date"):
        return _instant
    if kind == "boolean":
        return bool
    return lambda value: value[len(key.prefix) :] if key.prefix else value


def _measured(model: ReadModel, measure: Measure, found: Json | None, count: int) -> Any:
    if measure.field is None or found is None:
        return count
    value = found["value"]
    if value is not None and measure.kind in {MeasureKind.MIN, MeasureKind.MAX}:
        return _instant(value) if model.fields[measure.field].startswith("date") else value
    return value


def _instant(milliseconds: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
