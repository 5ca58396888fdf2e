"""Subflow: an execution of another flow."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from domain.errors import TidewheelError
from domain.execution.commands import CreateExecution
from domain.execution.ending import finish
from domain.execution.events import SubflowRestarted, SubflowStarted, TaskRunEnded, TaskRunOpened
from domain.execution.flowables.contract import FlowableRule
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import ExecutionTrigger, Label, TaskRun
from domain.execution.turn import Turn
from domain.execution.variables import nested_labels
from domain.expression import Scope, is_truthy_text
from domain.flow import tasks as t
from domain.flow.checks import judge
from domain.flow.inputs import resolve_inputs
from domain.flow.model import Flow
from domain.flow.tasks import labels_of
from domain.ids import derived
from domain.log import Level

_S = StateType

TRANSMITTED: Final = frozenset({_S.FAILED, _S.KILLED, _S.WARNING, _S.PAUSED})
"""Ends of a child that its task run takes over; every other end is a success."""

CORRELATION: Final = "system.correlationId"
FROM: Final = "system.from"

AnySubflow = t.Subflow | t.ForEachItem


class CannotStart(TidewheelError):
    """A child execution cannot be created: no such flow, or its checks forbid it."""

    code = "EXEC017"


class FlowDisabled(CannotStart):
    """The child's flow is disabled: nothing makes that milder."""


class SubflowRule(FlowableRule):
    """The child is created when the task opens; its end is reported by a command."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Create the child, or restart the one that failed."""
        subflow = task.task
        assert isinstance(subflow, t.Subflow)
        failed = _failed_child(turn, run)
        if failed is not None and subflow.restart_behavior == "RETRY_FAILED":
            turn.emit(TaskRunOpened(id=run.id))
            turn.emit(SubflowRestarted(task_run_id=run.id, child_id=failed))
            if not subflow.wait:
                finish(turn, task, run, _S.SUCCESS)
            return
        try:
            child_id = derived("subflow", turn.state.id, run.id, len(run.attempts) + 1)
            creation = child_of(turn, task, run, subflow, child_id)
        except FlowDisabled as error:
            turn.record_answers()
            turn.emit(TaskRunOpened(id=run.id))
            turn.log(Level.ERROR, str(error), run)
            turn.emit(TaskRunEnded(id=run.id, state=_S.FAILED))
            return
        except TidewheelError as error:
            turn.record_answers()
            turn.emit(TaskRunOpened(id=run.id))
            turn.log(Level.ERROR, str(error), run)
            finish(turn, task, run, _S.FAILED)
            return
        turn.record_answers()
        turn.emit(TaskRunOpened(id=run.id, outputs={"executionId": child_id}))
        turn.emit(SubflowStarted(task_run_id=run.id, creation=creation, waited=subflow.wait))
        if not subflow.wait:
            finish(turn, task, run, _S.SUCCESS)

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """End the task run when its child has ended."""
        subflow = task.task
        assert isinstance(subflow, t.Subflow)
        child_id = (run.outputs or {}).get("executionId")
        child = turn.state.children.get(str(child_id))
        if child is None or child.state not in TERMINAL or child.task_run_id != run.id:
            return
        outputs = {
            "executionId": child_id,
            "state": child.state.value,
            "outputs": child.outputs or {},
        }
        state = state_of(child.state, transmits=subflow.transmit_failed)
        finish(turn, task, run, state, outputs=outputs)


def state_of(child: StateType, *, transmits: bool) -> StateType:
    """Return how a task run ends whose child ended so."""
    return child if transmits and child in TRANSMITTED else _S.SUCCESS


def _failed_child(turn: Turn, run: TaskRun) -> str | None:
    """Return the child to be run again when a person restarted the task run."""
    if run.state.current is not _S.RESTARTED:
        return None
    child_id = (run.outputs or {}).get("executionId")
    child = turn.state.children.get(str(child_id))
    return str(child_id) if child is not None and child.state is _S.FAILED else None


def child_of(
    turn: Turn,
    task: TaskPlan,
    run: TaskRun,
    subflow: AnySubflow,
    child_id: str,
    *,
    items: dict[str, Any] | None = None,
) -> CreateExecution:
    """Return the command that creates a child execution.

    Args:
        turn: the step.
        task: the task.
        run: its task run.
        subflow: what to create.
        child_id: id of the child.
        items: what `taskrun` has besides, for one batch of ForEachItem.

    Raises:
        CannotStart: no such flow, or it is disabled.
        TidewheelError: something cannot be rendered, or the inputs are refused.
        LookupNeeded: the outside world must be asked first.
    """
    state = turn.state

    def render(value: Any) -> Any:
        return turn.render_deep(value, task, run, extra={"taskrun": items} if items else None)

    namespace, flow_id = render(subflow.namespace), render(subflow.flow_id)
    flow = turn.context.find_flow(state.tenant, namespace, flow_id, subflow.revision)
    if flow is None:
        revision = "" if subflow.revision is None else f" revision {subflow.revision}"
        raise CannotStart(f"Unable to find flow '{namespace}'.'{flow_id}'{revision}")
    if flow.disabled:
        raise FlowDisabled("Cannot execute a flow which is disabled")
    given = render(subflow.inputs or {})
    resolved = resolve_inputs(
        flow.inputs,
        given,
        {"flow": _flow_variable(flow), "vars": flow.variables},
        lookups=turn.lookups,
        encrypt=turn.context.encrypt,
    ).checked()
    labels = _labels(turn, flow, subflow, render(subflow.labels), render)
    verdict = judge(flow.checks, _scope_of_child(turn, flow, child_id, resolved, labels))
    if verdict.blocks is not None:
        raise CannotStart(verdict.blocks)
    wanted = subflow.outputs if isinstance(subflow, t.Subflow) else None
    return CreateExecution(
        execution_id=child_id,
        command_id=derived("create", child_id),
        issuer="executor",
        tenant=state.tenant,
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision or 0,
        labels=labels,
        inputs=resolved,
        trigger=_trigger(turn, task, run, items),
        schedule_date=_date(render(subflow.schedule_date)),
        kind=state.kind,
        wanted_outputs=wanted or {},
        error=verdict.fails,
    )


def _scope_of_child(
    turn: Turn, flow: Flow, child_id: str, inputs: dict[str, Any], labels: list[Label]
) -> Scope:
    """Return what the checks of the child's flow see."""
    settings = turn.context.settings
    return Scope(
        {
            "flow": _flow_variable(flow),
            "execution": {"id": child_id},
            "inputs": inputs,
            "vars": flow.variables,
            "labels": nested_labels(labels),
            "envs": settings.envs,
            "globals": settings.globals,
            "kestra": settings.kestra,
        },
        turn.lookups,
        zone=settings.zone,
        locale=settings.locale,
    )


def _flow_variable(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "namespace": flow.namespace,
        "revision": flow.revision,
        "tenantId": flow.tenant_id,
    }


def _trigger(
    turn: Turn, task: TaskPlan, run: TaskRun, items: dict[str, Any] | None
) -> ExecutionTrigger:
    state = turn.state
    variables: dict[str, Any] = {
        "executionId": state.id,
        "namespace": state.namespace,
        "flowId": state.flow_id,
        "flowRevision": state.flow_revision,
        "taskRunId": run.id,
        "taskId": task.id,
    }
    if run.value is not None:
        variables["taskRunValue"] = run.value
    iteration = (items or {}).get("iteration", run.iteration)
    if iteration is not None:
        variables["taskRunIteration"] = iteration
    return ExecutionTrigger(id=task.id, type=task.task.type, variables=variables)


def _labels(turn: Turn, flow: Flow, subflow: AnySubflow, said: Any, render: Any) -> list[Label]:
    """Return the labels of the child: its flow's, inherited ones, the task's, the system's."""
    found = {label.key: label.value for label in flow.labels if not _is_system(label.key)}
    inherits = subflow.inherit_labels
    if isinstance(inherits, str):
        inherits = is_truthy_text(render(inherits))
    system = {label.key: label.value for label in turn.state.labels if _is_system(label.key)}
    if inherits:
        found |= {x.key: x.value for x in turn.state.labels if not _is_system(x.key)}
    found |= {label.key: label.value for label in labels_of(said) if not _is_system(label.key)}
    labels = [Label(key, value) for key, value in found.items()]
    if FROM in system:
        labels.append(Label(FROM, system[FROM]))
    labels.append(Label(CORRELATION, system.get(CORRELATION, turn.state.id)))
    return labels


def _is_system(key: str) -> bool:
    return key.startswith("system.")


def _date(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        found = msgspec.convert(value, datetime, strict=False)
    except msgspec.ValidationError as error:
        raise CannotStart(f"The schedule date '{value}' is no date: {error}") from error
    if found.tzinfo is None:
        raise CannotStart(f"The schedule date '{value}' has no time zone")
    return found
