"""How task runs start: breakpoint, condition, then the task's own way."""

from __future__ import annotations

import re
from typing import Final

from domain.execution.ending import finish, milder
from domain.execution.events import (
    ExecutionKilling,
    ExecutionSuspended,
    TaskRunEnded,
    TaskRunOpened,
    TaskRunSubmitted,
    TaskRunSuspended,
)
from domain.execution.executor_tasks import carry_out
from domain.execution.flowables.registry import RULES
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.expression import ExpressionError, Fault, is_truthy_text
from domain.flow import tasks as t
from domain.flow.common import WorkerGroup, WorkerSelector
from domain.log import Level

_S = StateType
_IS_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}").fullmatch
"""A group names a topic."""


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
    if meets_breakpoint(turn, run):
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


def meets_breakpoint(turn: Turn, run: TaskRun) -> bool:
    """Tell whether a task run has to stop before its start.

    What runs while the execution waits anyway, below `onPause`, and after its end does not.
    """
    state = turn.state
    if not state.breakpoints or run.id in state.passed_breakpoints or run.force_execution:
        return False
    return not turn.is_aside(run) and any(
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
        group, fallback = _group(turn, task, run)
        if group and not _IS_GROUP(group):
            raise Fault(f"'{group[:100]}' cannot be the name of a worker group")
        if group and fallback != "WAIT" and not turn.lookups.has_workers(group):
            turn.record_answers()
            if fallback != "IGNORE":
                _without_worker(turn, task, run, group, cancels=fallback == "CANCEL")
                return
            group = None
    except (ExpressionError, Fault) as error:
        turn.record_answers()
        turn.log(Level.ERROR, str(error), run)
        turn.emit(TaskRunOpened(id=run.id, submitted=True))
        finish(turn, task, run, _S.FAILED, retriable=False)
        return
    turn.record_answers()
    turn.emit(TaskRunSubmitted(id=run.id, attempt=len(run.attempts) + 1, group=group))


def _group(turn: Turn, task: TaskPlan, run: TaskRun) -> tuple[str | None, str]:
    """Return the worker group of the task or the nearest flowable around it, and its fallback."""
    place: TaskPlan | None = task
    while place is not None:
        if place.task.worker_group is not None or place.task.worker_selector is not None:
            return _rendered(turn, task, run, place.task.worker_group, place.task.worker_selector)
        place = place.parent
    flow = turn.plan.flow
    return _rendered(turn, task, run, flow.worker_group, flow.worker_selector)


def _rendered(
    turn: Turn,
    task: TaskPlan,
    run: TaskRun,
    group: WorkerGroup | None,
    selector: WorkerSelector | None,
) -> tuple[str | None, str]:
    if group is not None:
        return turn.render(group.key, task, run) or None, group.fallback
    if selector is None:
        return None, "WAIT"
    tags = sorted({turn.render(tag, task, run) for tag in selector.tags} - {""})
    if selector.match == "ANY":
        living = (tag for tag in tags if turn.lookups.has_workers(tag))
        return next(living, tags[0] if tags else None), selector.fallback
    return "-".join(tags) or None, selector.fallback


def _without_worker(turn: Turn, task: TaskPlan, run: TaskRun, group: str, *, cancels: bool) -> None:
    """No worker of the group lives, and the flow does not want to wait for one."""
    turn.log(Level.ERROR, f"No worker of the group '{group}' is there to run the task", run)
    if not cancels:
        turn.emit(TaskRunOpened(id=run.id, submitted=True))
        finish(turn, task, run, _S.FAILED)
        return
    turn.emit(TaskRunEnded(id=run.id, state=_S.CANCELLED))
    if turn.state.state.current not in TERMINAL:
        turn.emit(ExecutionKilling())


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
