"""The closures that expressions compile to, and the text of what nodes print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.expression.errors import Fault, LimitFault, UndefinedVariable
from domain.expression.members import read_member
from domain.expression.operators import UNARY, holds
from domain.expression.runtime import Evaluator, Run
from domain.expression.text import java_text
from domain.expression.values import truth

NET: Final = (Fault, ValueError, ArithmeticError)
"""What a pure filter, function or operator may raise about its values."""
_CAPTURE_STEPS: Final = 5


def captured(run: Run, write: Callable[[Run, list[Any]], None]) -> str:
    """Return what a node prints as text, maps and lists the Java way.

    Raises:
        LimitFault: nested too deeply, or too long.
    """
    printed_json, run.prints_json = run.prints_json, False
    run.depth += 1
    if run.depth > run.scope.limits.depth:
        raise LimitFault("Macros are nested too deeply.")
    run.budget.spend(_CAPTURE_STEPS)
    out: list[Any] = []
    try:
        write(run, out)
    finally:
        run.prints_json = printed_json
        run.depth -= 1
    return joined(run, [java_text(part, run.scope.limits.output_characters) for part in out])


def joined(run: Run, parts: list[str]) -> str:
    """Return parts as one text.

    Raises:
        LimitFault: it would be longer than allowed.
    """
    if sum(map(len, parts)) > run.scope.limits.output_characters:
        raise LimitFault("The text is longer than allowed.")
    return "".join(parts)


def constant(value: Any) -> Evaluator:
    """Return a closure that always gives one value."""
    return lambda _run: value


def placed(evaluate: Evaluator, offset: int) -> Evaluator:
    """Give faults of a closure a place."""

    def placed(run: Run) -> Any:
        try:
            return evaluate(run)
        except Fault as fault:
            raise run.error(fault, offset) from None

    return placed


def name(name: str, offset: int) -> Evaluator:
    """Return the closure of a variable, looked up among the caller's only."""

    def read(run: Run) -> Any:
        try:
            return run.variables[name]
        except KeyError:
            raise run.undefined(name, offset) from None

    return read


def local_name(name: str, offset: int) -> Evaluator:
    """Return the closure of a variable, looked up among the template's own names first."""

    def read(run: Run) -> Any:
        for made in reversed(run.locals):
            if name in made:
                return made[name]
        try:
            return run.variables[name]
        except KeyError:
            raise run.undefined(name, offset) from None

    return read


def attribute(
    target: Evaluator, key: str, offset: int, hint: str, variable: str | None = None
) -> Evaluator:
    """Return the closure of `target.key`.

    Args:
        target: what has the key.
        key: its name.
        offset: for errors.
        hint: for the error about a missing key.
        variable: the target's name where it is a variable: where that is null, the error names it.
    """

    def read(run: Run) -> Any:
        value = target(run)
        if isinstance(value, dict):
            try:
                return value[key]
            except KeyError:
                raise run.undefined(key, offset, hint) from None
        try:
            return read_member(value, key)
        except KeyError:
            missing = variable if variable is not None and value is None else key
            raise run.undefined(missing, offset, hint) from None
        except NET as fault:
            raise run.error(fault, offset) from None

    return read


def item(target: Evaluator, key: Evaluator, offset: int) -> Evaluator:
    """Return the closure of `target[key]`."""

    def read(run: Run) -> Any:
        value = target(run)
        wanted = key(run)
        try:
            return read_member(value, wanted)
        except KeyError:
            raise run.undefined(java_text(wanted)[:200], offset) from None
        except NET as fault:
            raise run.error(fault, offset) from None

    return read


def unary(operator: str, operand: Evaluator, offset: int) -> Evaluator:
    """Return the closure of `not`, `-` or `+`."""
    operate: Callable[[Any], Any] = UNARY.get(operator, _not)

    def unary(run: Run) -> Any:
        value = operand(run)
        try:
            return operate(value)
        except NET as fault:
            raise run.error(fault, offset) from None

    return unary


def _not(value: Any) -> bool:
    return not truth(value)


def logic(left: Evaluator, right: Evaluator, offset: int, *, ends_on: bool) -> Evaluator:
    """Return the closure of `and` (ends on false) or `or` (ends on true)."""

    def logic(run: Run) -> bool:
        try:
            if truth(left(run)) is ends_on:
                return ends_on
            return truth(right(run))
        except Fault as fault:
            raise run.error(fault, offset) from None

    return logic


def coalesce(left: Evaluator, right: Evaluator) -> Evaluator:
    """Return the closure of `??`: the right side for what is missing or null."""

    def coalesce(run: Run) -> Any:
        try:
            value = left(run)
        except UndefinedVariable:
            return right(run)
        return right(run) if value is None else value

    return coalesce


def coalesce_undefined(left: Evaluator, right: Evaluator) -> Evaluator:
    """Return the closure of `???`: the right side for what is missing."""

    def coalesce(run: Run) -> Any:
        try:
            return left(run)
        except UndefinedVariable:
            return right(run)

    return coalesce


def concat(parts: list[Evaluator], offset: int) -> Evaluator:
    """Return the closure of a chain of `~`."""
    if len(parts) == 1:
        return parts[0]

    def concat(run: Run) -> str:
        values = [part(run) for part in parts]
        try:
            longest = run.scope.limits.output_characters
            text = joined(run, [java_text(value, longest) for value in values])
            run.budget.pay_text(len(text))
            return text
        except Fault as fault:
            raise run.error(fault, offset) from None

    return concat


def ternary(condition: Evaluator, yes: Evaluator, no: Evaluator, offset: int) -> Evaluator:
    """Return the closure of `condition ? yes : no`; a null condition is no."""

    def ternary(run: Run) -> Any:
        value = condition(run)
        try:
            holds = value is not None and truth(value)
        except Fault as fault:
            raise run.error(fault, offset) from None
        return yes(run) if holds else no(run)

    return ternary


def list_(items: list[Evaluator]) -> Evaluator:
    """Return the closure of a list."""
    return lambda run: [item(run) for item in items]


def map_(pairs: list[tuple[Evaluator, Evaluator]], offset: int) -> Evaluator:
    """Return the closure of a map."""

    def build(run: Run) -> Mapping[Any, Any]:
        try:
            return {key(run): value(run) for key, value in pairs}
        except TypeError:
            fault = Fault("A list or map cannot be the key of a map.")
            raise run.error(fault, offset) from None

    return build


def filter_(
    call: Callable[..., Any], bound: list[Evaluator], offset: int
) -> Callable[[Run, Any], Any]:
    """Return a filter bound to its arguments, which takes the value."""

    def apply(run: Run, value: Any) -> Any:
        arguments = [argument(run) for argument in bound]
        try:
            return run.checked(call(run, value, *arguments))
        except NET as fault:
            raise run.error(fault, offset) from None

    return apply


def failing_filter(reason: str, offset: int) -> Callable[[Run, Any], Any]:
    """Return a filter that fails when it is used, not before."""

    def fail(run: Run, value: Any) -> Any:
        del value
        raise run.error(Fault(reason), offset)

    return fail


def contains(left: Evaluator, right: Evaluator, offset: int) -> Evaluator:
    """Tell whether one value holds another; null holds nothing, whatever is asked for."""

    def contains(run: Run) -> bool:
        first = left(run)
        if first is None:
            return False
        second = right(run)
        try:
            return holds(first, second, run)
        except NET as fault:
            raise run.error(fault, offset) from None

    return contains
