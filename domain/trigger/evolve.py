"""Folds events into a trigger: everything that changes its state is here."""

from __future__ import annotations

from typing import assert_never

from domain.record.envelope import instant_of
from domain.trigger.events import (
    TriggerDatesSkipped,
    TriggerDisabled,
    TriggerEnabled,
    TriggerEvent,
    TriggerEventRecord,
    TriggerFired,
    TriggerRegistered,
    TriggerUnregistered,
)
from domain.trigger.state import Trigger


def evolve(state: Trigger, event: TriggerEvent) -> None:
    """Change the state by one event, in place."""
    match event:
        case TriggerFired():
            state.last_date = event.date
            state.last_execution_id = event.execution_id
            state.next_date = event.next_date
        case TriggerRegistered():
            state.flow_revision = event.flow_revision
            state.fingerprint = event.fingerprint
            state.next_date = event.next_date
            state.registered = True
        case TriggerDatesSkipped():
            state.next_date = event.next_date
        case TriggerUnregistered():
            state.flow_revision = event.flow_revision
            state.registered = False
            state.next_date = None
        case TriggerDisabled():
            state.disabled = True
            state.next_date = None
        case TriggerEnabled():
            state.disabled = False
            state.next_date = event.next_date
        case _:
            assert_never(event)
    state.sequence += 1


def fold(state: Trigger | None, record: TriggerEventRecord) -> Trigger | None:
    """Apply a record if it continues the stream; None when it does not: a loser or a duplicate."""
    current = state if state is not None else Trigger(key=record.key)
    if record.sequence != current.sequence + 1:
        return None
    for event in record.events:
        evolve(current, event)
    current.updated = instant_of(record.timestamp_ms)
    return current
