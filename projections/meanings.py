"""What filters mean, by the kind of field: texts, instants, enums, levels and the like."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

from domain.errors import InvalidQuery
from domain.execution.lifecycle import StateType
from domain.log import Level
from projections.fields import DATES, EQUALITY, MEMBERSHIP, TEXTS, Use
from projections.regex.syntax import parse as parse_regex
from projections.search import Filter, Operation
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
    Words,
)
from projections.values import before, constant, duration, instant, items, words

SYSTEM_NAMESPACE = "system"
_Op = Operation


def text_field(field: str, operations: tuple[Operation, ...] = TEXTS) -> Use:
    """A keyword field: names and ids."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        return _text(field, wanted.operation, wanted.value)

    return Use(operations, meaning)


def _text(field: str, operation: Operation, value: Any) -> Condition:
    match operation:
        case _Op.EQUALS:
            return Is(field, (str(value),))
        case _Op.NOT_EQUALS:
            return Not(Is(field, (str(value),)))
        case _Op.IN:
            return Is(field, tuple(str(item) for item in items(value)))
        case _Op.NOT_IN:
            return Not(Is(field, tuple(str(item) for item in items(value))))
        case _Op.STARTS_WITH:
            return StartsWith(field, str(value))
        case _Op.ENDS_WITH:
            return EndsWith(field, str(value))
        case _Op.CONTAINS:
            return Contains(field, str(value))
        case _Op.PREFIX:
            return Some((Is(field, (str(value),)), StartsWith(field, f"{value}.")))
        case _Op.REGEX:
            parse_regex(str(value))
            return Matches(field, str(value))
        case _:
            raise InvalidQuery(f"Operation {operation.value} is not for texts")


def date_field(field: str, name: str) -> Use:
    """An instant."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        value = instant(wanted.value, name)
        match wanted.operation:
            case _Op.GREATER_THAN:
                return Between(field, above=value)
            case _Op.GREATER_THAN_OR_EQUAL_TO:
                return Between(field, at_least=value)
            case _Op.LESS_THAN:
                return Between(field, below=value)
            case _Op.LESS_THAN_OR_EQUAL_TO:
                return Between(field, at_most=value)
            case _Op.NOT_EQUALS:
                return Not(Between(field, at_least=value, at_most=value))
            case _:
                return Between(field, at_least=value, at_most=value)

    return Use(DATES, meaning)


def time_range(field: str) -> Use:
    """The last so long: an ISO duration."""

    def meaning(wanted: Filter, now: datetime) -> Condition:
        return Between(field, at_least=before(now, duration(wanted.value)))

    return Use((_Op.EQUALS,), meaning)


def enum_field(field: str, kind: type[Enum], java: str) -> Use:
    """One of the members of an enum."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        several = wanted.operation in {_Op.IN, _Op.NOT_IN} or isinstance(wanted.value, list | tuple)
        raw = items(wanted.value) if several else [wanted.value]
        values = tuple(constant(kind, item, java).value for item in raw)
        condition = Is(field, values)
        return Not(condition) if wanted.operation in {_Op.NOT_EQUALS, _Op.NOT_IN} else condition

    return Use(MEMBERSHIP, meaning)


def state_field(field: str = "state") -> Use:
    """The state of an execution or task run."""
    return enum_field(field, StateType, "io.kestra.core.models.flows.State.Type")


def free_text() -> Use:
    """The filter `q`."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        condition = Words(words(str(wanted.value)))
        return Not(condition) if wanted.operation is _Op.NOT_EQUALS else condition

    return Use(EQUALITY, meaning)


class _Scope(Enum):
    USER = "USER"
    SYSTEM = "SYSTEM"


def scope(namespace: str = "namespace") -> Use:
    """USER or SYSTEM: not in, or in, the system namespace or a child of it."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        system = _text(namespace, _Op.PREFIX, SYSTEM_NAMESPACE)
        chosen = {
            constant(_Scope, item, "io.kestra.core.models.flows.FlowScope")
            for item in items(wanted.value)
        }
        if len(chosen) != 1:
            return Every() if chosen else Some(())
        is_system = (_Scope.SYSTEM in chosen) == (wanted.operation is _Op.EQUALS)
        return system if is_system else Not(system)

    return Use(EQUALITY, meaning)


class _Child(Enum):
    CHILD = "CHILD"
    MAIN = "MAIN"


def child_filter(parent: str) -> Use:
    """CHILD: started by another execution; MAIN: not."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        chosen = constant(
            _Child,
            wanted.value,
            "io.kestra.core.repositories.ExecutionRepositoryInterface.ChildFilter",
        )
        is_child = (chosen is _Child.CHILD) == (wanted.operation is _Op.EQUALS)
        return Exists(parent) if is_child else Not(Exists(parent))

    return Use(EQUALITY, meaning)


def min_level(field: str = "level") -> Use:
    """This level and the more severe ones."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        least = constant(Level, wanted.value, "org.slf4j.event.Level")
        condition = Is(field, levels_from(least))
        return Not(condition) if wanted.operation is _Op.NOT_EQUALS else condition

    return Use(EQUALITY, meaning)


def levels_from(least: Level) -> tuple[str, ...]:
    """Return the names of a level and the more severe ones."""
    return tuple(level.value for level in Level if level.rank <= least.rank)


def flag(meaning_of_true: Condition) -> Use:
    """A boolean text: anything but `true` is false."""

    def meaning(wanted: Filter, _now: datetime) -> Condition:
        wants = str(wanted.value).strip().lower() == "true"
        if wants == (wanted.operation is _Op.EQUALS):
            return meaning_of_true
        return Not(meaning_of_true)

    return Use(EQUALITY, meaning)
