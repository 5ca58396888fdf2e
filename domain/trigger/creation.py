"""The executions that triggers start: their inputs, labels and variables, as values of a command.

Labels through a trigger, as observed on 1.3: `system.from` first, then the flow's, the trigger's
and the backfill's, then `system.correlationId`; of two values of a key the later one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from domain.errors import TidewheelError
from domain.execution.commands import CreateExecution
from domain.execution.context import Context
from domain.execution.lifecycle import StateType
from domain.execution.lookups import StepLookups
from domain.execution.plan import plan_of
from domain.execution.state import Execution, ExecutionTrigger, Label, Metadata, State
from domain.execution.variables import nested_labels
from domain.expression import ExpressionError, Scope, compile_template, render_deep
from domain.expression.references import references_in
from domain.flow.checks import judge
from domain.flow.common import Label as FlowLabel
from domain.flow.inputs import InputValue, ResolvedInputs, resolve_inputs
from domain.flow.model import Flow
from domain.flow.triggers import Trigger
from domain.ids import derived
from domain.sealed import Encrypt
from domain.trigger.state import TriggerKey

SYSTEM_PREFIX: Final = "system."
FROM: Final = "system.from"
CORRELATION_ID: Final = "system.correlationId"
_FROM_TRIGGER: Final = Label(FROM, "trigger")


class Surroundings(msgspec.Struct, frozen=True):
    """What the rules of triggers are given besides flow, state and command: all of it values."""

    context: Context
    """Its time is the command record's, or that of the event record that is looked at."""
    zone: str = "UTC"
    """Time zone of schedules that name none."""
    recover: str = "ALL"
    """For triggers that do not say what becomes of missed dates."""
    encrypt: Encrypt | None = None
    """Seals SECRET inputs."""


def key_of(flow: Flow, trigger_id: str) -> TriggerKey:
    """Return the key of a trigger of a flow."""
    return TriggerKey(flow.tenant_id, flow.namespace, flow.id, trigger_id)


def scope_of(
    flow: Flow, seed: str, variables: Mapping[str, Any], surroundings: Surroundings
) -> Scope:
    """Return the scope of a trigger's templates.

    Args:
        flow: that declares the trigger.
        seed: what ids and chance are derived from: the id of the execution to be.
        variables: besides those every template sees.
        surroundings: time, answers and settings; a question they cannot answer raises
            `LookupNeeded` out of the rendering.
    """
    context = surroundings.context
    settings = context.settings
    now = context.now
    owner = Execution(
        id=seed,
        tenant=flow.tenant_id,
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision or 0,
        state=State.begin(StateType.CREATED, now),
        metadata=Metadata(1, now),
        original_id=seed,
    )
    everywhere = {
        "flow": plan_of(flow).base,
        "labels": nested_labels(Label(label.key, label.value) for label in flow.labels),
        "vars": flow.variables,
        "envs": settings.envs,
        "globals": settings.globals,
        "kestra": settings.kestra,
    }
    return Scope(
        {**everywhere, **variables},
        StepLookups(owner, context),
        zone=settings.zone,
        locale=settings.locale,
    )


class Wanted(msgspec.Struct, frozen=True):
    """What is special about one execution that a trigger starts."""

    execution_id: str
    variables: dict[str, Any]
    """The trigger's variables, shown and kept."""
    scope: Scope
    """What inputs and labels see."""
    label_scope: Scope | None = None
    """What labels see where that is less."""
    inputs: Mapping[str, Any] = {}
    """Given beside the trigger's own, and over them."""
    labels: tuple[Label, ...] = ()
    """After the trigger's own."""
    correlation_id: str | None = None
    """None: its own id."""
    says_origin: bool = True
    """It carries the label `system.from`."""
    error: str | None = None


def create(
    flow: Flow,
    trigger: Trigger,
    given: Mapping[str, Any] | None,
    wanted: Wanted,
    surroundings: Surroundings,
) -> CreateExecution:
    """Return the command that starts an execution; one that cannot start well says why it fails.

    Args:
        flow: to be executed.
        trigger: of that flow.
        given: the trigger's inputs, templates not rendered.
        wanted: what is special about the execution.
        surroundings: see `Surroundings`.
    """
    inputs: dict[str, Any] = {}
    error = wanted.error
    if error is None:
        try:
            inputs = _inputs(flow, given or {}, wanted, surroundings)
        except TidewheelError as found:
            error = f"The inputs of trigger '{trigger.id}' are wrong: {found}"
    labels = _labels(flow, trigger, wanted)
    if error is None and flow.checks:
        error = _checked(flow, inputs, labels, wanted)
    execution_id = wanted.execution_id
    return CreateExecution(
        execution_id=execution_id,
        command_id=derived("create", execution_id),
        issuer="trigger",
        tenant=flow.tenant_id,
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision or 0,
        labels=labels,
        inputs=inputs,
        trigger=ExecutionTrigger(trigger.id, trigger.type, wanted.variables),
        error=error,
    )


def _checked(flow: Flow, inputs: dict[str, Any], labels: list[Label], wanted: Wanted) -> str | None:
    """Return why the flow's checks let the execution fail at once, or None.

    Nobody would hear of an execution that is blocked: it fails, too.
    """
    scope = wanted.scope
    variables = {**scope.variables, "inputs": inputs, "labels": nested_labels(labels)}
    verdict = judge(
        flow.checks,
        Scope(variables, scope.lookups, scope.limits, zone=scope.zone, locale=scope.locale),
    )
    return verdict.blocks or verdict.fails


def _inputs(
    flow: Flow, given: Mapping[str, Any], wanted: Wanted, surroundings: Surroundings
) -> dict[str, Any]:
    """Render what is given, then fill in defaults and give everything its type.

    A missing required input is no mistake here: the execution runs without it, as observed.
    """
    scope = wanted.scope
    lookups, encrypt = scope.lookups, surroundings.encrypt
    reached = references_in([given])
    if "inputs" not in scope.variables and (reached.everything or "inputs" in reached.names()):
        defaults = resolve_inputs(
            flow.inputs, {}, scope.variables, lookups=lookups, encrypt=encrypt
        )
        scope = Scope(
            {**scope.variables, "inputs": defaults.values},
            lookups,
            scope.limits,
            zone=scope.zone,
            locale=scope.locale,
        )
    raw = {**render_deep(dict(given), scope), **render_deep(dict(wanted.inputs), scope)}
    if not flow.inputs:
        return raw
    found = resolve_inputs(flow.inputs, raw, scope.variables, lookups=lookups, encrypt=encrypt)
    known = tuple(item for item in found.items if not _is_missing(item))
    return ResolvedInputs(known).checked()


def _is_missing(item: InputValue) -> bool:
    return item.errors == (f"Missing required input:{item.name}",)


def _labels(flow: Flow, trigger: Trigger, wanted: Wanted) -> list[Label]:
    found = dict(_own(flow.labels))
    scope = wanted.label_scope or wanted.scope
    for key, template in _own(trigger.labels):
        value = _rendered(template, scope)
        if value:
            found[key] = value
    for label in wanted.labels:
        found[label.key] = label.value
    return [
        *((_FROM_TRIGGER,) if wanted.says_origin else ()),
        *(Label(key, value) for key, value in found.items()),
        Label(CORRELATION_ID, wanted.correlation_id or wanted.execution_id),
    ]


def _own(labels: Iterable[FlowLabel]) -> Iterable[tuple[str, str]]:
    return ((own.key, own.value) for own in labels if not own.key.startswith(SYSTEM_PREFIX))


def _rendered(template: str, scope: Scope) -> str:
    """Return a label's value; nothing where it cannot be rendered, and the label is dropped."""
    try:
        return compile_template(template).render(scope)
    except ExpressionError:
        return ""
