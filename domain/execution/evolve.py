"""Everything that changes an execution's state is here: the fold of an event into it.

Total and without judgement: whatever was recorded is applied, refusal belongs to `decide`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from domain.errors import BrokenInvariant
from domain.execution import events as e
from domain.execution.index import index_beside
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.state import (
    Attempt,
    Child,
    Execution,
    Metadata,
    Moment,
    Slot,
    State,
    TaskRun,
)

KNOWN_COMMANDS: Final = 256
"""Commands of people remembered per execution."""

EXECUTOR: Final = "executor"
"""Who carries out what needs no worker."""

TERMINATED: Final = "terminatedIterations"
"""Output of a Loop: how many iterations are over."""


def begin(event: e.ExecutionCreated, at: datetime) -> Execution:
    """Return the state that a stream's first event makes."""
    if event.histories:
        state = State(event.histories[-1].state, list(event.histories))
        state.move(StateType.RESTARTED, at)
    else:
        state = State.begin(StateType.CREATED, at)
    return Execution(
        id=event.execution_id,
        tenant=event.tenant,
        namespace=event.namespace,
        flow_id=event.flow_id,
        flow_revision=event.flow_revision,
        state=state,
        metadata=Metadata(event.metadata.attempt_number, event.metadata.original_created_date),
        original_id=event.original_id,
        labels=event.labels,
        inputs=event.inputs,
        trigger=event.trigger,
        parent_id=event.parent_id,
        schedule_date=event.schedule_date,
        kind=event.kind,
        breakpoints=event.breakpoints,
        # events are shared by everyone who decoded them once: what changes is copied
        task_runs={run.id: copy_of(run) for run in event.task_runs},
        variables=event.variables,
        wanted_outputs=event.wanted_outputs,
        replayed=bool(event.histories),
    )


def evolve(state: Execution | None, event: e.ExecutionEvent, at: datetime) -> Execution | None:
    """Fold an event into the state, in place, and return it.

    Args:
        state: the execution so far; None before its first event.
        event: what happened.
        at: timestamp of the event's record.

    Returns:
        The same object, or the new one for the first event; None while there is no execution.
    """
    if state is None:
        return begin(event, at) if isinstance(event, e.ExecutionCreated) else None
    apply = APPLIERS.get(type(event))
    if apply is None:
        raise BrokenInvariant(f"no rule folds {type(event).__name__}")
    apply(state, event, at)
    return state


def copy_of(run: TaskRun) -> TaskRun:
    """Return a task run that shares nothing that changes."""
    return TaskRun(
        id=run.id,
        task_id=run.task_id,
        state=run.state.copy(),
        parent_id=run.parent_id,
        value=run.value,
        iteration=run.iteration,
        attempts=[Attempt(attempt.state.copy(), attempt.worker_id) for attempt in run.attempts],
        outputs=run.outputs,
        outputs_uri=run.outputs_uri,
        items=run.items,
        dynamic=run.dynamic,
        force_execution=run.force_execution,
        lane=run.lane,
        values=run.values,
        keys=run.keys,
        isolated=run.isolated,
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
    if run.isolated and old in TERMINAL and to not in TERMINAL:
        _forget_iteration(state, run)


def _forget_iteration(state: Execution, run: TaskRun) -> None:
    """Take the recorded end of an iteration back: something of it runs again."""
    loop = state.task_runs.get(run.parent_id or "")
    if loop is None or run.iteration is None or loop.outputs is None:
        return
    found = loop.outputs.get("outputs", ())
    place = bisect_left(found, run.iteration, key=_iteration_of)
    if place < len(found) and _iteration_of(found[place]) == run.iteration:
        del found[place]
        loop.outputs = {**loop.outputs, TERMINATED: len(found)}
    index = index_beside(state)
    if index is not None:
        index.scope(loop.id).over.discard(run.iteration)


def _wake(state: Execution) -> None:
    index = index_beside(state)
    if index is not None:
        index.wake()


# --- task runs


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
    if event.values is not None:
        run.values = event.values
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
        if run.state.current is not StateType.RUNNING:
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
    if run.values is not None:
        item["value"] = run.values[event.iteration]
    if run.keys is not None:
        item["key"] = run.keys[event.iteration]
    # the list is made here and belongs to this fold: a copy per iteration would be quadratic
    found = outputs.setdefault("outputs", [])
    entry = {"item": item, "state": event.state.value, "outputs": event.outputs}
    place = bisect_left(found, event.iteration, key=_iteration_of)
    found.insert(place, entry)
    outputs[TERMINATED] = len(found)
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
    _move(state, state.task_runs[event.id], StateType.RESTARTED, at)


def _run_forced(state: Execution, event: e.TaskRunStateForced, at: datetime) -> None:
    run = state.task_runs[event.id]
    if run.attempts:
        run.attempts[-1].state.current = event.state
        last = run.attempts[-1].state.histories[-1]
        run.attempts[-1].state.histories[-1] = Moment(event.state, last.date)
    _move(state, run, event.state, at)


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


# --- the execution


def _exists(state: Execution, event: e.ExecutionCreated, at: datetime) -> None:
    del state, event, at  # a second beginning changes nothing


def _execution_started(state: Execution, event: e.ExecutionStarted, at: datetime) -> None:
    del event
    was = state.state.current
    state.state.move(StateType.RUNNING, at)
    if was is not StateType.RETRYING:
        _wake(state)


def _execution_ended(state: Execution, event: e.ExecutionEnded, at: datetime) -> None:
    state.state.move(event.state, at)
    if event.outputs is not None:
        state.outputs = event.outputs
    state.told = event.told
    state.error = event.error
    state.kill_state = None
    state.held = False
    index = index_beside(state)
    if index is not None:
        index.touch(None)


def _closed(state: Execution, event: e.ExecutionClosed, at: datetime) -> None:
    del event, at
    state.closed = True


def _queued(state: Execution, event: e.ExecutionQueued, at: datetime) -> None:
    del event
    state.slot = Slot.QUEUED
    state.state.move(StateType.QUEUED, at)


def _slot_asked(state: Execution, event: e.SlotAsked, at: datetime) -> None:
    del event, at
    state.slot = Slot.ASKED


def _slot_taken(state: Execution, event: e.SlotTaken, at: datetime) -> None:
    del event, at
    state.slot = Slot.HELD


def _slot_freed(state: Execution, event: e.SlotFreed, at: datetime) -> None:
    del event, at
    state.slot = Slot.NONE


def _paused(state: Execution, event: e.ExecutionPaused, at: datetime) -> None:
    if event.held:
        state.held = True
    state.state.move(StateType.PAUSED, at)


def _resumed(state: Execution, event: e.ExecutionResumed, at: datetime) -> None:
    del event
    if state.held:
        state.held = False
    else:
        state.metadata.attempt_number += 1
        state.state.move(StateType.RESTARTED, at)


def _retrying(state: Execution, event: e.ExecutionRetrying, at: datetime) -> None:
    del event
    state.state.move(StateType.RETRYING, at)


def _killing(state: Execution, event: e.ExecutionKilling, at: datetime) -> None:
    state.kill_state = event.state
    state.held = False
    state.state.move(StateType.KILLING, at)
    _wake(state)


def _suspended(state: Execution, event: e.ExecutionSuspended, at: datetime) -> None:
    del event
    state.state.move(StateType.BREAKPOINT, at)


def _restarted(state: Execution, event: e.ExecutionRestarted, at: datetime) -> None:
    state.closed = False
    state.held = False
    state.error = None
    state.outputs = None
    state.violated = []
    if event.flow_revision is not None:
        state.flow_revision = event.flow_revision
    if event.attempt_number is not None:
        state.metadata.attempt_number = event.attempt_number
    state.state.move(StateType.RESTARTED, at)


def _forced(state: Execution, event: e.ExecutionStateForced, at: datetime) -> None:
    state.state.move(event.state, at)
    index = index_beside(state)
    if index is not None:
        index.touch(None)


def _replayed(state: Execution, event: e.ExecutionReplayed, at: datetime) -> None:
    del state, event, at  # its effect is another execution


def _deleted(state: Execution, event: e.ExecutionDeleted, at: datetime) -> None:
    del event, at
    state.deleted = True
    state.closed = True
    state.timers.clear()


def _labels(state: Execution, event: e.LabelsChanged, at: datetime) -> None:
    del at
    state.labels = event.labels


def _variables(state: Execution, event: e.VariablesChanged, at: datetime) -> None:
    del at
    state.variables = event.variables


def _breakpoints(state: Execution, event: e.BreakpointsChanged, at: datetime) -> None:
    del at
    state.breakpoints = event.breakpoints
    state.passed_breakpoints = [*state.passed_breakpoints, *event.passed]


def _violated(state: Execution, event: e.SlaViolated, at: datetime) -> None:
    del at
    state.violated = [*state.violated, f"{event.index}:{event.sla_id}"]


def _timer_scheduled(state: Execution, event: e.TimerScheduled, at: datetime) -> None:
    del at
    state.timers[event.timer.id] = event.timer


def _timer_ended(state: Execution, event: e.TimerEnded, at: datetime) -> None:
    del at
    state.timers.pop(event.timer_id, None)


def _subflow_started(state: Execution, event: e.SubflowStarted, at: datetime) -> None:
    del at
    state.children[event.creation.execution_id] = Child(
        event.task_run_id, index=event.index, waited=event.waited
    )


def _subflow_restarted(state: Execution, event: e.SubflowRestarted, at: datetime) -> None:
    del at
    child = state.children[event.child_id]
    child.task_run_id = event.task_run_id
    child.state = StateType.RESTARTED


def _subflow_recorded(state: Execution, event: e.SubflowRecorded, at: datetime) -> None:
    del at
    child = state.children.get(event.child_id)
    if child is not None:
        child.state = event.state
        child.outputs = event.outputs


def _nothing(state: Execution, event: Any, at: datetime) -> None:
    """Facts that leave the state as it is."""
    del state, event, at


APPLIERS: Final[dict[type, Callable[[Execution, Any, datetime], None]]] = {
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
    e.ExecutionCreated: _exists,
    e.ExecutionStarted: _execution_started,
    e.ExecutionEnded: _execution_ended,
    e.ExecutionClosed: _closed,
    e.ExecutionQueued: _queued,
    e.SlotAsked: _slot_asked,
    e.SlotTaken: _slot_taken,
    e.SlotFreed: _slot_freed,
    e.ExecutionPaused: _paused,
    e.ExecutionResumed: _resumed,
    e.ExecutionRetrying: _retrying,
    e.ExecutionKilling: _killing,
    e.ExecutionSuspended: _suspended,
    e.ExecutionRestarted: _restarted,
    e.ExecutionStateForced: _forced,
    e.ExecutionReplayed: _replayed,
    e.ExecutionDeleted: _deleted,
    e.LabelsChanged: _labels,
    e.VariablesChanged: _variables,
    e.BreakpointsChanged: _breakpoints,
    e.SlaViolated: _violated,
    e.TimerScheduled: _timer_scheduled,
    e.TimerEnded: _timer_ended,
    e.SubflowStarted: _subflow_started,
    e.SubflowRestarted: _subflow_restarted,
    e.SubflowRecorded: _subflow_recorded,
    e.LookupAnswered: _nothing,
    e.LogWritten: _nothing,
    e.CommandRejected: _nothing,
    e.CommandNoted: _nothing,
}
"""Event to the rule that folds it; every event has one."""
