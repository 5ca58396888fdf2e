"""The members that values have besides keys and indexes: a table for each type."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from domain.dates.arithmetic import InvalidDate, shifted
from domain.expression.errors import Fault, LimitFault
from domain.expression.regexes import replace_all, split_text
from domain.expression.runtime import Run
from domain.expression.text import inner_java_text, java_text, offset_text
from domain.expression.values import Comparison, Entry, Float32, equal

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


_TRIMMED: Final = "".join(map(chr, range(33)))


def entry_of(value: Mapping[Any, Any], key: Any) -> Any:
    """Return an entry of a map; a key that is no text is looked for as its text, too.

    Raises:
        KeyError: there is none.
    """
    if isinstance(key, str):
        return value[key]
    if key is None or isinstance(key, (list, tuple, Mapping, AbstractSet, Entry)):
        raise KeyError(key)
    if not isinstance(key, bool) and key in value:
        return value[key]
    return value[java_text(key)]


def attributes_of(value: Any) -> Mapping[str, Callable[[Any], Any]]:
    """Return what `value.name` may reach, for lists and maps besides indexes and keys."""
    match value:
        case str():
            return _TEXT_ATTRIBUTES
        case list() | tuple() | AbstractSet():
            return _LIST_ATTRIBUTES
        case Entry():
            return _ENTRY_ATTRIBUTES
        case datetime():
            return _DATE_ATTRIBUTES | _TIME_ATTRIBUTES | _MOMENT_ATTRIBUTES
        case date():
            return _DATE_ATTRIBUTES | _DAY_ATTRIBUTES
        case time():
            return _TIME_ATTRIBUTES
        case timedelta():
            return _DURATION_ATTRIBUTES
        case bool():
            return _TRUTH_ATTRIBUTES
        case int():
            return _NUMBER_ATTRIBUTES
        case float():
            return _NUMBER_ATTRIBUTES | _DOUBLE_ATTRIBUTES
        case Decimal():
            return _NUMBER_ATTRIBUTES | _DECIMAL_ATTRIBUTES
        case _:
            return {}


def methods_of(value: Any) -> Mapping[tuple[str, int], Callable[..., Any]]:
    """Return what `value.name(…)` may call, by name and number of arguments."""
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
            return {}


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
        return entry_of(value, key)
    except KeyError:
        return default


def _has(value: Mapping[Any, Any], key: Any) -> bool:
    try:
        entry_of(value, key)
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


def _at_end(items: Any, index: int) -> Any:
    if not items:
        raise Fault("The list is empty.")
    return list(items)[index]


def _compared(one: str, other: str) -> int:
    """Return the distance of the first letters that differ, or of the lengths."""
    for left, right in zip(one, other, strict=False):
        if left != right:
            return ord(left) - ord(right)
    return len(one) - len(other)


def _moved(value: Any, amount: int, unit: str) -> Any:
    try:
        return shifted(value, amount, unit)
    except InvalidDate as error:
        raise Fault(str(error)) from None


def _span(value: Any) -> timedelta:
    if not isinstance(value, timedelta):
        raise Fault("A duration is expected as argument.")
    return value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _since_epoch(moment: datetime) -> timedelta:
    return _aware(moment) - datetime(1970, 1, 1, tzinfo=UTC)


def _epoch_second(moment: datetime) -> int:
    return _since_epoch(moment) // timedelta(seconds=1)


def _zone(moment: datetime) -> str:
    name = getattr(moment.tzinfo, "key", None)
    offset = moment.utcoffset()
    return name or ("Z" if not offset else offset_text(offset))


def _whole_of(number: Any, bits: int) -> int:
    """Return a number as a whole one of some bits: cut, and for whole numbers wrapped around."""
    least: int = -(2 ** (bits - 1))
    most: int = 2 ** (bits - 1) - 1
    if isinstance(number, float):
        if math.isnan(number):
            return 0
        return max(least, min(most, _cut(number))) if math.isfinite(number) else _far(number, bits)
    wrapped: int = (_cut(number) - least) % 2**bits + least
    return wrapped


def _far(number: float, bits: int) -> int:
    edge: int = 2 ** (bits - 1)
    return edge - 1 if number > 0 else -edge


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


_TEXT_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "length": len,
    "empty": lambda text: not text,
    "blank": lambda text: not text.strip(),
    "isEmpty": lambda text: not text,
    "isBlank": lambda text: not text.strip(),
    "toUpperCase": str.upper,
    "toLowerCase": str.lower,
    "trim": lambda text: text.strip(_TRIMMED),
    "strip": str.strip,
    "stripLeading": str.lstrip,
    "stripTrailing": str.rstrip,
    "bytes": str.encode,
}
_LIST_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "size": len,
    "empty": lambda items: not items,
    "isEmpty": lambda items: not items,
    "first": lambda items: _at_end(items, 0),
    "last": lambda items: _at_end(items, -1),
    "reversed": lambda items: list(items)[::-1],
}
_ENTRY_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "key": lambda entry: entry.key,
    "value": lambda entry: entry.value,
}
_TRUTH_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {"booleanValue": bool}
_NUMBER_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "intValue": lambda number: _whole_of(number, 32),
    "longValue": lambda number: _whole_of(number, 64),
    "doubleValue": float,
    "floatValue": Float32,
}
_DECIMAL_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "scale": lambda number: -number.as_tuple().exponent,
    "precision": lambda number: len(number.as_tuple().digits),
    "negate": lambda number: -number,
    "toPlainString": lambda number: f"{number:f}",
}
_DOUBLE_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "naN": math.isnan,
    "infinite": math.isinf,
}
_DATE_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "year": lambda day: day.year,
    "month": lambda day: _MONTHS[day.month - 1],
    "monthValue": lambda day: day.month,
    "dayOfMonth": lambda day: day.day,
    "dayOfYear": lambda day: day.timetuple().tm_yday,
    "dayOfWeek": lambda day: _WEEKDAYS[day.weekday()],
}
_DAY_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "leapYear": lambda day: calendar.isleap(day.year),
    "lengthOfMonth": lambda day: calendar.monthrange(day.year, day.month)[1],
    "lengthOfYear": lambda day: 366 if calendar.isleap(day.year) else 365,
    "toEpochDay": lambda day: day.toordinal() - date(1970, 1, 1).toordinal(),
    "atStartOfDay": lambda day: datetime.combine(day, time()),
}
_MOMENT_ATTRIBUTES: Final[dict[str, Callable[[Any], Any]]] = {
    "zone": _zone,
    "offset": _zone,
    "epochSecond": _epoch_second,
    "toEpochSecond": _epoch_second,
    "toEpochMilli": lambda moment: _since_epoch(moment) // timedelta(milliseconds=1),
    "toInstant": lambda moment: moment.astimezone(UTC),
    "toOffsetDateTime": lambda moment: moment,
    "toLocalDate": lambda moment: moment.date(),
    "toLocalDateTime": lambda moment: moment.replace(tzinfo=None),
    "toLocalTime": lambda moment: moment.time(),
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
    "toDays": lambda span: span // timedelta(days=1),
    "toHours": lambda span: span // timedelta(hours=1),
    "toMinutes": lambda span: span // timedelta(minutes=1),
    "toSeconds": lambda span: span // timedelta(seconds=1),
    "toMillis": lambda span: span // timedelta(milliseconds=1),
    "toNanos": lambda span: span // timedelta(microseconds=1) * 1_000,
    "toHoursPart": lambda span: span // timedelta(hours=1) % 24,
    "toMinutesPart": lambda span: span // timedelta(minutes=1) % 60,
    "toSecondsPart": lambda span: span // timedelta(seconds=1) % 60,
    "negated": lambda span: -span,
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
    ("compareTo", 1): lambda _run, value, other: _compared(value, _text(other)),
    ("compareToIgnoreCase", 1): lambda _run, value, other: _compared(
        value.casefold(), _text(other).casefold()
    ),
    ("replaceFirst", 2): lambda run, value, pattern, new: replace_all(
        _text(pattern), value, _text(new), run, most=1
    ),
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
_MOMENT_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    **{
        (sign + unit.capitalize(), 1): (
            lambda _run, value, amount, unit=unit, factor=factor: _moved(
                value, factor * _whole(amount), unit.upper()
            )
        )
        for sign, factor in (("plus", 1), ("minus", -1))
        for unit in (
            "years",
            "months",
            "weeks",
            "days",
            "hours",
            "minutes",
            "seconds",
            "millis",
            "nanos",
        )
    },
    ("plus", 1): lambda _run, value, span: value + _span(span),
    ("minus", 1): lambda _run, value, span: value - _span(span),
    ("isEqual", 1): lambda _run, value, other: _comparable(value, other) and value == other,
    ("isBefore", 1): lambda _run, value, other: _comparable(value, other) and value < other,
    ("isAfter", 1): lambda _run, value, other: _comparable(value, other) and value > other,
}
_DURATION_METHODS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    **{
        (sign + unit.capitalize(), 1): (
            lambda _run, value, amount, unit=unit, factor=factor: (
                value + timedelta(**{unit: factor * _whole(amount)})
            )
        )
        for sign, factor in (("plus", 1), ("minus", -1))
        for unit in ("days", "hours", "minutes", "seconds")
    },
    ("plus", 1): lambda _run, value, span: value + _span(span),
    ("minus", 1): lambda _run, value, span: value - _span(span),
    ("multipliedBy", 1): lambda _run, value, times: value * _whole(times),
    ("dividedBy", 1): lambda _run, value, parts: value / _whole(parts),
}
