"""LoopUntil: the tasks again and again until a condition holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.duration import parse_duration
from domain.errors import InvalidInput, TidewheelError
from domain.execution import timers
from domain.execution.events import (
    ExecutionPaused,
    ExecutionStarted,
    TaskRunOpened,
    TaskRunOutputsSet,
    TaskRunPaused,
    TaskRunReopened,
    TaskRunsRemoved,
)
from domain.execution.flowables.contract import advance_sequence
from domain.execution.flowables.sequential import OneAfterTheOther
from domain.execution.index import Scope
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn
from domain.expression import is_truthy_text
from domain.flow import tasks as t
from domain.log import Level

_S = StateType
_INTERVAL = timedelta(minutes=1)
COUNT = "iterationCount"


class LoopUntilRule(OneAfterTheOther):
    """Each round has its task runs to itself: those of the round before are taken out."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Begin the first round."""
        del task
        turn.emit(TaskRunOpened(id=run.id, outputs={COUNT: 1}))

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Create the next task of the round; it carries the number of the round, from 0."""
        number = (run.iteration or 0) + int((run.outputs or {}).get(COUNT, 1)) - 1
        branch = self.branch(task, run)
        return advance_sequence(turn, run, scope.lane(MAIN_LANE), branch, iteration=number)

    def on_complete(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """A round went well: the loop is over when the condition holds or a limit is reached."""
        loop = task.task
        assert isinstance(loop, t.LoopUntil)
        del scope
        try:
            if turn.holds(loop.condition, task, run):
                turn.record_answers()
                return True
            limit = self._limit_reached(turn, task, run, loop.check_frequency)
            interval = self._span(turn, task, run, loop.check_frequency.interval) or _INTERVAL
            if limit is not None and self._fails(turn, task, run, loop.fail_on_max_reached):
                turn.record_answers()
                self.fail(turn, task, run, limit)
                return False
        except TidewheelError as error:
            turn.record_answers()
            self.fail(turn, task, run, str(error))
            return False
        turn.record_answers()
        if limit is not None:
            turn.log(Level.WARN, limit, run)
            return True
        turn.emit(TaskRunPaused(id=run.id, holds=False))
        turn.wake_after(timers.INTERVAL, interval, run)
        return False

    def _limit_reached(
        self, turn: Turn, task: TaskPlan, run: TaskRun, limits: t.CheckFrequency
    ) -> str | None:
        most = turn.render_typed(limits.max_iterations, task, run)
        count = int((run.outputs or {}).get(COUNT, 1))
        if most is not None and count >= _whole(most):
            return f"Maximum number of iterations reached: {most}"
        longest = self._span(turn, task, run, limits.max_duration)
        if longest is not None and turn.now >= _begun(run) + longest:
            return f"Maximum duration reached: {limits.max_duration}"
        return None

    @staticmethod
    def _span(turn: Turn, task: TaskPlan, run: TaskRun, value: Any) -> timedelta | None:
        rendered = turn.render_typed(value, task, run)
        return None if rendered is None else parse_duration(rendered)

    @staticmethod
    def _fails(turn: Turn, task: TaskPlan, run: TaskRun, value: Any) -> bool:
        if isinstance(value, str):
            return is_truthy_text(turn.render(value, task, run))
        return bool(value)


def _begun(run: TaskRun) -> datetime:
    """Return since when the loop goes round: its start, or when it was last run again."""
    moments = run.state.histories
    for before, moment in zip(reversed(moments[:-1]), reversed(moments[1:]), strict=True):
        if before.state in TERMINAL:
            return moment.date
    return run.state.start_date


def _whole(value: Any) -> int:
    """Return a number of iterations.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return int(str(value).strip())
    except ValueError:
        raise InvalidInput(f"`maxIterations` is no whole number: '{value}'") from None


def pause_while_loops_wait(turn: Turn) -> None:
    """Say PAUSED when nothing of the execution is under way but loops that wait for their round."""
    index = turn.index
    if turn.state.state.current is not _S.RUNNING or not index.count(_S.PAUSED):
        return
    if index.count(_S.SUBMITTED, _S.CREATED, _S.RESTARTED, _S.RETRYING):
        return
    for run in index.in_state(_S.RUNNING):
        task = turn.task_of(run)
        if task is None or not task.is_flowable or isinstance(task.task, t.WorkingDirectory):
            return
    turn.emit(ExecutionPaused())


def go_round(turn: Turn, run: TaskRun) -> None:
    """Begin the next round."""
    if run.state.current is not _S.PAUSED:
        return
    ids = [child.id for child in turn.descendants(run)]
    if ids:
        turn.emit(TaskRunsRemoved(ids=ids))
    count = int((run.outputs or {}).get(COUNT, 1)) + 1
    turn.emit(TaskRunOutputsSet(id=run.id, outputs={COUNT: count}))
    turn.emit(TaskRunReopened(id=run.id))
    if turn.state.state.current is _S.PAUSED and not turn.state.is_held:
        turn.emit(ExecutionStarted())
