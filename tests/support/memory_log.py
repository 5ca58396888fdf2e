"""A log in memory for tests: records arrive when a test says so, on the test's own thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from threading import Condition

from domain.ports.log import AT_ONCE, ConsumerEvents, Delivery, Failed
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import partition_of


class MemoryLog:
    """Log, writer and reader in one. A consumer gets records when `MemoryConsumer.pump` is called.

    Attributes:
        held: when a list, deliveries wait in it until `release` instead of happening at once.
    """

    def __init__(self, partitions: int = 1) -> None:
        self._partitions = partitions
        self._records: dict[tuple[str, int], list[Record]] = {}
        self._tails: list[MemoryTail] = []
        self.changed = Condition()
        self.commits: dict[tuple[str, str, int], tuple[int, str]] = {}
        self.consumers: list[MemoryConsumer] = []
        self.ensured: list[str] = []
        self.held: list[Callable[[], None]] | None = None
        self.hold_topic = ""
        self.clock_ms = 1_700_000_000_000

    @property
    def writer(self) -> MemoryLog:
        return self

    @property
    def reader(self) -> MemoryLog:
        return self

    def partitions(self, topic: str) -> int:
        del topic
        return self._partitions

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        partition = (
            partition_of(record.key, self._partitions)
            if record.partition is None
            else record.partition
        )
        with self.changed:
            records = self._records.setdefault((record.topic, partition), [])
            stored = Record(
                record.topic,
                partition,
                len(records),
                record.key,
                record.value,
                self.clock_ms if record.timestamp_ms is None else record.timestamp_ms,
                record.headers,
            )
            records.append(stored)
            self.changed.notify_all()
            tails = [tail for tail in self._tails if tail.topic == record.topic]
        for tail in tails:
            tail.deliver([stored])
        if delivered is None:
            return
        if self.held is not None and record.topic == self.hold_topic:
            self.held.append(lambda: delivered(stored.position, None))
        else:
            delivered(stored.position, None)

    def release(self) -> None:
        """Make the deliveries held so far happen."""
        held, self.held = self.held or [], None
        for deliver in held:
            deliver()

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        del timeout
        positions: list[Position] = []

        def delivered(position: Position | None, error: Exception | None) -> None:
            assert position is not None
            assert error is None
            positions.append(position)

        for record in records:
            self.send(record, delivered)
        return positions

    def flush(self, timeout: float = 30.0) -> None:
        del timeout

    def close(self) -> None:
        pass

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, len(self._records.get((topic, partition), []))

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        yield from self._records.get((topic, partition), [])[start:stop]

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        partition = partition_of(key, self._partitions)
        for record in self._records.get((topic, partition), [])[start:]:
            if record.key == key:
                yield record

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> MemoryTail:
        del failed, gather
        tail = MemoryTail(self, topic, deliver)
        for partition, start in starts.items():
            records = self._records.get((topic, partition), [])[start:]
            if records:
                deliver(records)
        self._tails.append(tail)
        return tail

    def drop(self, tail: MemoryTail) -> None:
        self._tails.remove(tail)

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> MemoryConsumer:
        del failed, gather
        consumer = MemoryConsumer(self, group, list(topics), events, member)
        self.consumers.append(consumer)
        return consumer

    def ensure_topics(self, topics: Sequence[str]) -> None:
        self.ensured.extend(topics)

    def all(self, topic: str) -> list[Record]:
        """Every record of a topic, by partition and offset."""
        return [
            record
            for (name, _), records in self._records.items()
            if name == topic
            for record in records
        ]

    def wait_for(self, topic: str, count: int, timeout: float = 20.0) -> list[Record]:
        """Wait until a topic has so many records and return them."""
        with self.changed:
            enough = self.changed.wait_for(lambda: len(self.all(topic)) >= count, timeout)
            assert enough, f"{topic} has {len(self.all(topic))} records, {count} were expected"
        return self.all(topic)


class MemoryTail:
    def __init__(self, log: MemoryLog, topic: str, deliver: Callable[[list[Record]], None]) -> None:
        self._log = log
        self.topic = topic
        self.deliver = deliver

    def close(self) -> None:
        self._log.drop(self)


class MemoryConsumer:
    """Gets all partitions of its topics on `start`."""

    def __init__(
        self, log: MemoryLog, group: str, topics: list[str], events: ConsumerEvents, member: str
    ) -> None:
        self._log = log
        self._group = group
        self._topics = topics
        self._events = events
        self.member = member
        self._next: dict[tuple[str, int], int] = {}
        self.paused: set[tuple[str, int]] = set()
        self.closed = False

    def start(self) -> None:
        self.assign()

    def assign(self) -> None:
        """Be given every partition (again)."""
        self._next = {}
        keys = [(t, p) for t in self._topics for p in range(self._log.partitions(t))]
        for key in keys:
            self._next[key] = self.committed(*key)[0] or 0
        self._events.assigned(keys)

    def revoke(self) -> None:
        """Lose every partition."""
        self._events.revoked(list(self._next))
        self._next = {}

    def pump(self, limit: int = 1_000) -> int:
        """Deliver what is new and not paused; returns how many records."""
        count = 0
        for (topic, partition), start in list(self._next.items()):
            if (topic, partition) in self.paused:
                continue
            _, end = self._log.bounds(topic, partition)
            batch = list(self._log.read(topic, partition, start, min(end, start + limit)))
            if batch:
                self._next[topic, partition] = batch[-1].offset + 1
                self._events.records(batch)
                count += len(batch)
        return count

    def commit(self, topic: str, partition: int, next_offset: int, metadata: str = "") -> None:
        with self._log.changed:
            self._log.commits[self._group, topic, partition] = (next_offset, metadata)
            self._log.changed.notify_all()

    def committed(self, topic: str, partition: int) -> tuple[int | None, str]:
        return self._log.commits.get((self._group, topic, partition), (None, ""))

    def pause(self, topic: str, partition: int) -> None:
        with self._log.changed:
            self.paused.add((topic, partition))
            self._log.changed.notify_all()

    def resume(self, topic: str, partition: int) -> None:
        with self._log.changed:
            self.paused.discard((topic, partition))
            self._log.changed.notify_all()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.revoke()
