"""The outputs of a flow, rendered when its execution ends."""

from __future__ import annotations

from typing import Any

from domain.errors import TidewheelError
from domain.execution.lifecycle import StateType
from domain.execution.turn import Turn
from domain.flow.common import Output
from domain.flow.inputs import typed_output
from domain.log import Level


def flow_outputs(turn: Turn, state: StateType) -> tuple[dict[str, Any] | None, str | None]:
    """Return the rendered outputs of the flow.

    Args:
        turn: the step.
        state: in which the execution is about to end.

    Returns:
        The outputs and None; or None and why they cannot be rendered, which is logged.

    Raises:
        LookupNeeded: the outside world must be asked first.
    """
    declared = turn.plan.flow.outputs
    if not declared:
        return None, None
    rendered: dict[str, Any] = {}
    for output in declared:
        try:
            rendered[output.id] = _rendered(turn, output)
        except TidewheelError as error:
            if not output.required:
                rendered[output.id] = None
                continue
            message = f"Failed to render output values: output '{output.id}': {error}"
            turn.log(Level.ERROR, message)
            return None, None if state is StateType.FAILED else message
    return rendered, None


def _rendered(turn: Turn, output: Output) -> Any:
    said = output.value
    value = turn.render_typed(said) if isinstance(said, str) else turn.render_deep(said)
    return typed_output(output, value)
