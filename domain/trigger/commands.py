"""What someone may want of a trigger. Everything on `trigger.commands` is one of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.execution.lifecycle import StateType
from domain.execution.state import Label
from domain.trigger.state import Source, TriggerKey, Upstream


class Command(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """Members of every command."""

    key: TriggerKey
    command_id: str
    """Unique for what is wanted; of machines' reports: of what they report."""
    issuer: str = ""
    """User name or component that asks."""


class RegisterTrigger(Command, tag="trigger.register"):
    """A revision of the flow declares the trigger."""

    flow_revision: int
    fingerprint: str
    defaults: int = 0
    """Number of the set of plugin defaults that the flow was read with."""


class RecoverTrigger(Command, tag="trigger.recover"):
    """A scheduler came up: deal with dates that passed meanwhile, as the trigger wants it."""


class UnregisterTrigger(Command, tag="trigger.unregister"):
    """No revision in force declares the trigger any more."""

    flow_revision: int


class FireTrigger(Command, tag="trigger.fire"):
    """The next date has come."""

    date: datetime


class RecordTriggerEnd(Command, tag="trigger.execution-ended"):
    """An execution that the trigger started has ended, or could not begin."""

    execution_id: str
    state: StateType


class SetTriggerDisabled(Command, tag="trigger.set-disabled"):
    """Switch the trigger off or on."""

    disabled: bool
    recover: bool = False
    """When switched on: dates missed meanwhile are dealt with as the trigger wants it; False: the
    next date is the first one from now on."""


class CreateBackfill(Command, tag="trigger.backfill.create"):
    """Go through the dates of a span; a backfill that is there already is replaced."""

    start: datetime
    end: datetime | None = None
    """None: now."""
    inputs: dict[str, Any] = {}
    labels: list[Label] = []
    paused: bool = False


class PauseBackfill(Command, tag="trigger.backfill.pause"):
    """Hold the backfill, or let it go on."""

    paused: bool = True


class DeleteBackfill(Command, tag="trigger.backfill.delete"):
    """Give the backfill up; the schedule goes on where it was."""


class UnlockTrigger(Command, tag="trigger.unlock"):
    """Forget the running executions: the next date may fire."""


class RestartTrigger(Command, tag="trigger.restart"):
    """Forget the running executions, and take the next date from now."""


class DeleteTrigger(Command, tag="trigger.delete"):
    """Forget everything; a trigger that its flow still declares begins anew."""


class RecordUpstream(Command, tag="trigger.upstream"):
    """An execution has met conditions that a flow trigger waits for."""

    flow_revision: int
    """Revision of the trigger's flow that was asked."""
    met: list[str]
    """Keys of the conditions."""
    upstream: Upstream
    source: Source
    variables: dict[str, Any]
    """The variables of the trigger for the execution it starts, without `outputs`."""
    reached: dict[str, Any] = {}
    """Variables of the upstream execution that the trigger's inputs can reach."""
    correlation_id: str | None = None
    defaults: int = 0
    """Number of the set of plugin defaults that the flow was read with."""


TriggerCommand = (
    FireTrigger
    | RecordTriggerEnd
    | RegisterTrigger
    | RecoverTrigger
    | UnregisterTrigger
    | SetTriggerDisabled
    | CreateBackfill
    | PauseBackfill
    | DeleteBackfill
    | UnlockTrigger
    | RestartTrigger
    | DeleteTrigger
    | RecordUpstream
)
"""Any command, by its tag in `type`."""
