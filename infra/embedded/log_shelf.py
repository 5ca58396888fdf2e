"""Reading what stands in the files, by offset and by key; the journal's lock is not needed."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Protocol
from zlib import crc32

from domain.errors import LogUnavailable
from domain.record.envelope import Record
from infra.embedded.log_format import key_at, record_at
from infra.embedded.log_segment import Active, Sealed, View
from infra.log_options import LogOptions

_READ_BYTES = 1 << 20
_OPEN_VIEWS = 4


class Listener(Protocol):
    """Whoever waits for records of a partition."""

    def wake(self) -> None:
        """Look again; cheap, called under the journal's lock."""
        ...


class Partition:
    """One partition: its bounds, where its records are, the newest of them, and who waits."""

    __slots__ = (
        "end",
        "listeners",
        "next",
        "number",
        "pid",
        "spans",
        "start",
        "tail",
        "tail_bytes",
        "topic",
    )

    def __init__(self, topic: str, number: int, pid: int, start: int, following: int) -> None:
        self.topic = topic
        self.number = number
        self.pid = pid
        self.start = start
        self.next = following
        self.end = following
        self.spans: list[tuple[int, int]] = []
        """First offset and segment number, in order."""
        self.tail: tuple[int, list[Record]] = (following, [])
        """First offset and the records from there to `end`."""
        self.tail_bytes = 0
        self.listeners: tuple[Listener, ...] = ()

    def publish(self, record: Record, size: int, options: LogOptions) -> None:
        """Let readers see a record; needs the journal's lock.

        Args:
            record: the next one.
            size: its bytes in memory.
            options: how many of the newest are kept there.
        """
        items = self.tail[1]
        items.append(record)
        self.end = record.offset + 1
        self.tail_bytes += size
        if self.tail_bytes > options.tail_bytes or len(items) > 2 * options.tail_records:
            self._trim(options)
        for listener in self.listeners:
            listener.wake()

    def _trim(self, options: LogOptions) -> None:
        """Forget the older half of the newest records; a reader keeps the list it has seen."""
        items = self.tail[1]
        kept = size = 0
        for record in reversed(items):
            size += len(record.value or b"")
            if kept == options.tail_records or size > options.tail_bytes // 2:
                break
            kept += 1
        items = items[len(items) - kept :]
        self.tail = (self.end - kept, items)
        self.tail_bytes = sum(len(record.value or b"") for record in items)


class Shelf:
    """The segments of a journal, opened as they are read."""

    def __init__(self, segments: dict[int, Sealed | Active]) -> None:
        """Read from these segments, by number; the journal changes them under its lock."""
        self._segments = segments
        self._views: OrderedDict[tuple[int, int], View] = OrderedDict()
        self._views_lock = Lock()

    def clear(self) -> None:
        """Let the open files go."""
        with self._views_lock:
            self._views.clear()

    def find(self, partition: Partition, key: str, start: int, stop: int) -> Iterator[Record]:
        """Yield the records of a key with start <= offset < stop, by the marks in the index."""
        content = key.encode()
        mark = crc32(content)
        start = max(start, partition.start)
        spans = partition.spans
        for at, (_, number) in enumerate(spans):
            following = spans[at + 1][0] if at + 1 < len(spans) else stop
            if following <= start:
                continue
            view = self._view(number)
            lane = view.lanes.get(partition.pid) if view else None
            if view is None or lane is None:
                continue
            for ordinal in lane.marked(mark):
                offset = lane.offset(ordinal)
                position = lane.positions[ordinal]
                if start <= offset < stop and key_at(view.data, position) == content:
                    yield record_at(view.data, position, partition.topic, partition.number)

    def view(self, segment: Sealed | Active) -> View:
        """Return a segment's bytes and lanes; sealed ones are kept open while they are in use."""
        if isinstance(segment, Active):
            return segment.view
        name = (segment.number, segment.generation)
        with self._views_lock:
            view = self._views.get(name)
            if view is None:
                view = self._views[name] = segment.open()
                if len(self._views) > _OPEN_VIEWS:
                    self._views.popitem(last=False)
            else:
                self._views.move_to_end(name)
            return view

    def read(
        self, partition: Partition, start: int, stop: int, limit: int
    ) -> tuple[list[Record], int]:
        """Return records from the files, as `Journal.read` does."""
        while start < stop:
            spans = partition.spans
            at = max(0, bisect_right(spans, start, key=_first) - 1)
            if at >= len(spans):
                break
            following = spans[at + 1][0] if at + 1 < len(spans) else stop
            view = self._view(spans[at][1])
            if view is None:
                continue  # deleted while we looked: look again
            found = self._decode(view, partition, start, stop, limit)
            if found:
                return found, found[-1].offset + 1
            start = max(start + 1, following)
        return [], stop

    def _decode(
        self, view: View, partition: Partition, start: int, stop: int, limit: int
    ) -> list[Record]:
        lane = view.lanes.get(partition.pid)
        found: list[Record] = []
        if lane is None:
            return found
        first = lane.seek(start)
        size = 0
        for ordinal in range(first, min(first + limit, len(lane.positions))):
            if lane.offset(ordinal) >= stop or size > _READ_BYTES:
                break
            record = record_at(
                view.data, lane.positions[ordinal], partition.topic, partition.number
            )
            size += len(record.value or b"")
            found.append(record)
        return found

    def _view(self, number: int) -> View | None:
        """Return a segment opened; None once it is deleted."""
        while True:
            segment = self._segments.get(number)
            if segment is None:
                return None
            try:
                return self.view(segment)
            except FileNotFoundError as error:
                if self._segments.get(number) is segment:
                    raise LogUnavailable(f"a file of the log is missing: {error}") from error
                # rewritten while we looked: look again


def _first(span: tuple[int, int]) -> int:
    return span[0]
