"""Arithmetic, comparison, `contains` and ranges, by Java's rules for numbers.

Whole numbers have 64 bits and wrap around; division of whole numbers cuts off; a double among the
operands makes a double; a decimal makes a decimal. Texts that are numbers take part in everything
but `+`, which joins texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DecimalException
from typing import Any, Final

from domain.expression.errors import Fault, LimitFault
from domain.expression.runtime import Run
from domain.expression.scope import Limits
from domain.expression.text import inner_java_text
from domain.expression.values import (
    COLLECTIONS,
    SEQUENCES,
    Comparison,
    Float32,
    class_name,
    exact,
    is_nan,
    is_number,
    shortest,
)

_DECIMAL128: Final = Context(prec=34)
_EXACT: Final = Context(prec=2000)
_NUMERAL: Final = re.compile(r"[-+]?(?:\d+(\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_NAMES: Final = {
    "+": "addition",
    "-": "subtraction",
    "*": "multiplication",
    "/": "division",
    "%": "modulus",
}
_COMPARISONS: Final = {
    "<": "less than comparison",
    "<=": "less than or equals comparison",
    ">": "greater than comparison",
    ">=": "greater than or equals comparison",
}
_LONGEST_NUMERAL: Final = 400
_FIRST_SURROGATE: Final = 0xD800
_LAST_SURROGATE: Final = 0xDFFF


def wrapped(number: int) -> int:
    """Return a whole number as 64 bits hold it."""
    if -(2**63) <= number < 2**63:
        return number
    return (number + 2**63) % 2**64 - 2**63


def add(left: Any, right: Any, run: Run) -> Any:
    """Return `left + right`: a sum, a joined text, or a list with more elements."""
    if type(left) is int and type(right) is int:
        return wrapped(left + right)
    if isinstance(left, str) or isinstance(right, str):
        longest = run.scope.limits.output_characters
        text = inner_java_text(left, longest) + inner_java_text(right, longest)
        if len(text) > longest:
            raise LimitFault("The text is longer than allowed.")
        run.budget.pay_text(len(text))
        return text
    if isinstance(left, SEQUENCES):
        more = list(right) if isinstance(right, COLLECTIONS) else [right]
        if len(left) + len(more) > run.scope.limits.items:
            raise LimitFault("The list is longer than allowed.")
        run.budget.pay_items(len(left) + len(more))
        return [*left, *more]
    return _arithmetic("+", left, right)


def subtract(left: Any, right: Any, run: Run) -> Any:
    """Return `left - right`: a difference, or a list without some elements."""
    if type(left) is int and type(right) is int:
        return wrapped(left - right)
    if isinstance(left, SEQUENCES):
        unwanted = list(right) if isinstance(right, COLLECTIONS) else [right]
        return [item for item in left if not _among(unwanted, item, run)]
    return _arithmetic("-", left, right)


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    first, second = _operand(left), _operand(right)
    if first is None or second is None:
        raise Fault(f"Could not perform {_NAMES[operator]}")
    if isinstance(first, Decimal) or isinstance(second, Decimal):
        return _decimals(operator, first, second)
    if isinstance(first, float) or isinstance(second, float):
        singles = isinstance(first, (Float32, int)) and isinstance(second, (Float32, int))
        result = _doubles(operator, _double(first), _double(second))
        return Float32(result) if singles else result
    return _integers(operator, first, second)


def _operand(value: Any) -> Any:
    """Return a number, also that of a text; None for what is none."""
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMERAL or not _NUMERAL.fullmatch(value):
            return None
        return float(value) if not value.lstrip("+-").isdecimal() else int(value)
    return value if is_number(value) else None


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _integers(operator: str, left: int, right: int) -> int:
    left, right = wrapped(left), wrapped(right)
    match operator:
        case "+":
            return wrapped(left + right)
        case "-":
            return wrapped(left - right)
        case "*":
            return wrapped(left * right)
        case _:
            pass
    if right == 0:
        raise Fault(f"Could not perform {_NAMES[operator]}: / by zero")
    quotient = abs(left) // abs(right)
    quotient = -quotient if (left < 0) is not (right < 0) else quotient
    return wrapped(quotient) if operator == "/" else left - quotient * right


def _doubles(operator: str, left: float, right: float) -> float:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            if right == 0:
                if left == 0 or math.isnan(left):
                    return math.nan
                return math.copysign(math.inf, left) * math.copysign(1.0, right)
            return left / right
        case _:
            pass
    if right == 0 or math.isinf(left) or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.fmod(left, right)


def _decimals(operator: str, left: Any, right: Any) -> Decimal:
    first, second = (Decimal(repr(_double(number))) for number in (left, right))
    try:
        match operator:
            case "+":
                return _EXACT.add(first, second)
            case "-":
                return _EXACT.subtract(first, second)
            case "*":
                return _DECIMAL128.multiply(first, second)
            case "/":
                return _DECIMAL128.divide(first, second)
            case _:
                return _DECIMAL128.remainder(first, second)
    except DecimalException:
        raise Fault(f"Could not perform {_NAMES[operator]}") from None


def multiply(left: Any, right: Any, run: Run) -> Any:
    """Return the product."""
    del run
    return _arithmetic("*", left, right)


def divide(left: Any, right: Any, run: Run) -> Any:
    """Return the quotient, cut off for whole numbers."""
    del run
    return _arithmetic("/", left, right)


def modulo(left: Any, right: Any, run: Run) -> Any:
    """Return the remainder, with the sign of the dividend."""
    del run
    return _arithmetic("%", left, right)


def negate(value: Any) -> Any:
    """Return `-value`."""
    return _arithmetic("*", -1, value)


def plus(value: Any) -> Any:
    """Return `+value`."""
    return _arithmetic("*", 1, value)


def _ordered(sign: str, left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1; None when a null makes every comparison false."""
    if left is None or right is None:
        return None
    if is_number(left) and is_number(right):
        first, second = shortest(left), shortest(right)
        if is_nan(first) or is_nan(second):
            return int(is_nan(first)) - int(is_nan(second))
        if isinstance(first, Decimal) is not isinstance(second, Decimal):
            first, second = (exact(x) if isinstance(x, float) else x for x in (first, second))
        return int(first > second) - int(first < second)
    moments = _moment(left), _moment(right)
    if moments[0] is None or moments[1] is None:
        raise Fault(
            f"Could not perform {_COMPARISONS[sign]}: "
            f"invalid operands {class_name(left)} and {class_name(right)}"
        )
    return int(moments[0] > moments[1]) - int(moments[0] < moments[1])


def _moment(value: Any) -> datetime | None:
    """Return a date, or an ISO text that is one, as a moment."""
    from domain.dates.parsing import parse_iso

    if isinstance(value, str):
        value = parse_iso(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def less(left: Any, right: Any, run: Run) -> bool:
    """Return `left < right`."""
    del run
    return _ordered("<", left, right) == -1


def less_or_equal(left: Any, right: Any, run: Run) -> bool:
    """Return `left <= right`."""
    del run
    return _ordered("<=", left, right) in (-1, 0)


def greater(left: Any, right: Any, run: Run) -> bool:
    """Return `left > right`."""
    del run
    return _ordered(">", left, right) == 1


def greater_or_equal(left: Any, right: Any, run: Run) -> bool:
    """Return `left >= right`."""
    del run
    return _ordered(">=", left, right) in (0, 1)


def same(left: Any, right: Any, run: Run) -> bool:
    """Return `left == right`."""
    comparison = Comparison(run.budget.left)
    equals = comparison.equal(left, right)
    run.budget.spend(run.budget.left - comparison.left)
    return equals


def _among(items: Any, wanted: Any, run: Run) -> bool:
    """Tell whether a collection has an element equal to `wanted`."""
    run.budget.spend(len(items) >> 2)
    comparison = Comparison(run.budget.left)
    found = comparison.contains(items, wanted)
    run.budget.spend(run.budget.left - comparison.left)
    return found


def different(left: Any, right: Any, run: Run) -> bool:
    """Return `left != right`."""
    return not same(left, right, run)


def holds(left: Any, right: Any, run: Run) -> bool:
    """Return `left contains right`: element, all of several elements, key, or part of a text."""
    if left is None:
        return False
    if isinstance(left, str):
        if right is None:
            return False
        return inner_java_text(right, run.scope.limits.output_characters) in left
    if isinstance(left, Mapping):
        return isinstance(right, (str, int, float, bool)) and right in left
    if isinstance(left, COLLECTIONS):
        if isinstance(right, COLLECTIONS):
            return all(_among(left, wanted, run) for wanted in right)
        return _among(left, right, run)
    raise Fault(
        "Contains operator can only be used on Collections, Maps and arrays. "
        f"Actual type was: {class_name(left)}"
    )


def member_of(left: Any, right: Any, run: Run) -> bool:
    """Return `left in right`: element of a list, key of a map, or part of a text."""
    if isinstance(right, COLLECTIONS):
        return _among(right, left, run)
    return isinstance(right, (str, Mapping)) and holds(right, left, run)


def not_member_of(left: Any, right: Any, run: Run) -> bool:
    """Return `left not in right`."""
    return not member_of(left, right, run)


def listed_in(left: Any, right: Any, run: Run) -> bool:
    """Return `left isIn right`, by their texts: element of a list, or key or value of a map."""
    if left is None:
        return False
    if isinstance(right, Mapping):
        candidates = [*right.keys(), *right.values()]
    elif isinstance(right, COLLECTIONS):
        candidates = list(right)
    else:
        return False
    longest = run.scope.limits.output_characters
    wanted = inner_java_text(left, longest)
    run.budget.pay_items(len(candidates))
    for candidate in candidates:
        if candidate is None:
            continue
        text = inner_java_text(candidate, longest)
        run.budget.spend(len(text) >> 7)
        if text == wanted:
            return True
    return False


def not_listed_in(left: Any, right: Any, run: Run) -> bool:
    """Return `left not isIn right`."""
    return not listed_in(left, right, run)


def between(left: Any, right: Any, run: Run) -> list[Any]:
    """Return `left..right`, both ends included; never downwards."""
    return run.checked(stepped(left, right, 1, run.scope.limits))  # type: ignore[no-any-return]


def stepped(start: Any, end: Any, step: Any, limits: Limits) -> list[Any]:
    """Return the numbers, or letters, from start to end in steps, both ends included.

    Raises:
        Fault: ends that are neither whole numbers nor single letters, or a step of zero.
        LimitFault: more elements than the limits allow.
    """
    if not _is_whole(step):
        raise Fault("The increment of the range function must be a number")
    step = int(step)
    if step == 0:
        raise Fault("The increment of the range function must be different than 0")
    make: Callable[[int], Any]
    if _is_whole(start) and _is_whole(end):
        first, last, make = int(start), int(end), int
    elif _is_letter(start) and _is_letter(end):
        first, last, make = ord(start), ord(end), chr
    else:
        raise Fault(
            "Arguments of range function must be of type Number or String with a length of 1, "
            f"not {class_name(start)} and {class_name(end)}"
        )
    numbers = range(first, last + 1, step) if step > 0 else range(first, last - 1, step)
    if first != last and (step > 0) is not (last > first):
        return []
    count = abs(last - first) // abs(step) + 1
    if count > limits.items:
        raise LimitFault(f"A range of {count} elements is larger than {limits.items}")
    if make is chr and min(first, last) <= _LAST_SURROGATE and max(first, last) >= _FIRST_SURROGATE:
        raise Fault("There are no letters between these two.")
    return [make(number) for number in numbers]


def _is_whole(value: Any) -> bool:
    """Tell whether a value is a number that can be cut to a whole one."""
    return is_number(value) and not is_nan(value) and abs(value) < 2**64


def _is_letter(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1


BINARY: Final[dict[str, Callable[[Any, Any, Run], Any]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "==": same,
    "!=": different,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
    "contains": holds,
    "in": member_of,
    "not in": not_member_of,
    "isIn": listed_in,
    "not isIn": not_listed_in,
    "..": between,
}
"""What each operator does with two evaluated operands."""

UNARY: Final[dict[str, Callable[[Any], Any]]] = {"-": negate, "+": plus}
"""What each sign does with one evaluated operand."""
