"""Threads that hand records on: the tail of some partitions, and what consumers share with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread, current_thread

from domain.ports.log import Failed
from domain.record.envelope import Record
from infra.embedded.log_journal import Journal
from infra.embedded.log_shelf import Partition

_LOGGER = logging.getLogger(__name__)
_BATCH = 256


class Feed:
    """A thread that delivers the records of its partitions and sleeps when there are none."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        deliver: Callable[[list[Record]], None],
        failed: Failed | None,
    ) -> None:
        self._journal = journal
        self._deliver = deliver
        self._failed = failed
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._stopping = False
        self._waiting = False
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self.ended = False
        """Whether the thread is over."""
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look again whether there is something to do. Cheap, from any thread."""
        if self._waiting:
            self._waiting = False
            self._tokens.put(None)

    def close(self) -> None:
        """Stop; returns when no call is under way, at once when called from one."""
        self._stopping = True
        self._tokens.put(None)
        if self._thread is not current_thread() and self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            try:
                while not self._stopping:
                    self._prepare()
                    batch = self._collect()
                    if batch:
                        self._deliver(batch)
                    else:
                        self._wait()
            finally:
                self._leave()
        except Exception as error:
            if self._failed is None:
                raise
            _LOGGER.exception("%s ended", self._thread.name)
            self._failed(error)

    def _prepare(self) -> None:
        """Before each look for records."""

    def _has_news(self) -> bool:
        """Tell whether `_prepare` has something to do."""
        return False

    def _leave(self) -> None:
        """At the end of the thread."""
        self.ended = True
        self._journal.listen(self, [])

    def _collect(self) -> list[Record]:
        batch: list[Record] = []
        for partition, position in self._positions.items():
            if partition.end > position and partition not in self._paused:
                found, following = self._journal.read(partition, position, partition.end, _BATCH)
                self._positions[partition] = following
                batch = batch + found if batch else found
                if len(batch) >= 2 * _BATCH:
                    # The rest has its turn next: no partition starves another.
                    self._positions[partition] = self._positions.pop(partition)
                    break
        return batch

    def _wait(self) -> None:
        self._waiting = True
        if self._ready():
            self._waiting = False
            return
        self._tokens.get()
        self._waiting = False

    def _ready(self) -> bool:
        if self._stopping or self._has_news():
            return True
        for partition, position in self._positions.items():
            if partition.end > position and partition not in self._paused:
                return True
        return False


class EmbeddedTail(Feed):
    """Everything of some partitions from given offsets on."""

    def __init__(
        self,
        journal: Journal,
        starts: dict[Partition, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None,
    ) -> None:
        name = next((f"log-tail-{partition.topic}" for partition in starts), "log-tail")
        super().__init__(journal, name, deliver, failed)
        self._positions.update(starts)
        journal.listen(self, list(starts))
        self.start()
