"""The worker: takes requests of its group, runs them in slots, commits what is done.

A request is done when its result is durable. Whatever is not done is delivered again to whoever
owns the partition next; the executor refuses the result of an attempt that had ended before.
"""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Condition, Event, Lock, Thread, current_thread
from typing import Any

from domain.errors import TidewheelError, UnreadableRecord
from domain.execution.requests import AnyWorkerSignal, Heartbeat, KillSignal, TaskRequest
from domain.ids import attempt_id
from domain.ports.log import Log, Tail
from domain.ports.metrics import Metrics
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import WORKER_SIGNALS, task_requests
from streams.deadletter import dead_letter
from streams.worker.attempt import Attempt, is_sealed
from streams.worker.context import Services
from streams.worker.deadlines import Deadlines, DeadlineThread
from streams.worker.job import Stop, Toolbox
from streams.worker.kills import Kills
from streams.worker.offsets import Offsets
from streams.worker.options import WorkerOptions
from streams.worker.plugin import Plugins
from streams.worker.result import Fitting

_REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
_SIGNALS: Codec[Any] = Codec(AnyWorkerSignal)
_COMPONENT = "worker"


class _Partition:
    """An assigned partition. A later assignment of the same one is another object."""

    __slots__ = ("number", "offsets", "topic")

    def __init__(self, topic: str, number: int, offsets: Offsets) -> None:
        self.topic = topic
        self.number = number
        self.offsets = offsets


_Token = tuple[_Partition, int]
"""A request as delivered: its partition and offset."""


class Worker:
    """One worker process.

    Args:
        options: how it works.
        log: requests, signals, results.
        plugins: the task types it can run.
        services: the world of its tasks.
        metrics: takes measurements.
        failed: called once when the worker cannot go on; the process is expected to stop.
        deadlines: calls later; None makes a thread for it.
    """

    def __init__(
        self,
        options: WorkerOptions,
        log: Log,
        plugins: Plugins,
        services: Services,
        metrics: Metrics,
        failed: Callable[[Exception], None],
        deadlines: Deadlines | None = None,
    ) -> None:
        self.id = options.id or socket.gethostname()
        self._options = options
        self._log = log
        self._metrics = metrics
        self._failed = failed
        self._clock = services.clock
        self._own_deadlines = DeadlineThread(self._fail) if deadlines is None else None
        self._deadlines: Deadlines = deadlines or self._own_deadlines  # type: ignore[assignment]
        self._toolbox = Toolbox(
            options=options,
            plugins=plugins,
            services=services,
            deadlines=self._deadlines,
            send=self._send,
        )
        self._fitting = Fitting(options, services.blobs)
        self._kills = Kills(options.remembered_kills)
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._running: dict[str, Attempt] = {}
        self._tokens: dict[str, list[_Token]] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._queue: SimpleQueue[tuple[_Token, Record] | None] = SimpleQueue()
        self._load = 0  # requests taken that are not done
        self._paused = False
        self._commit_armed = False
        self._stopping = False
        self._broken = False
        self._threads = 0
        self._slots: set[Thread] = set()
        self._signals: Tail | None = None
        self._consumer = log.consumer(
            f"worker.{options.group}" if options.group else "worker",
            [task_requests(options.group)],
            self,
            self.id,
            self._fail,
        )
        metrics.gauge("worker_running", lambda: float(len(self._running)))
        metrics.gauge("worker_slots", lambda: float(options.slots))

    # -- life

    def start(self) -> None:
        """Learn of the kills so far, then take requests."""
        self._follow_signals()
        for _ in range(self._options.slots):
            self._add_slot()
        self._consumer.start()
        self._beat()

    def stop(self) -> None:
        """Take no more, wait for what runs, interrupt what is left, and leave the group.

        What was interrupted is not reported: it runs again on another worker.
        """
        with self._lock:
            self._stopping = True
            partitions = list(self._partitions)
        for topic, partition in partitions:
            self._consumer.pause(topic, partition)
        for _ in range(len(self._slots)):
            self._queue.put(None)
        self._wait_idle(self._options.stop_grace_seconds)
        with self._lock:
            left = list(self._running.values())
        for attempt in left:
            attempt.stop(Stop.SHUTDOWN)
        if left:
            self._wait_idle(self._options.interrupt_grace_seconds + 1)
        patience = time.monotonic() + self._options.interrupt_grace_seconds
        for thread in list(self._slots):
            thread.join(max(0.0, patience - time.monotonic()))
        self._send_heartbeat(leaving=True)
        self._log.writer.flush()
        self._commit()
        if self._signals is not None:
            self._signals.close()
        self._consumer.close()
        if self._own_deadlines is not None:
            self._own_deadlines.close()

    @property
    def running(self) -> int:
        """Attempts that run now."""
        return len(self._running)

    # -- what the consumer tells

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Begin where the last owner of each partition was."""
        for topic, number in partitions:
            next_offset, metadata = self._consumer.committed(topic, number)
            try:
                offsets = Offsets(next_offset, metadata)
            except UnreadableRecord:
                offsets = Offsets(next_offset)  # runs again what an unknown writer called done
            with self._lock:
                self._partitions[topic, number] = _Partition(topic, number, offsets)
                paused = self._paused or self._stopping
            if paused:
                self._consumer.pause(topic, number)

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Forget the partitions; what runs goes on, and its result counts if it is the first."""
        self._commit()
        with self._lock:
            for key in partitions:
                self._partitions.pop(key, None)

    def records(self, batch: Sequence[Record]) -> None:
        """Queue new requests; stop the flow when enough are waiting."""
        pause: list[tuple[str, int]] = []
        with self._lock:
            if self._stopping:
                return
            for record in batch:
                partition = self._partitions.get((record.topic, record.partition))
                if partition is not None and partition.offsets.take(record.offset):
                    self._load += 1
                    self._queue.put(((partition, record.offset), record))
            if not self._paused and self._load >= self._options.slots + self._options.prefetch:
                self._paused = True
                pause = list(self._partitions)
        for topic, number in pause:
            self._consumer.pause(topic, number)

    # -- slots

    def _add_slot(self) -> None:
        self._threads += 1
        thread = Thread(target=self._slot, name=f"worker_{self._threads}", daemon=True)
        self._slots.add(thread)
        thread.start()

    def _slot(self) -> None:
        try:
            while True:
                item = self._queue.get()
                if item is None or self._stopping or self._broken:
                    return
                if self._run(*item):
                    return  # another thread has this slot now
        except Exception as error:  # noqa: BLE001  nothing may be acknowledged by mistake
            self._fail(error)
        finally:
            self._slots.discard(current_thread())

    def _run(self, token: _Token, record: Record) -> bool:
        """Run one request; return whether its thread was given up meanwhile."""
        try:
            request = _REQUESTS.decode(record)
        except UnreadableRecord as error:
            self._put_aside(token, record, str(error))
            return False
        name = attempt_id(request.task_run_id, request.attempt)
        with self._lock:
            if name in self._tokens:
                self._tokens[name].append(token)  # done when the one that runs is
                return False
            if name in self._recent:
                self._done([token])
                return False
            self._tokens[name] = [token]
        attempt = self._attempt(request, record)
        with self._lock:
            self._running[name] = attempt
        if self._kills.hits(request):
            attempt.end_before_start()
            return False
        queued = attempt.started_at.timestamp() - record.timestamp_ms / 1000
        self._metrics.observe("worker_queued_seconds", max(0.0, queued))
        attempt.run()
        if attempt.outcome is None and not attempt.is_abandoned:
            self._leave(name)
        return attempt.is_abandoned

    def _attempt(self, request: TaskRequest, record: Record) -> Attempt:
        return Attempt(
            self._toolbox,
            self._fitting,
            request,
            sealed=record.value is not None and is_sealed(record.value),
            worker_id=self.id,
            report=self._report,
            abandoned=self._abandoned,
        )

    def _abandoned(self, attempt: Attempt) -> None:
        """A task holds its thread for good: make another one for the slot."""
        if attempt.outcome is None:
            self._leave(attempt.id)
        if attempt.thread is not None:
            self._slots.discard(attempt.thread)
        if not self._stopping:
            with self._lock:
                self._add_slot()

    def _leave(self, name: str) -> None:
        """Forget an attempt without its end: it is delivered again."""
        with self._lock:
            self._running.pop(name, None)
            self._tokens.pop(name, None)
            self._idle.notify_all()

    # -- results

    def _report(self, attempt: Attempt, result: Outgoing) -> None:
        outcome = attempt.outcome
        assert outcome is not None
        self._metrics.count("worker_attempts", 1, outcome.state.value)
        seconds = (outcome.ended_at - outcome.started_at).total_seconds()
        self._metrics.observe("worker_attempt_seconds", seconds)

        def delivered(position: Position | None, error: Exception | None) -> None:
            del position
            if error is not None:
                self._fail(error)
            else:
                self._recorded(attempt.id)

        self._log.writer.send(result, delivered)

    def _recorded(self, name: str) -> None:
        """The result of an attempt is durable."""
        with self._lock:
            self._running.pop(name, None)
            tokens = self._tokens.pop(name, [])
            self._recent[name] = None
            if len(self._recent) > self._options.remembered_attempts:
                self._recent.popitem(last=False)
            resume = self._done(tokens)
            if self._stopping:
                self._idle.notify_all()
        for topic, number in resume:
            self._consumer.resume(topic, number)

    def _done(self, tokens: list[_Token]) -> list[tuple[str, int]]:
        """With the lock held: note requests as done; return the partitions to resume."""
        for partition, offset in tokens:
            partition.offsets.done(offset)
        self._load -= len(tokens)
        if not self._commit_armed and not self._stopping:
            self._commit_armed = True
            self._deadlines.after(self._options.commit_interval_seconds, self._commit)
        if not self._paused or self._load > self._options.slots + self._options.prefetch // 2:
            return []
        self._paused = False
        return [] if self._stopping else list(self._partitions)

    def _commit(self) -> None:
        with self._lock:
            self._commit_armed = False
            wanted = [
                (partition, commit)
                for partition in self._partitions.values()
                if (commit := partition.offsets.commit(self._options.commit_metadata_bytes))
            ]
        for partition, (next_offset, metadata) in wanted:
            self._consumer.commit(partition.topic, partition.number, next_offset, metadata)

    def _put_aside(self, token: _Token, record: Record, reason: str) -> None:
        self._metrics.count("dead_letters", 1, _COMPONENT)

        def delivered(position: Position | None, error: Exception | None) -> None:
            del position
            if error is not None:
                self._fail(error)
                return
            with self._lock:
                resume = self._done([token])
            for topic, number in resume:
                self._consumer.resume(topic, number)

        self._log.writer.send(dead_letter(record, reason, _COMPONENT), delivered)

    def _send(self, record: Outgoing) -> None:
        """Append a record; called from inside tasks, which are not to blame when it fails."""
        try:
            self._log.writer.send(record, self._sent)
        except TidewheelError as error:
            self._fail(error)

    def _sent(self, position: Position | None, error: Exception | None) -> None:
        del position
        if error is not None:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stop taking anything, once; recovery is from the log."""
        with self._lock:
            if self._broken:
                return
            self._broken = True
        self._failed(error)

    def _wait_idle(self, seconds: float) -> None:
        with self._idle:
            self._idle.wait_for(lambda: not self._running or self._broken, seconds)

    # -- signals

    def _follow_signals(self) -> None:
        """Read the signals that are kept, so that a kill before our start is known; then follow."""
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
                self._signal(record)
                if record.offset + 1 >= missing.get(record.partition, 0):
                    missing.pop(record.partition, None)
            if not missing:
                caught_up.set()

        self._signals = reader.tail(WORKER_SIGNALS, starts, deliver, self._fail)
        caught_up.wait(10)

    def _signal(self, record: Record) -> None:
        if record.value is None or b'"kill"' not in record.value:
            return  # a heartbeat: not worth decoding
        try:
            signal = _SIGNALS.decode(record)
        except UnreadableRecord as error:
            self._send(dead_letter(record, str(error), _COMPONENT))
            return
        if not isinstance(signal, KillSignal):
            return
        self._kills.remember(signal, record.timestamp_ms)
        with self._lock:
            running = list(self._running.values())
        for attempt in running:
            if attempt.request.execution_id == signal.execution_id and self._kills.hits(
                attempt.request
            ):
                attempt.stop(Stop.KILL)

    def _beat(self) -> None:
        if not self._stopping and not self._broken:
            self._send_heartbeat()
            self._deadlines.after(self._options.heartbeat_seconds, self._beat)

    def _send_heartbeat(self, *, leaving: bool = False) -> None:
        beat = Heartbeat(
            worker_id=self.id,
            group=self._options.group,
            sent_at=self._clock.now(),
            leaving=leaving,
        )
        self._send(Outgoing(WORKER_SIGNALS, self.id, encode(beat)))
