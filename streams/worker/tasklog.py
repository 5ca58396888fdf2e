"""What a running attempt says and measures: lines and measurements on their way to the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock, current_thread
from typing import BinaryIO

from domain.execution.requests import TaskRequest
from domain.log import Level, LogBatch, LogEntry
from domain.metric import MetricBatch, MetricEntry
from domain.ports.clock import Clock
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import LOGS, METRICS
from streams.worker.masking import Redactor
from streams.worker.options import WorkerOptions

Send = Callable[[Outgoing], None]
_ENTRY_BYTES = 400
_MILLISECOND = timedelta(milliseconds=1)


def _whole(moment: datetime) -> datetime:
    """Return a time in whole milliseconds, as records have it.

    What is said within one stands in the order of its records: with the fraction, the executor's
    word on a later task came before the line of the earlier one.
    """
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class TaskLog:
    """Log lines and metrics of one attempt. Thread-safe; nothing here waits for the log.

    Lines gather until there are many, until `flush`, or, once the attempt streams, until the next
    tick of its owner.

    Attributes:
        redactor: secrets to mask.
        streams: called when a line starts to wait although the attempt streams; the owner sees to a
            `flush` soon. None while the attempt may end at once.
        file: gets every line as text, too (`logToFile`).
    """

    __slots__ = (
        "_bytes",
        "_clock",
        "_entries",
        "_execution_id",
        "_least",
        "_limit",
        "_line",
        "_lines",
        "_lock",
        "_measured",
        "_metrics",
        "_prefix",
        "_request",
        "_send",
        "_task_id",
        "_task_run_id",
        "file",
        "redactor",
        "streams",
    )

    def __init__(
        self,
        request: TaskRequest,
        task_id: str,
        task_run_id: str,
        least: Level | None,
        options: WorkerOptions,
        clock: Clock,
        send: Send,
        redactor: Redactor,
    ) -> None:
        self._request = request
        self._task_id = task_id
        self._task_run_id = task_run_id
        self._execution_id = request.execution_id
        self._prefix = f"{task_run_id}.{request.attempt}."
        self._least = 4 if least is None else least.rank
        self._line = options.log_line_characters
        self._limit = options.log_batch_bytes
        self._clock = clock
        self._send = send
        self._entries: list[LogEntry] = []
        self._metrics: list[MetricEntry] = []
        self._bytes = 0
        self._lines = 0
        self._measured = 0
        self._lock = Lock()
        self.redactor = redactor
        self.streams: Callable[[], None] | None = None
        self.file: BinaryIO | None = None

    def write(self, level: Level, message: str, at: datetime | None = None) -> None:
        """Log a message; secrets are masked, long ones are split, unwanted ones are dropped."""
        if level.rank > self._least:
            return
        text = self.redactor.redact(message)
        moment = at or _whole(self._clock.now())
        with self._lock:
            first = not self._entries
            if len(text) <= self._line:
                self._add(level, text, moment)
            else:
                for start in range(0, len(text), self._line):
                    self._add(level, text[start : start + self._line], moment)
                    moment += _MILLISECOND
        if first and self.streams is not None:
            self.streams()

    def trace(self, message: str) -> None:
        """Log at TRACE."""
        self.write(Level.TRACE, message)

    def debug(self, message: str) -> None:
        """Log at DEBUG."""
        self.write(Level.DEBUG, message)

    def info(self, message: str) -> None:
        """Log at INFO."""
        self.write(Level.INFO, message)

    def warn(self, message: str) -> None:
        """Log at WARN."""
        self.write(Level.WARN, message)

    def error(self, message: str) -> None:
        """Log at ERROR."""
        self.write(Level.ERROR, message)

    def measure(self, kind: str, name: str, value: float, tags: dict[str, str]) -> None:
        """Keep a measurement.

        Args:
            kind: `counter`, `timer` or `gauge`.
            name: the metric's name.
            value: number; timers in milliseconds.
            tags: name and value of each tag.
        """
        request = self._request
        with self._lock:
            self._metrics.append(
                MetricEntry(
                    id=f"{self._prefix}{self._measured}",
                    tenant=request.tenant,
                    namespace=request.namespace,
                    flow_id=request.flow_id,
                    type=kind,
                    name=name,
                    value=value,
                    timestamp=self._clock.now(),
                    execution_id=self._execution_id,
                    task_id=self._task_id,
                    task_run_id=self._task_run_id,
                    tags=tags,
                    execution_kind=request.kind,
                )
            )
            self._measured += 1
            if len(self._metrics) >= 500:
                self._send_metrics()

    def flush(self) -> None:
        """Send what waits."""
        if self._entries or self._metrics:
            with self._lock:
                self._send_lines()
                self._send_metrics()

    def _add(self, level: Level, text: str, moment: datetime) -> None:
        request = self._request
        number = self._lines
        self._lines = number + 1
        self._entries.append(
            LogEntry(
                id=f"{self._prefix}{number}",
                tenant=request.tenant,
                namespace=request.namespace,
                flow_id=request.flow_id,
                level=level,
                message=text,
                timestamp=moment,
                execution_id=self._execution_id,
                task_id=self._task_id,
                task_run_id=self._task_run_id,
                attempt=request.attempt - 1,
                thread=current_thread().name,
                execution_kind=request.kind,
            )
        )
        if self.file is not None:
            line = f"{moment.isoformat(timespec='microseconds')} {level.value} {text}\n"
            self.file.write(line.encode(errors="replace"))
        self._bytes += (
            _ENTRY_BYTES + 6 * len(text) if not text.isascii() else _ENTRY_BYTES + len(text)
        )
        if self._bytes >= self._limit:
            self._send_lines()

    def _send_lines(self) -> None:
        if self._entries:
            value = encode(LogBatch(entries=self._entries))
            self._entries = []
            self._bytes = 0
            self._send(Outgoing(LOGS, self._execution_id, value))

    def _send_metrics(self) -> None:
        if self._metrics:
            value = encode(MetricBatch(entries=self._metrics))
            self._metrics = []
            self._send(Outgoing(METRICS, self._execution_id, value))
