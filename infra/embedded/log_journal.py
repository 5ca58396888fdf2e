"""The journal: one append-only run of frames for all partitions, written by whoever sends.

The law: an offset is given, written to a shared mapping of the file and published under one lock,
by the sending thread itself. The mapping's pages belong to the kernel, so SIGKILL loses nothing
that was written, and no system call, thread or release of the interpreter's lock stands on that
path. With `Sync.ALWAYS` records are published, in groups, by a thread that has synced them first.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, RLock
from zlib import crc32

from domain.errors import LogUnavailable, RecordTooLarge
from domain.ports.log import Delivery
from domain.record.envelope import Outgoing, Position, Record
from infra.delivery import report
from infra.embedded.log_format import (
    CHECKPOINT,
    COMMIT,
    HEAD_BYTES,
    MAX_KEY_BYTES,
    RECORD,
    START,
    TOMBSTONE,
    TOPIC,
    VERSION,
    Checkpoint,
    CommitState,
    StartState,
    TopicState,
    encode_headers,
    encode_state,
    frame,
    pack_crc,
    pack_head,
)
from infra.embedded.log_recovery import FolderLock, Recovered, recover
from infra.embedded.log_segment import (
    SEAL_BYTES,
    Active,
    Sealed,
    is_record,
    numbers_of,
    sync_folder,
)
from infra.embedded.log_shelf import Listener, Partition, Shelf
from infra.log_options import LogOptions, Sync

_LOGGER = logging.getLogger(__name__)


class Journal:
    """All partitions of a folder. Thread-safe; its owner runs the keeper and the syncer."""

    def __init__(self, folder: Path, options: LogOptions) -> None:
        """Open the folder.

        Raises:
            LogUnavailable: another process has it, or it is damaged.
        """
        self.folder = folder
        self.options = options
        self.lock = RLock()
        self.topics: dict[str, list[Partition]] = {}
        self.by_pid: list[Partition] = []
        self.commits: dict[tuple[str, int], tuple[int, str]] = {}
        """(group, partition number through the log) -> next offset and metadata."""
        self.segments: dict[int, Sealed | Active] = {}
        self.to_finish: list[Active] = []
        """Sealed segments that are not yet synced and indexed."""
        self.dirty = False
        self.keeper: SimpleQueue[None] = SimpleQueue()
        self.syncer: SimpleQueue[None] = SimpleQueue()
        self._synced = options.sync is Sync.ALWAYS
        self._pending: list[tuple[Partition, Record, Delivery | None]] = []
        self._publishing = False
        self._published = Condition(self.lock)
        self.shelf = Shelf(self.segments)
        self._failure: Exception | None = None
        self._active: Active
        self._closed = False
        self._folder_lock = FolderLock(folder)
        try:
            self._restore(recover(folder))
        except BaseException:
            self._folder_lock.release()
            raise

    # Writing

    def append(self, outgoing: Outgoing, delivered: Delivery | None = None) -> Position:
        """Write one record, publish it, call `delivered`; with ALWAYS the last two come later.

        Raises:
            RecordTooLarge: it is over the limit.
            LogUnavailable: the log is closed, the topic missing or the disk full.
        """
        partitions = self.partitions(outgoing.topic)
        key = outgoing.key.encode()
        mark = crc32(key)
        number = outgoing.partition
        # The same choice as `partition_of`, whose crc32 is the key's mark in the index too.
        partition = partitions[mark % len(partitions) if number is None else number]
        headers = encode_headers(outgoing.headers) if outgoing.headers else b""
        value = outgoing.value
        body = b"".join((key, headers, value or b""))
        size = HEAD_BYTES + len(body)
        if len(body) > self.options.max_record_bytes or len(key) > MAX_KEY_BYTES:
            raise RecordTooLarge(outgoing.topic, len(body), self.options.max_record_bytes)
        body_crc = crc32(body)
        timestamp_ms = outgoing.timestamp_ms
        with self.lock:
            active = self._room(size)
            if timestamp_ms is None:
                timestamp_ms = time.time_ns() // 1_000_000
            pid, offset = partition.pid, partition.next
            head = pack_head(
                size,
                TOMBSTONE if value is None else RECORD,
                pid,
                len(key),
                len(headers),
                offset,
                timestamp_ms,
                body_crc,
            )
            position = active.write(head + pack_crc(crc32(head)) + body)
            lane = active.view.lanes.get(pid)
            if lane is None:
                lane = active.lane(pid, offset)
                partition.spans.append((offset, active.number))
            lane.add(offset, position, size, timestamp_ms, mark)
            partition.next = offset + 1
            record = Record(
                outgoing.topic,
                partition.number,
                offset,
                outgoing.key,
                value,
                timestamp_ms,
                outgoing.headers,
            )
            if self._synced:
                self._pending.append((partition, record, delivered))
                if len(self._pending) == 1:
                    self.syncer.put(None)
            else:
                partition.publish(record, len(body), self.options)
        place = Position(outgoing.topic, partition.number, offset)
        if delivered is not None and not self._synced:
            report(delivered, place, None)
        return place

    def commit(self, group: str, partition: Partition, offset: int, metadata: str) -> None:
        """Record a group's place."""
        state = CommitState(group, partition.pid, offset, metadata)
        content = frame(COMMIT, partition.pid, 0, 0, encode_state(state))
        with self.lock:
            self._room(len(content)).write(content)
            self.commits[group, partition.pid] = (offset, metadata)

    def ensure(self, topic: str, count: int) -> None:
        """Create a topic unless it exists; an existing one keeps its number of partitions."""
        with self.lock:
            if topic in self.topics:
                return
            state = TopicState(topic, len(self.by_pid), count)
            content = frame(TOPIC, 0, 0, 0, encode_state(state))
            self._room(len(content)).write(content)
            self._add_topic(state, [0] * count, [0] * count)

    def move_start(self, partition: Partition, offset: int) -> None:
        """Give up the records of a partition before an offset."""
        content = frame(START, partition.pid, 0, 0, encode_state(StartState(partition.pid, offset)))
        with self.lock:
            self._room(len(content)).write(content)
            partition.start = offset

    def replace(self, old: Sealed, new: Sealed | None) -> None:
        """Read from the rewritten segment from now on; None: nothing of it is left."""
        with self.lock:
            if new is None:
                del self.segments[old.number]
            else:
                self.segments[old.number] = new
            kept = new.spans if new else {}
            for pid in old.spans.keys() - kept.keys():
                partition = self.by_pid[pid]
                partition.spans = [span for span in partition.spans if span[1] != old.number]

    def roll_if_older(self, limit_ms: int) -> None:
        """Begin a new segment if the one being written began before an instant and has records."""
        with self.lock:
            if self._active.created_ms < limit_ms and self._active.view.lanes:
                self._roll(0)

    # Reading

    def partitions(self, topic: str) -> list[Partition]:
        """Return a topic's partitions.

        Raises:
            LogUnavailable: the topic was not created.
        """
        try:
            return self.topics[topic]
        except KeyError:
            raise LogUnavailable(f"topic {topic!r} does not exist: it was not created") from None

    def read(
        self, partition: Partition, start: int, stop: int, limit: int
    ) -> tuple[list[Record], int]:
        """Return up to `limit` records with start <= offset < stop, and the offset to go on from.

        `stop` must not be after the end. An empty answer means that there are none before `stop`.
        """
        start = max(start, partition.start)
        first, items = partition.tail
        if start >= first:
            begin = start - first
            found = items[begin : min(stop - first, begin + limit)]
            return found, start + len(found)
        return self.shelf.read(partition, start, stop, limit)

    def listen(self, listener: Listener, partitions: list[Partition]) -> None:
        """Wake a listener whenever one of exactly these partitions has news."""
        with self.lock:
            for partition in self.by_pid:
                others = tuple(other for other in partition.listeners if other is not listener)
                partition.listeners = (*others, listener) if partition in partitions else others

    # Keeping

    @property
    def active(self) -> Active:
        """The segment being written."""
        return self._active

    def publish_synced(self) -> None:
        """Sync what is pending, then publish it: one turn of the `Sync.ALWAYS` thread."""
        with self.lock:
            pending, self._pending = self._pending, []
            self._publishing = True
            segments = [*self.to_finish, self._active]
        try:
            for segment in segments:
                segment.sync()
        except OSError as error:
            self.fail(error)
        with self.lock:
            failure = self._failure
            if failure is None:
                for partition, record, _ in pending:
                    partition.publish(record, len(record.value or b""), self.options)
        for _, record, delivered in pending:
            if delivered is not None:
                report(delivered, None if failure else record.position, failure)
        with self.lock:
            self._publishing = False
            self._published.notify_all()

    def flush(self, timeout: float) -> None:
        """Wait until everything appended so far is published.

        Raises:
            LogUnavailable: it took longer, or the disk failed.
        """
        with self.lock:
            if not self._published.wait_for(self._is_published, timeout):
                raise LogUnavailable(f"{len(self._pending)} records not durable after {timeout} s")
            if self._failure is not None:
                raise self._failure

    def _is_published(self) -> bool:
        return not self._pending and not self._publishing

    def fail(self, error: Exception) -> None:
        """Refuse everything from now on: what the disk holds is no longer known."""
        _LOGGER.critical("the log in %s failed: %s", self.folder, error)
        with self.lock:
            if self._failure is None:
                self._failure = LogUnavailable(f"the log in {self.folder} failed: {error}")

    def refuse(self) -> None:
        """Refuse further writes: the first part of closing."""
        with self.lock:
            self._closed = True

    def close(self) -> None:
        """Write everything to disk and give the folder back."""
        with self.lock:
            for segment in self.to_finish:
                segment.shut()
            self._active.shut()
        self.shelf.clear()
        self._folder_lock.release()

    # Inside

    def _room(self, size: int) -> Active:
        """Return the segment to write to, with room for a frame. Needs the lock."""
        if self._closed:
            raise LogUnavailable("the log is closed")
        if self._failure is not None:
            raise self._failure
        if not self.dirty:
            self.dirty = True
            self.keeper.put(None)
        active = self._active
        if active.position + size + SEAL_BYTES > active.limit:
            try:
                return self._roll(size)
            except OSError as error:
                raise LogUnavailable(f"the log in {self.folder} can't grow: {error}") from error
        return active

    def _roll(self, size: int) -> Active:
        old = self._active
        fresh = self._begin(old.number + 1, size)
        old.seal()
        self.to_finish.append(old)
        self.segments[fresh.number] = self._active = fresh
        self.keeper.put(None)
        return fresh

    def _begin(self, number: int, size: int) -> Active:
        """Make a segment that begins with the state, and has room for a frame."""
        now_ms = time.time_ns() // 1_000_000
        state = Checkpoint(
            VERSION,
            now_ms,
            [
                TopicState(name, partitions[0].pid, len(partitions))
                for name, partitions in self.topics.items()
            ],
            [partition.start for partition in self.by_pid],
            [partition.next for partition in self.by_pid],
            [
                CommitState(group, pid, offset, metadata)
                for (group, pid), (offset, metadata) in self.commits.items()
            ],
        )
        content = frame(CHECKPOINT, 0, 0, now_ms, encode_state(state))
        least = len(content) + size + SEAL_BYTES
        fresh = Active(self.folder, number, max(self.options.segment_bytes, least))
        fresh.created_ms = now_ms
        fresh.write(content)
        if self._synced:
            sync_folder(self.folder)
        return fresh

    def _add_topic(self, topic: TopicState, starts: list[int], nexts: list[int]) -> None:
        partitions = [
            Partition(topic.name, number, topic.first + number, starts[number], nexts[number])
            for number in range(topic.partitions)
        ]
        self.by_pid.extend(partitions)
        self.topics[topic.name] = partitions

    def _restore(self, found: Recovered) -> None:
        state = found.state
        for topic in state.topics:
            upto = topic.first + topic.partitions
            self._add_topic(
                topic, state.starts[topic.first : upto], state.nexts[topic.first : upto]
            )
        for commit in state.commits:
            self.commits[commit.group, commit.partition] = (commit.offset, commit.metadata)
        for sealed in found.sealed:
            self.segments[sealed.number] = sealed
            for span in sealed.spans.values():
                self.by_pid[span.partition].spans.append((span.first, sealed.number))
        if found.last is None:
            number = found.sealed[-1].number + 1 if found.sealed else 1
            self._active = self._begin(number, 0)
        else:
            self._active = self._reopen(found)
        self.segments[self._active.number] = self._active
        sync_folder(self.folder)

    def _reopen(self, found: Recovered) -> Active:
        """Go on in the last segment; what is torn at its end becomes zeros first."""
        assert found.last is not None
        end = found.frames[-1].position + found.frames[-1].size
        with found.last.open("r+b") as file:
            file.truncate(end)
        limit = max(self.options.segment_bytes, end + SEAL_BYTES)
        active = Active(self.folder, numbers_of(found.last)[0], limit)
        active.position = end
        active.created_ms = found.frames[0].timestamp_ms
        for item in found.frames:
            if is_record(item):
                active.index(item)
        for pid, lane in active.view.lanes.items():
            self.by_pid[pid].spans.append((lane.span.first, active.number))
        return active
