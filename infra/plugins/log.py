"""`log.*`: tasks that write to, or read from, the execution's log."""

from __future__ import annotations

from typing import Final

import msgspec

from domain.log import Level, LogEntry
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.plugin import TaskPlugin


class LogProperties(msgspec.Struct):
    """Properties of `log.Log`."""

    message: str | list[str]
    level: Level = Level.INFO


def log(context: RunContext, properties: LogProperties) -> None:
    """Write one line, or one per text of a list."""
    message = properties.message
    for line in [message] if isinstance(message, str) else message:
        context.out.write(properties.level, line)


class FetchProperties(msgspec.Struct, rename="camel"):
    """Properties of `log.Fetch`."""

    execution_id: str | None = None
    """Default: this execution."""
    level: Level = Level.INFO
    """Lines of this severity and above."""
    tasks_id: list[str] | None = None
    """Lines of these tasks; None: of all."""


class FetchOutputs(msgspec.Struct):
    """Outputs of `log.Fetch`."""

    size: int
    """Number of lines."""
    uri: str
    """A JSON document per line."""


def fetch(context: RunContext, properties: FetchProperties) -> FetchOutputs:
    """Write the lines of an execution of this namespace to a file."""
    execution_id = properties.execution_id or context.execution_id
    tasks = properties.tasks_id
    path = context.folder.scratch()
    size = 0
    with path.open("wb") as file:
        for entry in context.services.logs(execution_id):
            if entry.tenant != context.tenant or entry.namespace != context.namespace:
                raise TaskFailed(f"The execution {execution_id} belongs to another namespace.")
            if entry.level.rank > properties.level.rank or (tasks and entry.task_id not in tasks):
                continue
            file.write(_line(entry))
            size += 1
    return FetchOutputs(size, context.store(path, ".jsonl"))


def _line(entry: LogEntry) -> bytes:
    return (
        msgspec.json.encode(
            {
                "namespace": entry.namespace,
                "flowId": entry.flow_id,
                "taskId": entry.task_id,
                "executionId": entry.execution_id,
                "taskRunId": entry.task_run_id,
                "attemptNumber": entry.attempt,
                "timestamp": entry.timestamp,
                "level": entry.level,
                "thread": entry.thread,
                "message": entry.message,
            }
        )
        + b"\n"
    )


PLUGINS: Final = (
    TaskPlugin(name="io.kestra.plugin.core.log.Log", properties=LogProperties, run=log),
    TaskPlugin(name="io.kestra.plugin.core.log.Fetch", properties=FetchProperties, run=fetch),
)
