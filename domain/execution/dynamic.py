"""Task runs that a task reports of its own making."""

from __future__ import annotations

from domain.execution.commands import RecordTaskResult
from domain.execution.events import TaskRunCreated, TaskRunEnded
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.ids import derived


def add_dynamic(turn: Turn, parent: TaskRun, command: RecordTaskResult) -> None:
    """Add the task runs that a result tells of, ended as they say, below the task run itself."""
    for number, told in enumerate(command.dynamic_task_runs):
        run_id = derived("dynamic", parent.id, command.attempt, number)
        if run_id in turn.state.task_runs:
            continue
        turn.emit(
            TaskRunCreated(
                id=run_id,
                task_id=told.task_id,
                parent_id=parent.id,
                value=told.value,
                lane=DYNAMIC,
                dynamic=True,
            )
        )
        turn.emit(
            TaskRunEnded(
                id=run_id,
                state=told.state,
                started_at=command.started_at,
                ended_at=command.ended_at,
                worker_id=command.worker_id,
                outputs=told.outputs,
            )
        )


DYNAMIC = "dynamic"
"""Their lane."""
