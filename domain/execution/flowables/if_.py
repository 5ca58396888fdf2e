"""If: one of two branches."""

from __future__ import annotations

from domain.execution.events import TaskRunOpened
from domain.execution.flowables.sequential import OneAfterTheOther
from domain.execution.plan import Branch, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t


class IfRule(OneAfterTheOther):
    """The condition is rendered once, when the task opens; its result is an output."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Decide which branch."""
        assert isinstance(task.task, t.If)
        holds = turn.holds(task.task.condition, task, run)
        turn.emit(TaskRunOpened(id=run.id, outputs={"evaluationResult": holds}))

    def branch(self, task: TaskPlan, run: TaskRun) -> Branch:
        """Return `then` or `else`."""
        holds = (run.outputs or {}).get("evaluationResult")
        return task.tasks("then" if holds else "else")
