"""How task runs start: breakpoint, condition, then the task's own way."""

from __future__ import annotations

from domain.execution.ending import finish, milder
from domain.execution.events import (
    ExecutionSuspended,
    TaskRunEnded,
    TaskRunOpened,
    TaskRunSubmitted,
    TaskRunSuspended,
)
from domain.execution.executor_tasks import carry_out
from domain.execution.flowables.registry import RULES
from domain.execution.lifecycle import StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.expression import ExpressionError, Fault, is_truthy_text
from domain.flow import tasks as t
from domain.log import Level

_S = StateType


def start(turn: Turn, run: TaskRun) -> None:
    """Start a task run that waits for it.

    Raises:
        LookupNeeded: the outside world must be asked first; nothing was emitted.
    """
    task = turn.task_of(run)
    if task is None:
        turn.log(Level.ERROR, f"The flow has no task '{run.task_id}' any more", run)
        turn.emit(TaskRunEnded(id=run.id, state=_S.FAILED))
        return
    if _meets_breakpoint(turn, run):
        turn.emit(TaskRunSuspended(id=run.id))
        turn.emit(ExecutionSuspended())
        return
    if task.run_if is not None and not _is_wanted(turn, task, run, task.run_if):
        return
    if isinstance(task.task, t.PluginTask | t.WorkingDirectory):
        submit(turn, task, run)
        return
    if isinstance(task.task, t.ExecutorTask):
        carry_out(turn, task, run)
        return
    if type(task.task) not in RULES:
        turn.log(Level.ERROR, f"Tasks of type {task.task.type} cannot be run yet", run)
        turn.emit(TaskRunEnded(id=run.id, state=_S.FAILED))
        return
    _open(turn, task, run)


def _meets_breakpoint(turn: Turn, run: TaskRun) -> bool:
    state = turn.state
    if not state.breakpoints or run.id in state.passed_breakpoints or run.force_execution:
        return False
    return any(
        point.id == run.task_id and point.value in (None, run.value) for point in state.breakpoints
    )


def _is_wanted(turn: Turn, task: TaskPlan, run: TaskRun, condition: str) -> bool:
    """Tell whether the task's condition holds; if not, the task run has ended."""
    try:
        holds = is_truthy_text(turn.render(condition, task, run))
    except ExpressionError as error:
        turn.record_answers()
        turn.log(Level.ERROR, str(error), run)
        turn.emit(TaskRunEnded(id=run.id, state=milder(task.task, _S.FAILED), attempt=_S.FAILED))
        return False
    turn.record_answers()
    if not holds:
        turn.emit(TaskRunEnded(id=run.id, state=_S.SKIPPED))
    return holds


def submit(turn: Turn, task: TaskPlan, run: TaskRun) -> None:
    """Hand the next attempt to the workers."""
    try:
        group = _group(turn, task, run)
    except ExpressionError as error:
        turn.record_answers()
        turn.log(Level.ERROR, str(error), run)
        turn.emit(TaskRunOpened(id=run.id, submitted=True))
        finish(turn, task, run, _S.FAILED, retriable=False)
        return
    turn.record_answers()
    turn.emit(TaskRunSubmitted(id=run.id, attempt=len(run.attempts) + 1, group=group))


def _group(turn: Turn, task: TaskPlan, run: TaskRun) -> str | None:
    place: TaskPlan | None = task
    while place is not None:
        if place.task.worker_group is not None:
            return turn.render(place.task.worker_group.key, task, run) or None
        place = place.parent
    group = turn.plan.flow.worker_group
    return None if group is None else turn.render(group.key, task, run) or None


def _open(turn: Turn, task: TaskPlan, run: TaskRun) -> None:
    rule = RULES[type(task.task)]
    try:
        rule.open(turn, task, run)
    except (ExpressionError, Fault) as error:
        turn.record_answers()
        if run.state.current is not _S.RUNNING:
            turn.emit(TaskRunOpened(id=run.id))
        rule.fail(turn, task, run, str(error))
        return
    turn.record_answers()
