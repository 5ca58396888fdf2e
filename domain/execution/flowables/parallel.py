"""Parallel: all at once, or as many as `concurrent` allows."""

from __future__ import annotations

from domain.execution.flowables.contract import FlowableRule
from domain.execution.index import Lane, Scope
from domain.execution.lifecycle import StateType
from domain.execution.plan import Branch, TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t

INTERRUPTIONS: dict[str, StateType] = {
    "FAIL": StateType.FAILED,
    "FAILED": StateType.FAILED,
    "CANCEL": StateType.CANCELLED,
    "CANCELLED": StateType.CANCELLED,
}
"""2.0's `onChildFailure`: state of interrupted siblings; other words let them go on."""


def missing(lane: Lane, branch: Branch) -> list[TaskPlan]:
    """Return the tasks of a branch that have no run yet, in order."""
    if len(lane.runs) >= len(branch):
        return []
    present = {run.task_id for run in lane.runs.values()}
    return [task for task in branch if task.id not in present]


class ParallelRule(FlowableRule):
    """Children start together; after a failure nothing new starts."""

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Create as many children as may run."""
        parallel = task.task
        assert isinstance(parallel, t.Parallel)
        lane = scope.lane(MAIN_LANE)
        waiting = missing(lane, task.tasks("tasks"))
        room = parallel.concurrent - lane.active if parallel.concurrent > 0 else len(waiting)
        for child in waiting[: max(room, 0)]:
            turn.create(child, run)
        return not waiting and not lane.active

    def interrupts(self, task: TaskPlan) -> StateType | None:
        """Tell what `onChildFailure` says."""
        assert isinstance(task.task, t.Parallel)
        said = task.task.on_child_failure
        return None if said is None else INTERRUPTIONS.get(said.upper())

    def waits_for_siblings(self, task: TaskPlan) -> bool:
        """Tell whether the flow says CONTINUE."""
        assert isinstance(task.task, t.Parallel)
        return (task.task.on_child_failure or "").upper() == "CONTINUE"
