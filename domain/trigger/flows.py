"""Flow triggers: what an execution's change of state starts, at once or through a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from domain.dates.zones import parse_zone
from domain.execution.commands import CreateExecution
from domain.execution.index import index_of
from domain.execution.plan import FlowPlan, plan_of
from domain.execution.state import Execution, Label, Moment
from domain.execution.variables import Variables
from domain.expression.references import References, references_in
from domain.flow.model import Flow
from domain.flow.triggers import FlowTrigger, MultipleCondition
from domain.ids import derived
from domain.trigger.commands import RecordUpstream
from domain.trigger.condition import Facts, all_hold, when_holds
from domain.trigger.creation import (
    CORRELATION_ID,
    Surroundings,
    Wanted,
    create,
    key_of,
    scope_of,
)
from domain.trigger.state import Source, Upstream
from domain.trigger.upstream import Gathering, accepts_state, gathering_of

_SOURCE_NAMES: Final = frozenset(
    {"execution", "inputs", "outputs", "labels", "tasks", "taskrun", "parent", "parents"}
)
"""Variables of the upstream execution that templates of the trigger see. `flow` and `vars` are
those of the flow that declares it."""


class Change(msgspec.Struct, frozen=True):
    """An execution came to a state."""

    execution: Execution
    """After the record that tells of it; not a copy."""
    index: int
    """Position of the state in the execution's history: names the change for good."""
    partition: int
    """Of the record that tells of it, on `execution.events`."""
    offset: int

    @property
    def moment(self) -> Moment:
        """State and time."""
        return self.execution.state.histories[self.index]


def triggered(
    flow: Flow, trigger: FlowTrigger, change: Change, surroundings: Surroundings
) -> CreateExecution | RecordUpstream | None:
    """Return what a change of state asks for by a trigger; None: nothing.

    Args:
        flow: that declares the trigger, in the latest revision.
        trigger: of it.
        change: of any execution.
        surroundings: at the time of the change.

    Raises:
        InvalidTrigger: a condition cannot be evaluated.
        LookupNeeded: an expression asks what the surroundings do not know.
    """
    execution, moment = change.execution, change.moment
    state = moment.state.value
    if (
        flow.disabled
        or trigger.disabled
        or execution.kind not in (None, "NORMAL")
        or flow.tenant_id != execution.tenant
        or (flow.namespace, flow.id) == (execution.namespace, execution.flow_id)
        or not accepts_state(trigger, state)
    ):
        return None
    variables = variables_of(execution, state)
    key = key_of(flow, trigger.id)
    change_id = derived("flow-trigger", key.text, execution.id, change.index)
    source = _source(flow, trigger, execution, surroundings, conditions=True)
    facts = _facts(flow, source, variables, change, change_id, surroundings)
    plain = [one for one in trigger.conditions if not isinstance(one, MultipleCondition)]
    if not all_hold(plain, facts):
        return None
    if trigger.when is not None and not when_holds(trigger.when, facts.scope):
        return None
    gathering = gathering_of(trigger, parse_zone(surroundings.zone))
    upstream = Upstream(execution.id, execution.flow_id, moment.date, execution.outputs or {})
    met: list[str] = []
    outputs = upstream.outputs
    if gathering is not None:
        met = [one.key for one in gathering.requirements if one.holds(facts)]
        if not met or gathering.span.bounds(moment.date, None) is None:
            return None
        outputs = merged_outputs({met[0]: upstream}, gathering)
    needed = _source(flow, trigger, execution, surroundings, conditions=False)
    if gathering is None or gathering.is_immediate:
        return started(
            flow,
            trigger,
            execution_id=change_id,
            variables=with_outputs(variables, outputs),
            source=needed,
            correlation_id=_correlation_id(execution),
            surroundings=surroundings,
        )
    return RecordUpstream(
        key=key,
        command_id=change_id,
        issuer="flow-triggers",
        flow_revision=flow.revision or 0,
        defaults=flow.defaults,
        met=met,
        upstream=upstream,
        source=Source(change.partition, change.offset, change.index),
        variables=variables,
        reached=needed,
        correlation_id=_correlation_id(execution),
    )


def started(
    flow: Flow,
    trigger: FlowTrigger,
    *,
    execution_id: str,
    variables: dict[str, Any],
    source: Mapping[str, Any],
    correlation_id: str | None,
    surroundings: Surroundings,
    labels: tuple[Label, ...] = (),
    error: str | None = None,
) -> CreateExecution:
    """Return the execution that a flow trigger starts.

    It carries no `system.from`, and the correlation id of its source, as observed on 1.3. Its
    inputs see `trigger`, its labels do not.
    """
    wanted = Wanted(
        execution_id=execution_id,
        variables=variables,
        scope=scope_of(flow, execution_id, {**source, "trigger": variables}, surroundings),
        label_scope=scope_of(flow, execution_id, source, surroundings),
        labels=labels,
        correlation_id=correlation_id,
        says_origin=False,
        error=error,
    )
    return create(flow, trigger, trigger.inputs, wanted, surroundings)


def variables_of(execution: Execution, state: str) -> dict[str, Any]:
    """Return the variables of a flow trigger, without `outputs`, in the shape of 1.3."""
    nested: dict[str, Any] = {}
    for label in execution.labels:
        if label.key == CORRELATION_ID:
            continue
        place = nested
        *outer, last = label.key.split(".")
        for part in outer:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = label.value
    return {
        "executionId": execution.id,
        "executionLabels": nested,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "flowRevision": execution.flow_revision,
        "state": state,
    }


def with_outputs(variables: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a trigger with `outputs`, where there are any."""
    return {**variables, "outputs": outputs} if outputs else dict(variables)


def merged_outputs(met: Mapping[str, Upstream], gathering: Gathering) -> dict[str, Any]:
    """Return the outputs of the gathered executions.

    1.x: one map, the later execution wins. 2.0: by flow, and flat where there is one flow only.
    """
    if not gathering.outputs_by_flow:
        merged: dict[str, Any] = {}
        for upstream in met.values():
            merged = _deep(merged, upstream.outputs)
        return merged
    by_flow = {upstream.flow_id: upstream.outputs for upstream in met.values()}
    if len(by_flow) == 1:
        [outputs] = by_flow.values()
        return {**by_flow, **outputs} if outputs else {}
    return {flow_id: outputs for flow_id, outputs in by_flow.items() if outputs}


def _deep(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(left)
    for key, value in right.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _deep(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _correlation_id(execution: Execution) -> str:
    found = (label.value for label in execution.labels if label.key == CORRELATION_ID)
    return next(found, execution.id)


def _facts(
    flow: Flow,
    source: Mapping[str, Any],
    variables: Mapping[str, Any],
    change: Change,
    seed: str,
    surroundings: Surroundings,
) -> Facts:
    outputs = change.execution.outputs
    trigger = with_outputs(variables, outputs or {})
    scope = scope_of(flow, seed, {**source, "trigger": trigger}, surroundings)
    return Facts(
        flow=flow,
        scope=scope,
        execution=change.execution,
        state=change.moment.state.value,
        outputs=outputs,
    )


def _source(
    flow: Flow,
    trigger: FlowTrigger,
    execution: Execution,
    surroundings: Surroundings,
    *,
    conditions: bool,
) -> dict[str, Any]:
    """Return the variables of the upstream execution that a trigger's templates can reach."""
    references = _references(trigger, conditions=conditions)
    plan: FlowPlan = plan_of(flow)
    made = Variables(execution, index_of(execution), plan, surroundings.context.settings)
    found = made.of(references, None, None)
    return {name: value for name, value in found.items() if name in _SOURCE_NAMES}


def _references(trigger: FlowTrigger, *, conditions: bool) -> References:
    templates: list[Any] = [trigger.inputs or {}, [label.value for label in trigger.labels]]
    if conditions:
        templates += list(_condition_templates(trigger))
    return references_in(templates)


def _condition_templates(trigger: FlowTrigger) -> Iterator[Any]:
    yield trigger.when or ""
    yield msgspec.to_builtins(trigger.conditions)
    yield [dependency.when or "" for dependency in trigger.depends_on]
    if trigger.preconditions is not None:
        yield msgspec.to_builtins(trigger.preconditions.where)
