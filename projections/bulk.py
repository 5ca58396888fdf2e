"""Bulk writes that come through: retried while the store is away, refused documents put aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import TypeVar

from domain.ports.log import LogWriter
from domain.ports.metrics import Metrics
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Record
from projections.options import ProjectionsOptions
from projections.projector import Pending
from projections.store import DocumentWriter, StoreUnavailable

T = TypeVar("T")

COMPONENT = "indexer"


class Stopping(Exception):
    """The indexer was told to stop while the store was away."""


class BulkWriter:
    """Writes what the projections made, and remembers what nobody can write in the dead letter."""

    def __init__(
        self,
        store: DocumentWriter,
        log: LogWriter,
        metrics: Metrics,
        options: ProjectionsOptions,
        stopping: Event,
        *,
        tries: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: where documents go.
            log: takes the dead letters.
            metrics: takes the measurements.
            options: size of bulk writes, pauses between tries.
            stopping: set when nobody wants the writes any more.
            tries: after so many the store's silence is an error; None: never.
        """
        self._store = store
        self._log = log
        self._metrics = metrics
        self._options = options
        self._stopping = stopping
        self._tries = tries
        self.away: str | None = None
        """Why the store does not answer; None while it does."""

    def write(self, pending: Sequence[Pending]) -> int:
        """Write in order; returns, when all is written or put aside, how many were put aside.

        Raises:
            Stopping: told to stop before the store answered.
            LogUnavailable: a dead letter could not be written.
        """
        size, refused = self._options.batch_documents, 0
        for start in range(0, len(pending), size):
            part = pending[start : start + size]
            writes = [one.write for one in part]
            failures = self.insist(lambda writes=writes: self._store.bulk(writes))  # type: ignore[misc]
            if failures:
                records = {id(one.write): one.record for one in part}
                self.put_aside(
                    [(records[id(failure.write)], failure.reason) for failure in failures]
                )
            refused += len(failures)
            self._metrics.count("indexer_documents", len(part) - len(failures))
        return refused

    def sync(self) -> None:
        """Make everything written durable; raises Stopping."""
        self.insist(self._store.sync)

    def put_aside(self, poison: Sequence[tuple[Record, str]]) -> None:
        """Write dead letters durably, with their reasons; raises LogUnavailable."""
        letters: list[Outgoing] = [
            dead_letter(record, reason, COMPONENT) for record, reason in poison
        ]
        self._log.append(letters)
        self._metrics.count("dead_letters", len(letters), COMPONENT)

    def insist(self, action: Callable[[], T]) -> T:
        """Do something with the store until it answers; raises Stopping."""
        pause, tried = self._options.retry_least, 0
        while True:
            try:
                answer = action()
            except StoreUnavailable as error:
                self.away = str(error)
                tried += 1
                if tried == self._tries:
                    raise
                if self._stopping.wait(pause.total_seconds()):
                    raise Stopping(self.away) from error
                pause = min(pause * 2, self._options.retry_most)
            else:
                self.away = None
                return answer
