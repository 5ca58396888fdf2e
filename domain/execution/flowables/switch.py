"""Switch: the branch whose key is the rendered value."""

from __future__ import annotations

from domain.execution.events import TaskRunOpened
from domain.execution.flowables.sequential import OneAfterTheOther
from domain.execution.plan import Branch, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t


class SwitchRule(OneAfterTheOther):
    """The value is rendered once, when the task opens."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Decide which branch; a value without case fails where there are no defaults."""
        switch = task.task
        assert isinstance(switch, t.Switch)
        value = turn.render(_text(switch.value), task, run)
        defaults = value not in switch.cases
        turn.emit(TaskRunOpened(id=run.id, outputs={"value": value, "defaults": defaults}))
        if defaults and not switch.defaults:
            self.fail(turn, task, run, f"No case for the value '{value}' and no defaults")

    def branch(self, task: TaskPlan, run: TaskRun) -> Branch:
        """Return the case, or the defaults."""
        outputs = run.outputs or {}
        if outputs.get("defaults"):
            return task.tasks("defaults")
        return task.tasks(f"cases.{outputs.get('value')}")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
