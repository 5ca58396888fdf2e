"""The executor on a log: snapshots, spilling, recall, dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.errors import BrokenInvariant
from domain.execution.commands import (
    CreateExecution,
    DeleteExecution,
    ExecutionCommand,
    KillExecution,
    RecordTaskResult,
    RestartExecution,
)
from domain.execution.context import Answer, Question
from domain.execution.events import CommandRejected, TaskRunStarted
from domain.execution.fold import RECORDS, continues, decode_state, fold_record
from domain.execution.lifecycle import StateType
from domain.execution.machine import step
from domain.execution.record import EventRecord
from domain.execution.requests import TaskRequest
from domain.execution.state import Execution
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.ports.metrics import NoMetrics
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing
from domain.record.topics import (
    DEAD_LETTER,
    EXECUTION_COMMANDS,
    EXECUTION_EVENTS,
    LOGS,
    TASK_REQUESTS,
)
from infra.clock import SystemClock
from streams.executor import stepper
from streams.executor.stepper import ExecutionStepper, FlowSource
from streams.options import ExecutorOptions
from streams.steps import StepHandler
from streams.timers import TimerClock
from tests.support.memory_log import MemoryLog

REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
SOURCE = """
id: one
namespace: team
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class MemorySnapshots:
    """Snapshots in memory, which survive a restart of the executor."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.states: dict[str, tuple[bytes, bool]] = {}
        self.log: MemoryLog | None = None

    def offset(self, partition: int) -> int | None:
        return self.offsets.get(partition)

    def load(self, partition: int, execution_id: str) -> bytes | None:
        found = self.states.get(execution_id)
        return None if found is None else found[0]

    def live(self, partition: int) -> Iterator[tuple[str, bytes]]:
        for execution_id, (data, ended) in list(self.states.items()):
            if not ended:
                yield execution_id, data

    def save(self, partition: int, offset: int, states: Iterable[tuple[str, bytes, bool]]) -> None:
        assert self.log is not None
        for execution_id, data, ended in states:
            assert decode_state(data).sequence <= recorded(self.log, execution_id), (
                "a snapshot is ahead of the log"
            )
            self.states[execution_id] = (data, ended)
        self.offsets[partition] = offset

    def forget(self, partition: int) -> None:
        self.offsets.pop(partition, None)
        self.states.clear()

    def close(self) -> None:
        pass


class OneFlow:
    """Knows one flow."""

    def __init__(self, source: str = SOURCE) -> None:
        self.flow = read_flow(source, catalogue=CORE_CATALOGUE, revision=1)

    def require(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        return self.flow if flow_id == "one" else None


class NoAnswers:
    """Is not asked."""

    def answer(self, question: Question) -> Answer:
        raise AssertionError(question)


class Engine:
    """An executor over a memory log, with a worker that says SUCCESS."""

    def __init__(
        self,
        *,
        snapshot_every: int = 5_000,
        ended_in_memory: int = 500,
        command_limit_bytes: int = 1_000_000,
        source: str = SOURCE,
        log: MemoryLog | None = None,
        flows: FlowSource | None = None,
    ) -> None:
        self.log = log or MemoryLog()
        self.flows = flows or OneFlow(source)
        self.snapshots = MemorySnapshots()
        self.snapshots.log = self.log
        self.options = ExecutorOptions(
            snapshot_every=snapshot_every,
            ended_in_memory=ended_in_memory,
            command_limit_bytes=command_limit_bytes,
        )
        self.fatal: list[BaseException] = []
        self.committed = 0
        self.restart()

    def restart(self) -> None:
        self.stepper = ExecutionStepper(
            self.log,
            self.flows,
            NoAnswers(),
            TimerClock(SystemClock(), lambda *_: None),
            self.snapshots,
            self.options,
            NoMetrics(),
        )
        self.handler = StepHandler(
            self.log,
            self.stepper,
            writer="test",
            component="executor",
            committed=lambda _: self.committed,
            fatal=self.fatal.append,
            metrics=NoMetrics(),
        )
        self.handler.assigned([0])

    def command(
        self,
        command: ExecutionCommand,
    ) -> None:
        self.log.append([Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))])
        self.deliver(len(self.log.all(EXECUTION_COMMANDS)) - 1)

    def deliver(self, start: int) -> None:
        for record in self.log.all(EXECUTION_COMMANDS)[start:]:
            self.handler.process(record, lambda: None)

    def create(self, execution_id: str) -> None:
        self.command(
            CreateExecution(
                execution_id=execution_id,
                command_id=f"create {execution_id}",
                tenant="main",
                namespace="team",
                flow_id="one",
                flow_revision=1,
            )
        )

    def work(self, execution_id: str) -> None:
        request = next(
            REQUESTS.decode(record)
            for record in self.log.all(TASK_REQUESTS)
            if REQUESTS.decode(record).execution_id == execution_id
        )
        self.command(
            RecordTaskResult(
                execution_id=execution_id,
                command_id=f"result {execution_id}",
                task_run_id=request.task_run_id,
                attempt=1,
                state=StateType.SUCCESS,
                worker_id="w",
                started_at=NOW,
                ended_at=NOW,
            )
        )

    def state(self, execution_id: str) -> StateType | None:
        state = folded(self.log, execution_id)
        return None if state is None else state.state.current


def folded(log: MemoryLog, execution_id: str) -> Execution | None:
    state: Execution | None = None
    for record in log.by_key(EXECUTION_EVENTS, execution_id):
        decoded = RECORDS.decode(record)
        if continues(state, decoded):
            state = fold_record(state, decoded)
    return state


def recorded(log: MemoryLog, execution_id: str) -> int:
    state = folded(log, execution_id)
    return 0 if state is None else state.sequence


def test_execution_runs_to_its_end() -> None:
    engine = Engine()
    engine.create("a")
    engine.work("a")

    assert engine.state("a") is StateType.SUCCESS
    assert engine.fatal == []


def test_snapshot_is_never_ahead_of_the_log() -> None:
    """`MemorySnapshots.save` compares with the log at every snapshot."""
    engine = Engine(snapshot_every=1, ended_in_memory=1)
    for number in range(5):
        engine.create(f"e{number}")
        engine.work(f"e{number}")

    assert engine.snapshots.states
    assert engine.fatal == []


def test_stop_between_a_start_and_its_first_command_loses_no_effects() -> None:
    """A snapshot made then would hide the record whose effects are owed."""
    engine = Engine()
    engine.create("a")
    before = len(engine.log.all(TASK_REQUESTS))
    engine.restart()
    engine.stepper.close()
    engine.restart()
    engine.deliver(0)
    assert len(engine.log.all(TASK_REQUESTS)) == 2 * before


def test_executor_goes_on_from_its_snapshot_and_the_tail_of_the_log() -> None:
    engine = Engine(snapshot_every=2)
    for name in ("a", "b", "c"):
        engine.create(name)
    engine.committed = len(engine.log.all(EXECUTION_COMMANDS))
    engine.restart()

    for name in ("a", "b", "c"):
        engine.work(name)

    assert {engine.state(name) for name in ("a", "b", "c")} == {StateType.SUCCESS}


def test_no_snapshot_of_a_catch_up_hides_effects_that_were_never_sent() -> None:
    """Two crashes: the second one between the catch-up and the command that comes again."""
    engine = Engine(snapshot_every=1)
    engine.create("a")
    engine.committed = 1
    engine.create("b")
    engine.snapshots.forget(0)
    engine.restart()
    assert set(engine.snapshots.states) == {"a"}
    engine.restart()

    engine.deliver(1)

    asked = [REQUESTS.decode(record).execution_id for record in engine.log.all(TASK_REQUESTS)]
    assert asked == ["a", "b", "b"]


def test_ended_executions_leave_memory_and_are_known_when_a_late_command_comes() -> None:
    engine = Engine(ended_in_memory=1, snapshot_every=1)
    for number in range(6):
        engine.create(f"e{number}")
        engine.work(f"e{number}")
    assert "e0" not in engine.stepper.partition(0).states

    engine.command(KillExecution(execution_id="e0", command_id="late kill"))

    state = folded(engine.log, "e0")
    assert state is not None
    assert state.state.current is StateType.SUCCESS
    assert state.sequence > 0


def test_execution_that_the_snapshots_lost_is_folded_from_its_own_stream() -> None:
    engine = Engine(ended_in_memory=1, snapshot_every=1)
    for number in range(6):
        engine.create(f"e{number}")
        engine.work(f"e{number}")
    del engine.snapshots.states["e0"]
    before = recorded(engine.log, "e0")

    engine.command(KillExecution(execution_id="e0", command_id="late kill"))

    assert recorded(engine.log, "e0") == before + 1


def test_redelivered_command_sends_its_request_again_and_records_nothing() -> None:
    engine = Engine()
    engine.create("a")
    before = len(engine.log.all(EXECUTION_EVENTS))
    engine.restart()

    engine.deliver(0)

    assert len(engine.log.all(EXECUTION_EVENTS)) == before
    requests = [REQUESTS.decode(record) for record in engine.log.all(TASK_REQUESTS)]
    assert len(requests) == 2
    assert len({(request.task_run_id, request.attempt) for request in requests}) == 1


@pytest.mark.parametrize("fault", [ZeroDivisionError, BrokenInvariant])
@pytest.mark.parametrize("when", [CreateExecution, RecordTaskResult])
def test_an_execution_whose_step_stumbles_fails_with_the_reason_and_others_go_on(
    when: Any, fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbling(flow: Any, state: Any, command: Any, context: Any) -> Any:
        if when is type(command) and command.execution_id == "a":
            raise fault("a fault of ours")
        return step(flow, state, command, context)

    monkeypatch.setattr(stepper, "step", stumbling)
    engine = Engine()
    engine.create("a")
    engine.create("b")
    if when is RecordTaskResult:
        engine.work("a")
    engine.work("b")

    state = folded(engine.log, "a")
    assert state is not None
    assert state.state.current is StateType.FAILED
    assert "a fault of ours" in str(state.error)
    assert engine.state("b") is StateType.SUCCESS
    assert engine.log.all(DEAD_LETTER) == []
    assert engine.fatal == []


def test_command_under_the_key_of_another_execution_goes_to_the_dead_letter() -> None:
    engine = Engine()
    stray = KillExecution(execution_id="a", command_id="k")
    engine.log.append([Outgoing(EXECUTION_COMMANDS, "b", encode(stray))])
    engine.deliver(0)

    assert len(engine.log.all(DEAD_LETTER)) == 1


def test_the_topic_of_a_worker_group_is_made_before_its_first_request() -> None:
    """A request for a group that nobody has started must not end the process."""
    engine = Engine(source=SOURCE + "    workerGroup: {key: gpu}\n")
    engine.create("a")
    engine.create("b")

    assert engine.log.ensured == ["task.requests.gpu"]
    assert len(engine.log.all("task.requests.gpu")) == 2
    assert engine.fatal == []


def test_request_that_is_too_large_fails_its_attempt_with_the_reason() -> None:
    engine = Engine(command_limit_bytes=2_000, source=SOURCE.replace("hello", "x" * 3_000))
    engine.create("a")

    engine.deliver(1)

    state = folded(engine.log, "a")
    assert state is not None
    assert state.state.current is StateType.FAILED
    assert engine.log.all(TASK_REQUESTS) == []


LOOP = """
id: one
namespace: team
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: hello}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{ range(1, 100) }}"
    concurrencyLimit: 0
    tasks: [{id: again, type: io.kestra.plugin.core.log.Log, message: hello}]
"""


def test_step_that_is_too_large_for_a_record_fails_the_execution_with_the_reason() -> None:
    engine = Engine(command_limit_bytes=2_000, source=LOOP)
    engine.create("a")
    engine.work("a")

    state = folded(engine.log, "a")
    assert state is not None
    assert state.state.current is StateType.FAILED
    assert state.error is not None
    assert "hand large values over as files" in state.error
    assert max(len(record.value or b"") for record in engine.log.all(EXECUTION_EVENTS)) < 2_000
    assert not engine.fatal


def test_events_that_cannot_be_folded_fail_their_execution_alone_and_can_be_deleted() -> None:
    engine = Engine()
    engine.create("a")
    engine.create("b")
    state = folded(engine.log, "a")
    assert state is not None
    poison = EventRecord(
        execution_id="a",
        sequence=state.sequence + 1,
        command_id="x",
        command_offset=0,
        timestamp_ms=1_767_225_600_000,
        events=[TaskRunStarted(id="no such task run")],
    )
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", encode(poison))])
    engine.restart()
    engine.work("a")
    engine.work("b")

    assert engine.fatal == []
    assert engine.state("b") is StateType.SUCCESS
    sealed = folded(engine.log, "a")
    assert sealed is not None
    assert sealed.state.current is StateType.FAILED
    assert "cannot be folded: KeyError" in str(sealed.error)

    engine.command(RestartExecution(execution_id="a", command_id="again"))
    last = RECORDS.decode(list(engine.log.by_key(EXECUTION_EVENTS, "a"))[-1])
    assert [event.code for event in last.events if isinstance(event, CommandRejected)] == [
        "EXEC020"
    ]
    engine.command(DeleteExecution(execution_id="a", command_id="delete"))
    gone = folded(engine.log, "a")
    assert gone is not None
    assert gone.deleted
    assert engine.fatal == []


def test_a_line_of_the_executor_is_cut_to_what_the_log_takes() -> None:
    source = SOURCE.replace("core.log.Log", "core.execution.Fail").replace(
        "message", "errorMessage"
    )
    engine = Engine(source=source.replace("hello", "x" * 3_000_000), command_limit_bytes=64_000_000)
    engine.create("a")

    lines = [msgspec.json.decode(record.value or b"") for record in engine.log.all(LOGS)]
    messages = [entry["message"] for line in lines for entry in line["entries"]]
    assert messages
    assert max(map(len, messages)) < 70_000
    assert messages[0].endswith("characters more)")


@pytest.mark.parametrize("name", ["missing"])
def test_command_to_an_execution_that_does_not_exist_is_refused_on_the_record(name: str) -> None:
    engine = Engine()
    engine.command(KillExecution(execution_id=name, command_id="k"))

    [record] = engine.log.all(EXECUTION_EVENTS)
    assert RECORDS.decode(record).sequence == 0
    assert engine.state(name) is None
