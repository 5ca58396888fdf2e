"""Kinds of values that Python lacks, and the laws of equality and truth.

Values are None, bool, int, float, str, bytes, list, tuple, set, Mapping, datetime, date, time,
timedelta, Decimal, `Float32` and `Entry`. Nothing else has members or operators.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Self

from domain.expression.errors import Fault, LimitFault

SEQUENCES: Final = (list, tuple)
COLLECTIONS: Final = (list, tuple, AbstractSet)
NUMBERS: Final = (int, float, Decimal)
_COMPARISONS: Final = 1_000_000


class Float32(float):
    """A number of single precision, as `number('FLOAT')` makes it, printed with its own digits."""

    __slots__ = ()

    def __new__(cls, value: float) -> Self:
        """Round to single precision; what is too large becomes infinite."""
        try:
            rounded = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            rounded = math.copysign(math.inf, value)
        return super().__new__(cls, rounded)


class Entry:
    """One entry of a map, as a loop over a map yields it; prints as `key=value`."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value


def is_number(value: object) -> bool:
    """Tell whether a value is a number; booleans are none."""
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def class_name(value: object) -> str:
    """Return the Java name of a value's type, for messages and the `className` filter."""
    match value:
        case None:
            return "null"
        case bool():
            return "java.lang.Boolean"
        case int():
            if -(2**31) <= value < 2**31:
                return "java.lang.Integer"
            return "java.lang.Long" if -(2**63) <= value < 2**63 else "java.math.BigInteger"
        case Float32():
            return "java.lang.Float"
        case float():
            return "java.lang.Double"
        case Decimal():
            return "java.math.BigDecimal"
        case str():
            return "java.lang.String"
        case bytes():
            return "[B"
        case list() | tuple():
            return "java.util.ArrayList"
        case Mapping():
            return "java.util.LinkedHashMap"
        case AbstractSet():
            return "java.util.LinkedHashSet"
        case datetime():
            return "java.time.ZonedDateTime" if value.tzinfo else "java.time.LocalDateTime"
        case date():
            return "java.time.LocalDate"
        case time():
            return "java.time.LocalTime"
        case timedelta():
            return "java.time.Duration"
        case Entry():
            return "java.util.Map.Entry"
        case _:
            return "java.lang.Object"


def truth(value: object) -> bool:
    """Return what `and`, `or`, `not` and `if` make of a value.

    Raises:
        Fault: null, a list, a map or a date is no condition.
    """
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return value != ""
    if isinstance(value, NUMBERS):
        return value != 0
    raise Fault(f"Expected a Boolean but got {class_name(value)}")


def equal(left: Any, right: Any) -> bool:
    """Compare by value: numbers of any type with one another, lists and maps element by element.

    Raises:
        LimitFault: the values are too large to compare.
    """
    return Comparison().equal(left, right)


class Comparison:
    """Comparisons with a bound on their steps: shared parts can make small values endlessly deep.

    Attributes:
        left: lists and maps that may still be compared.
    """

    __slots__ = ("left",)

    def __init__(self, bound: int = _COMPARISONS) -> None:
        self.left = bound

    def contains(self, items: Any, wanted: Any) -> bool:
        """Tell whether a collection has an element equal to `wanted`."""
        return any(self.equal(item, wanted) for item in items)

    def equal(self, left: Any, right: Any) -> bool:
        """Compare as the function `equal` does."""
        if left is right:
            return True
        if isinstance(left, (list, tuple, Mapping)):
            self.left -= 1
            if self.left < 0:
                raise LimitFault("The values are too large to compare.")
        if isinstance(left, SEQUENCES):
            return (
                isinstance(right, SEQUENCES)
                and len(left) == len(right)
                and all(map(self.equal, left, right))
            )
        if isinstance(left, Mapping):
            return (
                isinstance(right, Mapping)
                and len(left) == len(right)
                and all(
                    key in right and self.equal(value, right[key]) for key, value in left.items()
                )
            )
        if isinstance(left, Entry):
            return (
                isinstance(right, Entry)
                and self.equal(left.key, right.key)
                and self.equal(left.value, right.value)
            )
        if isinstance(left, bool) or isinstance(right, bool):
            return False
        if isinstance(left, NUMBERS):
            return isinstance(right, NUMBERS) and _equal_numbers(left, right)
        if isinstance(left, (datetime, date)) and isinstance(right, (datetime, date)):
            return type(left) is type(right) and left == right
        return bool(left == right)


def is_nan(number: Any) -> bool:
    """Tell whether a number is none; decimals included."""
    return number.is_nan() if isinstance(number, Decimal) else math.isnan(number)


def _equal_numbers(left: Any, right: Any) -> bool:
    if is_nan(left) or is_nan(right):
        return is_nan(left) and is_nan(right)
    if isinstance(left, Float32) is not isinstance(right, Float32):
        # a number of single precision equals the double that is written alike
        return bool(shortest(left) == shortest(right))
    if isinstance(left, Decimal) is not isinstance(right, Decimal):
        left, right = (
            exact(number) if isinstance(number, float) else number for number in (left, right)
        )
    return bool(left == right)


def exact(number: float) -> Decimal | float:
    """Return a double as the decimal that is written alike; what is not finite unchanged."""
    return Decimal(repr(float(shortest(number)))) if math.isfinite(number) else number


def shortest(number: Any) -> Any:
    """Return a single-precision number as the double with the same digits; others unchanged."""
    return float(float32_digits(number)) if isinstance(number, Float32) else number


def float32_digits(number: float) -> str:
    """Return the fewest digits that read back as the same number of single precision."""
    if math.isinf(number) or math.isnan(number):
        return repr(float(number))
    for precision in range(1, 10):
        digits = f"{float(number):.{precision}g}"
        if Float32(float(digits)) == number:
            return repr(float(digits))
    return repr(float(number))


def identity(value: Any) -> Any:
    """Return a hashable key that is equal for equal scalars; None for lists, maps and the like."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, NUMBERS):
        known = shortest(value)
        if isinstance(known, Decimal) and known.is_finite() and exact(float(known)) == known:
            known = float(known)  # so that it is one with the double that is written alike
        return ("number", known)
    if isinstance(value, (str, bytes, datetime, date, time, timedelta)):
        return (type(value).__name__, value)
    return ("null",) if value is None else None
