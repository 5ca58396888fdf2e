"""Conditions of 1.x and `when` of 2.0, one rule a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from domain.execution.lifecycle import StateType
from domain.execution.state import (
    Attempt,
    Execution,
    Label,
    Metadata,
    State,
    TaskRun,
)
from domain.expression import Fault, Scope
from domain.flow.triggers import Condition
from domain.trigger.condition import Facts, all_hold, holds, when_holds
from domain.trigger.definition import InvalidTrigger
from tests.support.triggers import at, read

MONDAY = "2024-01-01T09:30:00+01:00"


class Holidays:
    """Knows one holiday."""

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del scope
        if name != "isPublicHoliday":
            raise Fault(f"{name} is not known here")
        return arguments == {"date": MONDAY, "country": "FR", "subDivision": None}


def execution(**members: Any) -> Execution:
    defaults: dict[str, Any] = {
        "id": "e",
        "tenant": "main",
        "namespace": "company.team",
        "flow_id": "source",
        "flow_revision": 1,
        "state": State.begin(StateType.SUCCESS, at("2024-01-01")),
        "metadata": Metadata(1, at("2024-01-01")),
        "original_id": "e",
        "labels": [Label("team", "data"), Label("env", "prod")],
    }
    return Execution(**{**defaults, **members})


def condition(source: str) -> Condition:
    """Read a condition through the flow language, as flows write it."""
    text = f"""
id: listener
namespace: company.ops
tasks: [{{id: a, type: io.kestra.plugin.core.log.Log, message: hello}}]
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - {source}
"""
    [trigger] = read(text).triggers
    [found] = trigger.conditions
    return found


def typed(name: str, rest: str = "") -> Condition:
    return condition(
        f"{{type: io.kestra.plugin.core.condition.{name}{', ' + rest if rest else ''}}}"
    )


def facts(
    date: str = MONDAY,
    *,
    source: Execution | None = None,
    state: str = "SUCCESS",
    outputs: dict[str, Any] | None = None,
) -> Facts:
    flow = read(
        "{id: listener, namespace: company.ops,"
        " tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: hello}]}"
    )
    trigger = {"date": date, **({"outputs": outputs} if outputs else {})}
    return Facts(
        flow=flow,
        scope=Scope({"trigger": trigger, "vars": {"day": "MONDAY"}}, Holidays()),
        execution=source,
        state=state,
        outputs=outputs,
    )


DATES = [
    ("DateTimeBetween", "after: '2024-01-01T08:00:00Z', before: '2024-01-01T09:00:00Z'", True),
    ("DateTimeBetween", "after: '2024-01-01T08:30:00Z'", False),
    ("DateTimeBetween", "before: '2024-01-01T08:30:00Z'", False),
    ("DateTimeBetween", "before: '2024-01-01T08:30:01Z'", True),
    ("TimeBetween", "after: '09:00:00+01:00', before: '10:00:00+01:00'", True),
    ("TimeBetween", "after: '08:30:00Z'", False),
    ("TimeBetween", "after: '08:29:59Z'", True),
    ("DayWeek", "dayOfWeek: MONDAY", True),
    ("DayWeek", "dayOfWeek: TUESDAY", False),
    ("DayWeek", "dayOfWeek: '{{ vars.day }}'", True),
    ("DayWeek", "dayOfWeek: SUNDAY, date: '2013-09-08'", True),
    ("DayWeekInMonth", "dayOfWeek: MONDAY, dayInMonth: FIRST", True),
    ("DayWeekInMonth", "dayOfWeek: MONDAY, dayInMonth: LAST", False),
    ("DayWeekInMonth", "dayOfWeek: MONDAY, dayInMonth: LAST, date: '2024-01-29'", True),
    ("DayWeekInMonth", "dayOfWeek: MONDAY, dayInMonth: THIRD, date: '2024-01-15'", True),
    ("DayWeekInMonth", "dayOfWeek: TUESDAY, dayInMonth: FIRST", False),
    ("Weekend", "", False),
    ("Weekend", "date: '2024-01-06'", True),
    ("PublicHoliday", "country: FR", True),
    ("PublicHoliday", "country: DE", False),
    ("Expression", "expression: '{{ trigger.date }}'", True),
    ("Expression", "expression: '{{ 1 == 2 }}'", False),
    ("Expression", "expression: ' '", False),
    ("Expression", "expression: '0'", True),
    ("FlowCondition", "namespace: company.ops, flowId: listener", True),
    ("FlowCondition", "namespace: company.ops, flowId: other", False),
    ("FlowNamespaceCondition", "namespace: company, prefix: true", True),
    ("FlowNamespaceCondition", "namespace: company", False),
]


@pytest.mark.parametrize(
    ("name", "rest", "expected"), DATES, ids=[f"{name} {rest}" for name, rest, _ in DATES]
)
def test_condition_on_a_date_or_flow(name: str, rest: str, expected: bool) -> None:
    assert holds(typed(name, rest), facts()) is expected


EXECUTIONS = [
    ("ExecutionFlow", "namespace: company.team, flowId: source", True),
    ("ExecutionFlow", "namespace: company, flowId: source", False),
    ("ExecutionNamespace", "namespace: company.team", True),
    ("ExecutionNamespace", "namespace: company", False),
    ("ExecutionNamespace", "namespace: company, prefix: true", True),
    ("ExecutionNamespace", "namespace: company, comparison: PREFIX", True),
    ("ExecutionNamespace", "namespace: team, comparison: SUFFIX", True),
    ("ExecutionLabels", "labels: {team: data}", True),
    ("ExecutionLabels", "labels: {team: data, env: dev}", False),
    ("ExecutionStatus", "in: [SUCCESS, WARNING]", True),
    ("ExecutionStatus", "in: [FAILED]", False),
    ("ExecutionStatus", "notIn: [SUCCESS]", False),
    ("ExecutionStatus", "notIn: [FAILED]", True),
    ("ExecutionOutputs", "expression: '{{ trigger.outputs.ok == true }}'", True),
    ("ExecutionOutputs", "expression: '{{ trigger.outputs.ok == false }}'", False),
]


@pytest.mark.parametrize(
    ("name", "rest", "expected"), EXECUTIONS, ids=[f"{n} {rest}" for n, rest, _ in EXECUTIONS]
)
def test_condition_on_an_execution(name: str, rest: str, expected: bool) -> None:
    assert holds(typed(name, rest), facts(source=execution(), outputs={"ok": True})) is expected


def test_condition_on_outputs_does_not_hold_without_outputs() -> None:
    found = typed("ExecutionOutputs", "expression: 'true'")
    assert not holds(found, facts(source=execution()))


@pytest.mark.parametrize(
    ("states", "rest", "expected"),
    [
        (["FAILED", "SUCCESS"], "in: [FAILED]", True),
        (["FAILED"], "in: [FAILED]", False),
        (["FAILED", "SUCCESS"], "in: [KILLED]", False),
    ],
    ids=["second attempt", "one attempt only", "other state"],
)
def test_retry_attempts_are_those_of_runs_with_more_than_one(
    states: list[str], rest: str, expected: bool
) -> None:
    attempts = [Attempt(State.begin(StateType(one), at("2024-01-01"))) for one in states]
    run = TaskRun("r", "t", State.begin(StateType.SUCCESS, at("2024-01-01")), attempts=attempts)
    source = execution(task_runs={"r": run})
    assert holds(typed("HasRetryAttempt", rest), facts(source=source)) is expected


@pytest.mark.parametrize(
    ("days", "not_holds", "or_holds"),
    [(["MONDAY", "SUNDAY"], False, True), (["TUESDAY", "SUNDAY"], True, False)],
    ids=["one holds", "none holds"],
)
def test_not_wants_none_and_or_wants_one(days: list[str], not_holds: bool, or_holds: bool) -> None:
    inner = ", ".join(
        f"{{type: io.kestra.plugin.core.condition.DayWeek, dayOfWeek: {day}}}" for day in days
    )
    assert holds(typed("Not", f"conditions: [{inner}]"), facts()) is not_holds
    assert holds(typed("Or", f"conditions: [{inner}]"), facts()) is or_holds


def test_all_conditions_must_hold() -> None:
    monday, weekend = typed("DayWeek", "dayOfWeek: MONDAY"), typed("Weekend")
    assert all_hold([monday], facts())
    assert not all_hold([monday, weekend], facts())
    assert all_hold([], facts())


BROKEN = [
    typed("DayWeek", "dayOfWeek: SOMEDAY"),
    typed("DayWeek", "dayOfWeek: MONDAY, date: 'no date'"),
    typed("DateTimeBetween"),
    typed("TimeBetween", "after: 'noon'"),
    typed("Expression", "expression: '{{ nothing.there }}'"),
    typed("ExecutionStatus", "in: [SUCCESS]"),
]


@pytest.mark.parametrize("found", BROKEN, ids=lambda one: type(one).__name__)
def test_condition_without_meaning_says_so(found: Condition) -> None:
    with pytest.raises(InvalidTrigger):
        holds(found, facts())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{{ isWeekend(trigger.date) }}", False),
        ("{{ dayOfWeek(trigger.date) == 'MONDAY' }}", True),
        ("", False),
        ("0", False),
        ("false", False),
        ("yes", True),
    ],
)
def test_when_holds_unless_it_is_nothing_zero_or_false(expression: str, expected: bool) -> None:
    assert when_holds(expression, facts().scope) is expected
