"""The executions that flow triggers watch: folds of the partitions, stored and found again."""

from __future__ import annotations

import logging

from domain.errors import UnreadableRecord
from domain.execution.fold import (
    PartitionFold,
    decode_state,
    encode_state,
    is_settled,
)
from domain.execution.history import folded_before
from domain.execution.state import Execution
from domain.ports.log import Log
from domain.ports.stores import Snapshots
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_EVENTS

_log = logging.getLogger(__name__)


class Watched:
    """What is known of one partition.

    Attributes:
        fold: its executions that have not ended.
        changed: live executions that differ from the snapshot.
        stored: executions that the snapshot holds as live.
        since_snapshot: records since then.
    """

    __slots__ = ("changed", "fold", "since_snapshot", "stored")

    def __init__(self, fold: PartitionFold) -> None:
        self.fold = fold
        self.changed: set[str] = set()
        self.stored: set[str] = set()
        self.since_snapshot = 0


def recovered(log: Log, snapshots: Snapshots, upto: Record) -> Watched:
    """Return the fold of everything before a record: the snapshot, then the log."""
    number = upto.partition
    first, _ = log.reader.bounds(EXECUTION_EVENTS, number)
    stored = snapshots.offset(number)
    known = Watched(PartitionFold(number, next_offset=max(first, stored or 0)))
    if stored is not None:
        try:
            for execution_id, data in snapshots.live(number):
                known.fold.states[execution_id] = decode_state(data)
                known.stored.add(execution_id)
        except UnreadableRecord:
            # of another version: the log has it all
            snapshots.forget(number)
            known = Watched(PartitionFold(number, next_offset=first))
    start = known.fold.next_offset
    for record in log.reader.read(EXECUTION_EVENTS, number, start, upto.offset):
        try:
            applied = known.fold.apply(record)
        except UnreadableRecord as error:
            _log.warning("flow triggers: ignored: %s", error)
            continue
        if applied is not None and applied.state is not None:
            known.changed.add(applied.execution_id)
            if is_settled(applied.state) or applied.state.deleted:
                known.fold.drop(applied.execution_id)
    return known


def refolded(log: Log, execution_id: str, until: Record) -> Execution | None:
    """Fold an execution from its own stream: it had ended, and left memory."""
    state: Execution | None = None
    for folded, _ in folded_before(log.reader.by_key(EXECUTION_EVENTS, execution_id), until):
        state = folded
    return state


def store(log: Log, snapshots: Snapshots, known: Watched) -> None:
    """Store what changed, and how far the partition is folded."""
    # what is skipped after a restart must have led to what it leads to
    log.writer.flush()
    states = known.fold.states
    live = {execution_id for execution_id in known.changed if execution_id in states}
    gone = (known.changed - live) & known.stored
    snapshots.save(
        known.fold.partition,
        known.fold.next_offset,
        [
            *((one, encode_state(states[one]), False) for one in live),
            *((one, b"", True) for one in gone),
        ],
    )
    known.stored = (known.stored | live) - gone
    known.changed.clear()
    known.since_snapshot = 0
