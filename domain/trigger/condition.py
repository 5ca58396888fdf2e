"""Whether the conditions of 1.x and the `when` of 2.0 hold.

Conditions on dates are about a moment, by default the trigger's date; those on executions need the
execution that a flow trigger looks at. Source: `kestra-features.md` 6.7.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from typing import Any, Final

import msgspec

from domain.dates.arithmetic import InvalidDate
from domain.dates.parsing import offset_zone
from domain.dates.reading import read_date
from domain.execution.state import Execution
from domain.expression import (
    ExpressionError,
    Fault,
    Scope,
    compile_template,
    is_truthy_text,
    to_text,
)
from domain.flow import triggers as t
from domain.flow.model import Flow
from domain.flow.triggers import Condition
from domain.trigger.definition import InvalidTrigger

_DAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_POSITIONS: Final = ("FIRST", "SECOND", "THIRD", "FOURTH")
_SATURDAY: Final = 5


class Facts(msgspec.Struct, frozen=True):
    """What conditions are about."""

    flow: Flow
    """The flow that declares the trigger."""
    scope: Scope
    """What their templates see."""
    execution: Execution | None = None
    """Of flow triggers: the execution that changed its state."""
    state: str = ""
    """Of flow triggers: the state it came to."""
    outputs: dict[str, Any] | None = None
    """Of flow triggers: the outputs of its flow, if it has any."""


def all_hold(conditions: Iterable[Condition], facts: Facts) -> bool:
    """Tell whether every condition holds; stops at the first that does not.

    `MultipleCondition` is a matter of windows (`domain.trigger.flows`), and holds here.

    Raises:
        InvalidTrigger: one cannot be evaluated.
    """
    return all(holds(condition, facts) for condition in conditions)


def holds(condition: Condition, facts: Facts) -> bool:
    """Tell whether one condition holds.

    Raises:
        InvalidTrigger: it cannot be evaluated.
    """
    rule = _RULES.get(type(condition))
    if rule is None:
        raise InvalidTrigger(f"conditions of type {condition.type} are not known")
    try:
        return rule(condition, facts)
    except (ExpressionError, InvalidDate, Fault, ValueError, OverflowError) as error:
        raise InvalidTrigger(f"condition {condition.type}: {error}") from error


def when_holds(expression: str, scope: Scope) -> bool:
    """Tell whether a `when` of 2.0 holds: anything but nothing, `false`, `0` or `-0`.

    Raises:
        InvalidTrigger: it cannot be evaluated.
    """
    try:
        return is_truthy_text(compile_template(expression).render(scope).strip())
    except ExpressionError as error:
        raise InvalidTrigger(f"when: {error}") from error


def _text(template: str, facts: Facts) -> str:
    return compile_template(template).render(facts.scope).strip()


def _moment(template: str, facts: Facts) -> datetime:
    return read_date(_text(template, facts), facts.scope.zone)


def _execution(facts: Facts) -> Execution:
    if facts.execution is None:
        raise ValueError("it needs an execution, and only flow triggers have one")
    return facts.execution


def _date_time_between(condition: t.DateTimeBetween, facts: Facts) -> bool:
    if condition.after is None and condition.before is None:
        raise ValueError("`after`, `before` or both must be given")
    moment = _moment(condition.date, facts)
    if condition.after is not None and moment <= _moment(condition.after, facts):
        return False
    return condition.before is None or moment < _moment(condition.before, facts)


def _time_between(condition: t.TimeBetween, facts: Facts) -> bool:
    if condition.after is None and condition.before is None:
        raise ValueError("`after`, `before` or both must be given")
    moment = _moment(condition.date, facts)
    place = _since_midnight(moment.timetz().replace(tzinfo=None)) - _offset(moment)
    if condition.after is not None and place <= _time_of_day(_text(condition.after, facts)):
        return False
    return condition.before is None or place < _time_of_day(_text(condition.before, facts))


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _since_midnight(clock: time) -> timedelta:
    return timedelta(
        hours=clock.hour,
        minutes=clock.minute,
        seconds=clock.second,
        microseconds=clock.microsecond,
    )


def _time_of_day(text: str) -> timedelta:
    """Return a time with offset, `16:19:12+02:00`, as a span since midnight UTC."""
    clock, zone = text, "Z"
    for mark in ("Z", "z", "+", "-"):
        place = text.find(mark)
        if place >= 0:
            clock, zone = text[:place], text[place:]
            break
    offset = offset_zone(zone).utcoffset(None) or timedelta()
    return _since_midnight(time.fromisoformat(clock)) - offset


def _day_week(condition: t.DayWeek, facts: Facts) -> bool:
    moment = _moment(condition.date, facts)
    return moment.weekday() == _day(_text(condition.day_of_week, facts))


def _day(name: str) -> int:
    if name.upper() not in _DAYS:
        raise ValueError(f"'{name[:40]}' is no day of the week")
    return _DAYS.index(name.upper())


def _day_week_in_month(condition: t.DayWeekInMonth, facts: Facts) -> bool:
    moment = _moment(condition.date, facts)
    if moment.weekday() != _day(_text(condition.day_of_week, facts)):
        return False
    position = _text(condition.day_in_month, facts).upper()
    if position == "LAST":
        return moment.day + 7 > monthrange(moment.year, moment.month)[1]
    if position not in _POSITIONS:
        raise ValueError(f"'{position[:40]}' is no position in a month")
    return (moment.day - 1) // 7 == _POSITIONS.index(position)


def _weekend(condition: t.Weekend, facts: Facts) -> bool:
    return _moment(condition.date, facts).weekday() >= _SATURDAY


def _public_holiday(condition: t.PublicHoliday, facts: Facts) -> bool:
    # a calendar of holidays is knowledge of the world: whoever evaluates has it or refuses
    arguments = {
        "date": _text(condition.date, facts),
        "country": condition.country and _text(condition.country, facts),
        "subDivision": condition.sub_division and _text(condition.sub_division, facts),
    }
    return bool(facts.scope.lookups.call("isPublicHoliday", arguments, facts.scope))


def _execution_flow(condition: t.ExecutionFlow, facts: Facts) -> bool:
    execution = _execution(facts)
    return (execution.namespace, execution.flow_id) == (condition.namespace, condition.flow_id)


def _execution_namespace(condition: t.ExecutionNamespace, facts: Facts) -> bool:
    namespace = _execution(facts).namespace
    comparison = condition.comparison or ("PREFIX" if condition.prefix else "EQUALS")
    if comparison == "PREFIX":
        return namespace.startswith(condition.namespace)
    if comparison == "SUFFIX":
        return namespace.endswith(condition.namespace)
    return namespace == condition.namespace


def _execution_labels(condition: t.ExecutionLabels, facts: Facts) -> bool:
    present = {(label.key, label.value) for label in _execution(facts).labels}
    return all((label.key, label.value) in present for label in condition.labels)


def _execution_status(condition: t.ExecutionStatus, facts: Facts) -> bool:
    _execution(facts)
    return _listed(facts.state, condition.in_, condition.not_in)


def _listed(state: str, included: tuple[str, ...], excluded: tuple[str, ...]) -> bool:
    return (not included or state in included) and state not in excluded


def _execution_outputs(condition: t.ExecutionOutputs, facts: Facts) -> bool:
    _execution(facts)
    if not facts.outputs:
        return False
    return is_truthy_text(_text(condition.expression, facts))


def _has_retry_attempt(condition: t.HasRetryAttempt, facts: Facts) -> bool:
    return any(
        _listed(attempt.state.current.value, condition.in_, condition.not_in)
        for run in _execution(facts).task_runs.values()
        if len(run.attempts) > 1
        for attempt in run.attempts
    )


def _flow(condition: t.FlowCondition, facts: Facts) -> bool:
    return (facts.flow.namespace, facts.flow.id) == (condition.namespace, condition.flow_id)


def _flow_namespace(condition: t.FlowNamespaceCondition, facts: Facts) -> bool:
    namespace = facts.flow.namespace
    if condition.prefix:
        return namespace.startswith(condition.namespace)
    return namespace == condition.namespace


def _expression(condition: t.Expression, facts: Facts) -> bool:
    rendered = compile_template(condition.expression).render(facts.scope)
    return to_text(rendered).strip() not in ("", "false")


def _not(condition: t.Not, facts: Facts) -> bool:
    return not any(holds(inner, facts) for inner in condition.conditions)


def _or(condition: t.Or, facts: Facts) -> bool:
    return any(holds(inner, facts) for inner in condition.conditions)


def _multiple(condition: t.MultipleCondition, facts: Facts) -> bool:
    del condition, facts
    return True


_RULES: Final[dict[type[Condition], Callable[[Any, Facts], bool]]] = {
    t.DateTimeBetween: _date_time_between,
    t.TimeBetween: _time_between,
    t.DayWeek: _day_week,
    t.DayWeekInMonth: _day_week_in_month,
    t.Weekend: _weekend,
    t.PublicHoliday: _public_holiday,
    t.ExecutionFlow: _execution_flow,
    t.ExecutionNamespace: _execution_namespace,
    t.ExecutionLabels: _execution_labels,
    t.ExecutionStatus: _execution_status,
    t.ExecutionOutputs: _execution_outputs,
    t.HasRetryAttempt: _has_retry_attempt,
    t.FlowCondition: _flow,
    t.FlowNamespaceCondition: _flow_namespace,
    t.Expression: _expression,
    t.Not: _not,
    t.Or: _or,
    t.MultipleCondition: _multiple,
}
