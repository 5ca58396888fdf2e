"""A worker on a log in memory, and tasks that a test holds in its hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from domain.execution.commands import RecordAttemptLost, RecordTaskResult, RecordTaskStart
from domain.execution.requests import KillSignal
from domain.log import LogEntry
from domain.ports.metrics import NoMetrics
from domain.record.codec import encode
from domain.record.envelope import Outgoing, milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS, LOGS, TASK_REQUESTS, WORKER_SIGNALS
from infra.plugins.catalogue import core_plugins
from streams.worker.context import RunContext, Services
from streams.worker.options import WorkerOptions
from streams.worker.plugin import Plugins, TaskPlugin
from streams.worker.worker import Worker
from tests.support.deadlines import ManualDeadlines
from tests.support.memory_log import MemoryConsumer, MemoryLog
from tests.support.tasks import NOW, log_lines, request, services

RETURN = "io.kestra.plugin.core.debug.Return"
LOG = "io.kestra.plugin.core.log.Log"
_COMMANDS = msgspec.json.Decoder(RecordTaskResult | RecordTaskStart | RecordAttemptLost)


class Free(msgspec.Struct):
    """Properties of the held tasks."""

    value: Any = None


class Gate:
    """A task that runs until the test opens it, or until it is interrupted."""

    def __init__(self, name: str, *, heeds: bool = True) -> None:
        self.name = name
        self.entered = Event()
        self.opened = Event()
        self.runs = 0
        self._heeds = heeds

    def run(self, context: RunContext, properties: Free) -> dict[str, Any]:
        self.runs += 1
        self.entered.set()
        undo = context.interruption.on_told(self.opened.set) if self._heeds else None
        assert self.opened.wait(30)
        if undo is not None:
            undo()
            context.check()
        return {"value": properties.value}


class Rig:
    """One worker under test.

    Attributes:
        log: the log it works on.
        deadlines: its clock of deadlines; nothing is due before the test says so.
        failures: what it told its process.
    """

    def __init__(
        self,
        folder: Path,
        log: MemoryLog | None = None,
        plugins: tuple[TaskPlugin, ...] = (),
        own: Services | None = None,
        life: str = "",
        **options: Any,
    ) -> None:
        self.log = log or MemoryLog()
        self.deadlines = ManualDeadlines()
        self.failures: list[Exception] = []
        self.failed = Event()
        self.services = own or services()
        defaults: dict[str, Any] = {"id": "w1", "slots": 2, "stop_grace_seconds": 0.0}
        self.options = WorkerOptions(**{"work_dir": str(folder), **defaults, **options})
        self.worker = Worker(
            self.options,
            self.log,
            Plugins((*core_plugins(), *plugins)),
            self.services,
            NoMetrics(),
            self._fail,
            self.deadlines,
            life,
        )

    def _fail(self, error: Exception) -> None:
        self.failures.append(error)
        self.failed.set()

    @property
    def consumer(self) -> MemoryConsumer:
        return self.log.consumers[-1]

    def ask(self, task: Mapping[str, Any], run: str = "r1", **more: Any) -> None:
        """Write a request."""
        wanted = request(dict(task), task_run_id=run, **more)
        at = milliseconds_of(wanted.requested_at)
        self.log.send(Outgoing(TASK_REQUESTS, run, encode(wanted), timestamp_ms=at))

    def kill(self, *runs: str, at: datetime = NOW, execution_id: str = "e1") -> None:
        """Write a kill signal."""
        signal = KillSignal(execution_id=execution_id, task_run_ids=list(runs))
        record = Outgoing(
            WORKER_SIGNALS, execution_id, encode(signal), timestamp_ms=milliseconds_of(at)
        )
        self.log.send(record)

    def commands(self, count: int) -> list[Any]:
        """Wait until so many commands were sent and return them."""
        records = self.log.wait_for(EXECUTION_COMMANDS, count)
        return [_COMMANDS.decode(record.value or b"") for record in records]

    def run(self, task: Mapping[str, Any], **more: Any) -> RecordTaskResult:
        """Run one task to its end."""
        before = len(self.log.all(EXECUTION_COMMANDS))
        self.ask(task, **more)
        self.consumer.pump()
        result = self.commands(before + 1)[-1]
        assert isinstance(result, RecordTaskResult)
        return result

    def lines(self) -> list[LogEntry]:
        """Every log line so far."""
        return log_lines([Outgoing(r.topic, r.key, r.value) for r in self.log.all(LOGS)])

    def texts(self, level: str = "") -> list[str]:
        """The messages of every log line of a level so far."""
        return [e.message for e in self.lines() if not level or e.level.value == level]


@contextmanager
def running(rig: Rig) -> Iterator[Rig]:
    """Start the worker, and stop it after the test."""
    rig.worker.start()
    try:
        yield rig
    finally:
        rig.worker.stop()


def plugin(gate: Gate) -> TaskPlugin:
    """The gate as a task type."""
    return TaskPlugin(name=gate.name, properties=Free, run=gate.run)
