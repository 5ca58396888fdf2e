"""What changes the task runs of an execution; see `evolve`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from domain.execution import events as e
from domain.execution.index import index_beside
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.state import MAIN_LANE, Attempt, Execution, Moment, State, TaskRun

EXECUTOR: Final = "executor"
"""Who carries out what needs no worker."""

TERMINATED: Final = "terminatedIterations"
"""Output of a Loop: how many iterations are over, by their state."""
OUTPUTS: Final = "outputs"
"""Output of a Loop: what its iterations handed out."""
RUNNING: Final = "runningIterations"
"""Output of a Loop: how many iterations are under way."""


def copy_of(run: TaskRun) -> TaskRun:
    """Return a task run that shares nothing that changes."""
    outputs = run.outputs
    if outputs is not None and TERMINATED in outputs and run.loops:
        outputs = {**outputs, OUTPUTS: list(outputs[OUTPUTS])}
    return TaskRun(
        id=run.id,
        task_id=run.task_id,
        state=run.state.copy(),
        parent_id=run.parent_id,
        value=run.value,
        iteration=run.iteration,
        attempts=[Attempt(attempt.state.copy(), attempt.worker_id) for attempt in run.attempts],
        outputs=outputs,
        outputs_uri=run.outputs_uri,
        items=run.items,
        dynamic=run.dynamic,
        force_execution=run.force_execution,
        lane=run.lane,
        values=run.values,
        keys=run.keys,
        isolated=run.isolated,
        stores=run.stores,
        source=run.source,
    )


def _move(state: Execution, run: TaskRun, to: StateType, at: datetime) -> None:
    old = run.state.current
    if old is to:
        return
    run.state.move(to, at)
    index = index_beside(state)
    if index is not None:
        index.moved(run, old, to)
    if old is StateType.PAUSED and run.id in state.holding:
        state.holding.remove(run.id)
    if old in TERMINAL and to not in TERMINAL:
        if run.isolated:
            _forget_iteration(state, run)
        if to is StateType.RUNNING:
            count_running(run, state.task_runs)
    elif to in TERMINAL and RUNNING in (run.outputs or ()) and run.loops:
        run.outputs = {**(run.outputs or {}), RUNNING: 0}


def count_running(run: TaskRun, runs: Mapping[str, TaskRun]) -> None:
    """Note in the outputs of a Loop that runs again how many iterations were begun, not ended."""
    outputs = run.outputs
    if outputs is None or RUNNING not in outputs or not run.loops:
        return
    begun = {x.iteration for x in runs.values() if x.isolated and x.parent_id == run.id}
    run.outputs = {**outputs, RUNNING: len(begun) - sum(outputs[TERMINATED].values())}


def _note_iteration(state: Execution, run: TaskRun) -> None:
    """Note in the outputs of a Loop that another iteration has begun: they begin in order."""
    loop = state.task_runs.get(run.parent_id or "")
    if loop is None or loop.outputs is None or RUNNING not in loop.outputs:
        return
    ended = sum(loop.outputs[TERMINATED].values())
    if run.iteration is not None and run.iteration >= loop.outputs[RUNNING] + ended:
        loop.outputs = {**loop.outputs, RUNNING: run.iteration + 1 - ended}


def _forget_iteration(state: Execution, run: TaskRun) -> None:
    """Take the recorded end of an iteration back: something of it runs again."""
    loop = state.task_runs.get(run.parent_id or "")
    if loop is None or run.iteration is None or loop.outputs is None:
        return
    found = loop.outputs.get(OUTPUTS, ())
    place = bisect_left(found, run.iteration, key=_iteration_of)
    if place < len(found) and _iteration_of(found[place]) == run.iteration:
        counts = dict(loop.outputs[TERMINATED])
        counts[found[place]["state"]] -= 1
        del found[place]
        loop.outputs = {**loop.outputs, TERMINATED: {k: n for k, n in counts.items() if n}}
        if loop.outputs.get(RUNNING) is not None and loop.state.current not in TERMINAL:
            loop.outputs[RUNNING] += 1
    index = index_beside(state)
    if index is not None:
        scope = index.scope(loop.id)
        scope.over.discard(run.iteration)
        scope.touch(run.iteration)


def without_iterations(outputs: dict[str, Any] | None, anew: set[int]) -> dict[str, Any] | None:
    """Return the outputs of a Loop in a copy where some iterations are not over."""
    if outputs is None or TERMINATED not in outputs:
        return outputs
    kept = [entry for entry in outputs[OUTPUTS] if _iteration_of(entry) not in anew]
    counts: dict[str, int] = {}
    for entry in kept:
        counts[entry["state"]] = counts.get(entry["state"], 0) + 1
    return {**outputs, OUTPUTS: kept, TERMINATED: counts}


def _created(state: Execution, event: e.TaskRunCreated, at: datetime) -> None:
    run = TaskRun(
        id=event.id,
        task_id=event.task_id,
        state=State.begin(StateType.CREATED, at),
        parent_id=event.parent_id,
        value=event.value,
        iteration=event.iteration,
        dynamic=event.dynamic,
        force_execution=event.force,
        lane=event.lane,
        isolated=event.isolated,
    )
    state.task_runs[run.id] = run
    if run.isolated:
        _note_iteration(state, run)
    index = index_beside(state)
    if index is not None:
        index.add(run)


def _submitted(state: Execution, event: e.TaskRunSubmitted, at: datetime) -> None:
    _move(state, state.task_runs[event.id], StateType.SUBMITTED, at)


def _begin_attempt(run: TaskRun, at: datetime, worker_id: str | None) -> Attempt:
    attempt = Attempt(
        State(StateType.RUNNING, [Moment(StateType.CREATED, at), Moment(StateType.RUNNING, at)]),
        worker_id,
    )
    run.attempts.append(attempt)
    return attempt


def _started(state: Execution, event: e.TaskRunStarted, at: datetime) -> None:
    run = state.task_runs[event.id]
    begun = event.at or at
    _begin_attempt(run, begun, event.worker_id)
    _move(state, run, StateType.RUNNING, begun)


def _opened(state: Execution, event: e.TaskRunOpened, at: datetime) -> None:
    run = state.task_runs[event.id]
    _begin_attempt(run, at, EXECUTOR if event.submitted else None)
    if event.submitted:
        _move(state, run, StateType.SUBMITTED, at)
    if event.values is not None or event.source is not None:
        run.values, run.source = event.values, event.source
        index = index_beside(state)
        if index is not None:
            index.scope(run.id).over.clear()
        run.stores = event.stores
    if event.keys is not None:
        run.keys = event.keys
    if event.outputs is not None:
        run.outputs = {**(run.outputs or {}), **event.outputs}
    _move(state, run, StateType.RUNNING, at)


def _reopened(state: Execution, event: e.TaskRunReopened, at: datetime) -> None:
    _move(state, state.task_runs[event.id], StateType.RUNNING, at)


def _ended(state: Execution, event: e.TaskRunEnded, at: datetime) -> None:
    run = state.task_runs[event.id]
    end = event.ended_at or at
    if event.started_at is not None:
        _begin_attempt(run, event.started_at, event.worker_id)
        if run.state.current is not StateType.RUNNING and event.state is not StateType.SKIPPED:
            _move(state, run, StateType.RUNNING, event.started_at)
    if event.has_attempt:
        attempt = run.last_attempt
        if attempt is None or attempt.state.current in TERMINAL:
            attempt = _begin_attempt(run, end, event.worker_id)
        attempt.state.move(event.attempt or event.state, end)
    if event.outputs is not None:
        run.outputs = event.outputs
    if event.outputs_uri is not None:
        run.outputs_uri = event.outputs_uri
    run.body = None
    _move(state, run, event.state, end)


def _iteration_ended(state: Execution, event: e.IterationEnded, at: datetime) -> None:
    del at
    run = state.task_runs[event.id]
    outputs = run.outputs = dict(run.outputs or {})
    item: dict[str, Any] = {"iteration": event.iteration}
    if event.value is not None:
        item["value"] = event.value
    elif run.values is not None:
        item["value"] = run.values[event.iteration]
    if run.keys is not None:
        item["key"] = run.keys[event.iteration]
    # the list is made here and belongs to this fold: a copy per iteration would be quadratic
    found = outputs.get(OUTPUTS)
    if not found:
        found = outputs[OUTPUTS] = []
    entry = {"item": item, "state": event.state.value, "outputs": event.outputs}
    place = bisect_left(found, event.iteration, key=_iteration_of)
    found.insert(place, entry)
    counts = outputs.get(TERMINATED, {})
    outputs[TERMINATED] = {**counts, entry["state"]: counts.get(entry["state"], 0) + 1}
    if RUNNING in outputs:
        outputs[RUNNING] -= 1
    index = index_beside(state)
    if index is not None:
        index.scope(run.id).over.add(event.iteration)


def _iteration_of(entry: dict[str, Any]) -> int:
    number: int = entry["item"]["iteration"]
    return number


def _body_ended(state: Execution, event: e.TaskRunBodyEnded, at: datetime) -> None:
    run = state.task_runs[event.id]
    if event.started_at is not None:
        _begin_attempt(run, event.started_at, event.worker_id)
        _move(state, run, StateType.RUNNING, event.started_at)
    run.body = event.state
    if event.outputs is not None:
        run.outputs = event.outputs
    if event.outputs_uri is not None:
        run.outputs_uri = event.outputs_uri
    index = index_beside(state)
    if index is not None:
        index.touch(run.id)
    del at


def _retry_scheduled(state: Execution, event: e.TaskRunRetryScheduled, at: datetime) -> None:
    _move(state, state.task_runs[event.id], StateType.RETRYING, at)


def _reset(state: Execution, event: e.TaskRunReset, at: datetime) -> None:
    run = state.task_runs[event.id]
    if event.resubmitted and run.last_attempt is not None:
        run.last_attempt.state.move(StateType.RESUBMITTED, at)
    _move(state, run, StateType.CREATED, at)


def _run_paused(state: Execution, event: e.TaskRunPaused, at: datetime) -> None:
    _move(state, state.task_runs[event.id], StateType.PAUSED, at)
    if event.holds:
        state.holding.append(event.id)


def _run_suspended(state: Execution, event: e.TaskRunSuspended, at: datetime) -> None:
    _move(state, state.task_runs[event.id], StateType.BREAKPOINT, at)


def _run_restarted(state: Execution, event: e.TaskRunRestarted, at: datetime) -> None:
    run = state.task_runs[event.id]
    attempt = run.last_attempt
    if attempt is not None and attempt.state.current not in TERMINAL:
        attempt.state.move(StateType.KILLED, at)  # it was waiting
    _move(state, run, StateType.RESTARTED, at)


def _run_forced(state: Execution, event: e.TaskRunStateForced, at: datetime) -> None:
    run = state.task_runs[event.id]
    if run.attempts:
        run.attempts[-1].state.move(event.state, at)
    _move(state, run, event.state, at)
    if run.isolated and run.lane == MAIN_LANE:
        _forget_iteration(state, run)


def _outputs_set(state: Execution, event: e.TaskRunOutputsSet, at: datetime) -> None:
    del at
    run = state.task_runs[event.id]
    run.outputs = {**(run.outputs or {}), **event.outputs}


def _removed(state: Execution, event: e.TaskRunsRemoved, at: datetime) -> None:
    del at
    index = index_beside(state)
    for run_id in event.ids:
        run = state.task_runs.pop(run_id, None)
        if run is None:
            continue
        if run_id in state.holding:
            state.holding.remove(run_id)
        if index is not None:
            index.remove(run)
    state.removals += 1


RUN_APPLIERS: Final[dict[type, Callable[[Execution, Any, datetime], None]]] = {
    e.TaskRunCreated: _created,
    e.TaskRunSubmitted: _submitted,
    e.TaskRunStarted: _started,
    e.TaskRunOpened: _opened,
    e.TaskRunReopened: _reopened,
    e.TaskRunEnded: _ended,
    e.TaskRunRetryScheduled: _retry_scheduled,
    e.TaskRunReset: _reset,
    e.TaskRunPaused: _run_paused,
    e.TaskRunSuspended: _run_suspended,
    e.TaskRunRestarted: _run_restarted,
    e.TaskRunStateForced: _run_forced,
    e.TaskRunOutputsSet: _outputs_set,
    e.TaskRunBodyEnded: _body_ended,
    e.IterationEnded: _iteration_ended,
    e.TaskRunsRemoved: _removed,
}
"""Event of a task run to the rule that folds it."""
