"""The past of an execution: its state as of any event of its stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.errors import UnreadableRecord
from domain.execution.evolve import evolve
from domain.execution.fold import RECORDS, continues, fold_record
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.record.envelope import Record, instant_of


def stream_of(records: Iterable[Record], execution_id: str) -> Iterator[tuple[Record, EventRecord]]:
    """Yield the records that count in the stream of an execution, by the shared rule.

    Args:
        records: of `execution.events`, in order; those of other executions are left out.
        execution_id: whose stream.
    """
    last = 0
    for record in records:
        if record.key != execution_id:
            continue
        try:
            step = RECORDS.decode(record)
        except UnreadableRecord:
            continue  # nobody can fold it
        if step.execution_id == execution_id and step.sequence == last + 1:
            last = step.last_sequence
            yield record, step


def folded_before(
    records: Iterable[Record], until: Record
) -> Iterator[tuple[Execution | None, EventRecord]]:
    """Fold an execution from its own stream up to a record of its partition, step by step.

    Args:
        records: of one execution, in order.
        until: the first record that does not count.

    Yields:
        The state after each step that counts, in place, and the step.
    """
    state: Execution | None = None
    for record in records:
        if record.partition == until.partition and record.offset >= until.offset:
            break
        try:
            step = RECORDS.decode(record)
        except UnreadableRecord:
            continue
        if step.sequence and continues(state, step):
            state = fold_record(state, step)
            yield state, step


def state_at(records: Iterable[Record], execution_id: str, sequence: int) -> Execution | None:
    """Return the state of an execution as of one of its events.

    Args:
        records: of `execution.events`, in order.
        execution_id: whose stream.
        sequence: number of the last event that counts, from 1; also within a step.

    Returns:
        The state, its own object; its `sequence` is less than asked for where the stream is
        shorter. None: the execution had no event by then.
    """
    state: Execution | None = None
    for _, step in stream_of(records, execution_id):
        if step.last_sequence <= sequence:
            state = fold_record(state, step)
            continue
        at = instant_of(step.timestamp_ms)
        for event in step.events[: max(0, sequence - step.sequence + 1)]:
            state = evolve(state, event, at)
        if state is not None and sequence >= step.sequence:
            state.sequence = sequence
        break
    return state
