"""The worker: takes requests of its group, runs them in slots, commits what is done.

A request is done when its result is durable. Whatever is not done is delivered again to whoever
owns the partition next, and what may have been begun by a worker that is gone is handed back to the
executor, see `intake`. It refuses the result of an attempt that had ended before.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from threading import Condition, Lock, Thread, current_thread

from domain.errors import TidewheelError, UnreadableRecord
from domain.execution.requests import (
    AttemptEnded,
    Heartbeat,
    KillSignal,
    TaskRequest,
)
from domain.ids import attempt_id
from domain.ports.log import Delivery, Log
from domain.ports.metrics import Metrics
from domain.record.codec import Codec, encode
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import EXECUTION_COMMANDS, task_requests
from streams.worker.attempt import Attempt, is_sealed
from streams.worker.backlog import Backlog, Item
from streams.worker.context import Services
from streams.worker.deadlines import Deadlines, DeadlineThread
from streams.worker.intake import Intake, Verdict
from streams.worker.job import Stop, Toolbox
from streams.worker.options import WorkerOptions
from streams.worker.partitions import Partitions, Token
from streams.worker.peers import worker_id_of
from streams.worker.plugin import Plugins
from streams.worker.result import Fitting, lost_attempt
from streams.worker.signals import Signals

_REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
_COMPONENT = "worker"


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
        life: tells this process from others that had or will have the same name.

    Attributes:
        id: the name and the life; stands at every attempt it runs.
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
        life: str = "",
    ) -> None:
        member = options.id or socket.gethostname()
        self.id = worker_id_of(member, life)
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
            append=self._append,
        )
        self._fitting = Fitting(options, services.blobs)
        self._signals = Signals(self.id, options, log, self, self._send, self._fail)
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._running: dict[str, Attempt] = {}
        self._backlog = Backlog(options)
        self._intake: Intake[Token, Item] = Intake(
            self.id, options.gone_after_seconds, options.remembered_attempts
        )
        self._stopping = False
        self._broken = False
        self._threads = 0
        self._slots: set[Thread] = set()
        self._consumer = log.consumer(
            f"worker.{options.group}" if options.group else "worker",
            [task_requests(options.group)],
            self,
            member,
            self._fail,
        )
        self._partitions = Partitions(
            self._lock, self._consumer, log.reader, self._deadlines, options
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

        What was interrupted is not reported: whoever takes it over hands it back to the executor.
        """
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._partitions.give_back()
            partitions = self._partitions.keys()
        self._pause(partitions)
        self._backlog.close(len(self._slots))
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

    def requests(self) -> list[TaskRequest]:
        """Return what runs now, oldest first."""
        return [attempt.request for attempt in list(self._running.values())]

    # -- what the consumer tells

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Begin where the last owner of each partition was."""
        for topic, number in partitions:
            partition = self._partitions.begin(topic, number)
            with self._lock:
                self._partitions.add(partition)
                is_full = self._backlog.is_full or self._stopping
            if is_full:
                self._consumer.pause(topic, number)
        self._partitions.commit()

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Forget the partitions; what runs goes on, and its result counts if it is the first."""
        with self._lock:
            gone = self._partitions.remove(partitions)
            self._intake.keep(lambda item: self._partitions.owns(item[0][0]))
        self._partitions.write(gone, gives_back=True)

    def records(self, batch: Sequence[Record]) -> None:
        """Queue new requests; stop the flow when enough are waiting."""
        pause: list[tuple[str, int]] = []
        with self._lock:
            if self._stopping:
                return
            for record in batch:
                partition = self._partitions.find(record.topic, record.partition)
                if partition is not None and partition.offsets.take(record.offset):
                    self._backlog.add(((partition, record.offset), record))
            if self._backlog.fills():
                pause = self._partitions.keys()
        self._pause(pause)

    def _room(self) -> list[tuple[str, int]]:
        """With the lock held: return the partitions to resume, once there is room for more."""
        if self._stopping or not self._backlog.empties():
            return []
        return self._partitions.keys()

    def _pause(self, partitions: list[tuple[str, int]]) -> None:
        for topic, number in partitions:
            self._consumer.pause(topic, number)

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
                item = self._backlog.get()
                if item is None or self._stopping or self._broken:
                    return
                with self._lock:
                    self._backlog.took(item)
                if self._run(*item):
                    return  # another thread has this slot now
        except Exception as error:  # noqa: BLE001  nothing may be acknowledged by mistake
            self._fail(error)
        finally:
            self._slots.discard(current_thread())

    def _run(self, token: Token, record: Record) -> bool:
        """Run one request; return whether its thread was given up meanwhile."""
        try:
            request = _REQUESTS.decode(record)
        except UnreadableRecord as error:
            self._put_aside(token, record, str(error))
            return False
        name = attempt_id(request.task_run_id, request.attempt)
        with self._lock:
            verdict = self._judge(name, request, token, record)
            if verdict is Verdict.RUN:
                self._intake.begun(name, token)
                self._partitions.hold(token, self.id)
            resume = self._room()
        self._resume(resume)
        if verdict is Verdict.LOST:
            self._hand_back(request, token)
        if verdict is not Verdict.RUN:
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

    def _judge(
        self, name: str, request: TaskRequest, token: Token, record: Record
    ) -> Verdict | None:
        """With the lock held: say what becomes of a request; None: it is ours no more."""
        partition, offset = token
        if not self._partitions.owns(partition):
            self._backlog.load -= 1  # taken away while it waited: its new owner has it
            return None
        now = self._clock.now()
        verdict = self._intake.judge(request, token, partition.offsets, offset, now)
        if verdict is Verdict.ENDED:
            self._done([token])
        elif verdict is Verdict.WAIT:
            holder = partition.offsets.holder(offset) or ""
            if self._intake.park(holder, name, (token, record)):
                left = self._intake.seconds_left(holder, now)
                self._deadlines.after(left, lambda: self._look_after(holder))
            self._backlog.load -= 1  # it needs no slot here: room for others
        return verdict

    def _hand_back(self, request: TaskRequest, token: Token) -> None:
        """Tell the executor of a request that a worker which is gone may have begun."""
        partition, offset = token
        command = lost_attempt(request, offset, partition.offsets.holder(offset) or "", self.id)
        self._metrics.count("worker_attempts", 1, "LOST")
        record = Outgoing(EXECUTION_COMMANDS, request.execution_id, encode(command))
        self._log.writer.send(record, self._done_when_durable(token))

    def _look_after(self, holder: str) -> None:
        """Look again at what waits for another worker once that one is gone."""
        with self._lock:
            left = self._intake.seconds_left(holder, self._clock.now())
            if left > 0 and holder in self._intake.holders:
                self._deadlines.after(left, lambda: self._look_after(holder))
                return
            for item in self._intake.release(holder):
                self._backlog.add(item)

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
            self._intake.left(name)
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
            tokens = self._intake.ended(name)
            self._done(tokens)
            resume = self._room()
            moved = any(not self._partitions.owns(partition) for partition, _ in tokens)
            if self._stopping:
                self._idle.notify_all()
        if moved:
            self._signals.ended(name)
        self._resume(resume)

    def _done(self, tokens: list[Token]) -> None:
        """With the lock held: note requests as done."""
        self._partitions.done(tokens)
        self._backlog.load -= len(tokens)

    def _done_when_durable(self, token: Token) -> Delivery:
        """Return what notes a request as done once the record about it is written."""

        def delivered(position: Position | None, error: Exception | None) -> None:
            del position
            if error is not None:
                self._fail(error)
                return
            with self._lock:
                self._done([token])
                resume = self._room()
            self._resume(resume)

        return delivered

    def _put_aside(self, token: Token, record: Record, reason: str) -> None:
        self._metrics.count("dead_letters", 1, _COMPONENT)
        letter = dead_letter(record, reason, _COMPONENT)
        self._log.writer.send(letter, self._done_when_durable(token))

    def _send(self, record: Outgoing) -> None:
        """Append a record; called from inside tasks, which are not to blame when it fails."""
        try:
            self._log.writer.send(record, self._sent)
        except TidewheelError as error:
            self._fail(error)

    def _append(self, record: Outgoing) -> None:
        """Append a record and wait until it is durable.

        Raises:
            LogUnavailable: it is not, or may not be.
        """
        self._log.writer.append([record])

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
            gone = self._intake.heard(signal)
        for holder in gone:
            self._look_after(holder)

    def ended_elsewhere(self, signal: AttemptEnded) -> None:
        """An attempt that may wait here has ended on its first worker."""
        with self._lock:
            items = self._intake.ended_elsewhere(signal)
            self._backlog.load += len(items)
            self._done([token for token, _ in items])
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
