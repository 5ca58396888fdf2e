"""Turns a command into the events of a scheduled trigger; an empty tuple: nothing to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from domain.record.codec import tag_of
from domain.trigger.commands import (
    Command,
    CreateBackfill,
    DeleteBackfill,
    DeleteTrigger,
    FireTrigger,
    PauseBackfill,
    RecordTriggerEnd,
    RecoverTrigger,
    RegisterTrigger,
    RestartTrigger,
    SetTriggerDisabled,
    UnlockTrigger,
    UnregisterTrigger,
)
from domain.trigger.definition import Definition, Firing, InvalidTrigger, firing_id
from domain.trigger.events import (
    BackfillCreated,
    BackfillEnded,
    BackfillPaused,
    TriggerCommandRejected,
    TriggerDatesSkipped,
    TriggerDeleted,
    TriggerDisabled,
    TriggerEnabled,
    TriggerEvent,
    TriggerExecutionEnded,
    TriggerFired,
    TriggerRegistered,
    TriggerRestarted,
    TriggerUnlocked,
    TriggerUnregistered,
)
from domain.trigger.state import Backfill, Trigger

Events = tuple[TriggerEvent, ...]

ScheduleCommand = (
    FireTrigger
    | RegisterTrigger
    | RecoverTrigger
    | UnregisterTrigger
    | RecordTriggerEnd
    | SetTriggerDisabled
    | CreateBackfill
    | PauseBackfill
    | DeleteBackfill
    | UnlockTrigger
    | RestartTrigger
    | DeleteTrigger
)

NOTHING: Final[Events] = ()


_REFUSALS: Final[dict[type[Command], tuple[str, str]]] = {
    SetTriggerDisabled: ("TRIGGER011", "Trigger is in that state already"),
    CreateBackfill: ("TRIGGER012", "Only a Schedule trigger that its flow declares has backfills"),
    PauseBackfill: ("TRIGGER013", "No backfill found, or it is in that state already"),
    DeleteBackfill: ("TRIGGER013", "No backfill found"),
    UnlockTrigger: ("TRIGGER014", "Trigger is not locked"),
    RestartTrigger: ("TRIGGER010", "No such trigger"),
    DeleteTrigger: ("TRIGGER010", "No such trigger"),
}
"""What persons are told when there is nothing to do; machines need no answer."""
NO_TRIGGER: Final = ("TRIGGER010", "No such trigger")


def decide(
    definition: Definition | None,
    state: Trigger | None,
    command: ScheduleCommand,
    now: datetime,
) -> Events:
    """Return the events that a command causes; a person's command is refused by an event.

    Args:
        definition: in the revision that the command or the state names; None when there is none.
        state: the trigger so far; None before its first event.
        command: what is wanted.
        now: the command record's timestamp.
    """
    events = _decided(definition, state, command, now)
    if events or type(command) not in _REFUSALS:
        return events
    missing = state is None or not state.registered
    code, message = NO_TRIGGER if missing else _REFUSALS[type(command)]
    rejected = TriggerCommandRejected(
        command=tag_of(command), code=code, message=message, issuer=command.issuer
    )
    return (rejected,)


def _decided(
    definition: Definition | None,
    state: Trigger | None,
    command: ScheduleCommand,
    now: datetime,
) -> Events:
    if isinstance(command, RegisterTrigger):
        return _register(definition, state, command, now)
    if state is None:
        return NOTHING
    match command:
        case FireTrigger():
            return NOTHING if definition is None else _fire(definition, state, command, now)
        case RecordTriggerEnd():
            return _ended(definition, state, command)
        case RecoverTrigger():
            return NOTHING if definition is None else _recover(definition, state, now)
        case UnregisterTrigger():
            if not state.registered or command.flow_revision < state.flow_revision:
                return NOTHING
            return (TriggerUnregistered(flow_revision=command.flow_revision),)
        case SetTriggerDisabled():
            return _set_disabled(definition, state, command, now)
        case CreateBackfill():
            return NOTHING if definition is None else _backfill(definition, state, command, now)
        case PauseBackfill():
            if state.backfill is None or state.backfill.paused == command.paused:
                return NOTHING
            return (BackfillPaused(paused=command.paused),)
        case DeleteBackfill():
            if state.backfill is None:
                return NOTHING
            return (BackfillEnded(next_date=_resumed(definition, state, state.backfill, now)),)
        case UnlockTrigger():
            return (TriggerUnlocked(),) if state.running else NOTHING
        case RestartTrigger():
            return _restart(definition, state, now)
        case DeleteTrigger():
            return (TriggerDeleted(),) if state.registered else NOTHING


def _fire(definition: Definition, state: Trigger, command: FireTrigger, now: datetime) -> Events:
    date = command.date.astimezone(UTC)
    if state.due_date != date or now < date:
        return NOTHING
    backfill = state.backfill
    backfilled = backfill is not None and date <= backfill.end
    if not backfilled and _is_late(definition, date, now):
        following = definition.first_from(now - (definition.latest or timedelta()))
        reason = "later than lateMaximumDelay allows"
        return (TriggerDatesSkipped(since=date, next_date=following, reason=reason),)
    error = definition.broken
    following = None
    if error is None:
        following = definition.next(date)
        try:
            if definition.holds is not None and not definition.holds(date):
                return _not_selected(state, date, following)
        except InvalidTrigger as found:
            error = str(found)
    execution_id = firing_id(state.key, date, backfill if backfilled else None)
    creation = definition.create(
        Firing(date, execution_id, backfill if backfilled else None, error)
    )
    fired = TriggerFired(
        date=date,
        creation=creation,
        next_date=following,
        tracked=definition.exclusive or bool(definition.stop_after),
        backfilled=backfilled,
    )
    if backfill is None:
        return (fired,)
    if not backfilled:
        # its span holds no date, or none any more
        return (fired, BackfillEnded(next_date=following))
    if following is None or following > backfill.end:
        return (fired, BackfillEnded(next_date=_resumed(definition, state, backfill, now)))
    return (fired,)


def _is_late(definition: Definition, date: datetime, now: datetime) -> bool:
    return definition.latest is not None and now - date > definition.latest


def _not_selected(state: Trigger, date: datetime, following: datetime | None) -> Events:
    """A date at which a bounded search for a selected one had stopped."""
    skipped = TriggerDatesSkipped(
        since=date, next_date=following, reason="the conditions do not select it"
    )
    backfill = state.backfill
    if backfill is None or (following is not None and following <= backfill.end):
        return (skipped,)
    return (skipped, BackfillEnded(next_date=backfill.resume_date or following))


def _register(
    definition: Definition | None, state: Trigger | None, command: RegisterTrigger, now: datetime
) -> Events:
    known = state is not None and state.registered
    if definition is None:
        return NOTHING
    if state is not None and known:
        mine = (state.flow_revision, state.defaults)
        if (command.flow_revision, command.defaults) <= mine:
            return NOTHING
    events: list[TriggerEvent] = []
    if state is not None and known and state.fingerprint == command.fingerprint:
        # an edit elsewhere in the flow keeps the date
        following = state.next_date
    elif state is not None and state.disabled:
        following = None
    else:
        following = _first(definition, now)
        if state is not None and state.backfill is not None:
            # what it has still to do was a matter of the old dates
            events.append(BackfillEnded(next_date=following))
    registered = TriggerRegistered(
        flow_revision=command.flow_revision,
        fingerprint=command.fingerprint,
        next_date=following,
        kind=definition.kind,
        inactive=definition.inactive,
        exclusive=definition.exclusive,
        defaults=command.defaults,
    )
    return (*events, registered)


def _first(definition: Definition, now: datetime) -> datetime | None:
    """The next date from now; of a definition without meaning now, to tell of it."""
    return now.astimezone(UTC) if definition.broken is not None else definition.next(now)


def _recover(definition: Definition, state: Trigger, now: datetime) -> Events:
    date = state.next_date
    if state.disabled or definition.inactive or date is None or date >= now:
        return NOTHING
    if definition.broken is not None or (state.backfill is not None and date <= state.backfill.end):
        return NOTHING
    following = _recovered(definition, date, now)
    if following == date:
        return NOTHING
    reason = f"missed while no scheduler ran (recoverMissedSchedules: {definition.recover})"
    return (TriggerDatesSkipped(since=date, next_date=following, reason=reason),)


def _recovered(definition: Definition, date: datetime, now: datetime) -> datetime | None:
    """Which date follows, as the trigger wants it, when all from `date` on were missed."""
    if definition.recover == "ALL":
        return date
    if definition.recover == "NONE":
        return definition.next(now)
    last = definition.previous(now)
    return definition.next(now) if last is None or last < date else last


def _set_disabled(
    definition: Definition | None, state: Trigger, command: SetTriggerDisabled, now: datetime
) -> Events:
    if state.disabled == command.disabled:
        return NOTHING
    if command.disabled:
        return (TriggerDisabled(),)
    if definition is None or not state.registered:
        return (TriggerEnabled(next_date=None),)
    missed, backfill = state.missed_since, state.backfill
    pending = state.next_date or missed
    if backfill is not None and pending is not None and pending <= backfill.end:
        return (TriggerEnabled(next_date=pending),)
    if command.recover and missed is not None and missed < now and definition.broken is None:
        return (TriggerEnabled(next_date=_recovered(definition, missed, now)),)
    return (TriggerEnabled(next_date=_first(definition, now)),)


def _ended(definition: Definition | None, state: Trigger, command: RecordTriggerEnd) -> Events:
    if command.execution_id not in state.running:
        return NOTHING
    ended = TriggerExecutionEnded(execution_id=command.execution_id, state=command.state)
    stops = definition is not None and command.state.value in definition.stop_after
    if stops and not state.disabled:
        reason = f"stopAfter: an execution ended {command.state.value}"
        return (ended, TriggerDisabled(reason=reason))
    return (ended,)


def _backfill(
    definition: Definition, state: Trigger, command: CreateBackfill, now: datetime
) -> Events:
    if not state.registered or not definition.backfills or definition.broken is not None:
        return NOTHING
    current = state.backfill
    if current is not None and current.id == command.command_id:
        return NOTHING
    start = command.start.astimezone(UTC)
    end = (command.end or now).astimezone(UTC)
    resume = state.next_date if current is None else current.resume_date
    backfill = Backfill(
        id=command.command_id,
        start=start,
        end=end,
        paused=command.paused,
        inputs=command.inputs,
        labels=command.labels,
        resume_date=resume,
    )
    first = definition.first_from(start)
    if first is None or first > end:
        return (BackfillCreated(backfill=backfill, next_date=resume),)
    return (BackfillCreated(backfill=backfill, next_date=first),)


def _resumed(
    definition: Definition | None, state: Trigger, backfill: Backfill, now: datetime
) -> datetime | None:
    if state.disabled:
        return None
    if backfill.resume_date is not None or definition is None:
        return backfill.resume_date
    return definition.next(now)


def _restart(definition: Definition | None, state: Trigger, now: datetime) -> Events:
    if not state.registered:
        return NOTHING
    backfill = state.backfill
    following = state.next_date
    in_backfill = backfill is not None and following is not None and following <= backfill.end
    if not in_backfill and not state.disabled and definition is not None:
        following = _first(definition, now)
    return (TriggerRestarted(next_date=following),)
