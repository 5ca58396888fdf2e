"""The partitions that a worker owns: what of them is done, and the commits that say so."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from domain.errors import UnreadableRecord
from domain.ports.log import LogConsumer, LogReader
from streams.worker.deadlines import Deadlines
from streams.worker.offsets import Offsets
from streams.worker.options import WorkerOptions


class Partition:
    """An assigned partition. A later assignment of the same one is another object."""

    __slots__ = ("number", "offsets", "topic")

    def __init__(self, topic: str, number: int, offsets: Offsets) -> None:
        self.topic = topic
        self.number = number
        self.offsets = offsets


Token = tuple[Partition, int]
"""A request as delivered: its partition and offset."""


class Partitions:
    """What one worker owns.

    Args:
        lock: the worker's; held by whoever calls, unless a method says otherwise.
        consumer: knows and writes the commits.
        reader: knows the ends of the partitions.
        deadlines: calls later.
        options: how often and how much is committed.
    """

    def __init__(
        self,
        lock: Lock,
        consumer: LogConsumer,
        reader: LogReader,
        deadlines: Deadlines,
        options: WorkerOptions,
    ) -> None:
        self._lock = lock
        self._consumer = consumer
        self._reader = reader
        self._deadlines = deadlines
        self._options = options
        self._owned: dict[tuple[str, int], Partition] = {}
        self._commit_armed = False
        self._given_back = False

    def begin(self, topic: str, number: int) -> Partition:
        """Return a partition as its last owner left it; called without the lock."""
        next_offset, metadata = self._consumer.committed(topic, number)
        _, end = self._reader.bounds(topic, number)
        try:
            offsets = Offsets(next_offset, metadata, end)
        except UnreadableRecord:
            # runs again what an unknown writer called done
            offsets = Offsets(next_offset, end=end)
        return Partition(topic, number, offsets)

    def add(self, partition: Partition) -> None:
        """Own a partition; forget an earlier assignment of it."""
        self._owned[partition.topic, partition.number] = partition

    def remove(self, keys: Sequence[tuple[str, int]]) -> list[Partition]:
        """Own these no more; returns those that were owned."""
        return [p for key in keys if (p := self._owned.pop(key, None)) is not None]

    def keys(self) -> list[tuple[str, int]]:
        """Topic and number of all that are owned."""
        return list(self._owned)

    def find(self, topic: str, number: int) -> Partition | None:
        """Return a partition, None when it is not ours."""
        return self._owned.get((topic, number))

    def owns(self, partition: Partition) -> bool:
        """Whether this very assignment stands."""
        return self._owned.get((partition.topic, partition.number)) is partition

    def hold(self, token: Token, worker_id: str) -> None:
        """Note who runs a request."""
        partition, offset = token
        partition.offsets.hold(offset, worker_id)
        self._commit_soon()

    def done(self, tokens: Sequence[Token]) -> None:
        """Note requests as done."""
        for partition, offset in tokens:
            partition.offsets.done(offset)
        self._commit_soon()

    def give_back(self) -> None:
        """Commit no more by and by: all is written once the partitions are taken away."""
        self._given_back = True

    def commit(self) -> None:
        """Write what has changed; called without the lock."""
        with self._lock:
            self._commit_armed = False
            partitions = list(self._owned.values())
        self.write(partitions)

    def write(self, partitions: Sequence[Partition], *, gives_back: bool = False) -> None:
        """Write what has changed of some; called without the lock.

        Args:
            partitions: which.
            gives_back: nothing more of them is begun here.
        """
        limit = self._options.commit_metadata_bytes
        for partition in partitions:
            with self._lock:
                commit = partition.offsets.commit(limit, gives_back=gives_back)
            if commit is not None:
                self._consumer.commit(partition.topic, partition.number, *commit)

    def _commit_soon(self) -> None:
        if not self._commit_armed and not self._given_back:
            self._commit_armed = True
            self._deadlines.after(self._options.commit_interval_seconds, self.commit)
