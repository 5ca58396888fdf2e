"""The outputs of a flow, rendered when its execution ends."""

from __future__ import annotations

from typing import Any

from domain.errors import TidewheelError
from domain.execution.plan import TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.flow.common import Output
from domain.flow.inputs import typed_output
from domain.log import Level


def flow_outputs(turn: Turn) -> tuple[dict[str, Any] | None, str | None]:
    """Return the rendered outputs of the flow.

    Returns:
        The outputs and None; or None and why they cannot be rendered.

    Raises:
        LookupNeeded: the outside world must be asked first.
    """
    declared = turn.plan.flow.outputs
    if not declared:
        return None, None
    rendered: dict[str, Any] = {}
    for output in declared:
        try:
            rendered[output.id] = rendered_output(turn, output)
        except TidewheelError as error:
            if not output.required:
                rendered[output.id] = None
                continue
            message = f"Failed to render output values: output '{output.id}': {error}"
            return None, message
    return rendered, None


def outputs_for_parent(turn: Turn, outputs: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the parent is told besides the flow's outputs; None: nothing more.

    Raises:
        LookupNeeded: the outside world must be asked first.
    """
    wanted = turn.state.wanted_outputs
    if not wanted:
        return None
    told = dict(outputs or {})
    failures: list[str] = []
    for name, value in wanted.items():
        try:
            told[name] = turn.render_deep(value)
        except TidewheelError as error:
            failures.append(f"Failed to render output '{name}' for the parent: {error}")
    for failure in failures:
        turn.log(Level.WARN, failure)
    return told


def rendered_output(
    turn: Turn, output: Output, task: TaskPlan | None = None, run: TaskRun | None = None
) -> Any:
    """Return the value of an output in its type.

    Args:
        turn: the step.
        output: of the flow, or of a task.
        task: the task that declares it; None: the flow.
        run: the task run as whom its templates look around.

    Raises:
        TidewheelError: it cannot be rendered, or its type refuses it.
        LookupNeeded: the outside world must be asked first.
    """
    said = output.value
    if isinstance(said, str):
        value = turn.render_typed(said, task, run)
    else:
        value = turn.render_deep(said, task, run)
    return typed_output(output, value)
