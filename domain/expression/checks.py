"""The tests of `value is name`; not `defined`, which looks at the expression, not the value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from domain.expression.errors import Fault
from domain.expression.registry import REQUIRED, TESTS, test_
from domain.expression.runtime import Run
from domain.expression.values import class_name, equal

__all__ = ["TESTS"]


@test_("null")
def is_null(run: Run, value: Any) -> bool:
    """Tell whether a value is null."""
    del run
    return value is None


@test_("empty")
def is_empty(run: Run, value: Any) -> bool:
    """Tell whether a value is null, a blank text, or a list or map without elements."""
    del run
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, (list, tuple, AbstractSet, Mapping)) and not value


@test_("even")
def is_even(run: Run, value: Any) -> bool:
    """Tell whether a whole number is even."""
    del run
    return _whole("even", value) % 2 == 0


@test_("odd")
def is_odd(run: Run, value: Any) -> bool:
    """Tell whether a whole number is odd."""
    del run
    return _whole("odd", value) % 2 == 1


@test_("iterable")
def is_iterable(run: Run, value: Any) -> bool:
    """Tell whether a value is a list; texts and maps are not."""
    del run
    return isinstance(value, (list, tuple, AbstractSet))


@test_("map")
def is_map(run: Run, value: Any) -> bool:
    """Tell whether a value is a map."""
    del run
    return isinstance(value, Mapping)


@test_("json")
def is_json(run: Run, value: Any) -> bool:
    """Tell whether a text reads as JSON; a blank one does."""
    del run
    if value is None:
        return False
    if not isinstance(value, str):
        raise Fault(f"The 'json' test expects a text, not {class_name(value)}.")
    if not value.strip():
        return True
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


@test_("equalTo", "equal", value=REQUIRED)
def is_equal_to(run: Run, value: Any, other: Any) -> bool:
    """Tell whether two values are equal, as `==` does."""
    del run
    return equal(value, other)


def _whole(name: str, value: Any) -> int:
    if value is None:
        raise Fault(f'Can not pass null value to "{name}" test.')
    if not isinstance(value, int) or isinstance(value, bool):
        raise Fault(f"A whole number is expected, not {class_name(value)}")
    return value
