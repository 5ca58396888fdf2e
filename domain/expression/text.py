"""How values become text.

Printed, maps and lists are JSON and null is nothing; joined with `~`, or inside text filters and
macros, they have Java's own form, `[3, 1, 2]` and `{a=1}`. Source: `ecosystem.md` 6.3.1 item 9 and
the golden observations.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from domain.duration import format_duration
from domain.expression.errors import Fault, LimitFault
from domain.expression.values import Entry, Float32, float32_digits

_PART: Final = 8
LONGEST: Final = 32 * 1024 * 1024
"""Characters of a text made where no limit is given."""

_ESCAPES: Final = {code: f"\\u{code:04X}" for code in range(32)} | {
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}


def to_text(value: Any, longest: int = LONGEST) -> str:
    """Return a value as a print shows it.

    Args:
        value: any value of an expression.
        longest: the most characters it may take.

    Raises:
        LimitFault: the text would be longer.
        Fault: a value that expressions do not know.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, tuple, AbstractSet)):
        return to_json(value, longest)
    return _scalar(value, longest)


def java_text(value: Any, longest: int = LONGEST) -> str:
    """Return a value as Java's `toString` shows it; null is nothing.

    Raises:
        LimitFault: the text would be longer than `longest`.
        Fault: a value that expressions do not know.
    """
    if isinstance(value, str):
        return value
    return "" if value is None else inner_java_text(value, longest)


def inner_java_text(value: Any, longest: int = LONGEST) -> str:
    """Return what `java_text` returns, but `null` for null.

    Raises:
        LimitFault: the text would be longer than `longest`.
        Fault: a value that expressions do not know.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if not isinstance(value, (Mapping, list, tuple, AbstractSet, Entry)):
        return _scalar(value, longest)
    out = _Out(longest)
    _java(value, out)
    return "".join(out.parts)


def to_json(value: Any, longest: int = LONGEST) -> str:
    """Return a value as JSON; entries whose value is null are left out of maps.

    Raises:
        LimitFault: the text would be longer than `longest`.
        Fault: a value that expressions do not know.
    """
    out = _Out(longest)
    _json(value, out)
    return "".join(out.parts)


class _Out:
    """Parts of a text, with a bound on their length."""

    __slots__ = ("_left", "parts")

    def __init__(self, longest: int) -> None:
        self.parts: list[str] = []
        self._left = longest

    def add(self, text: str) -> None:
        # every part counts, so that many tiny ones cannot take endless time
        self._left -= len(text) + _PART
        if self._left < 0:
            raise LimitFault("The text is longer than allowed.")
        self.parts.append(text)


def _json(value: Any, out: _Out) -> None:
    match value:
        case str():
            out.add(json_string(value))
        case None:
            out.add("null")
        case bool():
            out.add("true" if value else "false")
        case int():
            out.add(_scalar(value, LONGEST))
        case dict() | Mapping():
            separator = "{"
            for key, item in value.items():
                if item is None:
                    continue
                out.add(f"{separator}{json_string(inner_java_text(key))}:")
                separator = ","
                _json(item, out)
            out.add("{}" if separator == "{" else "}")
        case list() | tuple() | AbstractSet():
            separator = "["
            for item in value:
                out.add(separator)
                separator = ","
                _json(item, out)
            out.add("[]" if separator == "[" else "]")
        case Entry():
            _json({value.key: value.value}, out)
        case bytes():
            out.add(f'"{base64.b64encode(value).decode()}"')
        case float() if math.isnan(value) or math.isinf(value):
            out.add(f'"{float_text(value)}"')
        case float() | Decimal():
            out.add(_scalar(value, LONGEST))
        case timedelta():
            out.add(duration_number(value))
        case _:
            out.add(json_string(data_text(value)))


def data_text(value: Any) -> str:
    """Return a scalar as the texts of data formats hold it: a time always with its seconds.

    Raises:
        Fault: a value that expressions do not know.
    """
    if isinstance(value, datetime):
        return datetime_text(value)
    return value.isoformat() if isinstance(value, time) else _scalar(value, LONGEST)


def duration_number(value: timedelta) -> str:
    """Return a duration as data formats show it: seconds with nine decimals."""
    microseconds = value // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    return f"{sign}{abs(microseconds) // 1_000_000}.{abs(microseconds) % 1_000_000:06d}000"


def json_string(text: str) -> str:
    """Return a JSON string literal; letters outside ASCII stay as they are."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{text.translate(_ESCAPES)}"'


def _java(value: Any, out: _Out) -> None:
    match value:
        case str():
            out.add(value)
        case int() | float():
            out.add(_scalar(value, LONGEST))
        case dict() | Mapping():
            separator = "{"
            for key, item in value.items():
                out.add(separator)
                separator = ", "
                _java(key, out)
                out.add("=")
                _java(item, out)
            out.add("{}" if separator == "{" else "}")
        case list() | tuple() | AbstractSet():
            separator = "["
            for item in value:
                out.add(separator)
                separator = ", "
                _java(item, out)
            out.add("[]" if separator == "[" else "]")
        case Entry():
            _java(value.key, out)
            out.add("=")
            _java(value.value, out)
        case _:
            out.add(inner_java_text(value))


def _scalar(value: Any, longest: int) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            if value.bit_length() > 14_000:
                raise Fault("The number has too many digits.")
            return str(value)
        case float():
            return float_text(value)
        case Decimal():
            return decimal_text(value)
        case datetime():
            return _java_moment(value)
        case time():
            text = value.isoformat()
            return text if value.second or value.microsecond else text.removesuffix(":00")
        case date():
            return value.isoformat()
        case timedelta():
            return format_duration(value)
        case Entry():
            return inner_java_text(value, longest)
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            raise Fault(f"A value of type {type(value).__name__} cannot be shown.")


def float_text(value: float) -> str:
    """Return a double, or a `Float32`, as Java prints it: `1.0`, `1.0E7`, `1.0E-4`, `Infinity`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    digits_text = float32_digits(value) if isinstance(value, Float32) else repr(float(value))
    if value == 0:
        return "-0.0" if digits_text.startswith("-") else "0.0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = digits_text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # the value is 0.DIGITS times ten to the power of `point`
    point = int(exponent_text or "0") + len(whole) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0") or "0"
    if -3 < point <= 7:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        digits = digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def decimal_text(value: Decimal) -> str:
    """Return a decimal with its scale, as Java's BigDecimal prints it."""
    return str(value)


def datetime_text(value: datetime) -> str:
    """Return a moment in ISO form, `Z` for UTC, fractions in groups of three digits."""
    text = value.replace(tzinfo=None, microsecond=0).isoformat()
    if value.microsecond % 1000:
        text += f".{value.microsecond:06d}"
    elif value.microsecond:
        text += f".{value.microsecond // 1000:03d}"
    offset = value.utcoffset()
    if offset is None:
        return text
    return text + (offset_text(offset) if offset else "Z")


def _java_moment(value: datetime) -> str:
    """Return a moment as Java prints it: whole minutes without seconds, but for UTC."""
    text = datetime_text(value)
    # in UTC it may be an Instant, which always has its seconds
    if value.second or value.microsecond or (value.tzinfo is not None and not value.utcoffset()):
        return text
    return text[:16] + text[19:]


def offset_text(offset: timedelta) -> str:
    """Return an offset as `+05:30`, with seconds if it has any."""
    seconds = round(offset.total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{sign}{hours:02d}:{minutes:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


def is_truthy_text(text: str) -> bool:
    """Tell whether a rendered condition holds: anything but exactly nothing, `false`, `0` or `-0`.

    Source: Kestra's `TruthUtils`, shared by `runIf`, `when`, If, LoopUntil and SLA assertions.
    """
    return text not in ("", "false", "0", "-0")
