"""The truth as the log has it, read past every component's back, and what must agree with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api.views.execution import execution_view
from domain.errors import UnreadableRecord
from domain.execution.commands import FireTimer
from domain.execution.events import (
    CommandRejected,
    ExecutionEnded,
    ExecutionRestarted,
    TaskRunCreated,
)
from domain.execution.fold import Applied, PartitionFold
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.ports.log import Log, LogReader
from domain.record.envelope import Record
from domain.record.topics import DEAD_LETTER, EXECUTION_EVENTS, FLOW_SLOTS
from domain.record.values import DeadLetter

FIRE = FireTimer.__struct_config__.tag


class History:
    """The fold of `execution.events`."""

    def __init__(self, log: Log) -> None:
        self.states: dict[str, Execution] = {}
        self.records: dict[str, list[EventRecord]] = defaultdict(list)
        """Those that count, by execution, in order."""
        self.lost: list[Record] = []
        """Records that lost a race, or say what was said before."""
        self.unreadable: list[Record] = []
        for partition in range(log.reader.partitions(EXECUTION_EVENTS)):
            fold = PartitionFold(partition)
            for record in everything(log.reader, EXECUTION_EVENTS, partition):
                self._take(fold, record)
            self.states.update(fold.states)

    def _take(self, fold: PartitionFold, record: Record) -> None:
        try:
            applied: Applied | None = fold.apply(record)
        except UnreadableRecord:
            self.unreadable.append(record)
            return
        if applied is None:
            self.lost.append(record)
        elif applied.record.sequence:
            self.records[applied.execution_id].append(applied.record)

    def view(self, execution_id: str) -> dict[str, Any]:
        """Return an execution as the API must show it."""
        shown: dict[str, Any] = plain(execution_view(self.states[execution_id]))
        return shown

    def children(self) -> Counter[str]:
        """Return how many executions each execution has started as subflows or by triggers."""
        return Counter(
            str(state.trigger.variables.get("executionId"))
            for state in self.states.values()
            if state.trigger is not None
        )


def everything(reader: LogReader, topic: str, partition: int) -> Iterable[Record]:
    """Return all records of a partition."""
    first, end = reader.bounds(topic, partition)
    return reader.read(topic, partition, first, end)


def dead_letters(log: Log) -> list[DeadLetter]:
    """Return everything that was put aside."""
    decoder = msgspec.json.Decoder(DeadLetter)
    return [
        decoder.decode(record.value)
        for partition in range(log.reader.partitions(DEAD_LETTER))
        for record in everything(log.reader, DEAD_LETTER, partition)
        if record.value is not None
    ]


def plain(value: Any) -> Any:
    """Return a value as JSON would have it."""
    return msgspec.json.decode(msgspec.json.encode(value))


def check_streams(history: History, streams: Mapping[str, list[dict[str, Any]]]) -> None:
    """Event streams of the API are gap-free and say what the log says."""
    for execution_id, stream in streams.items():
        assert [entry["sequence"] for entry in stream] == list(range(1, len(stream) + 1))
        told = [entry["event"] for entry in stream]
        written = [event for step in history.records[execution_id] for event in step.events]
        assert told == plain(written), execution_id
        assert history.states[execution_id].sequence == len(stream)


def check_once(history: History) -> None:
    """Every transition happened once: no command stepped twice, no task run made or ended twice."""
    # a timer's id is its name, for every time that it is set: all that fired it set it before
    for execution_id, steps in history.records.items():
        stepped = Counter(
            step.command_id
            for step in steps
            if step.command != FIRE and not all(isinstance(e, CommandRejected) for e in step.events)
        )
        twice = [command for command, times in stepped.items() if times > 1]
        told = [plain(step) for step in steps if step.command_id in twice]
        assert not twice, f"{execution_id} stepped {twice} more than once: {told}"
        events = [event for step in steps for event in step.events]
        made = Counter(event.id for event in events if isinstance(event, TaskRunCreated))
        assert not [run for run, times in made.items() if times > 1], execution_id
        begun = 1 + sum(isinstance(event, ExecutionRestarted) for event in events)
        ended = sum(isinstance(event, ExecutionEnded) for event in events)
        assert ended <= begun, f"{execution_id} ended {ended} times"


def check_attempts(history: History) -> None:
    """Each lost attempt is followed by another one, and no attempt is left open."""
    for execution_id, state in history.states.items():
        if state.deleted:
            continue
        for run in state.task_runs.values():
            states = [attempt.state.current for attempt in run.attempts]
            told = f"{execution_id} {run.task_id}: {[one.value for one in states]}"
            assert all(one in TERMINAL for one in states), told
            assert not states or states[-1] is not StateType.RESUBMITTED, told


def check_read_models(history: History, rows: list[dict[str, Any]]) -> None:
    """The index has every execution, with its task runs, as the fold of the log has it."""
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), "an execution is listed twice"
    living = {key for key, state in history.states.items() if not state.deleted}
    assert set(by_id) == living
    for execution_id in sorted(living):
        shown, true = by_id[execution_id], history.view(execution_id)
        differing = {
            key: (shown.get(key), true.get(key))
            for key in shown.keys() | true.keys()
            if shown.get(key) != true.get(key)
        }
        assert not differing, f"{execution_id}: index and log differ: {differing}"


def standing_wishes(log: Log) -> set[str]:
    """Return the keys of executions that hold or want a slot of their flow."""
    standing: set[str] = set()
    for partition in range(log.reader.partitions(FLOW_SLOTS)):
        for record in everything(log.reader, FLOW_SLOTS, partition):
            if record.value is None:
                standing.discard(record.key)
            else:
                standing.add(record.key)
    return standing
