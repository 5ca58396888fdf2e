"""Random streams of executions, written to a log in memory as executors would, zombies included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from hypothesis import strategies as st

from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.record import EventRecord
from domain.execution.state import Label, Metadata, Moment, State, TaskRun
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position, milliseconds_of
from domain.record.topics import EXECUTION_EVENTS
from tests.support.memory_log import MemoryLog

BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDS = (StateType.SUCCESS, StateType.FAILED, StateType.WARNING)


class Appender(Protocol):
    """A log's writer."""

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        """Append and wait."""
        ...


class Historian:
    """Writes steps of executions, each continuing its stream."""

    def __init__(self, log: Appender) -> None:
        self.log = log
        self.now = BEGIN
        self.sequences: dict[str, int] = {}

    def step(self, execution_id: str, *events: e.ExecutionEvent, **members: Any) -> Position:
        """Append one record; `sequence` may be given to lose a race."""
        self.now += timedelta(milliseconds=7)
        sequence = members.pop("sequence", self.sequences.get(execution_id, 0) + 1)
        record = EventRecord(
            execution_id=execution_id,
            sequence=sequence,
            command_id=f"c{sequence}-{execution_id}",
            command_offset=0,
            timestamp_ms=milliseconds_of(self.now),
            events=list(events),
            command="timer.fire",
            **members,
        )
        if sequence == self.sequences.get(execution_id, 0) + 1:
            self.sequences[execution_id] = record.last_sequence
        [position] = self.log.append([Outgoing(EXECUTION_EVENTS, execution_id, encode(record))])
        return position

    def create(self, execution_id: str, **members: Any) -> Position:
        """Append the first record of a stream."""
        return self.step(execution_id, created(execution_id, **members), e.ExecutionStarted())

    def run(self, execution_id: str, *tasks: str) -> None:
        """Run tasks to SUCCESS, one step each."""
        for task in tasks:
            run_id = f"{execution_id}.{task}"
            self.step(
                execution_id,
                e.TaskRunCreated(id=run_id, task_id=task),
                e.TaskRunSubmitted(id=run_id),
            )
            self.step(execution_id, ended(run_id, StateType.SUCCESS))

    def end(self, execution_id: str, state: StateType = StateType.SUCCESS) -> Position:
        """Append the last record of a stream."""
        return self.step(execution_id, e.ExecutionEnded(state=state), e.ExecutionClosed())


def created(execution_id: str, **members: Any) -> e.ExecutionCreated:
    """The first event of a stream."""
    defaults: dict[str, Any] = {
        "tenant": "main",
        "namespace": "company.team",
        "flow_id": "hello",
        "flow_revision": 1,
        "original_id": execution_id,
        "metadata": Metadata(attempt_number=1, original_created_date=BEGIN),
        "labels": [Label("system.from", "api")],
    }
    return e.ExecutionCreated(execution_id=execution_id, **{**defaults, **members})


def ended(run_id: str, state: StateType) -> e.TaskRunEnded:
    """A task run ends, its start reported with it."""
    return e.TaskRunEnded(
        id=run_id,
        state=state,
        started_at=BEGIN,
        ended_at=BEGIN + timedelta(seconds=1),
        worker_id="w",
        outputs={"value": run_id},
    )


class _Writer:
    """Draws the steps of some executions."""

    def __init__(self, draw: Callable[[Any], Any], historian: Historian) -> None:
        self.draw = draw
        self.historian = historian
        self.runs: dict[str, list[str]] = {}
        self.deleted: set[str] = set()
        self.count = 0

    def begin(self, execution_id: str) -> None:
        copied = self.draw(st.integers(0, 2))
        runs = [
            TaskRun(f"{execution_id}.copied{n}", "t", State(StateType.SUCCESS, [_moment()]))
            for n in range(copied)
        ]
        self.runs[execution_id] = [run.id for run in runs]
        self.historian.create(execution_id, task_runs=runs)

    def go_on(self, execution_id: str) -> None:
        events = [self.event(execution_id) for _ in range(self.draw(st.integers(1, 6)))]
        self.historian.step(execution_id, *events)

    def event(self, execution_id: str) -> e.ExecutionEvent:
        runs = self.runs[execution_id]
        kinds = ["run", "run", "run", "labels", "timer", "reject", "end"]
        if runs:
            kinds += ["done", "done", "outputs", "reset", "paused", "removed", "removed", "forced"]
        kind = self.draw(st.sampled_from(kinds))
        run_id = self.draw(st.sampled_from(runs)) if runs else ""
        match kind:
            case "run":
                self.count += 1
                runs.append(f"{execution_id}.{self.count}")
                return e.TaskRunCreated(id=runs[-1], task_id="t", value=str(self.count))
            case "done":
                return ended(run_id, self.draw(st.sampled_from(ENDS)))
            case "outputs":
                return e.TaskRunOutputsSet(id=run_id, outputs={"n": self.count})
            case "reset":
                return e.TaskRunReset(id=run_id)
            case "paused":
                return e.TaskRunPaused(id=run_id)
            case "forced":
                return e.TaskRunStateForced(id=run_id, state=StateType.WARNING)
            case "removed":
                gone = runs[runs.index(run_id) :][: self.draw(st.integers(1, 2))]
                self.runs[execution_id] = [run for run in runs if run not in gone]
                return e.TaskRunsRemoved(ids=gone)
            case "labels":
                self.count += 1
                return e.LabelsChanged(labels=[Label("n", str(self.count))])
            case "end":
                return e.ExecutionEnded(state=self.draw(st.sampled_from(ENDS)))
            case "timer":
                return e.LookupAnswered(key="x", value=1)
            case _:
                return e.CommandRejected(command="execution.kill", code="X", message="no")


def _moment() -> Moment:
    return Moment(StateType.SUCCESS, BEGIN)


@st.composite
def logs(draw: Any, *, deletions: bool = True, executions: int = 2, steps: int = 20) -> MemoryLog:
    """A log with interleaved streams, losers of races and repeated records among them."""
    log = MemoryLog(partitions=2)
    historian = Historian(log)
    writer = _Writer(draw, historian)
    names = [f"e{number}" for number in range(executions)]
    for _ in range(draw(st.integers(3, steps))):
        name = draw(st.sampled_from(names))
        if name in writer.deleted:
            continue
        if name not in writer.runs:
            writer.begin(name)
            continue
        kinds = [*["step"] * 8, "zombie", "repeat", "close"]
        kind = draw(st.sampled_from(kinds + (["delete"] if deletions else [])))
        match kind:
            case "close":
                historian.end(name)
            case "zombie":
                late = draw(st.integers(1, historian.sequences[name]))
                event = e.TaskRunCreated(id=f"{name}.zombie", task_id="z")
                historian.step(name, event, sequence=late, writer="zombie")
            case "repeat":
                records = [r for r in log.all(EXECUTION_EVENTS) if r.key == name]
                record = draw(st.sampled_from(records))
                log.append([Outgoing(EXECUTION_EVENTS, name, record.value)])
            case "delete":
                historian.step(name, e.ExecutionDeleted())
                writer.deleted.add(name)
            case _:
                writer.go_on(name)
    return log
