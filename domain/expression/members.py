"""What `value.name`, `value[key]` and `value.name(arguments)` may reach.

Keys of maps, indexes of lists, and the members listed here; never attributes of Python objects. A
missing one is a `KeyError`, which the calling node reports as undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from domain.dates.arithmetic import shifted
from domain.expression.errors import Fault, LimitFault
from domain.expression.regexes import replace_all, split_text
from domain.expression.runtime import Run
from domain.expression.text import inner_java_text, java_text
from domain.expression.values import SEQUENCES, Comparison, Entry, equal, is_number

_WEEKDAYS: Final = (
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
)
_MONTHS: Final = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)


def read_member(value: Any, key: Any) -> Any:
    """Return an entry, element or attribute.

    Raises:
        KeyError: there is none of that name.
        Fault: the key cannot be a key, or the attribute is denied.
    """
    if isinstance(value, Mapping):
        return _entry(value, key)
    if isinstance(value, SEQUENCES):
        return _element(value, key)
    if not isinstance(key, str):
        raise KeyError(key)
    if key == "class" and value is not None:
        raise Fault("Access to the class of a value is denied.")
    attributes = _attributes_of(value)
    if key not in attributes:
        raise KeyError(key)
    return attributes[key](value)


def _entry(value: Mapping[Any, Any], key: Any) -> Any:
    if isinstance(key, str):
        return value[key]
    if key is None or isinstance(key, (list, tuple, Mapping, AbstractSet, Entry)):
        raise KeyError(key)
    if not isinstance(key, bool) and key in value:
        return value[key]
    return value[java_text(key)]


def _element(value: Any, key: Any) -> Any:
    if isinstance(key, bool):
        raise KeyError(key)
    if isinstance(key, str):
        if key in _LIST_ATTRIBUTES:
            return _LIST_ATTRIBUTES[key](value)
        if key == "class":
            raise Fault("Access to the class of a value is denied.")
        if len(key) > 12 or not (key.isascii() and key.isdecimal()):
            raise KeyError(key)
        key = int(key)
    if not isinstance(key, int) or not 0 <= key < len(value):
        raise KeyError(key)
    return value[key]


def call_member(run: Run, value: Any, name: str, arguments: list[Any]) -> Any:
    """Return what a member returns for arguments.

    Raises:
        KeyError: the value has no such member, or not with so many arguments.
        Fault: the arguments do not fit, or the member is denied.
    """
    if name in ("getClass", "class"):
        raise Fault("Access to the class of a value is denied.")
    if not arguments and name == "toString":
        return java_text(value, run.scope.limits.output_characters)
    member = _methods_of(value).get((name, len(arguments)))
    if member is not None:
        return member(run, value, *arguments)
    if arguments:
        raise KeyError(name)
    attributes = _LIST_ATTRIBUTES if isinstance(value, SEQUENCES) else _attributes_of(value)
    for spelling in (name, _property(name)):
        if spelling in attributes:
            return attributes[spelling](value)
    raise KeyError(name)


def _property(name: str) -> str:
    """Return `year` for `getYear`."""
    return name[3].lower() + name[4:] if name.startswith("get") and len(name) > 3 else name


def _attributes_of(value: Any) -> Mapping[str, Callable[[Any], Any]]:
    match value:
        case str():
            return _TEXT_ATTRIBUTES
        case AbstractSet():
            return _LIST_ATTRIBUTES
        case Entry():
            return _ENTRY_ATTRIBUTES
        case datetime():
            return _DATE_ATTRIBUTES | _TIME_ATTRIBUTES
        case date():
            return _DATE_ATTRIBUTES
        case time():
            return _TIME_ATTRIBUTES
        case timedelta():
            return _DURATION_ATTRIBUTES
        case _:
            return {}


def _methods_of(value: Any) -> Mapping[tuple[str, int], Callable[..., Any]]:
    match value:
        case str():
            return _TEXT_METHODS
        case Mapping():
            return _MAP_METHODS
        case list() | tuple() | AbstractSet():
            return _LIST_METHODS
        case datetime() | date():
            return _MOMENT_METHODS
        case timedelta():
            return _DURATION_METHODS
        case _:
            return _NUMBER_METHODS if is_number(value) else {}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Fault("A text is expected as argument.")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Fault("A whole number is expected as argument.")
    return value


def _substring(run: Run, value: str, start: Any, end: Any = None) -> str:
    del run
    first = _whole(start)
    last = len(value) if end is None else _whole(end)
    if not 0 <= first <= last <= len(value):
        raise Fault(f"begin {first}, end {last}, length {len(value)}")
    return value[first:last]


def _repeat(run: Run, value: str, times: Any) -> str:
    count = _whole(times)
    if count < 0:
        raise Fault(f"count is negative: {count}")
    if count * len(value) > run.scope.limits.output_characters:
        raise LimitFault("The text is longer than allowed.")
    return value * count


def _replace(run: Run, value: str, old: Any, new: Any) -> str:
    wanted, other = _text(old), _text(new)
    count = value.count(wanted)
    if len(value) + count * len(other) > run.scope.limits.output_characters:
        raise LimitFault("The text is longer than allowed.")
    return value.replace(wanted, other)


def _matches(run: Run, value: str, pattern: Any) -> bool:
    from domain.expression.regexes import matches_whole

    return matches_whole(_text(pattern), value, run)


def _get(run: Run, value: Mapping[Any, Any], key: Any, default: Any = None) -> Any:
    del run
    try:
        return _entry(value, key)
    except KeyError:
        return default


def _has(value: Mapping[Any, Any], key: Any) -> bool:
    try:
        _entry(value, key)
    except KeyError:
        return False
    return True


def _list_get(run: Run, value: Any, index: Any) -> Any:
    del run
    position = _whole(index)
    if not 0 <= position < len(value):
        raise Fault(f"Index {position} out of bounds for length {len(value)}")
    return value[position]


def _index_of(value: Any, wanted: Any) -> int:
    for index, item in enumerate(value):
        if equal(item, wanted):
            return index
    return -1


def _last_index_of(value: Any, wanted: Any) -> int:
    backwards = _index_of(list(reversed(list(value))), wanted)
    return -1 if backwards < 0 else len(value) - 1 - backwards


_TEXT_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "length": len,
    "empty": lambda text: not text,
    "blank": lambda text: not text.strip(),
    "isEmpty": lambda text: not text,
    "isBlank": lambda text: not text.strip(),
    "toUpperCase": str.upper,
    "toLowerCase": str.lower,
    "trim": str.strip,
    "strip": str.strip,
}
_LIST_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "size": len,
    "empty": lambda items: not items,
    "isEmpty": lambda items: not items,
}
_ENTRY_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "key": lambda entry: entry.key,
    "value": lambda entry: entry.value,
}
_DATE_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "year": lambda day: day.year,
    "month": lambda day: _MONTHS[day.month - 1],
    "monthValue": lambda day: day.month,
    "dayOfMonth": lambda day: day.day,
    "dayOfYear": lambda day: day.timetuple().tm_yday,
    "dayOfWeek": lambda day: _WEEKDAYS[day.weekday()],
}
_TIME_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
    "nano": lambda moment: moment.microsecond * 1_000,
}
_DURATION_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "seconds": lambda span: span // timedelta(seconds=1),
    "nano": lambda span: span % timedelta(seconds=1) // timedelta(microseconds=1) * 1_000,
    "zero": lambda span: not span,
    "negative": lambda span: span < timedelta(),
}
_TEXT_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("split", 1): lambda run, value, by: split_text(_text(by), value, 0, run),
    ("split", 2): lambda run, value, by, limit: split_text(_text(by), value, _whole(limit), run),
    ("replace", 2): _replace,
    ("replaceAll", 2): lambda run, value, pattern, new: replace_all(
        _text(pattern), value, _text(new), run
    ),
    ("startsWith", 1): lambda _run, value, start: value.startswith(_text(start)),
    ("endsWith", 1): lambda _run, value, end: value.endswith(_text(end)),
    ("indexOf", 1): lambda _run, value, part: value.find(_text(part)),
    ("lastIndexOf", 1): lambda _run, value, part: value.rfind(_text(part)),
    ("concat", 1): lambda _run, value, more: value + _text(more),
    ("substring", 1): _substring,
    ("substring", 2): _substring,
    ("repeat", 1): _repeat,
    ("matches", 1): _matches,
    ("equalsIgnoreCase", 1): lambda _run, value, other: (
        isinstance(other, str) and value.casefold() == other.casefold()
    ),
    ("compareTo", 1): lambda _run, value, other: (value > _text(other)) - (value < _text(other)),
}
_MAP_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("get", 1): _get,
    ("getOrDefault", 2): _get,
    ("containsKey", 1): lambda _run, value, key: _has(value, key),
    ("containsValue", 1): lambda _run, value, wanted: Comparison().contains(value.values(), wanted),
    ("keySet", 0): lambda _run, value: list(value),
    ("values", 0): lambda _run, value: list(value.values()),
    ("entrySet", 0): lambda _run, value: [Entry(key, item) for key, item in value.items()],
    ("size", 0): lambda _run, value: len(value),
    ("isEmpty", 0): lambda _run, value: not value,
}
_LIST_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("get", 1): _list_get,
    ("indexOf", 1): lambda _run, value, wanted: _index_of(value, wanted),
    ("lastIndexOf", 1): lambda _run, value, wanted: _last_index_of(value, wanted),
    ("size", 0): lambda _run, value: len(value),
    ("isEmpty", 0): lambda _run, value: not value,
    ("getFirst", 0): lambda run, value: _list_get(run, value, 0),
    ("getLast", 0): lambda run, value: _list_get(run, value, len(value) - 1),
}
_NUMBER_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("intValue", 0): lambda _run, value: _cut(value),
    ("longValue", 0): lambda _run, value: _cut(value),
    ("doubleValue", 0): lambda _run, value: float(value),
}
_MOMENT_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    **{
        (sign + unit.capitalize(), 1): (
            lambda _run, value, amount, unit=unit, factor=factor: shifted(
                value, factor * _whole(amount), unit.upper()
            )
        )
        for sign, factor in (("plus", 1), ("minus", -1))
        for unit in ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
    },
    ("isBefore", 1): lambda _run, value, other: _comparable(value, other) and value < other,
    ("isAfter", 1): lambda _run, value, other: _comparable(value, other) and value > other,
    ("toLocalDate", 0): lambda _run, value: date(value.year, value.month, value.day),
    ("toEpochSecond", 0): lambda _run, value: int(value.timestamp()),
}
_DURATION_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("toDays", 0): lambda _run, value: value // timedelta(days=1),
    ("toHours", 0): lambda _run, value: value // timedelta(hours=1),
    ("toMinutes", 0): lambda _run, value: value // timedelta(minutes=1),
    ("toSeconds", 0): lambda _run, value: value // timedelta(seconds=1),
    ("toMillis", 0): lambda _run, value: value // timedelta(milliseconds=1),
}


def _cut(value: Any) -> int:
    if isinstance(value, Decimal) and value.adjusted() > 40:
        raise Fault("The number is too large.")
    return int(value)


def _comparable(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        raise Fault(f"A date is expected as argument, not {inner_java_text(other)[:100]}")
    if isinstance(value, datetime) and (value.tzinfo is None) is not (other.tzinfo is None):
        raise Fault("A date with zone cannot be compared with one without.")
    return True
