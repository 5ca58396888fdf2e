"""Pause: holds the execution until somebody resumes it, or a time has passed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.duration import parse_duration
from domain.errors import TidewheelError
from domain.execution import timers
from domain.execution.ending import finish, milder
from domain.execution.events import (
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    TaskRunEnded,
    TaskRunOpened,
    TaskRunOutputsSet,
    TaskRunPaused,
    TaskRunReopened,
)
from domain.execution.flowables.contract import advance_blocks
from domain.execution.flowables.sequential import OneAfterTheOther
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ERRORS, FINALLY, ON_PAUSE, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.execution.variables import instant_text
from domain.expression import ExpressionError
from domain.flow import tasks as t
from domain.log import Level

_S = StateType
_BEHAVIORS = frozenset({"RESUME", "WARN", "FAIL", "CANCEL"})
_ENDS = {"WARN": _S.WARNING, "FAIL": _S.FAILED, "CANCEL": _S.CANCELLED}


class PauseRule(OneAfterTheOther):
    """Its tasks, where it has any, run after the resume."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Wait: start `onPause`, set the clocks, hold the execution."""
        pause = task.task
        assert isinstance(pause, t.Pause)
        try:
            duration = self._span(turn, task, run, pause.pause_duration)
            timeout = self._span(turn, task, run, pause.timeout)
        except TidewheelError as error:
            turn.record_answers()
            turn.emit(TaskRunOpened(id=run.id))
            self.fail(turn, task, run, str(error))
            return
        turn.record_answers()
        turn.emit(TaskRunOpened(id=run.id))
        if run.force_execution:
            turn.log(Level.WARN, "An execution that has ended cannot pause: going on", run)
            turn.emit(TaskRunEnded(id=run.id, state=_S.SUCCESS))
            return
        turn.emit(TaskRunPaused(id=run.id))
        if duration is not None:
            turn.wake_after(timers.PAUSE, duration, run)
        if timeout is not None:
            turn.wake_after(timers.TIMEOUT, timeout, run)
        if turn.state.state.current is not _S.PAUSED:
            turn.emit(ExecutionPaused())
        for child in task.tasks(ON_PAUSE):
            turn.create(child, run)

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Run what is left after the wait: the tasks, or `errors`; then `finally`."""
        decided = (run.outputs or {}).get("resumed", {}).get("to", _S.SUCCESS.value)
        state = StateType(decided)
        if state is _S.SUCCESS:
            super().resolve(turn, task, run)
            return
        over = advance_blocks(
            turn,
            run,
            turn.scope(run),
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=lambda: True,
            failed=state is _S.FAILED,
        )
        if over:
            self.end(turn, task, run, state)

    @staticmethod
    def _span(turn: Turn, task: TaskPlan, run: TaskRun, value: Any) -> timedelta | None:
        if value is None:
            return None
        rendered = turn.render_typed(value, task, run)
        return None if rendered in (None, "") else parse_duration(rendered)


def _resumed(turn: Turn, to: StateType, by: str | None) -> dict[str, Any]:
    said = {"on": instant_text(turn.now), "to": to.value}
    return {**said, "by": by} if by else said


def resume_run(turn: Turn, run: TaskRun, inputs: dict[str, Any], by: str | None) -> None:
    """End the wait of a Pause: its tasks run now, or it has succeeded."""
    task = turn.task_of(run)
    outputs: dict[str, Any] = {"resumed": _resumed(turn, _S.SUCCESS, by)}
    if inputs:
        outputs["onResume"] = inputs
    _go_on(turn, task, run, outputs, reopen=False)


def _go_on(
    turn: Turn, task: TaskPlan | None, run: TaskRun, outputs: dict[str, Any], *, reopen: bool
) -> None:
    turn.cancel_all(run.id)
    turn.emit(TaskRunOutputsSet(id=run.id, outputs=outputs))
    follows = task is not None and bool(task.tasks("tasks") or task.tasks(FINALLY))
    if reopen or follows:
        turn.emit(TaskRunReopened(id=run.id))
    if not follows:
        turn.emit(TaskRunEnded(id=run.id, state=_S.SUCCESS))
    let_run(turn)


def let_run(turn: Turn) -> None:
    """Let the execution run when nothing holds it any more."""
    if turn.state.state.current is _S.PAUSED and not turn.state.is_held:
        turn.emit(ExecutionResumed())
        turn.emit(ExecutionStarted())


def behavior_of(turn: Turn, run: TaskRun) -> str:
    """Return what is to happen when the duration of a Pause has passed; FAIL if that is unreadable.

    Raises:
        LookupNeeded: the outside world must be asked first; nothing was emitted.
    """
    task = turn.task_of(run)
    if task is None or not isinstance(task.task, t.Pause):
        return "RESUME"
    try:
        said = str(turn.render_typed(task.task.behavior, task, run)).upper()
    except ExpressionError as error:
        turn.log(Level.ERROR, str(error), run)
        return "FAIL"
    if said in _BEHAVIORS:
        return said
    turn.log(Level.ERROR, f"'{said}' is no behavior: RESUME, WARN, FAIL or CANCEL", run)
    return "FAIL"


def pause_is_over(turn: Turn, run: TaskRun, behavior: str) -> None:
    """The duration has passed: do what `behavior` says."""
    task = turn.task_of(run)
    if run.state.current is not _S.PAUSED:
        return
    state = _ENDS.get(behavior)
    if state is None:
        outputs = {"resumed": _resumed(turn, _S.SUCCESS, None)}
        _go_on(turn, task, run, outputs, reopen=True)
        return
    turn.emit(TaskRunReopened(id=run.id))
    outputs = {"resumed": _resumed(turn, state, None)}
    turn.emit(TaskRunOutputsSet(id=run.id, outputs=outputs))
    turn.cancel_all(run.id)
    if not _has_blocks(task, state):
        final = state if task is None else milder(task.task, state)
        turn.emit(TaskRunEnded(id=run.id, state=final, attempt=state))
    let_run(turn)


def _has_blocks(task: TaskPlan | None, state: StateType) -> bool:
    """Whether a Pause that ends so has something to run before."""
    if task is None:
        return False
    return bool(task.tasks(FINALLY) or (state is _S.FAILED and task.tasks(ERRORS)))


def pause_timed_out(turn: Turn, run: TaskRun) -> None:
    """The pause lasted longer than allowed: it fails."""
    if run.state.current is not _S.PAUSED:
        return
    task = turn.task_of(run)
    turn.cancel_all(run.id)
    turn.log(Level.ERROR, "The pause has lasted longer than its timeout", run)
    turn.emit(TaskRunReopened(id=run.id))
    if task is None:
        turn.emit(TaskRunEnded(id=run.id, state=_S.FAILED))
    elif _has_blocks(task, _S.FAILED):
        outputs = {"resumed": _resumed(turn, _S.FAILED, None)}
        turn.emit(TaskRunOutputsSet(id=run.id, outputs=outputs))
    else:
        finish(turn, task, run, _S.FAILED, retriable=False)
    if turn.state.state.current not in TERMINAL:
        let_run(turn)
