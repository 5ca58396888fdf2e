"""Records to writes: the fold of the events beside the pure projections, engine unknown.

A document is made from the state as of the end of a batch, so a thousand events on one execution
in one batch cost one document of it, and one of each task run that they touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from domain.errors import UnreadableRecord
from domain.execution.events import ExecutionDeleted
from domain.execution.fold import (
    RECORDS,
    PartitionFold,
    decode_state,
    encode_state,
    is_settled,
)
from domain.execution.history import folded_before
from domain.execution.state import Execution
from domain.ports.log import LogReader
from domain.ports.stores import Snapshots
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_EVENTS, FLOWS, LOGS, METRICS, TRIGGER_EVENTS
from projections.executions.project import write_of
from projections.flows.project import writes_of as flow_writes
from projections.logs.document import LOGS as LOG_LINES
from projections.logs.project import writes_of as log_writes
from projections.metrics.document import METRICS as MEASUREMENTS
from projections.metrics.project import writes_of as metric_writes
from projections.store import DeleteWhere, Is, Write
from projections.taskruns.project import Places, Touched
from projections.taskruns.project import writes_of as task_run_writes

_PREFIX = 8
"""Bytes before a stored state: the sequence of the last step that changed a task run."""


class Pending(msgspec.Struct, frozen=True):
    """A write and the last record that asked for it."""

    write: Write
    record: Record


class _Entry:
    """What is known of an execution beside its state."""

    __slots__ = ("deletion", "places", "task_sequence", "touched")

    def __init__(self, task_sequence: int = 0) -> None:
        self.task_sequence = task_sequence
        self.touched = Touched()
        self.places = Places()
        self.deletion: ExecutionDeleted | None = None


class ExecutionProjector:
    """One partition of `execution.events`. Not thread-safe."""

    def __init__(
        self,
        partition: int,
        snapshots: Snapshots,
        reader: LogReader,
        next_offset: int = 0,
    ) -> None:
        """Begin at an offset, with what the snapshots have of before.

        Args:
            partition: number of the partition.
            snapshots: keeps states that left memory.
            reader: finds the stream of an execution that the snapshots have lost.
            next_offset: offset of the first record to be projected.
        """
        self.partition = partition
        self._snapshots = snapshots
        self._reader = reader
        self._fold = PartitionFold(partition, self._load, next_offset)
        self._entries: dict[str, _Entry] = {}
        self._dirty: dict[str, Record] = {}
        self._unsaved: dict[str, None] = {}
        self._taking: Record | None = None

    @property
    def next_offset(self) -> int:
        """Offset of the next record."""
        return self._fold.next_offset

    def __len__(self) -> int:
        """Executions in memory."""
        return len(self._fold)

    @property
    def unsaved(self) -> int:
        """Executions that changed since they were last stored."""
        return len(self._unsaved)

    def restore(self) -> None:
        """Take the stored live states into memory."""
        for execution_id, stored in self._snapshots.live(self.partition):
            self._fold.states[execution_id] = decode_state(self._opened(execution_id, stored))

    def take(self, record: Record) -> None:
        """Fold a record; raises UnreadableRecord, which has been gone past."""
        if record.offset < self._fold.next_offset:
            return
        self._fold.next_offset = record.offset + 1
        decoded = RECORDS.decode(record)
        # a stream that begins here was never stored: no need to look for it
        self._taking = record if decoded.sequence > 1 else None
        applied = self._fold.apply_decoded(decoded, record.offset)
        if applied is None or applied.state is None or decoded.sequence == 0:
            return
        execution_id = applied.execution_id
        entry = self._entries.get(execution_id)
        if entry is None:
            entry = self._entries[execution_id] = _Entry()
        if entry.touched.note(applied.events, decoded.last_sequence):
            entry.task_sequence = decoded.last_sequence
        if applied.state.deleted:
            for event in applied.events:
                if isinstance(event, ExecutionDeleted):
                    entry.deletion = event
        self._dirty[execution_id] = record
        self._unsaved[execution_id] = None

    def skip(self, record: Record) -> None:
        """Fold a record whose documents are written already."""
        with contextlib.suppress(UnreadableRecord):  # it became a dead letter when first read
            self.take(record)
        self._settle()

    def drain(self) -> list[Pending]:
        """Return the writes for everything taken since the last call."""
        pending: list[Pending] = []
        for execution_id, record in self._dirty.items():
            entry = self._entries[execution_id]
            state = self._fold.states[execution_id]
            # task runs first: where the execution is seen, they are written
            writes: list[Write] = [*task_run_writes(state, entry.touched, entry.places)]
            if entry.deletion is not None:
                writes += _deletions(execution_id, entry.deletion)
            writes.append(write_of(state, entry.task_sequence))
            pending += [Pending(write, record) for write in writes]
        self._settle()
        return pending

    def _settle(self) -> None:
        for execution_id in self._dirty:
            entry = self._entries[execution_id]
            entry.touched = Touched()
            entry.deletion = None
        self._dirty.clear()

    def save(self) -> None:
        """Store what changed, and take executions out of memory to which nothing more happens.

        To be called when everything drained is durable.
        """
        assert not self._dirty
        self._snapshots.save(self.partition, self.next_offset, self._changed())
        for execution_id in list(self._unsaved):
            if is_settled(self._fold.states[execution_id]):
                self._fold.drop(execution_id)
                self._entries.pop(execution_id, None)
        self._unsaved.clear()

    def _changed(self) -> Iterator[tuple[str, bytes, bool]]:
        for execution_id in self._unsaved:
            state = self._fold.states[execution_id]
            prefix = self._entries[execution_id].task_sequence.to_bytes(_PREFIX, "big")
            yield execution_id, prefix + encode_state(state), is_settled(state)

    def _opened(self, execution_id: str, stored: bytes) -> bytes:
        self._entries[execution_id] = _Entry(int.from_bytes(stored[:_PREFIX], "big"))
        return stored[_PREFIX:]

    def _load(self, execution_id: str) -> bytes | None:
        record = self._taking
        if record is None:
            return None
        stored = self._snapshots.load(self.partition, execution_id)
        if stored is not None:
            return self._opened(execution_id, stored)
        return self._refolded(execution_id, record)

    def _refolded(self, execution_id: str, until: Record) -> bytes | None:
        """Fold an execution from its own stream: the snapshots have lost or pruned it."""
        state: Execution | None = None
        entry = _Entry()
        stream = self._reader.by_key(EXECUTION_EVENTS, execution_id)
        for folded, step in folded_before(stream, until):
            state = folded
            if entry.touched.note(step.events, step.last_sequence):
                entry.task_sequence = step.last_sequence
        if state is None:
            return None
        entry.touched = Touched()
        self._entries[execution_id] = entry
        return encode_state(state)


def _deletions(execution_id: str, deletion: ExecutionDeleted) -> Iterable[Write]:
    of_execution = Is("execution_id", (execution_id,))
    if deletion.logs:
        yield DeleteWhere(LOG_LINES, of_execution)
    if deletion.metrics:
        yield DeleteWhere(MEASUREMENTS, of_execution)


Projection = Callable[[Record], list[Write]]

STATELESS: dict[str, Projection] = {
    FLOWS: flow_writes,
    LOGS: log_writes,
    METRICS: metric_writes,
}
"""Topics whose records are projected one by one."""

TOPICS = (FLOWS, LOGS, METRICS, TRIGGER_EVENTS, EXECUTION_EVENTS)
"""Topics that are projected; an execution's deletion comes behind its lines."""
