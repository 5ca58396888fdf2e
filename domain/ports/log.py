"""The log: append, read, consume. Two adapters: the embedded log and Kafka.

Every call may raise LogUnavailable. Callbacks must not raise: a thread whose callback raised stops,
and tells its owner by `failed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from domain.record.envelope import Outgoing, Position, Record

Delivery = Callable[[Position | None, Exception | None], None]
"""Called once per record sent: its position when durable, or the error.

From any thread, also from inside `send` on the sender's own: hold no lock there that it takes.
What it raises is logged and reaches nobody.
"""

Failed = Callable[[Exception], None]
"""Called once, on its thread, when a tail or consumer ends by an error; else that is raised."""

AT_ONCE = timedelta(0)
"""Records are delivered as they come."""

METADATA_BYTES = 4095
"""Most bytes of a commit's metadata; a broker with Kafka's defaults refuses the 4096th."""


class LogWriter(Protocol):
    """Appends records. Thread-safe. Order is kept per partition."""

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        """Send one record; `delivered` tells when it is durable or failed.

        Raises:
            RecordTooLarge: it is over the limit; `delivered` is not called.
            LogUnavailable: the log is closed or failed; `delivered` is not called.
        """
        ...

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        """Append, wait until all are durable, else raise LogUnavailable. Not for event loops.

        Not atomic: after an error some of the records may be in the log.
        """
        ...

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        ...

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything sent so far is durable."""
        ...

    def close(self) -> None:
        """Flush and release."""
        ...


class LogReader(Protocol):
    """Reads without a consumer group: catch-up, tailing, paging through history. Thread-safe."""

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        ...

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept and the next offset to be written (high watermark)."""
        ...

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order.

        What is not kept any more, and what is at or after the end as it is now, is left out.
        """
        ...

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> Tail:
        """Call `deliver` with every batch from `starts` (partition -> offset) on, for ever.

        Runs on a thread of its own. New records wake it: there is no polling interval. An offset
        that is not kept any more means the first one that is. `gather`: how long the log may hold
        records back to deliver many at once, for readers on whom nobody waits.
        """
        ...

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield all records of a key in order from an offset on. May scan its partition."""
        ...


class Tail(Protocol):
    """A running tail."""

    def close(self) -> None:
        """Stop delivering; returns when no call is under way."""
        ...


class ConsumerEvents(Protocol):
    """What a consumer tells its owner; called on the consumer's thread.

    Assignment is incremental: each call names what is gained or lost, the rest stays.
    """

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """These (topic, partition) are now ours: anything remembered of them is stale."""
        ...

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """These are being taken away: commits made inside this call are the last accepted."""
        ...

    def records(self, batch: Sequence[Record]) -> None:
        """New records, in order per partition."""
        ...


class LogConsumer(Protocol):
    """A member of a consumer group. Records arrive on the consumer's own thread."""

    def start(self) -> None:
        """Join the group and begin to deliver."""
        ...

    def commit(self, topic: str, partition: int, next_offset: int, metadata: str = "") -> None:
        """Record the next offset wanted after a restart, with metadata.

        Thread-safe, does not wait. A commit for a partition that is not ours is dropped.

        Raises:
            ValueError: the metadata is over METADATA_BYTES in UTF-8.
        """
        ...

    def committed(self, topic: str, partition: int) -> tuple[int | None, str]:
        """The committed next offset (None: nothing yet) and its metadata."""
        ...

    def pause(self, topic: str, partition: int) -> None:
        """Deliver nothing more of a partition until `resume`. Thread-safe.

        From another thread than the consumer's, a batch already under way still arrives. A
        partition that is taken away is no longer paused.
        """
        ...

    def resume(self, topic: str, partition: int) -> None:
        """Undo `pause`. Thread-safe."""
        ...

    def close(self) -> None:
        """Leave the group after `revoked` was called and the last commits are written."""
        ...


class Log(Protocol):
    """One engine's log: what `infra.wiring` hands to the components."""

    @property
    def writer(self) -> LogWriter:
        """The process-wide writer."""
        ...

    @property
    def reader(self) -> LogReader:
        """The process-wide reader."""
        ...

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> LogConsumer:
        """Make a consumer of a group; `member` is a stable id (static membership).

        A group without a commit for a partition begins at the first record kept. Members of
        one group must ask for the same topics. `gather`: see `LogReader.tail`.
        """
        ...

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create missing topics from the catalogue, as configured."""
        ...

    def close(self) -> None:
        """Release everything; the log's data stays."""
        ...
