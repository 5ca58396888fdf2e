"""Log entries as they are written: one tail of the topic for all followers.

The last records are kept as bytes, so that what the index has not seen yet can be read at once.
A record is decoded only when somebody asks for its execution.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from threading import Lock

from domain.errors import UnreadableRecord
from domain.log import LogBatch, LogEntry
from domain.ports.log import LogReader, Tail
from domain.record.codec import Codec
from domain.record.envelope import Record
from domain.record.topics import LOGS

_KEPT_RECORDS = 5_000
_CODEC: Codec[LogBatch] = Codec(LogBatch)


class _Follower:
    """A queue on the event loop of whoever follows."""

    __slots__ = ("_loop", "queue")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[Record] = asyncio.Queue()

    def put(self, record: Record) -> None:
        self._loop.call_soon_threadsafe(self.queue.put_nowait, record)


class LiveLogs:
    """The tail of the topic `logs`."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._lock = Lock()
        self._recent: deque[Record] = deque(maxlen=_KEPT_RECORDS)
        self._followers: dict[str, set[_Follower]] = {}
        self._tail: Tail | None = None

    def start(self) -> None:
        """Begin at the end of the topic. Blocks."""
        starts = {
            partition: self._reader.bounds(LOGS, partition)[1]
            for partition in range(self._reader.partitions(LOGS))
        }
        self._tail = self._reader.tail(LOGS, starts, self._deliver)

    def close(self) -> None:
        """Stop. Blocks until no delivery is under way."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    @property
    def followers(self) -> int:
        """How many follow now."""
        with self._lock:
            return sum(len(followers) for followers in self._followers.values())

    def recent(self, execution_id: str) -> list[LogEntry]:
        """What an execution has said lately, in log order."""
        with self._lock:
            records = [record for record in self._recent if record.key == execution_id]
        return [entry for record in records for entry in _entries(record)]

    async def follow(self, execution_id: str) -> AsyncIterator[LogEntry]:
        """Yield what an execution has said lately, and what it says from now on, for ever."""
        follower = _Follower()
        with self._lock:
            records = [record for record in self._recent if record.key == execution_id]
            self._followers.setdefault(execution_id, set()).add(follower)
        try:
            for record in records:
                for entry in _entries(record):
                    yield entry
            while True:
                for entry in _entries(await follower.queue.get()):
                    yield entry
        finally:
            with self._lock:
                followers = self._followers[execution_id]
                followers.discard(follower)
                if not followers:
                    del self._followers[execution_id]

    def _deliver(self, batch: list[Record]) -> None:
        with self._lock:
            self._recent.extend(batch)
            if not self._followers:
                return
            for record in batch:
                for follower in self._followers.get(record.key, ()):
                    follower.put(record)


def _entries(record: Record) -> list[LogEntry]:
    try:
        return _CODEC.decode(record).entries
    except UnreadableRecord:
        return []  # the indexer puts it into the dead letter
