"""Labels: how they are indexed, and what filters of them mean."""

from __future__ import annotations

from datetime import datetime

from domain.errors import InvalidQuery
from projections.fields import MEMBERSHIP, Use
from projections.search import Filter, Operation
from projections.store import Condition, Contains, Every, Is, Not
from projections.values import items

PAIR = "\x1f"
"""Stands between key and value where a label is one indexed text."""
_Op = Operation


def label_pair(key: str, value: str) -> str:
    """Return a label as the one text by which it is indexed."""
    return f"{key}{PAIR}{value}"


def labels(field: str = "label_pairs") -> Use:
    """Labels by key and value."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        match wanted.operation:
            case _Op.EQUALS:
                return Every(tuple(Is(field, (pair,)) for pair in _pairs(wanted)))
            case _Op.NOT_EQUALS:
                return Every(tuple(Not(Is(field, (pair,))) for pair in _pairs(wanted)))
            case _Op.IN:
                return Is(field, tuple(_pairs(wanted)))
            case _Op.NOT_IN:
                return Not(Is(field, tuple(_pairs(wanted))))
            case _:
                if wanted.key is None:
                    return Contains(field, str(wanted.value))
                return Contains(field, str(wanted.value), after=f"{wanted.key}{PAIR}")

    return Use((*MEMBERSHIP, _Op.CONTAINS), meaning)


def _pairs(wanted: Filter) -> list[str]:
    several = wanted.operation in {_Op.IN, _Op.NOT_IN}
    if wanted.key is not None:
        values = items(wanted.value) if several else [wanted.value]
        return [label_pair(wanted.key, str(value)) for value in values]
    if isinstance(wanted.value, dict):
        return [label_pair(str(key), str(value)) for key, value in wanted.value.items()]
    pairs: list[str] = []
    for item in items(wanted.value) if several else [str(wanted.value)]:
        key, colon, value = str(item).partition(":")
        if not colon:
            raise InvalidQuery(f"Invalid label '{item}': expected key:value")
        pairs.append(label_pair(key, value))
    return pairs
