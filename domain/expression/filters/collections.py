"""Filters on lists and maps, and those that take texts as well."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cmp_to_key
from typing import Any, Final

from domain.expression.errors import Fault, LimitFault
from domain.expression.operators import greater, less
from domain.expression.registry import REQUIRED, filter_
from domain.expression.runtime import Run
from domain.expression.text import inner_java_text, to_json
from domain.expression.values import Entry, class_name, identity, is_number


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, AbstractSet))


_LISTS: Final = (list,)
"""What the filters on lists take; a set, which the context may hold as a tuple, is none."""


@filter_("default", default=None)
def default(run: Run, value: Any, other: Any) -> Any:
    """Return another value for one that is missing, null, a blank text or an empty list or map."""
    del run
    if value is None or (isinstance(value, str) and not value.strip()):
        return other
    return other if isinstance(value, (list, tuple, AbstractSet, Mapping)) and not value else value


@filter_("length")
def length(run: Run, value: Any) -> int:
    """Return how many elements, entries or (UTF-16) characters there are; 0 for anything else."""
    del run
    if isinstance(value, str):
        return len(value) + sum(1 for character in value if ord(character) > 0xFFFF)
    return len(value) if _is_list(value) or isinstance(value, Mapping) else 0


@filter_("first")
def first(run: Run, value: Any) -> Any:
    """Return the first element or character; null of nothing."""
    del run
    return _end(value, 0, "first")


@filter_("last")
def last(run: Run, value: Any) -> Any:
    """Return the last element or character; null of nothing."""
    del run
    return _end(value, -1, "last")


def _end(value: Any, index: int, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        if not value:
            raise Fault(f"The '{name}' filter cannot be applied to an empty text.")
        return value[index]
    if not _is_list(value):
        raise Fault(f"The '{name}' filter cannot be applied to {class_name(value)}.")
    items = list(value)
    return items[index] if items else None


@filter_("join", separator=None)
def join(run: Run, value: Any, separator: Any) -> Any:
    """Return the elements' texts, separated; null elements as `null`."""
    if value is None:
        return None
    if not _is_list(value):
        raise Fault(f"The 'join' filter expects that the input is a list, not {class_name(value)}.")
    if separator is not None and not isinstance(separator, str):
        raise Fault("The 'join' filter expects a text as argument 'separator'.")
    between = separator or ""
    longest = run.scope.limits.output_characters
    parts: list[str] = []
    size = 0
    for item in value:
        parts.append(inner_java_text(item, longest))
        size += len(parts[-1]) + len(between)
        if size > longest + len(between):
            raise LimitFault("The text is longer than allowed.")
    return between.join(parts)


@filter_("reverse")
def reverse(run: Run, value: Any) -> Any:
    """Return a list in reverse order."""
    del run
    return None if value is None else list(_list_of(value, "reverse"))[::-1]


def _list_of(value: Any, name: str) -> Any:
    if not isinstance(value, _LISTS):
        raise Fault(
            f"'{name}' filter can only be applied to List. Actual type was: {class_name(value)}"
        )
    return value


@filter_("sort")
def sort(run: Run, value: Any) -> Any:
    """Return a list in ascending order; its elements must be comparable."""
    return None if value is None else _sorted(run, _list_of(value, "sort"))


@filter_("rsort")
def rsort(run: Run, value: Any) -> Any:
    """Return a list in descending order; its elements must be comparable."""
    return None if value is None else _sorted(run, _list_of(value, "rsort"))[::-1]


def _sorted(run: Run, value: Any) -> list[Any]:
    items = list(value)
    run.budget.spend(len(items) * len(items).bit_length() >> 4)
    if all(isinstance(item, str) for item in items):
        return sorted(items, key=lambda text: text.encode("utf-16-be", "surrogatepass"))
    if all(isinstance(item, bool) for item in items):
        return sorted(items)
    if all(type(item) is int for item in items):
        return sorted(items)
    comparable = all(is_number(item) for item in items) or not any(
        isinstance(item, (str, bool)) or item is None for item in items
    )
    if not comparable:
        raise Fault("A list of elements of different types cannot be sorted.")
    run.budget.spend(len(items) * len(items).bit_length())

    def compare(one: Any, other: Any) -> int:
        return int(greater(one, other, run)) - int(less(one, other, run))

    return sorted(items, key=cmp_to_key(compare))


@filter_("slice", fromIndex=0, toIndex=None)
def slice_(run: Run, value: Any, start: Any, end: Any) -> Any:
    """Return part of a text or list, from an index up to another, which is not included."""
    del run
    if value is None:
        return None
    if not isinstance(value, (str, *_LISTS)):
        raise Fault(
            "Slice filter can only be applied to String, List and array inputs. "
            f"Actual type was: {class_name(value)}"
        )
    items: Any = value if isinstance(value, str) else list(value)
    first_index = 0 if start is None else start
    last_index = len(items) if end is None else end
    for index in (first_index, last_index):
        if not isinstance(index, int) or isinstance(index, bool):
            raise Fault("The 'slice' filter expects whole numbers.")
    if not 0 <= first_index <= len(items):
        raise Fault(f"fromIndex must be between 0 and {len(items)}")
    if end is not None and not first_index < last_index <= len(items):
        raise Fault(f"toIndex must be greater than fromIndex and at most {len(items)}")
    return items[first_index:last_index]


@filter_("merge", items=REQUIRED)
def merge(run: Run, value: Any, items: Any) -> Any:
    """Return a map with the entries of another, or a list with the elements of another."""
    del run
    if value is None and items is None:
        raise Fault("The two arguments to be merged are null")
    if value is None or items is None:
        return items if value is None else value
    if isinstance(value, Mapping):
        if isinstance(items, Mapping):
            return {**value, **items}
        if isinstance(items, _LISTS):
            return {**value, **{_key(item): item for item in items}}
        raise Fault(
            f"Currently, only Maps and Lists can be merged with a Map. Arg: {class_name(items)}"
        )
    if isinstance(value, _LISTS):
        if isinstance(items, Mapping):
            return [*value, *(Entry(key, item) for key, item in items.items())]
        if isinstance(items, _LISTS):
            return [*value, *items]
        raise Fault(
            f"Currently, only Maps and Lists can be merged with a List. Arg: {class_name(items)}"
        )
    raise Fault("The object being filtered is not a Map/List/Array")


def _key(item: Any) -> Any:
    """Return an element as the key of a map; lists and maps by their text."""
    return inner_java_text(item) if identity(item) is None else item


@filter_("keys")
def keys(run: Run, value: Any) -> Any:
    """Return the keys of a map, or the indexes of a list."""
    del run
    if value is None:
        return None
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, _LISTS):
        return list(range(len(value)))
    raise Fault(
        "'keys' filter can only be applied to List, Map, Array. "
        f"Actual type was: {class_name(value)}"
    )


@filter_("values")
def values(run: Run, value: Any) -> Any:
    """Return the values of a map."""
    del run
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Fault(
            f"'values' filter can only be applied to Map. Actual type was: {class_name(value)}"
        )
    return list(value.values())


@filter_("chunk", size=REQUIRED)
def chunk(run: Run, value: Any, size: Any) -> Any:
    """Return a list's elements in lists of a size; the last may be shorter."""
    del run
    if value is None:
        return None
    items = list(_list_of(value, "chunk"))
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise Fault("'chunk' filter expects an argument 'size' that is a whole number above zero.")
    return [items[start : start + size] for start in range(0, len(items), size)]


@filter_("flatten")
def flatten(run: Run, value: Any) -> Any:
    """Return a list with the elements of its inner lists in their place, one level deep."""
    if value is None:
        return None
    flat: list[Any] = []
    for item in _list_of(value, "flatten"):
        if _is_list(item):
            flat.extend(item)
        else:
            flat.append(item)
        if len(flat) > run.scope.limits.items:
            raise LimitFault("The list is longer than allowed.")
    return flat


@filter_("distinct", "uniq")
def distinct(run: Run, value: Any) -> Any:
    """Return a list without the elements that equal an earlier one; of null the text `null`."""
    if value is None:
        return "null"
    seen: set[Any] = set()
    kept: list[Any] = []
    for item in _list_of(value, "distinct"):
        key = identity(item)
        if key is None:
            key = ("structure", to_json(item, run.scope.limits.output_characters))
            run.budget.pay_text(len(key[1]))
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept
