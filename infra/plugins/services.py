"""The world of a worker's tasks, put together from the ports."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from domain.execution.commands import ExecutionCommand
from domain.expression import Lookups
from domain.log import Level, LogBatch, LogEntry
from domain.ports.encryption import Encryption
from domain.ports.log import Log
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_COMMANDS, LOGS, TRIGGER_COMMANDS
from domain.trigger.commands import TriggerCommand
from infra.expression.files import Origin
from infra.expression.lookups import Place, RuntimeLookups, World
from streams.worker.context import RunContext, Services

_BATCHES: Codec[LogBatch] = Codec(LogBatch)
_LONGEST_WAIT = 5.0


def task_services(world: World, log: Log, encryption: Encryption, zone: tzinfo) -> Services:
    """Return the services of a worker.

    Args:
        world: the ports behind expressions, which tasks use too.
        log: where commands go and log lines come from.
        encryption: opens SECRET inputs.
        zone: default of dates in expressions.
    """

    def logs(execution_id: str) -> Iterator[LogEntry]:
        for record in log.reader.by_key(LOGS, execution_id):
            yield from _BATCHES.decode(record).entries

    def command(wanted: ExecutionCommand) -> None:
        log.writer.append([Outgoing(EXECUTION_COMMANDS, wanted.execution_id, encode(wanted))])

    def trigger_command(wanted: TriggerCommand) -> None:
        log.writer.append([Outgoing(TRIGGER_COMMANDS, wanted.key.text, encode(wanted))])

    def lookups(context: RunContext) -> Lookups:
        return RuntimeLookups(world, place_of(context))

    return Services(
        blobs=world.blobs,
        kv=world.kv,
        files=world.files,
        encryption=encryption,
        lookups=lookups,
        logs=logs,
        command=command,
        trigger_command=trigger_command,
        clock=world.clock,
        zone=zone,
    )


def place_of(context: RunContext) -> Place:
    """Return where an attempt's expressions are rendered: its own files, and its trigger's."""
    origins = [Origin(context.namespace, context.flow_id, context.execution_id)]
    trigger = context.variables.get("trigger")
    if isinstance(trigger, Mapping) and trigger.get("executionId"):
        origins.append(
            Origin(
                str(trigger.get("namespace", context.namespace)),
                str(trigger.get("flowId", "")),
                str(trigger["executionId"]),
            )
        )
    return Place(
        tenant=context.tenant,
        namespace=context.namespace,
        origins=tuple(origins),
        error_logs=lambda: _error_logs(context),
    )


def _error_logs(context: RunContext) -> list[Mapping[str, Any]]:
    """Lines of level ERROR; the first may still be on its way, so ask again for a while."""
    waited, pause = 0.0, 0.1
    while True:
        found: list[Mapping[str, Any]] = [
            {
                "taskId": entry.task_id,
                "taskRunId": entry.task_run_id,
                "message": entry.message,
                "level": entry.level.value,
                "timestamp": entry.timestamp,
                "attemptNumber": entry.attempt,
            }
            for entry in context.services.logs(context.execution_id)
            if entry.level is Level.ERROR
        ]
        if found or waited >= _LONGEST_WAIT:
            return found
        start = time.monotonic()
        context.sleep(pause)
        waited += time.monotonic() - start
        pause = min(1.0, pause * 2)
