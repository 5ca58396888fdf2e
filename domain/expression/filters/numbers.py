"""Filters that make numbers, or text of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from domain.dates.arithmetic import InvalidDate
from domain.dates.names import locale_of
from domain.expression.decimal_format import format_decimal, parse_pattern
from domain.expression.errors import Fault, LimitFault
from domain.expression.registry import FILTERS, Signature, filter_
from domain.expression.runtime import Run
from domain.expression.text import float_text, inner_java_text
from domain.expression.values import Float32, class_name, is_number

_DEFAULT_PATTERN: Final = "#,##0.###"
_LONGEST_PATTERN: Final = 100
_LONGEST_NUMBER: Final = 400
_INTEGER: Final = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|#[0-9a-fA-F]+|[0-9]+)")
_DECIMAL: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)
_CONVERSION: Final = re.compile(
    r"%(?:(\d{1,4})\$)?([-#+ 0,(]*)(\d{1,6})?(?:\.(\d{1,6}))?([a-zA-Z%])"
)


@filter_("abs")
def abs_(run: Run, value: Any) -> Any:
    """Return a number without its sign."""
    del run
    if value is None:
        raise Fault('Can not pass null value to "abs" filter.')
    if not is_number(value):
        raise Fault(f"The 'abs' filter does require as input a number, not {class_name(value)}.")
    return Float32(abs(value)) if isinstance(value, Float32) else abs(value)


@filter_("number", type=None)
def number(run: Run, value: Any, kind: Any) -> Any:
    """Read a number from a text, of a type or of the first that holds it exactly."""
    del run
    if value is None:
        return None
    if not isinstance(value, str):
        raise Fault(
            f"'number' filter can only be applied to String. Actual type was: {class_name(value)}"
        )
    if len(value) > _LONGEST_NUMBER:
        raise Fault("The number is too long.")
    if kind is None:
        return _inferred(value)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return _inferred(value) if reader is None else reader(value)


def _unreadable(text: str) -> Fault:
    return Fault(f'For input string: "{text[:100]}"')


def _whole(text: str, bits: int | None) -> int:
    if not re.fullmatch(r"[-+]?\d+", text, re.ASCII):
        raise _unreadable(text)
    value = int(text)
    if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise _unreadable(text)
    return value


def _double(text: str) -> float:
    plain = text.strip()
    named = _NAMED.get(plain)
    if named is not None:
        return named
    if plain[-1:] in ("d", "D", "f", "F"):
        plain = plain[:-1]
    if not _DECIMAL.fullmatch(plain):
        raise _unreadable(text)
    return float(plain)


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise _unreadable(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _unreadable(text) from None


_NAMED: Final = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
}
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "INT": lambda text: _whole(text, 32),
    "LONG": lambda text: _whole(text, 64),
    "BIGINTEGER": lambda text: _whole(text, None),
    "FLOAT": lambda text: Float32(_double(text)),
    "DOUBLE": _double,
    "BIGDECIMAL": _decimal,
}


def _inferred(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        sign = -1 if text.startswith("-") else 1
        digits = text.lstrip("+-")
        if digits[:2] in ("0x", "0X"):
            return sign * int(digits, 16)
        if digits[0] == "#":
            return sign * int(digits[1:], 16)
        try:
            is_octal = digits[0] == "0" and len(digits) > 1
            return sign * int(digits, 8 if is_octal else 10)
        except ValueError:
            raise _unreadable(text) from None
    if text[-1:] in ("l", "L") and text[:-1].lstrip("+-").isdecimal():
        return _whole(text[:-1], 64)
    if text[-1:] in ("f", "F"):
        return Float32(_double(text[:-1]))
    if text[-1:] in ("d", "D"):
        return _double(text[:-1])
    exact = _decimal(text)
    double = float(text)
    single = Float32(double)
    if not math.isinf(single) and Decimal(float_text(single)) == exact:
        return single
    if not math.isinf(double) and Decimal(repr(double)) == exact:
        return double
    return exact


@filter_("numberFormat", format=None, locale=None)
def number_format(run: Run, value: Any, pattern: Any, locale: Any) -> Any:
    """Write a number by a pattern of `DecimalFormat`, halves to the even neighbour."""
    if value is None:
        return None
    if not is_number(value):
        raise Fault(
            f"The input for the 'numberFormat' filter has to be a number, not {class_name(value)}."
        )
    form = _DEFAULT_PATTERN if pattern is None else pattern
    if not isinstance(form, str) or len(form) > _LONGEST_PATTERN:
        raise Fault("The 'numberFormat' filter expects a short text as argument 'format'.")
    exact = Decimal(value)
    if not exact.is_finite():
        return "NaN" if exact.is_nan() else "∞" if exact > 0 else "-∞"
    if exact and not -400 < exact.adjusted() < 400:
        raise Fault("The number is too large.")
    try:
        known = locale_of(locale if isinstance(locale, str) else run.scope.locale)
    except InvalidDate as error:
        raise Fault(str(error)) from None
    plain = value if isinstance(value, float) and not isinstance(value, Float32) else exact
    return format_decimal(plain, parse_pattern(form), known)


def _format(run: Run, value: Any, *arguments: Any) -> Any:
    """Fill in a text of Java's `String.format`: `%s %d %.2f %e %05d %x %o %b %c %n %%`."""
    if value is None:
        return None
    template = inner_java_text(value, run.scope.limits.output_characters)
    parts: list[str] = []
    start = following = size = 0
    for found in _CONVERSION.finditer(template):
        index, flags, width, precision, letter = found.groups()
        parts.append(template[start : found.start()])
        start = found.end()
        if letter in "%n":
            text = "%" if letter == "%" else "\n"
        else:
            position = int(index) - 1 if index else following
            following += 0 if index else 1
            if not 0 <= position < len(arguments):
                raise Fault(f"Format specifier '{found.group()}'")
            text = _converted(arguments[position], letter, flags, precision, run)
            if arguments[position] is None:
                flags = flags.replace("0", "")
        if width is None and ("-" in flags or "0" in flags):
            raise Fault(f"MissingFormatWidthException: {found.group()}")
        text = _aligned(text, flags, int(width or 0))
        parts.append(text)
        size += len(text) + len(parts[-2])
        if size > run.scope.limits.output_characters:
            raise LimitFault("The text is longer than allowed.")
    rest = template[start:]
    if "%" in rest or any("%" in part for part in parts[::2]):
        raise Fault("UnknownFormatConversionException: Conversion = '%'")
    return "".join([*parts, rest])


FILTERS["format"] = Signature("format", "filter", (), _format, is_variadic=True)


def _converted(value: Any, letter: str, flags: str, precision: str | None, run: Run) -> str:
    lower = letter.lower()
    if lower == "s":
        text = inner_java_text(value, run.scope.limits.output_characters)
        text = text if precision is None else text[: int(precision)]
    elif lower == "b":
        text = "false" if value is None or value is False else "true"
    elif lower == "c" and isinstance(value, str) and len(value) == 1:
        text = value
    elif lower not in "doxfeg":
        raise Fault(f"UnknownFormatConversionException: Conversion = '{letter}'")
    elif lower in "dox" and precision is not None:
        raise Fault(f"IllegalFormatPrecisionException: {precision}")
    elif value is None:
        text = "null" if precision is None else "null"[: int(precision)]
    elif lower in ("d", "x", "o") and isinstance(value, int) and not isinstance(value, bool):
        text = _integer_text(value, lower, flags)
    elif lower in ("f", "e", "g") and is_number(value) and not isinstance(value, int):
        digits = 6 if precision is None else int(precision)
        if lower == "g":
            lower, digits = _general(value, max(1, digits))
        text = _decimal_text(value, lower, flags, digits)
    else:
        raise Fault(f"{letter} != {class_name(value)}")
    return text.upper() if letter.isupper() else text


def _general(value: Any, digits: int) -> tuple[str, int]:
    """Return the conversion and precision that `%g` stands for: the size of the number decides."""
    size = abs(float(value))
    if size and not 1e-4 <= size < 10**digits:
        return "e", digits - 1
    whole = Decimal(repr(size)).adjusted() + 1 if size else 1
    return "f", max(0, digits - whole)


def _integer_text(value: int, letter: str, flags: str) -> str:
    if value.bit_length() > 4_000:
        raise Fault("The number has too many digits.")
    if letter == "d":
        text = f"{abs(value):,}" if "," in flags else str(abs(value))
        return _signed(text, flags, is_negative=value < 0)
    wide = value if value >= 0 else value % (2**32 if value >= -(2**31) else 2**64)
    prefix = {"x": "0x", "o": "0"}[letter] if "#" in flags else ""
    return prefix + format(wide, letter)


def _decimal_text(value: Any, letter: str, flags: str, precision: int) -> str:
    if precision > 1_000:
        raise Fault("The precision is too large.")
    if math.isnan(value) or math.isinf(value):
        return float_text(float(value))
    grouping = "," if "," in flags and letter == "f" else ""
    text = format(abs(Decimal(repr(float(value)))), f"{grouping}.{precision}{letter}")
    mantissa, _, exponent = text.partition("e")
    if exponent:
        text = f"{mantissa}e{exponent[0]}{exponent[1:].rjust(2, '0')}"
    return _signed(text, flags, is_negative=value < 0)


def _signed(text: str, flags: str, *, is_negative: bool) -> str:
    if is_negative:
        return f"({text})" if "(" in flags else f"-{text}"
    return "+" + text if "+" in flags else " " + text if " " in flags else text


def _aligned(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags:
        sign = text[:1] if text[:1] in ("-", "+", " ") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)
