"""The indexer: consumes what happened, keeps the read models equal to it.

The consumer's thread only puts records into a buffer. The indexer's own thread takes all that
waits, projects it and writes it in bulk: at rest a record is written at once, under load whatever
came in the meantime becomes one batch. Offsets are committed behind durable writes only, so that a
crash repeats writes and never loses one; repeating is harmless, because versions are sequences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Event, Thread
from time import monotonic

from domain.errors import UnreadableRecord
from domain.ports.log import Log, LogConsumer
from domain.ports.metrics import Metrics
from domain.ports.stores import Snapshots
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_EVENTS, TRIGGER_EVENTS
from projections.bulk import BulkWriter, Stopping
from projections.options import ProjectionsOptions
from projections.projector import STATELESS, TOPICS, ExecutionProjector, Pending
from projections.store import DocumentWriter
from projections.triggers.project import TriggerFold

Place = tuple[str, int]
"""Topic and partition."""
_CATCH_UP_SAVES = 2_000
_REVOCATION_SECONDS = 5.0
_READY_SECONDS = 1.0


class _Assigned(tuple[Place, ...]):
    """Partitions that became ours, in the buffer at their place between the records."""

    __slots__ = ()


class _Revoked(tuple[Place, ...]):
    """Partitions that are no longer ours."""

    __slots__ = ()


class Indexer:
    """One member of the indexer's group."""

    def __init__(
        self,
        log: Log,
        store: DocumentWriter,
        snapshots: Snapshots,
        metrics: Metrics,
        *,
        member: str,
        failed: Callable[[Exception], None],
        options: ProjectionsOptions | None = None,
        prepare: Callable[[], bool] | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            log: the engine's log.
            store: where documents go.
            snapshots: local cache of folded executions, for quick restarts.
            metrics: takes the measurements.
            member: stable id of this member of the group.
            failed: told, from any thread, of what must stop the process.
            options: batching, keeping, retrying.
            prepare: called before anything is written, until it returns True: the read models are
                of our shape.
        """
        self._log = log
        self._snapshots = snapshots
        self._metrics = metrics
        self._options = options or ProjectionsOptions()
        self._failed = failed
        self._prepare = prepare
        self._stopping = Event()
        self._bulk = BulkWriter(store, log.writer, metrics, self._options, self._stopping)
        self._buffer: deque[Sequence[Record] | _Assigned | _Revoked] = deque()
        self._buffered = 0
        self._paused: set[Place] = set()
        self._moved = Condition()
        self._projectors: dict[int, ExecutionProjector] = {}
        self._triggers: dict[int, TriggerFold] = {}
        self._next: dict[Place, int] = {}
        """Next offset wanted, by partition that is ours; all before it is written."""
        self._committed: dict[Place, int] = {}
        group = self._options.group
        self._consumer: LogConsumer = log.consumer(
            group, TOPICS, self, member, failed, self._options.gather
        )
        self._thread = Thread(target=self._run, name="indexer", daemon=True)

    def start(self) -> None:
        """Join the group and begin."""
        self._metrics.gauge("indexer_lag_records", self.lag)
        self._thread.start()
        self._consumer.start()

    def close(self) -> None:
        """Write and commit what was taken, then leave; gives up at once when the store is away."""
        self._stopping.set()
        with self._moved:
            self._moved.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._consumer.close()

    @property
    def store_away(self) -> str | None:
        """Why the store does not answer; None while it does."""
        return self._bulk.away

    def lag(self) -> float:
        """Return how many records of our partitions are on the log and not written yet."""
        return float(
            sum(
                max(0, self._log.reader.bounds(topic, partition)[1] - next_offset)
                for (topic, partition), next_offset in list(self._next.items())
            )
        )

    def wait_until_written(self, place: Place, next_offset: int, timeout: float) -> bool:
        """Wait until everything before an offset of our partition is written; False: time is up."""
        with self._moved:
            return self._moved.wait_for(lambda: self._next.get(place, -1) >= next_offset, timeout)

    # -- the consumer's thread

    def assigned(self, partitions: Sequence[Place]) -> None:
        """Partitions became ours."""
        self._put(_Assigned(partitions), 0)

    def revoked(self, partitions: Sequence[Place]) -> None:
        """Partitions are no longer ours."""
        with self._moved:
            self._paused.difference_update(partitions)
        self._put(_Revoked(partitions), 0)
        if self._stopping.is_set():
            return
        with self._moved:  # what is written by then is not read again by the next owner
            self._moved.wait_for(lambda: not self._holds(partitions), _REVOCATION_SECONDS)

    def records(self, batch: Sequence[Record]) -> None:
        """New records: into the buffer; above its bound their partitions pause."""
        self._put(batch, len(batch))
        if self._buffered > self._options.buffered_records:
            with self._moved:
                fresh = {(record.topic, record.partition) for record in batch} - self._paused
                self._paused |= fresh
            for topic, partition in fresh:
                self._consumer.pause(topic, partition)

    def _holds(self, partitions: Sequence[Place]) -> bool:
        return self._thread.is_alive() and any(place in self._next for place in partitions)

    def _put(self, item: Sequence[Record] | _Assigned | _Revoked, count: int) -> None:
        with self._moved:
            self._buffer.append(item)
            self._buffered += count
            self._moved.notify_all()

    # -- our own thread

    def _run(self) -> None:
        try:
            self._loop()
        except Stopping:
            pass  # what was not written is read again after a restart
        except Exception as error:  # noqa: BLE001 - the process must stop rather than index half
            self._failed(error)

    def _loop(self) -> None:
        linger = self._options.linger.total_seconds()
        committed = saved = monotonic()
        written = committed - linger
        while not self._stopping.is_set():
            now = monotonic()
            due = committed + self._options.commit_interval.total_seconds()
            with self._moved:
                if not self._buffer:
                    # nothing uncommitted: nothing falls due
                    timeout = max(0.0, due - now) if self._next != self._committed else None
                    self._moved.wait(timeout)
            # at rest the first record goes on at once, under load the others join it
            if self._buffer and (early := written + linger - monotonic()) > 0:
                self._stopping.wait(early)
            if self._buffer and self._write_buffered():
                written = monotonic()
            if monotonic() >= due and self._next != self._committed:
                committed = monotonic()
                save = committed - saved >= self._options.snapshot_interval.total_seconds()
                self._checkpoint(save=save)
                saved = committed if save else saved
        self._write_buffered()
        self._checkpoint(save=True)

    def _write_buffered(self) -> int:
        """Project and write all that waits; returns how many records that was."""
        begun = monotonic()
        with self._moved:
            taken = list(self._buffer)
            self._buffer.clear()
        pending: list[Pending] = []
        poison: list[tuple[Record, str]] = []
        reached: dict[Place, int] = {}
        count = 0
        for item in taken:
            if isinstance(item, _Assigned | _Revoked):
                self._write(pending, poison, reached)
                pending, poison, reached = [], [], {}
                if isinstance(item, _Assigned):
                    self._begin(item)
                else:
                    self._checkpoint(save=False)
                    self._leave(item)
                continue
            for record in item:
                place = (record.topic, record.partition)
                if place not in self._next:
                    continue  # delivered before a revocation that we have seen already
                count += 1
                try:
                    self._take(record, pending)
                except UnreadableRecord as error:
                    poison.append((record, str(error)))
                except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
                    poison.append((record, f"{type(error).__name__}: {error}"))
                reached[place] = record.offset + 1
        self._write(pending, poison, reached)
        with self._moved:
            self._buffered -= sum(
                0 if isinstance(item, _Assigned | _Revoked) else len(item) for item in taken
            )
            resumed = (
                set(self._paused) if self._buffered * 2 < self._options.buffered_records else set()
            )
            self._paused -= resumed
        for topic, partition in resumed:
            self._consumer.resume(topic, partition)
        if count:
            self._metrics.observe("indexer_batch_seconds", monotonic() - begun)
        return count

    def _take(self, record: Record, pending: list[Pending]) -> None:
        self._metrics.count("indexer_records", 1, record.topic)
        if record.topic == EXECUTION_EVENTS:
            self._projectors[record.partition].take(record)
            return
        if record.topic == TRIGGER_EVENTS:
            writes = self._triggers[record.partition].writes_of(record)
        else:
            writes = STATELESS[record.topic](record)
        pending += [Pending(write, record) for write in writes]

    def _write(
        self,
        pending: list[Pending],
        poison: list[tuple[Record, str]],
        reached: dict[Place, int],
    ) -> None:
        for projector in self._projectors.values():
            pending += projector.drain()
        if poison:
            self._bulk.put_aside(poison)
        if pending:
            self._bulk.write(pending)
        if reached:
            with self._moved:
                self._next.update(reached)
                self._moved.notify_all()
        if any(
            projector.unsaved > self._options.snapshot_executions
            for projector in self._projectors.values()
        ):
            self._bulk.sync()
            self._save()

    def _be_ready(self) -> None:
        prepare = self._prepare
        if prepare is None:
            return
        while not self._bulk.insist(prepare):
            if self._stopping.wait(_READY_SECONDS):
                raise Stopping("the read models are not ready")
        self._prepare = None

    def _checkpoint(self, *, save: bool) -> None:
        self._bulk.sync()
        if save:
            self._save()
        for place, next_offset in list(self._next.items()):
            if self._committed.get(place) != next_offset:
                self._consumer.commit(*place, next_offset)
                self._committed[place] = next_offset

    def _save(self) -> None:
        for projector in self._projectors.values():
            if projector.unsaved:
                projector.save()

    # -- partitions

    def _begin(self, places: Sequence[Place]) -> None:
        for topic, partition in places:
            first, end = self._log.reader.bounds(topic, partition)
            committed, _ = self._consumer.committed(topic, partition)
            start = first if committed is None else committed
            if topic == EXECUTION_EVENTS:
                known = committed is not None and committed <= end
                self._projectors[partition] = self._recovered(
                    partition, first, start, end, keep=known
                )
            elif topic == TRIGGER_EVENTS:
                self._triggers[partition] = TriggerFold()
            self._next[topic, partition] = start
            self._committed[topic, partition] = start
        self._be_ready()
        with self._moved:
            self._moved.notify_all()

    def _leave(self, places: Sequence[Place]) -> None:
        for topic, partition in places:
            self._next.pop((topic, partition), None)
            self._committed.pop((topic, partition), None)
            if topic == EXECUTION_EVENTS:
                self._projectors.pop(partition, None)
            elif topic == TRIGGER_EVENTS:
                self._triggers.pop(partition, None)
        with self._moved:
            self._moved.notify_all()

    def _recovered(
        self, partition: int, first: int, committed: int, end: int, *, keep: bool
    ) -> ExecutionProjector:
        """Return the projector as of the committed offset: snapshot first, then the log's tail."""
        reader = self._log.reader
        stored = self._snapshots.offset(partition)
        projector: ExecutionProjector | None = None
        if stored is not None and keep and stored <= end:
            projector = ExecutionProjector(partition, self._snapshots, reader, stored)
            try:
                projector.restore()
            except UnreadableRecord:
                projector = None  # of another version: fold the log instead
        if projector is None:
            self._snapshots.forget(partition)
            projector = ExecutionProjector(partition, self._snapshots, reader, first)
        for record in reader.read(EXECUTION_EVENTS, partition, projector.next_offset, committed):
            projector.skip(record)
            if projector.unsaved >= _CATCH_UP_SAVES:
                projector.save()
        return projector
