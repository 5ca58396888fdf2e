"""What happened to a trigger. A record on `trigger.events` holds the events of one step.

A tag is never used again for something else, a field is only ever added, with a default.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.execution.commands import CreateExecution
from domain.execution.lifecycle import StateType
from domain.trigger.state import Backfill, Source, Trigger, TriggerKey, Upstream


class Event(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True, frozen=True):
    """Root of the events."""


class TriggerRegistered(Event, tag="trigger.registered", frozen=True):
    """A definition is in force, with its next date."""

    flow_revision: int
    fingerprint: str
    next_date: datetime | None
    kind: str = ""
    """Type of the trigger."""
    inactive: bool = False
    """Switched off by the flow."""
    exclusive: bool = False
    """Does not fire while an execution it started runs."""
    defaults: int = 0
    """Number of the set of plugin defaults that the definition was read with."""


class TriggerFired(Event, tag="trigger.fired", frozen=True):
    """An execution was started for a date, or, where `creation` has an error, failed at once."""

    date: datetime
    creation: CreateExecution
    """What is sent: the record holds it, so that it is the same however often it is sent."""
    next_date: datetime | None
    tracked: bool = False
    """Its end matters: for the lock, or for `stopAfter`."""
    backfilled: bool = False
    """The date is one of the backfill's."""


class TriggerDatesSkipped(Event, tag="trigger.dates-skipped", frozen=True):
    """Dates went by without an execution."""

    since: datetime
    next_date: datetime | None
    reason: str


class TriggerExecutionEnded(Event, tag="trigger.execution-ended", frozen=True):
    """An execution that was waited for has ended."""

    execution_id: str
    state: StateType


class TriggerUnregistered(Event, tag="trigger.unregistered", frozen=True):
    """No definition is in force."""

    flow_revision: int


class TriggerDisabled(Event, tag="trigger.disabled", frozen=True):
    """Switched off."""

    reason: str = ""
    """Empty: by a person."""


class TriggerEnabled(Event, tag="trigger.enabled", frozen=True):
    """Switched on, with its next date."""

    next_date: datetime | None


class TriggerUnlocked(Event, tag="trigger.unlocked", frozen=True):
    """The running executions are forgotten."""


class TriggerRestarted(Event, tag="trigger.restarted", frozen=True):
    """The running executions are forgotten, the next date is a new one."""

    next_date: datetime | None


class TriggerDeleted(Event, tag="trigger.deleted", frozen=True):
    """Everything is forgotten."""


class BackfillCreated(Event, tag="trigger.backfill.created", frozen=True):
    """A backfill begins, or replaces another."""

    backfill: Backfill
    next_date: datetime | None


class BackfillPaused(Event, tag="trigger.backfill.paused", frozen=True):
    """The backfill is held, or goes on."""

    paused: bool


class BackfillEnded(Event, tag="trigger.backfill.ended", frozen=True):
    """The backfill is through or given up."""

    next_date: datetime | None


class UpstreamMet(Event, tag="trigger.upstream-met", frozen=True):
    """An execution met conditions of a flow trigger's window."""

    met: list[str]
    upstream: Upstream
    source: Source
    start: datetime | None = None
    """Of the window: another one than before means a new window."""
    end: datetime | None = None
    expired: list[str] = []
    """Conditions whose executions lie too far back now."""


class FlowTriggered(Event, tag="trigger.flow-triggered", frozen=True):
    """A flow trigger's window is satisfied: an execution was started."""

    creation: CreateExecution
    reset: bool = True
    """What was gathered is forgotten."""


class DeadlineMissed(Event, tag="trigger.deadline-missed", frozen=True):
    """A flow trigger's deadline passed unmet: a failed execution tells of it."""

    date: datetime
    creation: CreateExecution
    next_date: datetime | None


class DeadlineKept(Event, tag="trigger.deadline-kept", frozen=True):
    """A flow trigger's deadline passed after it was met."""

    date: datetime
    next_date: datetime | None


class TriggerCommandRejected(Event, tag="trigger.command-rejected", frozen=True):
    """What a person wanted was refused; nothing else happened."""

    command: str
    """Its tag."""
    code: str
    message: str
    issuer: str = ""


TriggerEvent = (
    TriggerFired
    | TriggerExecutionEnded
    | TriggerRegistered
    | TriggerDatesSkipped
    | TriggerUnregistered
    | TriggerDisabled
    | TriggerEnabled
    | TriggerUnlocked
    | TriggerRestarted
    | TriggerDeleted
    | BackfillCreated
    | BackfillPaused
    | BackfillEnded
    | UpstreamMet
    | FlowTriggered
    | DeadlineMissed
    | DeadlineKept
    | TriggerCommandRejected
)
"""Any event, by its tag in `type`."""


class TriggerEventRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step: what one command did to one trigger."""

    key: TriggerKey
    sequence: int
    """Sequence number of the first event; counts 1, 2, 3, ... without a gap. 0: a command to a
    trigger that does not exist was refused."""
    command_id: str
    command_offset: int
    timestamp_ms: int
    events: list[TriggerEvent]
    command: str = ""
    """Tag of the command."""
    issuer: str = ""
    """Who issued it."""
    state: Trigger | None = None
    """The trigger after the step, for readers that keep no fold of their own, and for streams
    whose beginning the archive has dropped."""
    version: int = 1

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last event."""
        return self.sequence + len(self.events) - 1
