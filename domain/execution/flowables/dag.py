"""Dag: each task as soon as those it depends on have ended well."""

from __future__ import annotations

from domain.execution.flowables.contract import FlowableRule
from domain.execution.flowables.parallel import INTERRUPTIONS, missing
from domain.execution.index import Scope
from domain.execution.lifecycle import GOOD, StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t


class DagRule(FlowableRule):
    """A skipped task counts as done; a disabled one as not there."""

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Create the children whose turn it is, as many as may run."""
        dag = task.task
        assert isinstance(dag, t.Dag)
        lane = scope.lane(MAIN_LANE)
        branch = task.tasks("tasks")
        waiting = missing(lane, branch)
        if waiting:
            enabled = {child.id for child in branch}
            done = {child.task_id for child in lane.runs.values() if child.state.current in GOOD}
            needs = {entry.task.id: entry.depends_on for entry in dag.tasks}
            ready = [
                child
                for child in waiting
                if all(other in done or other not in enabled for other in needs[child.id])
            ]
            room = dag.concurrent - lane.active if dag.concurrent > 0 else len(ready)
            for child in ready[: max(room, 0)]:
                turn.create(child, run)
        return not lane.active and not missing(lane, branch)

    def interrupts(self, task: TaskPlan) -> StateType | None:
        """Tell what `onChildFailure` says."""
        assert isinstance(task.task, t.Dag)
        said = task.task.on_child_failure
        return None if said is None else INTERRUPTIONS.get(said.upper())

    def waits_for_siblings(self, task: TaskPlan) -> bool:
        """Tell whether the flow says CONTINUE."""
        assert isinstance(task.task, t.Dag)
        return (task.task.on_child_failure or "").upper() == "CONTINUE"
