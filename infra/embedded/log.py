"""The embedded log: topics, partitions, offsets and groups in a folder, for one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from domain.errors import LogUnavailable
from domain.ports.log import AT_ONCE, ConsumerEvents, Delivery, Failed
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import partition_of
from infra.embedded.log_consumer import EmbeddedConsumer, Group
from infra.embedded.log_feed import EmbeddedTail, Feed
from infra.embedded.log_journal import Journal
from infra.embedded.log_keeper import Keeper
from infra.embedded.log_shelf import Partition
from infra.log_options import LogOptions, Sync

_PAGE = 512


class EmbeddedWriter:
    """Appends records on the caller's own thread; see `log_journal` for why."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._synced = journal.options.sync is Sync.ALWAYS

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        """Append one record; `delivered` is called before this returns (later with `ALWAYS`)."""
        self._journal.append(record, delivered)

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        """Append and wait until all are durable."""
        if not self._synced:
            return [self._journal.append(record) for record in records]
        waiting = _Waiting(len(records))
        positions = [self._journal.append(record, waiting.delivered) for record in records]
        waiting.wait(timeout)
        return positions

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        return len(self._journal.partitions(topic))

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything sent so far is durable."""
        self._journal.flush(timeout)

    def close(self) -> None:
        """Flush; the files are closed by the log."""
        self.flush()


class _Waiting:
    """Waits for the delivery of a number of records."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._error: Exception | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        if count == 0:
            self._done.set()

    def delivered(self, _: Position | None, error: Exception | None) -> None:
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if self._left == 0:
                self._done.set()

    def wait(self, timeout: float) -> None:
        if not self._done.wait(timeout):
            raise LogUnavailable(f"{self._left} records were not durable after {timeout} s")
        if self._error is not None:
            raise self._error


class EmbeddedReader:
    """Reads from memory where it can, else from the mapped files."""

    def __init__(self, journal: Journal, opened: Callable[[Feed], None]) -> None:
        self._journal = journal
        self._opened = opened

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        return len(self._journal.partitions(topic))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept and the next offset to be written."""
        place = self._journal.partitions(topic)[partition]
        return place.start, place.end

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order."""
        place = self._journal.partitions(topic)[partition]
        return self._pages(place, start, min(stop, place.end))

    def _pages(self, place: Partition, start: int, stop: int) -> Iterator[Record]:
        while start < stop:
            found, start = self._journal.read(place, start, stop, _PAGE)
            yield from found

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> EmbeddedTail:
        """Call `deliver` with every batch from `starts` on; `gather` would save nothing here."""
        del gather
        places = self._journal.partitions(topic)
        tail = EmbeddedTail(
            self._journal,
            {places[number]: offset for number, offset in starts.items()},
            deliver,
            failed,
        )
        self._opened(tail)
        return tail

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield the records of a key in order, found by the marks in the index: no scan."""
        places = self._journal.partitions(topic)
        place = places[partition_of(key, len(places))]
        return self._journal.shelf.find(place, key, start, place.end)


class EmbeddedLog:
    """The log of the embedded engine. Groups may have several members, all in this process."""

    def __init__(self, folder: Path, options: LogOptions | None = None) -> None:
        """Open or create the log in a folder.

        Args:
            folder: where the files stand; one process at a time.
            options: None means all defaults.

        Raises:
            LogUnavailable: another process has the folder, or it is damaged.
        """
        self._options = options or LogOptions()
        self._journal = Journal(folder, self._options)
        self._keeper = Keeper(self._journal)
        self._groups: dict[str, Group] = {}
        self._feeds: list[Feed] = []
        self._lock = threading.Lock()
        self._closing = False
        self._writer = EmbeddedWriter(self._journal)
        self._reader = EmbeddedReader(self._journal, self._opened)

    @property
    def writer(self) -> EmbeddedWriter:
        """The process-wide writer."""
        return self._writer

    @property
    def reader(self) -> EmbeddedReader:
        """The process-wide reader."""
        return self._reader

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> EmbeddedConsumer:
        """Make a consumer of a group; `member` has no meaning in one process."""
        del member, gather
        with self._lock:
            shared = self._groups.setdefault(group, Group())
        consumer = EmbeddedConsumer(self._journal, (group, shared), topics, events, failed)
        self._opened(consumer)
        return consumer

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create missing topics with the partitions that the options give them."""
        for topic in topics:
            self._journal.ensure(topic, self._options.partitions_of(topic))

    def close(self) -> None:
        """Stop tails and consumers, write everything to disk, give the folder back."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            feeds = list(self._feeds)
        for feed in feeds:
            feed.close()
        self._journal.refuse()
        self._keeper.close()
        self._journal.close()

    def _opened(self, feed: Feed) -> None:
        with self._lock:
            self._feeds = [other for other in self._feeds if not other.ended]
            self._feeds.append(feed)
