"""What flow triggers wait for: conditions on executions of other flows.

A trigger of one condition fires at every execution that meets it. One of several gathers them in a
window (`windows.py`); a condition is known there by a key that survives edits elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import tzinfo
from functools import partial
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput
from domain.expression import (
    ExpressionError,
    Fault,
    Scope,
    compile_template,
    is_truthy_text,
)
from domain.expression.errors import LimitFault
from domain.expression.regexes import compiled
from domain.flow.triggers import (
    Dependency,
    Filter,
    FilterGroup,
    FlowTrigger,
    MultipleCondition,
    TimeWindow,
    UpstreamFlow,
)
from domain.ids import derived
from domain.trigger.condition import Facts, holds, when_holds
from domain.trigger.definition import InvalidTrigger
from domain.trigger.windows import Span, span_of_dependency_window, span_of_time_window

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_REGEX_SECONDS: Final = 1.0


class Requirement(msgspec.Struct, frozen=True):
    """One condition that an execution may meet."""

    key: str
    holds: Callable[[Facts], bool]
    """Raises InvalidTrigger when it cannot be told."""


class Gathering(msgspec.Struct, frozen=True):
    """What a flow trigger waits for."""

    requirements: tuple[Requirement, ...]
    """Keys are unique."""
    needed: int
    """How many must be met."""
    span: Span
    resets: bool = True
    """After it fired everything is to be met anew; False: it fires again at each further one."""
    fires_once: bool = False
    """At most once in a window."""
    outputs_by_flow: bool = False
    """2.0: outputs of several executions stand under their flows' ids."""

    @property
    def is_immediate(self) -> bool:
        """True when each execution that meets a condition fires, so that nothing is remembered."""
        return self.needed <= 1 and not self.fires_once


def gathering_of(trigger: FlowTrigger, zone: tzinfo) -> Gathering | None:
    """Return what a trigger waits for; None: every execution that its conditions let through.

    Args:
        trigger: as declared. Its `preconditions` and `MultipleCondition`s form one gathering, with
            the window of the first.
        zone: the server's, for daily windows that name none.

    Raises:
        InvalidTrigger: a window has no meaning.
    """
    if trigger.depends_on:
        return _dependencies(trigger, zone)
    found: list[Requirement] = []
    windows: list[tuple[TimeWindow | None, bool]] = []
    if trigger.preconditions is not None:
        found += (
            Requirement(_hashed("flow", upstream), partial(_upstream_holds, upstream))
            for upstream in trigger.preconditions.flows
        )
        found += (
            Requirement(f"where/{group.id}", partial(_group_holds, group))
            for group in trigger.preconditions.where
        )
        windows.append((trigger.preconditions.time_window, trigger.preconditions.reset_on_success))
    for condition in trigger.conditions:
        if isinstance(condition, MultipleCondition):
            found += (
                Requirement(f"{condition.id}/{key}", partial(holds, inner))
                for key, inner in condition.conditions.items()
            )
            windows.append((_window_of(condition), condition.reset_on_success))
    if not found:
        return None
    window, resets = windows[0]
    unique = _unique(found)
    return Gathering(unique, len(unique), span_of_time_window(window, zone), resets)


def _dependencies(trigger: FlowTrigger, zone: tzinfo) -> Gathering:
    unique = _unique(
        Requirement(_hashed("dependency", dependency), partial(_dependency_holds, dependency))
        for dependency in trigger.depends_on
    )
    needed = {"ALL": len(unique), "ANY": 1}.get(trigger.mode, trigger.min_satisfied or 1)
    return Gathering(
        unique,
        needed,
        span_of_dependency_window(trigger.window, zone),
        fires_once=trigger.window is not None and trigger.window.fire_once,
        outputs_by_flow=True,
    )


def _unique(found: Any) -> tuple[Requirement, ...]:
    return tuple({requirement.key: requirement for requirement in found}.values())


def _hashed(kind: str, condition: UpstreamFlow | Dependency) -> str:
    return derived(kind, _ENCODER.encode(condition).decode())


def _window_of(condition: MultipleCondition) -> TimeWindow | None:
    if condition.time_window is not None or condition.window is None:
        return condition.time_window
    return TimeWindow(window=condition.window, window_advance=condition.window_advance)


def accepts_state(trigger: FlowTrigger, state: str) -> bool:
    """Tell whether a trigger looks at executions of a state; 2.0's dependencies may say so."""
    if trigger.depends_on and all(dependency.states for dependency in trigger.depends_on):
        return any(state in dependency.states for dependency in trigger.depends_on)
    return state in trigger.states or any(
        state in dependency.states for dependency in trigger.depends_on
    )


def _upstream_holds(upstream: UpstreamFlow, facts: Facts) -> bool:
    execution = facts.execution
    return (
        execution is not None
        and execution.namespace == upstream.namespace
        and upstream.flow_id in (None, execution.flow_id)
        and (not upstream.states or facts.state in upstream.states)
        and _has_labels(upstream, facts)
    )


def _dependency_holds(dependency: Dependency, facts: Facts) -> bool:
    execution = facts.execution
    if (
        execution is None
        or (execution.namespace, execution.flow_id) != (dependency.namespace, dependency.flow_id)
        or (dependency.states and facts.state not in dependency.states)
        or not _has_labels(dependency, facts)
    ):
        return False
    return dependency.when is None or when_holds(dependency.when, _dependency_scope(facts))


def _has_labels(wanted: UpstreamFlow | Dependency, facts: Facts) -> bool:
    assert facts.execution is not None
    present = {(label.key, label.value) for label in facts.execution.labels}
    return all((label.key, label.value) in present for label in wanted.labels)


def _dependency_scope(facts: Facts) -> Scope:
    """Return what a dependency's `when` sees: the upstream execution, in both spellings of 2.0."""
    execution, scope = facts.execution, facts.scope
    assert execution is not None
    outputs = facts.outputs or {}
    seen = scope.variables.get("execution")
    known = dict(seen) if isinstance(seen, dict) else {}
    upstream = {
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "state": facts.state,
        "outputs": outputs,
        "hasRetryAttempt": any(len(run.attempts) > 1 for run in execution.task_runs.values()),
        "flow": {"namespace": execution.namespace, "id": execution.flow_id},
        "execution": {**known, "state": facts.state, "outputs": outputs},
    }
    return Scope(
        {**scope.variables, **upstream},
        scope.lookups,
        scope.limits,
        zone=scope.zone,
        locale=scope.locale,
    )


def _group_holds(group: FilterGroup, facts: Facts) -> bool:
    results: Iterator[bool] = (_filter_holds(one, facts) for one in group.filters)
    return any(results) if group.operand == "OR" else all(results)


def _filter_holds(one: Filter, facts: Facts) -> bool:
    execution = facts.execution
    if execution is None:
        return False
    if one.field == "EXPRESSION":
        try:
            value = compile_template(one.value or "").render(facts.scope).strip()
        except ExpressionError as error:
            raise InvalidTrigger(f"precondition: {error}") from error
        if one.type not in ("IS_TRUE", "IS_FALSE"):
            raise InvalidTrigger(f"precondition: an expression cannot be compared by {one.type}")
        return is_truthy_text(value) == (one.type == "IS_TRUE")
    values = {
        "FLOW_ID": execution.flow_id,
        "NAMESPACE": execution.namespace,
        "STATE": facts.state,
    }
    return _compares(one, values[one.field])


def _compares(one: Filter, value: str) -> bool:
    wanted = one.value or ""
    match one.type:
        case "EQUAL_TO":
            return value == wanted
        case "NOT_EQUAL_TO":
            return value != wanted
        case "IN":
            return value in one.values
        case "NOT_IN":
            return value not in one.values
        case "IS_TRUE":
            return is_truthy_text(value)
        case "IS_FALSE":
            return not is_truthy_text(value)
        case "STARTS_WITH":
            return value.startswith(wanted)
        case "ENDS_WITH":
            return value.endswith(wanted)
        case "CONTAINS":
            return wanted in value
        case "REGEX":
            try:
                return compiled(wanted).fullmatch(value, timeout=_REGEX_SECONDS) is not None
            except (Fault, LimitFault, InvalidInput, TimeoutError) as error:
                raise InvalidTrigger(f"precondition: {error}") from error
