"""Everything that changes an execution's state is here: the fold of an event into it.

Total and without judgement: whatever was recorded is applied, refusal belongs to `decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from domain.errors import BrokenInvariant
from domain.execution import events as e
from domain.execution.evolve_runs import RUN_APPLIERS, copy_of
from domain.execution.index import index_beside
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import AFTER
from domain.execution.state import (
    Child,
    Execution,
    Metadata,
    Slot,
    State,
)

KNOWN_COMMANDS: Final = 256
"""Commands of people remembered per execution."""


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
        defaults=event.defaults,
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


def _wake(state: Execution) -> None:
    index = index_beside(state)
    if index is not None:
        index.wake()


def _exists(state: Execution, event: e.ExecutionCreated, at: datetime) -> None:
    del state, event, at  # a second beginning changes nothing


def _execution_started(state: Execution, event: e.ExecutionStarted, at: datetime) -> None:
    del event
    was = state.state.current
    state.state.move(StateType.RUNNING, at)
    if was is not StateType.RETRYING:
        _wake(state)


def _execution_ended(state: Execution, event: e.ExecutionEnded, at: datetime) -> None:
    if event.failed:
        state.state.move(StateType.FAILED, at)
    state.state.move(event.state, at)
    if event.outputs is not None:
        state.outputs = event.outputs
    state.told = event.told
    state.error = event.error
    state.kill_state = None
    state.leaving = None
    state.held = False
    index = index_beside(state)
    if index is None:
        return
    if index.scope(None).lane(AFTER).active:
        index.wake()  # a replay goes on in afterExecution
    else:
        index.touch(None)


def _leaving(state: Execution, event: e.ExecutionLeaving, at: datetime) -> None:
    del at
    state.leaving = event.state
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
    if event.failed:
        state.state.move(StateType.FAILED, at)
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
    if event.defaults is not None:
        state.defaults = event.defaults
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


def seal(state: Execution, at: datetime, reason: str) -> None:
    """Take a state out of its stream: nothing of what follows can be folded into it.

    It counts as failed, with the reason, unless it had ended; its deletion is still folded.
    """
    if state.state.current not in TERMINAL:
        state.state.move(StateType.FAILED, at)
        state.error = reason
    state.sealed = True
    state.closed = True
    state.timers.clear()


def _forgotten(state: Execution, event: e.ExecutionForgotten, at: datetime) -> None:
    del event
    seal(state, at, "The file with what happened next is gone")


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
    if child is None and event.replaces is not None:
        before = state.children[event.replaces]
        before.state = StateType.RETRIED
        child = Child(before.task_run_id, index=before.index, waited=before.waited)
        state.children[event.child_id] = child
    if child is not None:
        child.state = event.state
        child.outputs = event.outputs


def _nothing(state: Execution, event: Any, at: datetime) -> None:
    """Facts that leave the state as it is."""
    del state, event, at


APPLIERS: Final[dict[type, Callable[[Execution, Any, datetime], None]]] = {
    **RUN_APPLIERS,
    e.ExecutionCreated: _exists,
    e.ExecutionStarted: _execution_started,
    e.ExecutionEnded: _execution_ended,
    e.ExecutionClosed: _closed,
    e.ExecutionLeaving: _leaving,
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
    e.ExecutionForgotten: _forgotten,
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
