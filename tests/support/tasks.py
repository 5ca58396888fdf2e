"""What a task's code needs of the world, in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from domain.errors import InvalidInput, NotFound
from domain.execution.requests import TaskRequest
from domain.expression import Lookups, Scope
from domain.expression.errors import Fault
from domain.log import LogBatch, LogEntry
from domain.ports.kv import KeyValues
from domain.record.codec import Codec
from domain.record.envelope import Outgoing
from domain.record.topics import LOGS
from streams.worker.context import RunContext, Services
from streams.worker.folder import WorkingFolder
from streams.worker.interruption import Interruption
from streams.worker.masking import Redactor
from streams.worker.options import WorkerOptions
from streams.worker.tasklog import TaskLog

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_BATCHES: Codec[LogBatch] = Codec(LogBatch)


class StillClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class MemoryBlobs:
    """Internal storage in a dict."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, uri: str, data: BinaryIO | bytes) -> str:
        self.files[uri] = data if isinstance(data, bytes) else data.read()
        return uri

    def open(self, uri: str) -> BinaryIO:
        return io.BytesIO(self.read(uri))

    def read(self, uri: str) -> bytes:
        if uri not in self.files:
            raise NotFound(f"no file {uri}")
        return self.files[uri]

    def size(self, uri: str) -> int:
        return len(self.read(uri))

    def exists(self, uri: str) -> bool:
        return uri in self.files

    def list(self, uri: str) -> Iterator[str]:
        yield from sorted(name for name in self.files if name.startswith(uri.rstrip("/") + "/"))

    def delete(self, uri: str) -> int:
        gone = [n for n in self.files if n == uri or n.startswith(uri.rstrip("/") + "/")]
        for name in gone:
            del self.files[name]
        return len(gone)


class MirrorEncryption:
    """Seals a text by writing it backwards."""

    def encrypt(self, text: str) -> str:
        return "sealed:" + text[::-1]

    def decrypt(self, sealed: str) -> str:
        if not sealed.startswith("sealed:"):
            raise InvalidInput("not sealed")
        return sealed.removeprefix("sealed:")[::-1]


class SecretsOnly:
    """Lookups that know secrets and nothing else."""

    def __init__(self, secrets: Mapping[str, Any] | None = None) -> None:
        self.secrets = dict(secrets or {})

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del scope
        if name == "secret" and arguments["key"] in self.secrets:
            return self.secrets[arguments["key"]]
        raise Fault(f"{name} has no answer here")


class Nothing:
    """Stands for a port that a test does not use."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*args: Any, **more: Any) -> Any:
            raise AssertionError(f"{name} was not to be used")

        return refuse


def services(
    *,
    blobs: Any = None,
    kv: KeyValues | None = None,
    files: Any = None,
    clock: Any = None,
    lookups: Callable[[RunContext], Lookups] | None = None,
    logs: Callable[[str], Iterator[LogEntry]] | None = None,
    command: Callable[[Any], None] | None = None,
) -> Services:
    """Services in memory; what is not given is empty or not to be used."""
    return Services(
        blobs=blobs or MemoryBlobs(),
        kv=kv or Nothing(),
        files=files or Nothing(),
        encryption=MirrorEncryption(),
        lookups=lookups or (lambda _: SecretsOnly()),
        logs=logs or (lambda _: iter(())),
        command=command or Nothing().command,
        trigger_command=command or Nothing().trigger_command,
        clock=clock or StillClock(),
        zone=UTC,
    )


def request(task: dict[str, Any], **more: Any) -> TaskRequest:
    """A request for a task, of execution `e1`."""
    fields: dict[str, Any] = {
        "execution_id": "e1",
        "task_run_id": "r1",
        "attempt": 1,
        "tenant": "main",
        "namespace": "io.test",
        "flow_id": "flow_a",
        "flow_revision": 1,
        "variables": {"taskrun": {"id": "r1"}, "task": {"id": task.get("id", "t")}},
        "requested_at": NOW,
    }
    return TaskRequest(task={"id": "t", **task}, **{**fields, **more})


class Bench:
    """One task's context, to run plugin code in a test without a worker."""

    def __init__(
        self, folder: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        self.services = services(**more)
        self.sent: list[Outgoing] = []
        self.request = request({"id": "t", "type": "x"})
        self.folder = WorkingFolder(folder)
        self.interruption = Interruption()
        self.context = RunContext(
            self.request,
            self.services,
            TaskLog(
                self.request,
                "t",
                "r1",
                None,
                WorkerOptions(),
                self.services.clock,
                self.sent.append,
                Redactor(),
            ),
            self.folder,
            task_id="t",
            task_run_id="r1",
            variables={"taskrun": {"id": "r1"}, **(variables or {})},
            interruption=self.interruption,
        )

    @property
    def blobs(self) -> Any:
        return self.services.blobs

    def lines(self) -> list[LogEntry]:
        """What the task has said."""
        self.context.out.flush()
        return log_lines(self.sent)


def log_lines(sent: list[Outgoing]) -> list[LogEntry]:
    """The log lines among records sent."""
    from domain.record.envelope import Record

    found: list[LogEntry] = []
    for record in sent:
        if record.topic == LOGS:
            read = Record(LOGS, 0, 0, record.key, record.value, 0)
            found += _BATCHES.decode(read).entries
    return found
