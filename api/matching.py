"""Filters over what is in memory: the conditions of the read models, held against plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, assert_never

from projections import store as s
from projections.fields import Resource
from projections.regex.automaton import matcher
from projections.search import Found, Query

T = TypeVar("T")


def every(
    items: Iterable[T], query: Query, resource: Resource, field: Callable[[T, str], Any], now: Any
) -> list[T]:
    """Return all items that a query finds; raises InvalidQuery, also where there are none."""
    condition = resource.condition(query, now)
    return [item for item in items if _holds(condition, item, field)]


def found_in(
    items: Iterable[T], query: Query, resource: Resource, field: Callable[[T, str], Any], now: Any
) -> Found[T]:
    """Return the page of the items that a query asks for.

    Raises:
        InvalidQuery: a filter or sort is wrong.
    """
    hits = every(items, query, resource, field, now)
    for order in reversed(resource.orders(query.sorts)):
        hits.sort(key=lambda item: _key(field(item, order.field)), reverse=order.descending)
    page = query.page
    return Found(hits[page.start : page.start + page.size], len(hits))


def _key(value: Any) -> tuple[bool, Any]:
    return (value is None, "" if value is None else value)


def _holds(condition: s.Condition, item: T, field: Callable[[T, str], Any]) -> bool:
    match condition:
        case s.Every():
            return all(_holds(member, item, field) for member in condition.conditions)
        case s.Some():
            return any(_holds(member, item, field) for member in condition.conditions)
        case s.Not():
            return not _holds(condition.condition, item, field)
        case s.Words():
            return _has_words(condition.words, str(field(item, "text") or ""))
        case s.Exists():
            return field(item, condition.field) is not None
        case _:
            value = field(item, condition.field)
            if isinstance(value, list):
                return any(_compared(condition, member) for member in value)
            return value is not None and _compared(condition, value)


def _compared(
    condition: s.Is | s.Between | s.StartsWith | s.EndsWith | s.Contains | s.Matches, value: Any
) -> bool:
    match condition:
        case s.Is():
            return value in condition.values
        case s.StartsWith():
            return str(value).startswith(condition.text)
        case s.EndsWith():
            return str(value).endswith(condition.text)
        case s.Contains():
            text = str(value)
            return (
                text.startswith(condition.after) and condition.text in text[len(condition.after) :]
            )
        case s.Matches():
            return matcher(condition.pattern)(str(value))
        case s.Between():
            return (
                (condition.above is None or value > condition.above)
                and (condition.at_least is None or value >= condition.at_least)
                and (condition.below is None or value < condition.below)
                and (condition.at_most is None or value <= condition.at_most)
            )
        case _:
            assert_never(condition)


def _has_words(wanted: Sequence[str], text: str) -> bool:
    lowered = text.lower()
    return all(word.lower() in lowered for word in wanted)
