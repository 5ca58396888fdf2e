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
from threading import Condition, Lock, Thread, current_thread

from domain.errors import TidewheelError, UnreadableRecord
from domain.execution.requests import (
    AttemptEnded,
    Heartbeat,
    KillSignal,
    TaskRequest,
)
from domain.ids import attempt_id
from domain.ports.log import Log
from domain.ports.metrics import Metrics
from domain.record.codec import Codec
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import task_requests
from streams.worker.attempt import Attempt, is_sealed
from streams.worker.context import Services
from streams.worker.deadlines import Deadlines, DeadlineThread
from streams.worker.job import Stop, Toolbox
from streams.worker.offsets import Offsets
from streams.worker.options import WorkerOptions
from streams.worker.peers import Peers
from streams.worker.plugin import Plugins
from streams.worker.result import Fitting
from streams.worker.signals import Signals

_REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
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
_Item = tuple[_Token, Record]


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
        self._signals = Signals(self.id, options, log, self, self._send, self._fail)
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._running: dict[str, Attempt] = {}
        self._tokens: dict[str, list[_Token]] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._peers = Peers(options.gone_after_seconds, options.remembered_attempts)
        self._parked: dict[str, dict[str, _Item]] = {}  # worker -> attempt -> request
        self._load = 0  # requests taken that are not done
        self._waiting_bytes = 0  # of those in the queue
        self._paused = False
        self._commit_armed = False
        self._stopping = False
        self._broken = False
        self._threads = 0
        self._slots: set[Thread] = set()
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
        self._signals.follow()
        for _ in range(self._options.slots):
            self._add_slot()
        self._consumer.start()
        self._beat()

    def stop(self) -> None:
        """Take no more, wait for what runs, interrupt what is left, and leave the group.

        What was interrupted is not reported: it runs again on another worker. Twice is once.
        """
        with self._lock:
            if self._stopping:
                return
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
        self._signals.beat(self._clock.now(), leaving=True)
        self._log.writer.flush()
        self._commit()
        self._signals.close()
        self._consumer.close()
        if self._own_deadlines is not None:
            self._own_deadlines.close()

    def _beat(self) -> None:
        if not self._stopping and not self._broken:
            self._signals.beat(self._clock.now())
            self._deadlines.after(self._options.heartbeat_seconds, self._beat)

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
            for waiting in self._parked.values():
                for name in [n for n, (token, _) in waiting.items() if not self._owns(token[0])]:
                    del waiting[name]

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
                    self._enqueue(((partition, record.offset), record))
            if not self._paused and (
                self._load >= self._options.slots + self._options.prefetch
                or self._waiting_bytes >= self._options.prefetch_bytes
            ):
                self._paused = True
                pause = list(self._partitions)
        for topic, number in pause:
            self._consumer.pause(topic, number)

    def _enqueue(self, item: _Item) -> None:
        """With the lock held: let a request wait for a slot."""
        self._waiting_bytes += _size(item[1])
        self._queue.put(item)

    def _room(self) -> list[tuple[str, int]]:
        """With the lock held: return the partitions to resume, once there is room for more."""
        options = self._options
        if (
            not self._paused
            or self._stopping
            or self._load > options.slots + options.prefetch // 2
            or self._waiting_bytes > options.prefetch_bytes // 2
        ):
            return []
        self._paused = False
        return list(self._partitions)

    def _resume(self, partitions: list[tuple[str, int]]) -> None:
        for topic, number in partitions:
            self._consumer.resume(topic, number)

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
                with self._lock:
                    self._waiting_bytes -= _size(item[1])
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
            wanted = self._is_wanted(name, token, record)
            if wanted:
                self._tokens[name] = [token]
                token[0].offsets.hold(token[1], self.id)
            resume = self._room()
        self._resume(resume)
        if not wanted:
            return False
        attempt = self._attempt(request, record)
        with self._lock:
            self._running[name] = attempt
        if self._signals.kills.hits(request):
            attempt.end_before_start()
            return False
        queued = attempt.started_at.timestamp() - record.timestamp_ms / 1000
        self._metrics.observe("worker_queued_seconds", max(0.0, queued))
        attempt.run()
        if attempt.outcome is None and not attempt.is_abandoned:
            self._leave(name)
        return attempt.is_abandoned

    def _is_wanted(self, name: str, token: _Token, record: Record) -> bool:
        """With the lock held: whether an attempt is to be started here and now."""
        partition, offset = token
        if not self._owns(partition):
            self._load -= 1  # taken away while it waited: its new owner has it
            return False
        if name in self._tokens:
            self._tokens[name].append(token)  # done when the one that runs is
            return False
        if name in self._recent or self._peers.has_ended(name):
            self._done([token])
            return False
        holder = partition.offsets.holder(offset)
        if holder is None or holder == self.id:
            return True
        left = self._peers.seconds_left(holder, self._clock.now())
        if left <= 0:
            return True
        waiting = self._parked.setdefault(holder, {})
        if not waiting:
            self._deadlines.after(left, lambda: self._look_after(holder))
        waiting[name] = (token, record)
        self._load -= 1  # it needs no slot here: room for others
        return False

    def _look_after(self, holder: str) -> None:
        """Run what waits for another worker once that one is gone."""
        with self._lock:
            left = self._peers.seconds_left(holder, self._clock.now())
            if left > 0 and holder in self._parked:
                self._deadlines.after(left, lambda: self._look_after(holder))
                return
            items = self._parked.pop(holder, {})
            self._load += len(items)
            for item in items.values():
                self._enqueue(item)

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
            self._done(tokens)
            resume = self._room()
            moved = any(not self._owns(partition) for partition, _ in tokens)
            if self._stopping:
                self._idle.notify_all()
        if moved:
            self._signals.ended(name)
        self._resume(resume)

    def _owns(self, partition: _Partition) -> bool:
        return self._partitions.get((partition.topic, partition.number)) is partition

    def _done(self, tokens: list[_Token]) -> None:
        """With the lock held: note requests as done."""
        for partition, offset in tokens:
            partition.offsets.done(offset)
        self._load -= len(tokens)
        if not self._commit_armed and not self._stopping:
            self._commit_armed = True
            self._deadlines.after(self._options.commit_interval_seconds, self._commit)

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
                self._done([token])
                resume = self._room()
            self._resume(resume)

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

    def heard(self, signal: Heartbeat) -> None:
        """Another worker, or this one, lives or leaves."""
        with self._lock:
            self._peers.beat(signal)
        if signal.leaving:
            self._look_after(signal.worker_id)

    def ended_elsewhere(self, signal: AttemptEnded) -> None:
        """An attempt that may wait here has ended on its first worker."""
        with self._lock:
            self._peers.ended(signal.attempt_id)
            item = self._parked.get(signal.worker_id, {}).pop(signal.attempt_id, None)
            if item is not None:
                self._load += 1
                self._done([item[0]])
            resume = self._room()
        self._resume(resume)

    def killed(self, signal: KillSignal) -> None:
        """Interrupt what the kill hits."""
        with self._lock:
            running = list(self._running.values())
        for attempt in running:
            if attempt.request.execution_id == signal.execution_id and self._signals.kills.hits(
                attempt.request
            ):
                attempt.stop(Stop.KILL)


def _size(record: Record) -> int:
    return len(record.value or b"")
