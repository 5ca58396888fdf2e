"""How task runs end: retries, allowed failures, interruption."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from domain.execution import timers
from domain.execution.events import (
    ExecutionEnded,
    ExecutionRetrying,
    ExecutionStarted,
    TaskRunEnded,
    TaskRunReset,
    TaskRunRetryScheduled,
    TaskRunsRemoved,
)
from domain.execution.index import Iteration, Lane, Scope
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ERRORS, TaskPlan
from domain.execution.retries import retry_at
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn
from domain.flow.common import Retry
from domain.flow.tasks import Task

_S = StateType
_NOISE_STEPS = 1 << 53


def milder(task: Task, state: StateType) -> StateType:
    """Return the state after the task's own rules: allowFailure, then allowWarning."""
    if state is _S.FAILED and task.allow_failure:
        state = _S.WARNING
    if state is _S.WARNING and task.allow_warning:
        state = _S.SUCCESS
    return state


def finish(
    turn: Turn,
    task: TaskPlan,
    run: TaskRun,
    state: StateType,
    *,
    outputs: dict[str, Any] | None = None,
    outputs_uri: str | None = None,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    worker_id: str | None = None,
    retriable: bool = True,
) -> None:
    """End an attempt, and the task run with it unless another attempt follows.

    Args:
        turn: the step.
        task: the task.
        run: its task run.
        state: how the attempt itself ended.
        outputs: outputs of the attempt; None leaves those that are there.
        outputs_uri: where they are, when they are too large for the log.
        started_at: set when the attempt's start was not recorded before.
        ended_at: None: now.
        worker_id: who ran it.
        retriable: False for failures that no retry can mend.
    """

    def end(final: StateType) -> None:
        turn.emit(
            TaskRunEnded(
                id=run.id,
                state=final,
                attempt=None if final is state else state,
                started_at=started_at,
                ended_at=ended_at,
                worker_id=worker_id,
                outputs=outputs,
                outputs_uri=outputs_uri,
            )
        )

    retry = task.retry or turn.plan.flow.retry
    attempts = len(run.attempts) - run.lost_attempts
    if retry is not None:
        # an attempt whose start was recorded stands in the list already
        running = run.last_attempt
        attempts += 0 if running is not None and running.state.current not in TERMINAL else 1
        if state is _S.FAILED and retriable and turn.state.state.current is not _S.KILLING:
            ended = ended_at or turn.now
            if retry.behavior == "CREATE_NEW_EXECUTION" and not task.forced:
                due = _flow_retry_at(turn, retry, ended)
                if due is not None:
                    end(_S.FAILED)
                    _retry_execution(turn, run, due)
                    return
            else:
                first = run.attempts[0].state.start_date if run.attempts else started_at or turn.now
                due = retry_at(retry, attempts, first, ended, _noise(turn, retry))
                if due is not None:
                    end(_S.FAILED)
                    turn.emit(TaskRunRetryScheduled(id=run.id))
                    turn.schedule(timers.RETRY, due, run)
                    if task.task.retry is None:
                        _begin_errors(turn, run)
                    if turn.state.state.current is _S.RUNNING:
                        turn.emit(ExecutionRetrying(failed=_is_at_top(run)))
                    return
    final = state
    own = task.task.retry
    if final is _S.SUCCESS and attempts > 1 and own is not None and own.warning_on_retry:
        final = _S.WARNING
    end(milder(task.task, final))


def _begin_errors(turn: Turn, run: TaskRun) -> None:
    """Begin the block `errors` around a task run that is retried by what is further around it."""
    parent = turn.parent_of(run)
    if parent is None or run.lane != MAIN_LANE:
        return
    around = turn.task_of(parent)
    errors = () if around is None else around.tasks(ERRORS)
    lane = _place_of(turn, run).found(ERRORS)
    if not errors or (lane is not None and lane.runs):
        return
    if run.isolated:
        turn.create(errors[0], parent, run.value, run.iteration, isolated=True)
    else:
        turn.create(errors[0], parent)


def try_again(turn: Turn, run: TaskRun) -> None:
    """Let the next attempt of a task run begin, once the `errors` between the attempts are through.

    That block has its turn again when this attempt fails, too.
    """
    lane = _errors_between_attempts(turn, run)
    if lane is not None:
        if lane.active:
            return  # its end lets the attempt begin
        ids = [done.id for top in lane.runs.values() for done in (top, *turn.descendants(top))]
        turn.emit(TaskRunsRemoved(ids=ids))
    turn.emit(TaskRunReset(id=run.id))
    if turn.state.state.current is _S.RETRYING:
        turn.emit(ExecutionStarted())


def _errors_between_attempts(turn: Turn, run: TaskRun) -> Lane | None:
    task = turn.task_of(run)
    if task is None or task.task.retry is not None:
        return None
    if run.parent_id is None or run.lane != MAIN_LANE:
        return None
    place = _place_of(turn, run)
    lane = place.found(ERRORS)
    if lane is None or not lane.runs or place.lane(MAIN_LANE).counts.get(_S.FAILED):
        return None
    return lane


def _place_of(turn: Turn, run: TaskRun) -> Scope | Iteration:
    scope = turn.index.scope(run.parent_id)
    return scope.iteration(run.iteration or 0) if run.isolated else scope


def refuse(turn: Turn, state: StateType, error: str | None = None) -> None:
    """End an execution that may not begin, with the task runs that were to be run again."""
    # what a restart was to run again stays as restartable as it was
    interrupt(turn, turn.state.task_runs.values(), _S.FAILED, forced=True)
    turn.emit(ExecutionEnded(state=state, error=error))


def will_retry(turn: Turn, task: TaskPlan, run: TaskRun) -> bool:
    """Tell whether a failure of the attempt that starts now would be tried again."""
    retry = task.retry or turn.plan.flow.retry
    if retry is None:
        return False
    tried = len(run.attempts) - run.lost_attempts
    return retry.max_attempts is None or tried + 1 < retry.max_attempts


def _noise(turn: Turn, retry: Retry) -> float:
    if retry.type != "random":
        return 0.0
    return (turn.lookups.noise() % _NOISE_STEPS) / _NOISE_STEPS


def _flow_retry_at(turn: Turn, retry: Retry, ended: datetime) -> datetime | None:
    metadata = turn.state.metadata
    return retry_at(
        retry,
        metadata.attempt_number,
        metadata.original_created_date,
        ended,
        _noise(turn, retry),
    )


def _retry_execution(turn: Turn, run: TaskRun, due: datetime) -> None:
    """End everything RETRIED; a new execution begins when the timer is due."""
    turn.emit(TaskRunEnded(id=run.id, state=_S.RETRIED, has_attempt=False))
    for ancestor in turn.ancestors(run):
        turn.emit(TaskRunEnded(id=ancestor.id, state=_S.RETRIED))
    interrupt(turn, turn.state.task_runs.values(), _S.RETRIED)
    turn.emit(ExecutionEnded(state=_S.RETRIED, failed=_is_at_top(run)))
    turn.schedule(timers.FLOW_RETRY, due)


def _is_at_top(run: TaskRun) -> bool:
    """Whether a task of the flow's own list failed: nothing else can be under way then."""
    return run.parent_id is None and run.lane == MAIN_LANE


def interrupt(
    turn: Turn, runs: Iterable[TaskRun], state: StateType, *, forced: bool = False
) -> None:
    """End task runs from outside, whatever they do; ended ones are left alone.

    Args:
        turn: the step.
        runs: task runs in any order; those below them are not looked for.
        state: state to end in.
        forced: those of afterExecution, too.
    """
    for run in list(runs):
        was = run.state.current
        if was in TERMINAL or (run.force_execution and not forced):
            continue
        turn.cancel_all(run.id)
        attempt = run.last_attempt
        # one that a worker was asked for counts: its number must not be used again
        begun = attempt is not None and attempt.state.current not in TERMINAL
        turn.emit(
            TaskRunEnded(
                id=run.id,
                state=state,
                has_attempt=begun or was is _S.SUBMITTED,
                interrupted=was in (_S.RUNNING, _S.SUBMITTED),
            )
        )
