"""What the outside world is to do because of events. Every effect has a derived id.

Effects are a function of state and events: after a crash they are named again and sent again, and
their receivers drop what they have seen by the id.
"""

from __future__ import annotations

import msgspec

from domain.execution.commands import ExecutionCommand
from domain.execution.requests import KillSignal, TaskRequest
from domain.execution.state import Timer
from domain.log import LogEntry
from domain.record.slots import TakeSlot


class Effect(msgspec.Struct, frozen=True):
    """Root of the effects."""


class DispatchTask(Effect, frozen=True):
    """Hand an attempt to the workers."""

    id: str
    """The attempt's id."""
    request: TaskRequest
    group: str | None = None
    """Worker group; None: the default one."""


class SendCommand(Effect, frozen=True):
    """Send a command to an execution, another one or this one."""

    id: str
    """The command's id."""
    command: ExecutionCommand


class AskSlot(Effect, frozen=True):
    """Write an execution's wish on `flow.slots`."""

    id: str
    flow_key: str
    """`tenant/namespace/flow`: chooses the partition."""
    execution_id: str
    wish: TakeSlot | None
    """None: the wish ends, the record is a tombstone. Its key: `slot_record_key`."""


class SignalWorkers(Effect, frozen=True):
    """Interrupt running attempts."""

    id: str
    signal: KillSignal


class ScheduleTimer(Effect, frozen=True):
    """Send `FireTimer` when the moment has come; the same id again moves it."""

    id: str
    execution_id: str
    timer: Timer


class CancelTimer(Effect, frozen=True):
    """Forget a timer."""

    id: str
    execution_id: str
    timer_id: str


class WriteLog(Effect, frozen=True):
    """Write a line on `logs`."""

    id: str
    """The entry's id."""
    entry: LogEntry


class DeleteFiles(Effect, frozen=True):
    """Delete folders of internal storage with all in them."""

    id: str
    uris: tuple[str, ...]


AnyEffect = (
    DispatchTask
    | SendCommand
    | AskSlot
    | SignalWorkers
    | ScheduleTimer
    | CancelTimer
    | WriteLog
    | DeleteFiles
)
