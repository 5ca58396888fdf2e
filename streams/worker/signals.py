"""What workers and executors tell all workers: kills, signs of life, ends of moved attempts."""

from __future__ import annotations

from datetime import datetime
from threading import Event
from typing import Protocol

from domain.errors import UnreadableRecord
from domain.execution.requests import AnyWorkerSignal, AttemptEnded, Heartbeat, KillSignal
from domain.ports.log import Failed, Log, Tail
from domain.record.codec import Codec, encode
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Record
from domain.record.topics import WORKER_SIGNALS
from streams.worker.kills import Kills
from streams.worker.options import WorkerOptions
from streams.worker.tasklog import Send

_SIGNALS: Codec[AnyWorkerSignal] = Codec(AnyWorkerSignal)
_CATCH_UP_SECONDS = 10.0


class Listener(Protocol):
    """Who acts on signals; called on the tail's thread."""

    def heard(self, signal: Heartbeat) -> None:
        """A worker lives or leaves."""
        ...

    def ended_elsewhere(self, signal: AttemptEnded) -> None:
        """An attempt ended on a worker that has lost its request."""
        ...

    def killed(self, signal: KillSignal) -> None:
        """Attempts are to be interrupted; the kill is remembered already."""
        ...


class Signals:
    """Reads and writes `worker.signals` for one worker.

    Attributes:
        kills: the kills so far.
    """

    def __init__(
        self,
        worker_id: str,
        options: WorkerOptions,
        log: Log,
        listener: Listener,
        send: Send,
        failed: Failed,
    ) -> None:
        self._worker_id = worker_id
        self._group = options.group
        self._log = log
        self._listener = listener
        self._send = send
        self._failed = failed
        self._tail: Tail | None = None
        self.kills = Kills(options.remembered_kills)

    def follow(self) -> None:
        """Read all that is kept, so that kills before our start are known; then go on reading."""
        reader = self._log.reader
        starts: dict[int, int] = {}
        missing: dict[int, int] = {}
        for partition in range(reader.partitions(WORKER_SIGNALS)):
            first, end = reader.bounds(WORKER_SIGNALS, partition)
            starts[partition] = first
            if end > first:
                missing[partition] = end
        caught_up = Event()
        if not missing:
            caught_up.set()

        def deliver(batch: list[Record]) -> None:
            for record in batch:
                self._take(record)
                if record.offset + 1 >= missing.get(record.partition, 0):
                    missing.pop(record.partition, None)
            if not missing:
                caught_up.set()

        self._tail = reader.tail(WORKER_SIGNALS, starts, deliver, self._failed)
        caught_up.wait(_CATCH_UP_SECONDS)

    def beat(self, now: datetime, *, leaving: bool = False) -> None:
        """Say that this worker lives, or that it leaves."""
        beat = Heartbeat(worker_id=self._worker_id, group=self._group, sent_at=now, leaving=leaving)
        self._send(Outgoing(WORKER_SIGNALS, self._worker_id, encode(beat)))

    def ended(self, attempt_id: str) -> None:
        """Tell whoever has the request now that its attempt has ended here."""
        signal = AttemptEnded(attempt_id=attempt_id, worker_id=self._worker_id)
        self._send(Outgoing(WORKER_SIGNALS, self._worker_id, encode(signal)))

    def close(self) -> None:
        """Stop reading."""
        if self._tail is not None:
            self._tail.close()

    def _take(self, record: Record) -> None:
        try:
            signal = _SIGNALS.decode(record)
        except UnreadableRecord as error:
            self._send(dead_letter(record, str(error), "worker"))
            return
        match signal:
            case Heartbeat():
                self._listener.heard(signal)
            case AttemptEnded():
                self._listener.ended_elsewhere(signal)
            case KillSignal():
                self.kills.remember(signal, record.timestamp_ms)
                self._listener.killed(signal)
