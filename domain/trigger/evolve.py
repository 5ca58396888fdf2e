"""Folds events into a trigger: everything that changes its state is here."""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never

import msgspec

from domain.record.codec import Codec
from domain.record.envelope import instant_of
from domain.trigger.events import (
    BackfillCreated,
    BackfillEnded,
    BackfillPaused,
    DeadlineKept,
    DeadlineMissed,
    FlowTriggered,
    TriggerCommandRejected,
    TriggerDatesSkipped,
    TriggerDeleted,
    TriggerDisabled,
    TriggerEnabled,
    TriggerEvent,
    TriggerEventRecord,
    TriggerExecutionEnded,
    TriggerFired,
    TriggerRegistered,
    TriggerRestarted,
    TriggerUnlocked,
    TriggerUnregistered,
    UpstreamMet,
)
from domain.trigger.state import Trigger, Window

RECORDS: Final[Codec[TriggerEventRecord]] = Codec(TriggerEventRecord)
"""Reads values of `trigger.events`."""


def evolve(state: Trigger, event: TriggerEvent, at: datetime) -> None:
    """Change the state by one event of a step at this time, in place."""
    match event:
        case TriggerFired():
            _fired(state, event)
        case TriggerExecutionEnded():
            state.running = [known for known in state.running if known != event.execution_id]
        case TriggerRegistered():
            _registered(state, event, at)
        case TriggerDatesSkipped():
            state.next_date = event.next_date
        case TriggerUnregistered():
            _deleted(state)
            state.flow_revision = event.flow_revision
        case TriggerDisabled():
            state.disabled = True
            state.missed_since = state.next_date
            state.next_date = None
        case TriggerEnabled():
            state.disabled = False
            state.missed_since = None
            state.next_date = event.next_date
        case TriggerUnlocked():
            state.running = []
        case TriggerRestarted():
            state.running = []
            state.next_date = event.next_date
        case TriggerDeleted():
            _deleted(state)
        case BackfillCreated():
            state.backfill = event.backfill
            state.next_date = event.next_date
        case BackfillPaused():
            if state.backfill is not None:
                state.backfill = msgspec.structs.replace(state.backfill, paused=event.paused)
        case BackfillEnded():
            state.backfill = None
            state.next_date = event.next_date
        case UpstreamMet():
            _upstream_met(state, event)
        case FlowTriggered():
            state.last_date = at
            state.last_execution_id = event.creation.execution_id
            if state.window is not None:
                state.window.fired = True
                if event.reset:
                    state.window.met = {}
        case DeadlineMissed():
            state.last_execution_id = event.creation.execution_id
            state.next_date = event.next_date
        case DeadlineKept():
            state.next_date = event.next_date
        case TriggerCommandRejected():
            pass
        case _:
            assert_never(event)
    state.sequence += 1


def fold(state: Trigger | None, record: TriggerEventRecord) -> Trigger | None:
    """Apply a record if it continues the stream, in place.

    Args:
        state: the trigger so far; None: nothing of it was read. Triggers may be older than the
            archive: such a stream is taken up at the first record that is kept.
        record: of this trigger.

    Returns:
        The state; None when the record does not continue it: a loser or a duplicate.
    """
    if state is None:
        if record.sequence > 1:
            return record.state
        state = Trigger(key=record.key)
    if record.sequence != state.sequence + 1:
        return None
    at = instant_of(record.timestamp_ms)
    for event in record.events:
        evolve(state, event, at)
    note_command(state, at, record.command_offset)
    return state


def note_command(state: Trigger, at: datetime, offset: int) -> None:
    """Remember that a command was stepped: live steps and the fold share this."""
    state.updated = at
    state.command_offset = offset


def _fired(state: Trigger, event: TriggerFired) -> None:
    state.last_date = event.date
    state.last_execution_id = event.creation.execution_id
    state.next_date = event.next_date
    if event.tracked:
        state.running = [*state.running, event.creation.execution_id]
    if event.backfilled and state.backfill is not None:
        state.backfill = msgspec.structs.replace(state.backfill, last=event.date)


def _registered(state: Trigger, event: TriggerRegistered, at: datetime) -> None:
    state.flow_revision = event.flow_revision
    state.fingerprint = event.fingerprint
    state.defaults = event.defaults
    state.next_date = event.next_date
    state.kind = event.kind
    state.inactive = event.inactive
    state.exclusive = event.exclusive
    state.registered = True
    if state.created is None:
        state.created = at


def _deleted(state: Trigger) -> None:
    fresh = Trigger(key=state.key, sequence=state.sequence, flow_revision=state.flow_revision)
    for field in state.__struct_fields__:
        setattr(state, field, getattr(fresh, field))


def _upstream_met(state: Trigger, event: UpstreamMet) -> None:
    window = state.window
    if window is None or (window.start, window.end) != (event.start, event.end):
        window = state.window = Window(start=event.start, end=event.end)
    state.told = {**state.told, event.source.partition: event.source}
    for key in event.expired:
        window.met.pop(key, None)
    for key in event.met:
        # the latest execution counts, and stands last
        window.met.pop(key, None)
        window.met[key] = event.upstream
