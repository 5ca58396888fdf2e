"""What a trigger is at one point of its stream."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.execution.state import Label


class TriggerKey(msgspec.Struct, frozen=True):
    """Which trigger of which flow."""

    tenant: str
    namespace: str
    flow_id: str
    trigger_id: str

    @property
    def text(self) -> str:
        """The record key: tenant/namespace/flow/trigger."""
        return f"{self.tenant}/{self.namespace}/{self.flow_id}/{self.trigger_id}"


class Backfill(msgspec.Struct, frozen=True, omit_defaults=True):
    """A span of the past that a schedule goes through, one execution per date."""

    id: str
    """Of the command that asked for it: another backfill of the same span is another one."""
    start: datetime
    """The first date is not before it."""
    end: datetime
    """The last date is not after it."""
    last: datetime | None = None
    """The date done last; None before the first."""
    paused: bool = False
    inputs: dict[str, Any] = {}
    """For its executions, over the trigger's own."""
    labels: list[Label] = []
    """For its executions, after the trigger's own."""
    resume_date: datetime | None = None
    """The trigger's next date before the backfill, restored when it ends."""

    @property
    def current_date(self) -> datetime:
        """How far it is."""
        return self.last or self.start


class Source(msgspec.Struct, frozen=True, order=True):
    """Where a change of state was seen: news of one partition come in this order, or again."""

    partition: int
    """Of `execution.events`."""
    offset: int
    index: int
    """Position of the state in the execution's history."""


class Upstream(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition of a flow trigger's window that an execution has met."""

    execution_id: str
    flow_id: str
    at: datetime
    outputs: dict[str, Any] = {}
    """Outputs of that execution's flow."""


class Window(msgspec.Struct, omit_defaults=True):
    """What a flow trigger has gathered in its current window."""

    start: datetime | None = None
    """None: without beginning."""
    end: datetime | None = None
    """First instant after the window; None: without end."""
    met: dict[str, Upstream] = {}
    """By the key of the condition, in the order in which they were met."""
    fired: bool = False
    """An execution was started in this window."""


class Trigger(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state of one trigger. It belongs to one fold, which changes it in place."""

    key: TriggerKey
    sequence: int = 0
    """Sequence number of the last event folded in."""
    command_offset: int = -1
    """Offset of the last command that had events, on the trigger's partition of
    `trigger.commands`: one that is not later comes again, and is known."""
    kind: str = ""
    """Type of the trigger as of its last registration."""
    flow_revision: int = 0
    defaults: int = 0
    """Number of the set of plugin defaults that its definition was read with."""
    fingerprint: str = ""
    """Of the definition's dates: another one means that the next date is computed anew."""
    next_date: datetime | None = None
    """When it fires next; None when it never does, is switched off or is unregistered."""
    last_date: datetime | None = None
    """The date that it fired for last."""
    last_execution_id: str | None = None
    created: datetime | None = None
    """When it was first registered."""
    updated: datetime | None = None
    disabled: bool = False
    """Switched off through the API or by `stopAfter`, whatever the flow says."""
    inactive: bool = False
    """Switched off by its flow: it has dates, and none of them fires."""
    registered: bool = False
    exclusive: bool = False
    """Does not fire while an execution it started runs."""
    running: list[str] = []
    """Executions it started that have not ended, where that matters."""
    backfill: Backfill | None = None
    missed_since: datetime | None = None
    """While switched off: the date that would have been next."""
    window: Window | None = None
    """Of flow triggers that wait for more than one thing."""
    told: dict[int, Source] = {}
    """Of those: the last change that was told, by partition; what comes again is dropped."""

    @property
    def is_locked(self) -> bool:
        """True while a running execution forbids the next one."""
        return self.exclusive and bool(self.running)

    @property
    def due_date(self) -> datetime | None:
        """When it is to be fired; None while something forbids it."""
        if not self.registered or self.disabled or self.inactive or self.is_locked:
            return None
        if self.backfill is not None and self.backfill.paused:
            return None
        return self.next_date
