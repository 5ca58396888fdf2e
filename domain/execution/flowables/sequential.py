"""Sequential, AllowFailure, and the block of tasks that they share with If and Switch."""

from __future__ import annotations

from domain.execution.flowables.contract import FlowableRule, advance_sequence
from domain.execution.index import Scope
from domain.execution.lifecycle import StateType
from domain.execution.plan import Branch, TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn


class OneAfterTheOther(FlowableRule):
    """Runs one branch as a sequence."""

    def branch(self, task: TaskPlan, run: TaskRun) -> Branch:
        """Return the tasks to run."""
        del run
        return task.tasks("tasks")

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Create the next task when the one before has ended well."""
        return advance_sequence(turn, run, scope.lane(MAIN_LANE), self.branch(task, run))


class SequentialRule(OneAfterTheOther):
    """One after the other."""


class AllowFailureRule(OneAfterTheOther):
    """As Sequential; what failed inside makes it WARNING."""

    def outcome(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> StateType:
        """Return WARNING for FAILED."""
        state = super().outcome(turn, task, run, scope)
        return StateType.WARNING if state is StateType.FAILED else state
