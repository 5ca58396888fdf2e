"""Retention and compaction of the journal: one pass over the sealed segments.

Time retention takes a partition's share of a sealed segment when its newest record is old enough.
Unlike Kafka it never passes the committed offset of a group: a server that was switched off for
longer than the retention must still find the commands it has accepted. A segment that is dead goes;
one that is mostly dead is rewritten with what is alive.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from zlib import crc32

from domain.record.topics import Cleanup, topic_of
from infra.embedded.log_format import (
    SEAL,
    TOMBSTONE,
    Lane,
    bytes_at,
    encode_index,
    frame,
    head_at,
    key_at,
)
from infra.embedded.log_journal import Journal
from infra.embedded.log_segment import (
    Active,
    Sealed,
    View,
    index_path,
    log_path,
    sync,
    sync_folder,
    write_file,
)
from infra.embedded.log_shelf import Partition

_LOGGER = logging.getLogger(__name__)
_ROLL_AGE_MS = int(timedelta(days=1) / timedelta(milliseconds=1))
TOMBSTONE_AGE_MS = _ROLL_AGE_MS
"""How long a deletion stays readable after compaction, as Kafka's delete.retention.ms."""

Doomed = dict[int, set[int]]
"""Ordinals of the dead records of compacted topics in one segment, by partition number."""


class Cleaner:
    """Cleans one journal; used by one thread."""

    def __init__(self, journal: Journal, stopping: Callable[[], bool]) -> None:
        self._journal = journal
        self._stopping = stopping
        self._compacted_upto: dict[int, int] = {}

    def clean(self, now_ms: int) -> None:
        """Do all that is due; returns early when stopping.

        Raises:
            OSError: the disk is full or failing; nothing is lost.
        """
        journal = self._journal
        journal.roll_if_older(now_ms - _ROLL_AGE_MS)
        for partition in list(journal.by_pid):
            self._expire(partition, now_ms)
        doomed = self._superseded(now_ms)
        # What replaces old segments must not be all that a power cut leaves.
        journal.active.sync()
        for segment in list(journal.segments.values()):
            if self._stopping():
                return
            if isinstance(segment, Sealed):
                self._reclaim(segment, doomed.get(segment.number, {}))

    def _expire(self, partition: Partition, now_ms: int) -> None:
        journal = self._journal
        if topic_of(partition.topic).cleanup is not Cleanup.DELETE:
            return
        retention = journal.options.retention_of(partition.topic)
        if retention is None:
            return
        oldest_ms = now_ms - retention // timedelta(milliseconds=1)
        start = partition.start
        for _, number in partition.spans:
            segment = journal.segments.get(number)
            if not isinstance(segment, Sealed):
                break
            span = segment.spans[partition.pid]
            if span.newest_ms >= oldest_ms:
                break
            start = span.last + 1
        held = [offset for (_, pid), (offset, _) in journal.commits.items() if pid == partition.pid]
        start = min([start, *held])
        if start > partition.start:
            journal.move_start(partition, start)

    def _superseded(self, now_ms: int) -> dict[int, Doomed]:
        """Find the records of compacted topics that a later one of the same key replaces."""
        doomed: dict[int, Doomed] = {}
        for partition in list(self._journal.by_pid):
            if topic_of(partition.topic).cleanup is not Cleanup.COMPACT:
                continue
            if self._compacted_upto.get(partition.pid) == partition.end:
                continue
            end = partition.end
            latest: dict[bytes, int] = {}
            copies: Counter[bytes] = Counter()
            views = self._views(partition)
            for _, view in views:
                lane = view.lanes[partition.pid]
                for ordinal in range(len(lane.positions)):
                    key = key_at(view.data, lane.positions[ordinal])
                    latest[key] = lane.offset(ordinal)
                    copies[key] += 1
            waiting = False
            for segment, view in views:
                if isinstance(segment, Active):
                    continue
                lane = view.lanes[partition.pid]
                dead = set()
                for ordinal in range(len(lane.positions)):
                    position = lane.positions[ordinal]
                    key = key_at(view.data, position)
                    kind, timestamp_ms = head_at(view.data, position)
                    last = latest[key] == lane.offset(ordinal)
                    old = timestamp_ms < now_ms - TOMBSTONE_AGE_MS
                    if not last or (kind == TOMBSTONE and copies[key] == 1 and old):
                        dead.add(ordinal)
                    waiting = waiting or kind == TOMBSTONE
                if dead:
                    doomed.setdefault(segment.number, {})[partition.pid] = dead
            if not waiting and not any(partition.pid in found for found in doomed.values()):
                self._compacted_upto[partition.pid] = end
        return doomed

    def _views(self, partition: Partition) -> list[tuple[Sealed | Active, View]]:
        segments = [self._journal.segments[number] for _, number in partition.spans]
        return [(segment, self._journal.shelf.view(segment)) for segment in segments]

    def _reclaim(self, segment: Sealed, doomed: Doomed) -> None:
        journal = self._journal
        dead = 0
        for pid, span in segment.spans.items():
            gone = len(doomed.get(pid, ()))
            start = journal.by_pid[pid].start
            if start > span.first and span.count:
                whole = span.last - span.first + 1
                gone = max(gone, span.count * min(whole, start - span.first) // whole)
            dead += span.size * gone // span.count if span.count else 0
        if not segment.spans or dead == sum(span.size for span in segment.spans.values()):
            journal.replace(segment, None)
        elif dead * 2 > segment.size:
            journal.replace(segment, self._rewrite(segment, doomed))
        else:
            return
        segment.path.unlink()
        index_path(segment.path).unlink()
        sync_folder(segment.folder)

    def _rewrite(self, segment: Sealed, doomed: Doomed) -> Sealed:
        """Write the next generation of a segment: the records alive, in their old order."""
        view = self._journal.shelf.view(segment)
        alive = sorted(
            (lane.positions[ordinal], pid, ordinal)
            for pid, lane in view.lanes.items()
            for ordinal in range(lane.seek(self._journal.by_pid[pid].start), len(lane.positions))
            if ordinal not in doomed.get(pid, ())
        )
        lanes: dict[int, Lane] = {}
        parts: list[bytes] = []
        size = 0
        for position, pid, ordinal in alive:
            content = bytes_at(view.data, position)
            offset = view.lanes[pid].offset(ordinal)
            lane = lanes.get(pid)
            if lane is None:
                lane = lanes[pid] = Lane.fresh(pid, offset, gaps=True)
            _, timestamp_ms = head_at(view.data, position)
            lane.add(offset, size, len(content), timestamp_ms, crc32(key_at(view.data, position)))
            parts.append(content)
            size += len(content)
        parts.append(frame(SEAL, 0, 0, 0, b""))
        content = b"".join(parts)
        path = log_path(segment.folder, segment.number, segment.generation + 1)
        half = path.with_suffix(".new")
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        write_file(index_path(path), encode_index(list(lanes.values()), len(content)))
        half.rename(path)
        sync_folder(segment.folder)
        _LOGGER.info("segment %s rewritten: %d -> %d bytes", path.name, segment.size, len(content))
        spans = {pid: lane.span for pid, lane in lanes.items()}
        return Sealed(segment.number, segment.generation + 1, segment.folder, len(content), spans)
