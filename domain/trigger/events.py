"""What happened to a trigger. A record on `trigger.events` holds the events of one step."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.trigger.state import TriggerKey


class Event(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True, frozen=True):
    """Root of the events."""


class TriggerRegistered(Event, tag="trigger.registered", frozen=True):
    """A definition is in force, with its next date."""

    flow_revision: int
    fingerprint: str
    next_date: datetime | None


class TriggerFired(Event, tag="trigger.fired", frozen=True):
    """An execution was started for a date."""

    date: datetime
    execution_id: str
    flow_revision: int
    next_date: datetime | None


class TriggerDatesSkipped(Event, tag="trigger.dates-skipped", frozen=True):
    """Dates went by without an execution."""

    since: datetime
    next_date: datetime | None
    reason: str


class TriggerUnregistered(Event, tag="trigger.unregistered", frozen=True):
    """No definition is in force."""

    flow_revision: int


class TriggerDisabled(Event, tag="trigger.disabled", frozen=True):
    """Switched off."""


class TriggerEnabled(Event, tag="trigger.enabled", frozen=True):
    """Switched on, with its next date."""

    next_date: datetime | None


TriggerEvent = (
    TriggerFired
    | TriggerRegistered
    | TriggerDatesSkipped
    | TriggerUnregistered
    | TriggerDisabled
    | TriggerEnabled
)
"""Any event, by its tag in `type`."""


class TriggerEventRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step: what one command did to one trigger."""

    key: TriggerKey
    sequence: int
    """Sequence number of the first event; counts 1, 2, 3, ... without a gap."""
    command_id: str
    command_offset: int
    timestamp_ms: int
    events: list[TriggerEvent]
    writer: str = ""
    version: int = 1
