"""WorkingDirectory: one worker runs all its tasks; the executor adds `errors` and `finally`."""

from __future__ import annotations

from domain.execution.commands import RecordTaskResult
from domain.execution.ending import finish, milder
from domain.execution.events import (
    TaskRunBodyEnded,
    TaskRunCreated,
    TaskRunEnded,
    TaskRunsRemoved,
)
from domain.execution.flowables.contract import FlowableRule, advance_blocks, advance_sequence
from domain.execution.index import Scope
from domain.execution.lifecycle import BAD, StateType
from domain.execution.plan import ERRORS, FINALLY, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.ids import task_run_id

_S = StateType


class WorkingDirectoryRule(FlowableRule):
    """Nothing is created among the main tasks: the worker reports them with its result."""

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Tell whether the worker is through."""
        del turn, task, scope
        return run.body is not None

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Run `errors` and `finally` once the worker is through, then end."""
        if run.body is None:
            return
        scope = turn.scope(run)
        errors = task.tasks(ERRORS)

        def main() -> bool:
            if run.body is not _S.FAILED or not errors:
                return True
            return advance_sequence(turn, run, scope.lane(ERRORS), errors)

        over = advance_blocks(turn, run, scope, errors=errors, final=task.tasks(FINALLY), main=main)
        if over:
            finish(turn, task, run, run.body)


def record_body(turn: Turn, task: TaskPlan, run: TaskRun, command: RecordTaskResult) -> None:
    """Take over the result of the worker: the task runs of its children, then its own."""
    stale = [child.id for child in turn.descendants(run)]
    if stale:
        turn.emit(TaskRunsRemoved(ids=stale))
    by_id = {
        task_run_id(turn.state.id, child.id, run.id, "", 0): child for child in task.tasks("tasks")
    }
    for result in command.children:
        child = by_id.get(result.task_run_id)
        if child is None:
            continue
        turn.emit(TaskRunCreated(id=result.task_run_id, task_id=child.id, parent_id=run.id))
        final = milder(child.task, result.state)
        turn.emit(
            TaskRunEnded(
                id=result.task_run_id,
                state=final,
                attempt=None if final is result.state else result.state,
                started_at=result.started_at,
                ended_at=result.ended_at,
                worker_id=result.worker_id,
                outputs=result.outputs,
                outputs_uri=result.outputs_uri,
            )
        )
    begun = run.state.current is _S.RUNNING
    blocks = task.tasks(ERRORS) or task.tasks(FINALLY)
    if blocks and turn.state.state.current is not _S.KILLING:
        turn.emit(
            TaskRunBodyEnded(
                id=run.id,
                state=command.state,
                started_at=None if begun else command.started_at,
                worker_id=command.worker_id,
                outputs=command.outputs,
                outputs_uri=command.outputs_uri,
            )
        )
        return
    finish(
        turn,
        task,
        run,
        command.state,
        outputs=command.outputs,
        outputs_uri=command.outputs_uri,
        started_at=None if begun else command.started_at,
        ended_at=command.ended_at,
        worker_id=command.worker_id,
        retriable=command.state in BAD,
    )
