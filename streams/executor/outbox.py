"""Effects as records: which topic, which key, which value."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import msgspec

from domain.errors import TidewheelError
from domain.execution.commands import RecordTaskResult
from domain.execution.effects import (
    AnyEffect,
    AskSlot,
    CancelTimer,
    DeleteFiles,
    DispatchTask,
    ScheduleTimer,
    SendCommand,
    SignalWorkers,
    WriteLog,
)
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.log import LogBatch, LogEntry
from domain.ports.log import Log
from domain.ports.stores import Blobs
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.slots import slot_record_key
from domain.record.topics import (
    EXECUTION_COMMANDS,
    FLOW_SLOTS,
    LOGS,
    WORKER_SIGNALS,
    partition_of,
    task_requests,
)
from streams.timers import TimerClock

EXECUTOR = "executor"
"""Worker id of results that the executor itself reports."""


LONGEST_LINE: Final = 65_536
"""Characters of a log line of the executor; longer ones are cut, which they say."""
_log = logging.getLogger(__name__)


class Outbox:
    """Turns effects into records; timers go to the clock of this process."""

    def __init__(self, timers: TimerClock, limit_bytes: int, log: Log, blobs: Blobs | None) -> None:
        self._timers = timers
        self._blobs = blobs
        self._limit = limit_bytes
        self._log = log
        self._groups: set[str] = set()
        """Worker groups whose topic is there."""

    def records(self, partition: int, effects: Iterable[AnyEffect]) -> list[Outgoing]:
        """Return the records of effects, in order."""
        records: list[Outgoing] = []
        for effect in effects:
            match effect:
                case DispatchTask(request=request, group=group):
                    records.append(self._request(request, group))
                case SendCommand(command=command):
                    records.append(
                        Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))
                    )
                case ScheduleTimer(execution_id=execution_id, timer=timer):
                    self._timers.schedule(partition, execution_id, timer)
                case CancelTimer(execution_id=execution_id, timer_id=timer_id):
                    self._timers.cancel(execution_id, timer_id)
                case AskSlot():
                    records.append(self._wish(effect))
                case SignalWorkers(signal=signal):
                    records.append(Outgoing(WORKER_SIGNALS, signal.execution_id, encode(signal)))
                case WriteLog(entry=entry):
                    key = entry.execution_id or entry.flow_id
                    batch = LogBatch(entries=[_cut(entry)])
                    records.append(Outgoing(LOGS, key, encode(batch)))
                case DeleteFiles(uris=uris):
                    self._delete(uris)
        return records

    def _delete(self, uris: Iterable[str]) -> None:
        """Delete folders. Before the record is durable: a step made anew deletes them anew."""
        if self._blobs is None:
            return
        for uri in uris:
            try:
                self._blobs.delete(uri)
            except (TidewheelError, OSError) as error:
                _log.warning("%s cannot be deleted: %s", uri, error)

    def _wish(self, effect: AskSlot) -> Outgoing:
        key = slot_record_key(effect.flow_key, effect.execution_id)
        value = None if effect.wish is None else encode(effect.wish)
        # by the flow: one order for all executions of a flow
        partition = partition_of(effect.flow_key, self._log.writer.partitions(FLOW_SLOTS))
        return Outgoing(FLOW_SLOTS, key, value, partition=partition)

    def _request(self, request: TaskRequest, group: str | None) -> Outgoing:
        value = encode(request)
        if len(value) <= self._limit:
            topic = task_requests(group)
            if group is not None and group not in self._groups:
                # its requests wait there for the first worker of the group
                self._log.ensure_topics([topic])
                self._groups.add(group)
            return Outgoing(topic, request.task_run_id, value)
        # no worker could be asked: the attempt fails with the reason, nothing is stuck
        failure = RecordTaskResult(
            execution_id=request.execution_id,
            command_id=f"{request.task_run_id}.{request.attempt}.too-large",
            issuer=EXECUTOR,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            state=StateType.FAILED,
            worker_id=EXECUTOR,
            started_at=request.requested_at,
            ended_at=request.requested_at,
            error=f"the task with its variables has {len(value)} bytes, {self._limit} are allowed:"
            " hand large values over as files",
        )
        return Outgoing(EXECUTION_COMMANDS, request.execution_id, encode(failure))


def _cut(entry: LogEntry) -> LogEntry:
    """Return an entry whose message a record of the log can hold."""
    more = len(entry.message) - LONGEST_LINE
    if more <= 0:
        return entry
    message = f"{entry.message[:LONGEST_LINE]}... ({more} characters more)"
    return msgspec.structs.replace(entry, message=message)
