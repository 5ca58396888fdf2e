"""What a paused execution is waiting for, and what it is given."""

from __future__ import annotations

from typing import Any

from api.context import Context
from api.creation import base_variables, checked, resolve
from api.forms import Form
from api.input_views import inputs_view
from api.labels import nested
from api.uploads import GivenInputs
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from domain.flow.input_types import Input
from domain.flow.inputs import ResolvedInputs
from domain.flow.tasks import Approval, Pause


async def resolve_resume(own: Context, execution: Execution, form: Form) -> dict[str, Any]:
    """Return the values of a resume's inputs, and keep the files among them.

    Raises:
        ApiError: 422 with the first mistake; nothing is kept then.
    """
    return await _kept(own, execution, _wanted(own, execution), form)


async def resolve_review(
    own: Context, execution: Execution, task_run_id: str | None, form: Form
) -> dict[str, Any]:
    """Return the values of a review's inputs, and keep the files among them.

    Args:
        own: what the server has.
        execution: that waits.
        task_run_id: of the Approval; None: the first one that waits.
        form: what was sent.

    Raises:
        ApiError: 422 with the first mistake; nothing is kept then.
    """
    return await _kept(own, execution, _reviewed(own, execution, task_run_id), form)


async def _kept(
    own: Context, execution: Execution, wanted: tuple[Input, ...], form: Form
) -> dict[str, Any]:
    if not wanted:
        return {}
    given, resolved = await _resolve(own, execution, wanted, form)
    values = checked(resolved)
    await given.keep()
    return values


async def resume_validation(own: Context, execution: Execution, form: Form) -> dict[str, Any]:
    """Return what would become of a resume's inputs."""
    wanted = _wanted(own, execution)
    resolved = None
    if wanted:
        _, resolved = await _resolve(own, execution, wanted, form, hides_secrets=True)
    return inputs_view(execution.flow_id, execution.namespace, resolved)


def _wanted(own: Context, execution: Execution) -> tuple[Input, ...]:
    """Return the inputs of the first Pause that waits."""
    flow = own.ports.flows.get(
        execution.tenant, execution.namespace, execution.flow_id, execution.flow_revision
    )
    if flow is None:
        return ()
    for run in list(execution.task_runs.values()):
        task = flow.find_task(run.task_id)
        if run.state.current is StateType.PAUSED and isinstance(task, Pause):
            return task.on_resume
    return ()


def _reviewed(own: Context, execution: Execution, task_run_id: str | None) -> tuple[Input, ...]:
    """Return the inputs of the Approval that is decided."""
    flow = own.ports.flows.get(
        execution.tenant, execution.namespace, execution.flow_id, execution.flow_revision
    )
    if flow is None:
        return ()
    for run in list(execution.task_runs.values()):
        task = flow.find_task(run.task_id)
        waits = run.state.current is StateType.PAUSED and task_run_id in (None, run.id)
        if waits and isinstance(task, Approval):
            return task.inputs
    return ()


async def _resolve(
    own: Context,
    execution: Execution,
    wanted: tuple[Input, ...],
    form: Form,
    *,
    hides_secrets: bool = False,
) -> tuple[GivenInputs, ResolvedInputs]:
    flow = own.ports.flows.get(
        execution.tenant, execution.namespace, execution.flow_id, execution.flow_revision
    )
    assert flow is not None
    variables = base_variables(own, flow, execution.id)
    variables["labels"] = nested(execution.labels)
    variables["vars"] = execution.variables
    given = GivenInputs(own, flow, execution.id, wanted, form)
    return given, await resolve(own, wanted, given.raw, variables, hides_secrets=hides_secrets)
