"""Turns a command into the events of a trigger; an empty tuple means: nothing to do, already so.

The dates of a trigger are given as a function, so that one rule serves crons and lists of dates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from domain.ids import scheduled_execution_id
from domain.trigger.commands import (
    FireTrigger,
    RecoverTrigger,
    RegisterTrigger,
    SetTriggerDisabled,
    TriggerCommand,
    UnregisterTrigger,
)
from domain.trigger.events import (
    TriggerDatesSkipped,
    TriggerDisabled,
    TriggerEnabled,
    TriggerEvent,
    TriggerFired,
    TriggerRegistered,
    TriggerUnregistered,
)
from domain.trigger.state import Trigger


class Dates(msgspec.Struct, frozen=True):
    """When a trigger's definition fires."""

    next_after: Callable[[datetime], datetime | None]
    """First date strictly later than an instant; None when there is none."""
    last_before: Callable[[datetime], datetime | None]
    """Last date strictly earlier than an instant; None when there is none."""
    recover: str = "ALL"
    """What to do with dates missed while no scheduler ran: `ALL`, `LAST` or `NONE`."""
    latest: timedelta | None = None
    """Dates older than this are skipped; None: however late."""


def decide(
    dates: Dates | None, state: Trigger | None, command: TriggerCommand, now: datetime
) -> tuple[TriggerEvent, ...]:
    """Return the events that a command causes.

    Args:
        dates: of the definition in force for this command; None when there is none any more.
        state: the trigger so far; None before its first event.
        command: what is wanted.
        now: the command record's timestamp.
    """
    match command:
        case FireTrigger():
            return _fire(dates, state, command, now)
        case RegisterTrigger():
            return _register(dates, state, command, now)
        case RecoverTrigger():
            return _recover(dates, state, now)
        case UnregisterTrigger():
            if state is None or not state.registered or command.flow_revision < state.flow_revision:
                return ()
            return (TriggerUnregistered(flow_revision=command.flow_revision),)
        case SetTriggerDisabled():
            return _set_disabled(dates, state, command, now)
        case _:
            assert_never(command)


def _fire(
    dates: Dates | None, state: Trigger | None, command: FireTrigger, now: datetime
) -> tuple[TriggerEvent, ...]:
    if dates is None or state is None or state.next_date != command.date or now < command.date:
        return ()
    following = dates.next_after(command.date)
    if dates.latest is not None and now - command.date > dates.latest:
        while following is not None and now - following > dates.latest:
            following = dates.next_after(following)
        reason = "later than lateMaximumDelay allows"
        return (TriggerDatesSkipped(since=command.date, next_date=following, reason=reason),)
    key = state.key
    execution_id = scheduled_execution_id(
        key.tenant, key.namespace, key.flow_id, key.trigger_id, command.date.isoformat()
    )
    return (
        TriggerFired(
            date=command.date,
            execution_id=execution_id,
            flow_revision=state.flow_revision,
            next_date=following,
        ),
    )


def _register(
    dates: Dates | None, state: Trigger | None, command: RegisterTrigger, now: datetime
) -> tuple[TriggerEvent, ...]:
    if state is not None and command.flow_revision <= state.flow_revision and state.registered:
        return ()
    unchanged = state is not None and state.registered and state.fingerprint == command.fingerprint
    if state is not None and (unchanged or state.disabled):
        # an edit elsewhere in the flow keeps the date; a switched-off trigger has none
        following = state.next_date
    else:
        following = dates.next_after(now) if dates is not None else None
    return (
        TriggerRegistered(
            flow_revision=command.flow_revision,
            fingerprint=command.fingerprint,
            next_date=following,
        ),
    )


def _recover(dates: Dates | None, state: Trigger | None, now: datetime) -> tuple[TriggerEvent, ...]:
    if dates is None or state is None or state.next_date is None or state.next_date >= now:
        return ()
    if dates.recover == "ALL":
        return ()
    following = dates.last_before(now) if dates.recover == "LAST" else dates.next_after(now)
    if following == state.next_date:
        return ()
    reason = f"missed while no scheduler ran (recoverMissedSchedules: {dates.recover})"
    return (TriggerDatesSkipped(since=state.next_date, next_date=following, reason=reason),)


def _set_disabled(
    dates: Dates | None, state: Trigger | None, command: SetTriggerDisabled, now: datetime
) -> tuple[TriggerEvent, ...]:
    if state is None or state.disabled == command.disabled:
        return ()
    if command.disabled:
        return (TriggerDisabled(),)
    following = dates.next_after(now) if dates is not None and state.registered else None
    return (TriggerEnabled(next_date=following),)
