"""Replay verification of a log, or of one execution in it, partition by partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from domain.execution.context import DEFAULT_SETTINGS, Settings
from domain.execution.fold import fold_record
from domain.execution.history import stream_of
from domain.execution.state import Execution
from domain.ports.stores import FlowHistory
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS
from domain.verification.divergence import Divergence, Tally
from domain.verification.verifier import Recall, Verifier


class RecordSource(Protocol):
    """What a verification reads from: a live log or an exported one."""

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        ...

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept and the offset behind the last."""
        ...

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order."""
        ...

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield all records of a key in order from an offset on."""
        ...


class Verified(msgspec.Struct, frozen=True):
    """A partition, or one execution, is through."""

    partition: int | None
    """None: one execution alone."""
    tally: Tally


def verify_log(
    source: RecordSource,
    flows: FlowHistory,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    execution_id: str | None = None,
) -> Iterator[Divergence | Verified]:
    """Step the recorded commands again, and yield every execution's first divergence.

    Args:
        source: the log. What is written while this runs is left out.
        flows: every revision, as recorded.
        settings: what the executors' configuration said to expressions.
        execution_id: verify one execution alone; None: all.
    """
    if execution_id is not None:
        verifier = Verifier(flows, settings=settings)
        # events first: whatever command led to one of them is there by then
        stream = list(source.by_key(EXECUTION_EVENTS, execution_id))
        yield from verifier.run(source.by_key(EXECUTION_COMMANDS, execution_id), stream)
        yield Verified(None, verifier.tally)
        return
    for partition in range(source.partitions(EXECUTION_EVENTS)):
        verifier = Verifier(flows, settings=settings, recall=_recalling(source))
        events = _all(source, EXECUTION_EVENTS, partition)
        yield from verifier.run(_all(source, EXECUTION_COMMANDS, partition), events)
        yield Verified(partition, verifier.tally)


def _all(source: RecordSource, topic: str, partition: int) -> Iterable[Record]:
    start, stop = source.bounds(topic, partition)
    return source.read(topic, partition, start, stop)


def _recalling(source: RecordSource) -> Recall:
    """Return what folds executions again that left the verifier's memory."""

    def recall(execution_id: str, offset: int) -> Execution | None:
        state: Execution | None = None
        records = source.by_key(EXECUTION_EVENTS, execution_id)
        for record, step in stream_of(records, execution_id):
            if record.offset >= offset:
                break
            state = fold_record(state, step)
        return state

    return recall
