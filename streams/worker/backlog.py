"""Requests that a worker has taken: those that wait for a slot, and whether more may come."""

from __future__ import annotations

from queue import SimpleQueue

from domain.record.envelope import Record
from streams.worker.options import WorkerOptions
from streams.worker.partitions import Token

Item = tuple[Token, Record]
"""A request that waits."""


class Backlog:
    """The backlog of one worker. Its owner holds the lock, except for `get` and `close`.

    Attributes:
        load: requests taken that are not done.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._waiting_bytes = 0
        self.load = 0
        self.is_full = False

    def add(self, item: Item) -> None:
        """Let a request wait for a slot."""
        self.load += 1
        self._waiting_bytes += _size(item)
        self._queue.put(item)

    def get(self) -> Item | None:
        """Wait for the next request, which waits until it is `took`; None: there will be none."""
        return self._queue.get()

    def took(self, item: Item) -> None:
        """Note that a request waits no more."""
        self._waiting_bytes -= _size(item)

    def close(self, slots: int) -> None:
        """Tell so many slots that there will be no more."""
        for _ in range(slots):
            self._queue.put(None)

    def fills(self) -> bool:
        """Tell whether it became full now: nothing more may come until it `empties`."""
        options = self._options
        if self.is_full or (
            self.load < options.slots + options.prefetch
            and self._waiting_bytes < options.prefetch_bytes
        ):
            return False
        self.is_full = True
        return True

    def empties(self) -> bool:
        """Tell whether it was full and has room again now."""
        options = self._options
        if (
            not self.is_full
            or self.load > options.slots + options.prefetch // 2
            or self._waiting_bytes > options.prefetch_bytes // 2
        ):
            return False
        self.is_full = False
        return True


def _size(item: Item) -> int:
    return len(item[1].value or b"")
