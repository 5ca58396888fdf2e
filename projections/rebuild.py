"""Read models built anew from the log, beside the live ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event
from time import monotonic
from typing import Protocol

import msgspec

from domain.errors import Conflict, UnreadableRecord
from domain.ports.log import Log
from domain.ports.metrics import Metrics, NoMetrics
from domain.ports.stores import Snapshots
from domain.record.topics import EXECUTION_EVENTS, TRIGGER_EVENTS
from projections.bulk import BulkWriter
from projections.options import ProjectionsOptions
from projections.projector import STATELESS, TOPICS, ExecutionProjector, Pending
from projections.store import DocumentWriter, Generations, ReadModel, ReadStore
from projections.triggers.project import TriggerFold

Place = tuple[str, int]
"""Topic and partition."""


_TRIES = 20
"""At a bulk write; with the pauses between them some two minutes."""


_CLAIM_SECONDS = 120.0
"""Longer than any write; renewed meanwhile. After that time without a sign another may begin."""


class RebuildUnderWay(Conflict):
    """Another process rebuilds read models now."""

    code = "CONFLICT002"


class RebuildableStore(ReadStore, Generations, Protocol):
    """A read store that can be rebuilt."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild did."""

    records: int
    """Records read."""
    documents: int
    """Writes carried out."""
    unreadable: int
    """Records that could not be read: the indexer has put them aside before."""
    refused: int
    """Documents that the store refused."""


class Rebuild:
    """Reads the log from its beginning and writes new generations, then makes them the live ones.

    The live ones are read and written on meanwhile. What the log gained while the rebuild ran is
    written again after the switch, so that nothing falls between the two; versions make that safe.
    """

    def __init__(
        self,
        log: Log,
        store: RebuildableStore,
        scratch: Snapshots,
        *,
        owner: str,
        options: ProjectionsOptions | None = None,
        metrics: Metrics | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            log: what is read.
            store: what is rebuilt.
            scratch: keeps executions that have ended out of memory; empty, and of no use after.
            owner: who rebuilds; another one for every process.
            options: size of bulk writes, retries.
            metrics: takes the measurements.
            progress: told topic, records read of it and records to read in all, now and then.
        """
        self._log = log
        self._store = store
        self._scratch = scratch
        self._owner = owner
        self._options = options or ProjectionsOptions()
        self._metrics = metrics or NoMetrics()
        self._progress = progress or (lambda _topic, _read, _all: None)
        self._projectors: dict[int, ExecutionProjector] = {}
        self._triggers: dict[int, TriggerFold] = {}
        self._next: dict[Place, int] = {}
        self._renewal = 0.0
        self._records = self._documents = self._unreadable = self._refused = 0

    def run(self, models: Sequence[ReadModel]) -> Rebuilt:
        """Rebuild read models; the old generations stay live when it fails.

        Raises:
            RebuildUnderWay: another process rebuilds.
            StoreUnavailable: the store did not answer.
        """
        self._claim()
        try:
            return self._run(models)
        finally:
            self._store.release(self._owner)

    def _claim(self) -> None:
        if not self._store.claim(self._owner, _CLAIM_SECONDS):
            raise RebuildUnderWay("another process rebuilds the read models")
        self._renewal = monotonic() + _CLAIM_SECONDS / 10

    def _run(self, models: Sequence[ReadModel]) -> Rebuilt:
        places = self._places()
        if all(self._log.reader.bounds(*place)[1] == 0 for place in places):
            self._store.adopt(models)  # an empty log makes empty documents
            return Rebuilt(0, 0, 0, 0)
        building = self._store.begin(models)
        try:
            self._read(places, building, models)
            # what came while that was read: less each time
            self._read(places, building, models)
            self._claim()
            self._store.switch(models)
        except RebuildUnderWay:
            raise  # what is being built is another's now
        except BaseException:
            self._store.discard(models)
            raise
        self._read(places, self._store, models)
        self._store.sync()
        return Rebuilt(self._records, self._documents, self._unreadable, self._refused)

    def _places(self) -> list[Place]:
        return [
            (topic, partition)
            for topic in TOPICS
            for partition in range(self._log.reader.partitions(topic))
        ]

    def _read(
        self, places: Sequence[Place], target: DocumentWriter, models: Sequence[ReadModel]
    ) -> None:
        bulk = BulkWriter(
            target, self._log.writer, self._metrics, self._options, Event(), tries=_TRIES
        )
        for topic, partition in places:
            first, end = self._log.reader.bounds(topic, partition)
            start = self._next.get((topic, partition), first)
            pending: list[Pending] = []
            for record in self._log.reader.read(topic, partition, start, end):
                self._records += 1
                try:
                    if topic == EXECUTION_EVENTS:
                        self._projector(partition, first).take(record)
                        writes = []
                    elif topic == TRIGGER_EVENTS:
                        writes = self._triggers.setdefault(partition, TriggerFold()).writes_of(
                            record
                        )
                    else:
                        writes = STATELESS[topic](record)
                    pending += [Pending(write, record) for write in writes]
                except UnreadableRecord:
                    self._unreadable += 1
                if self._records % self._options.batch_documents == 0:
                    self._write(bulk, topic, partition, pending, models)
                    pending = []
                    self._progress(topic, record.offset + 1 - first, end - first)
            self._write(bulk, topic, partition, pending, models)
            self._next[topic, partition] = end

    def _write(
        self,
        bulk: BulkWriter,
        topic: str,
        partition: int,
        pending: list[Pending],
        models: Sequence[ReadModel],
    ) -> None:
        projector = self._projectors.get(partition) if topic == EXECUTION_EVENTS else None
        if projector is not None:
            pending += projector.drain()
        if monotonic() > self._renewal:
            self._claim()
        wanted = [one for one in pending if one.write.model in models]
        self._refused += bulk.write(wanted)
        self._documents += len(wanted)
        if projector is not None and projector.unsaved:
            projector.save()

    def _projector(self, partition: int, first: int) -> ExecutionProjector:
        projector = self._projectors.get(partition)
        if projector is None:
            projector = self._projectors[partition] = ExecutionProjector(
                partition, self._scratch, self._log.reader, first
            )
        return projector


Scratch = Callable[[], AbstractContextManager[Snapshots]]
"""Makes empty snapshots, and throws them away."""


class Preparation:
    """Sees to it that an indexer finds read models of its own shape: on a new or an older store."""

    def __init__(
        self,
        log: Log,
        store: RebuildableStore,
        scratch: Scratch,
        *,
        owner: str,
        options: ProjectionsOptions | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._scratch = scratch
        self._owner = owner
        self._options = options
        self._metrics = metrics

    def __call__(self) -> bool:
        """Rebuild what is outdated; False: another does it, ask again.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        outdated = self._store.outdated()
        if not outdated:
            return True
        with self._scratch() as scratch:
            rebuild = Rebuild(
                self._log,
                self._store,
                scratch,
                owner=self._owner,
                options=self._options,
                metrics=self._metrics,
            )
            try:
                rebuild.run(outdated)
            except RebuildUnderWay:
                return False
        return True
