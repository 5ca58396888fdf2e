"""The read side of a simulation: the real indexer on a store that outlives it, and the window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from domain.ports.metrics import NoMetrics
from projections.executions.project import document_of as execution_document
from projections.indexer import Indexer
from projections.options import ProjectionsOptions
from projections.store import Failure, StoreUnavailable, Write
from projections.taskruns.project import document_of as run_document
from projections.window import Window
from tests.simulation.broker import Broker
from tests.simulation.oracle import Broken, Oracle
from tests.simulation.process import Died, Job, Process
from tests.simulation.snapshots import MemorySnapshots
from tests.support.memory_store import MemoryStore


class _Connection:
    """DocumentWriter of one process: its writes may break off, or the store be away."""

    def __init__(self, store: MemoryStore, process: Process) -> None:
        self._store = store
        self._process = process

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        faults, random = self._process.faults, self._process.random
        if faults.crash and random.random() < 4 * faults.crash:
            self._store.bulk(writes[: random.randint(0, len(writes))])
            raise Died("in the middle of a bulk write")
        if faults.refused and random.random() < 4 * faults.refused:
            raise StoreUnavailable("away for a moment")
        return self._store.bulk(writes)

    def sync(self) -> None:
        self._store.sync()


class IndexerProcess(Process):
    """The indexer, whose own thread's work is done when the world says so."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        random: Random,
        *,
        instant: bool,
        skew_ms: int,
        store: MemoryStore,
    ) -> None:
        super().__init__(name, broker, random, instant=instant, skew_ms=skew_ms)
        self._store = store
        self.snapshots = MemorySnapshots()
        self._options = ProjectionsOptions(
            snapshot_executions=3, retry_least=timedelta(0), retry_most=timedelta(0)
        )
        self.batch = 12

    def start(self) -> None:
        """Join the group; no thread is started."""
        self.indexer = Indexer(
            self.log,
            _Connection(self._store, self),
            self.snapshots,
            NoMetrics(),
            member=self.name,
            failed=self.fatal,
            options=self._options,
        )
        self.indexer._consumer.start()

    def goodbye(self) -> None:
        """Write and commit what was taken."""
        self.indexer._write_buffered()
        self.indexer._checkpoint(save=True)

    def own_jobs(self) -> Iterable[Job]:
        """Write what waits, commit what is written."""
        if self.indexer._buffer:
            yield self._write
        if self.indexer._next != self.indexer._committed:
            yield self._checkpoint

    def _write(self) -> None:
        self.indexer._write_buffered()

    def _checkpoint(self) -> None:
        self.indexer._checkpoint(save=self.random.random() < 0.3)


class Webserver(Process):
    """The window of recent executions."""

    def start(self) -> None:
        """Follow the log from its present end."""
        self.window = Window(self.log.reader)
        self.window.start()
        self.batch = 12


def check_documents(oracle: Oracle, store: MemoryStore) -> None:
    """Hold the documents to the fold of the log."""
    wanted: dict[tuple[str, str], Any] = {}
    for state in oracle.states.values():
        if state.deleted:
            continue
        for position, run in enumerate(state.task_runs.values()):
            document = run_document(state, run, position, 0)
            wanted["taskruns", run.id] = msgspec.to_builtins(document)
        wanted["executions", state.id] = msgspec.to_builtins(execution_document(state, 0))
    found = {
        place: document
        for place, (_, document) in store.stored.items()
        if place[0] in ("executions", "taskruns")
    }
    if found.keys() != wanted.keys():
        raise Broken(f"documents: {found.keys() ^ wanted.keys()} are missing or too many")
    for place, document in wanted.items():
        _compare(place, found[place], document)


def _compare(place: tuple[str, str], found: dict[str, Any], wanted: dict[str, Any]) -> None:
    own = {"sequence", "task_sequence"} if place[0] == "taskruns" else {"task_sequence"}
    for member, value in wanted.items():
        if member not in own and found.get(member) != value:
            raise Broken(f"document {place}: {member} is {found.get(member)!r}, not {value!r}")


def check_window(oracle: Oracle, webserver: Webserver, encode: Callable[[Any], bytes]) -> None:
    """Hold the window to the fold of the log, and what it recalls of what it has not seen."""
    for state in oracle.states.values():
        known = webserver.window.get(state.id) or webserver.window.recall(state.id)
        if known is None or encode(known) != encode(state):
            raise Broken(f"the window has {state.id} otherwise than the log")
