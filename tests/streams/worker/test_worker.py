"""The worker against a log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from domain.execution.commands import RecordAttemptLost, RecordTaskResult, RecordTaskStart
from domain.execution.lifecycle import StateType
from domain.record.envelope import Outgoing, Position
from domain.record.topics import (
    DEAD_LETTER,
    EXECUTION_COMMANDS,
    TASK_REQUESTS,
    WORKER_SIGNALS,
)
from tests.support.memory_log import MemoryLog
from tests.support.tasks import NOW, StillClock, services
from tests.support.worker import LOG, RETURN, Gate, Rig, plugin, running

KEY = ("worker", TASK_REQUESTS, 0)


def test_a_short_task_is_reported_by_one_command(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            {"type": RETURN, "format": "hello {{ name }}"}, variables={"name": "world"}
        )
    assert result.state is StateType.SUCCESS
    assert result.outputs == {"value": "hello world"}
    assert (result.task_run_id, result.attempt, result.worker_id) == ("r1", 1, "w1")
    assert len(rig.log.all(EXECUTION_COMMANDS)) == 1
    assert rig.texts() == ["hello world"]


def test_log_lines_are_on_the_log_before_the_result(tmp_path: Path) -> None:
    order: list[str] = []

    class Noting(MemoryLog):
        def send(self, record: Outgoing, delivered: object = None) -> None:
            order.append(record.topic)
            super().send(record, delivered)  # type: ignore[arg-type]

    with running(Rig(tmp_path, Noting())) as rig:
        rig.run({"type": LOG, "message": ["one", "two"], "level": "WARN"})
    assert order.index("logs") < order.index(EXECUTION_COMMANDS)
    assert [(e.message, e.level.value, e.attempt) for e in rig.lines()] == [
        ("one", "WARN", 0),
        ("two", "WARN", 0),
    ]


def test_a_long_task_reports_its_start_at_once_and_its_end_later(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask({"type": "gate"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.deadlines.advance(0.03)
        (start,) = rig.commands(1)
        gate.opened.set()
        result = rig.commands(2)[1]
    assert isinstance(start, RecordTaskStart)
    assert (start.task_run_id, start.worker_id) == ("r1", "w1")
    assert isinstance(result, RecordTaskResult)
    assert result.started_at == start.started_at


def test_a_failing_expression_fails_the_task_and_says_why(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run({"type": RETURN, "format": "{{ nothing.here }}"})
    assert result.state is StateType.FAILED
    assert "nothing" in rig.texts("ERROR")[0]


def test_an_unknown_task_type_fails_the_task(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run({"type": "io.nobody.Knows"})
    assert result.state is StateType.FAILED
    assert "io.nobody.Knows" in rig.texts("ERROR")[0]


def test_a_task_out_of_time_is_interrupted_and_fails(tmp_path: Path) -> None:
    """Kestra 1.3.25: "Timeout after 00:00:01.000"; two lines mention it."""
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask({"type": "gate", "timeout": "{{ most }}"}, variables={"most": "PT1S"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.deadlines.advance(1)
        result = rig.commands(2)[-1]
    assert result.state is StateType.FAILED
    assert rig.texts("ERROR") == ["Timeout after 00:00:01.000"]
    assert sum("Timeout" in text for text in rig.texts()) == 2


def test_a_kill_interrupts_what_runs(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask({"type": "gate"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.kill(at=NOW)
        (result,) = rig.commands(1)
    assert result.state is StateType.KILLED


def test_a_kill_before_the_request_is_remembered(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.kill(at=NOW + timedelta(seconds=1))
        result = rig.run({"type": "gate"})
    assert result.state is StateType.KILLED
    assert gate.runs == 0


def test_a_kill_from_before_the_workers_start_is_known(tmp_path: Path) -> None:
    gate = Gate("gate")
    rig = Rig(tmp_path, plugins=(plugin(gate),))
    rig.kill(at=NOW + timedelta(seconds=1))
    with running(rig):
        result = rig.run({"type": "gate"})
    assert (result.state, gate.runs) == (StateType.KILLED, 0)


def test_a_request_made_after_the_kill_runs(tmp_path: Path) -> None:
    """A restart of a killed execution is not killed by the old signal."""
    with running(Rig(tmp_path)) as rig:
        rig.kill(at=NOW - timedelta(seconds=1))
        result = rig.run({"type": RETURN, "format": "again"})
    assert result.state is StateType.SUCCESS


def test_a_kill_of_other_task_runs_leaves_this_one_alone(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.kill("r2")
        result = rig.run({"type": RETURN, "format": "x"})
    assert result.state is StateType.SUCCESS


def test_a_forced_request_outlives_the_kill_of_its_execution(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.kill(at=NOW + timedelta(seconds=1))
        result = rig.run({"type": RETURN, "format": "after"}, force=True)
    assert result.state is StateType.SUCCESS


def test_a_task_that_ignores_its_kill_is_reported_without_it(tmp_path: Path) -> None:
    gate = Gate("deaf", heeds=False)
    with running(Rig(tmp_path, plugins=(plugin(gate),), slots=1)) as rig:
        rig.ask({"type": "deaf"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.kill("r1", at=NOW)
        rig.deadlines.advance(rig.options.interrupt_grace_seconds)
        result = rig.commands(2)[-1]
        assert result.state is StateType.KILLED
        other = rig.run({"type": RETURN, "format": "the slot is free"}, run="r2")
        assert other.state is StateType.SUCCESS
        gate.opened.set()
    assert len(rig.log.all(EXECUTION_COMMANDS)) == 3


def test_offsets_advance_only_when_the_result_is_durable(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.log.held, rig.log.hold_topic = [], EXECUTION_COMMANDS
    with running(rig):
        rig.run({"type": RETURN, "format": "x"})
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (0, ";w1=0")
        rig.log.release()
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (1, "")


def test_ended_requests_behind_a_long_one_are_not_run_again_after_a_takeover(
    tmp_path: Path,
) -> None:
    gate = Gate("gate")
    rig = Rig(tmp_path, plugins=(plugin(gate),))
    with running(rig):
        rig.ask({"type": "gate"}, run="long")
        for number in range(20):
            rig.ask({"type": RETURN, "format": "x"}, run=f"short{number}")
        rig.consumer.pump()
        rig.commands(20)
        rig.deadlines.advance(1)
        next_offset, metadata = rig.log.commits[KEY]
        assert next_offset == 0
        assert metadata
        later = services(clock=StillClock(NOW + timedelta(minutes=1)))  # w1 is long silent
        other = Rig(tmp_path, rig.log, (plugin(Gate("gate")),), later, id="w2")
        with running(other):
            other.consumer.pump()
            results = other.commands(22)
        gate.opened.set()
    again = [c for c in results if c.issuer == "w2"]
    assert [(type(c), c.task_run_id) for c in again] == [(RecordAttemptLost, "long")]


def test_full_slots_pause_the_partitions_and_free_ones_resume_them(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),), slots=1, prefetch=2)) as rig:
        for number in range(3):
            rig.ask({"type": "gate"}, run=f"r{number}")
        rig.consumer.pump()
        assert rig.consumer.paused == {(TASK_REQUESTS, 0)}
        gate.opened.set()
        rig.commands(3)
        with rig.log.changed:
            assert rig.log.changed.wait_for(lambda: not rig.consumer.paused, 10)


def test_requests_that_come_again_do_not_stop_the_flow(tmp_path: Path) -> None:
    with running(Rig(tmp_path, slots=1, prefetch=2)) as rig:
        for _ in range(2):  # the second time all of them are known, and nothing runs that ends
            for number in range(3):
                rig.ask({"type": RETURN, "format": "x"}, run=f"r{number}")
            rig.consumer.pump()
            rig.commands(3)
            with rig.log.changed:
                assert rig.log.changed.wait_for(lambda: not rig.consumer.paused, 10)
        rig.ask({"type": RETURN, "format": "x"}, run="r9")
        rig.consumer.pump()
        rig.commands(4)


def test_requests_taken_away_while_they_waited_do_not_stop_the_flow(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),), slots=1, prefetch=2)) as rig:
        for number in range(9):
            rig.ask({"type": "gate"}, run=f"r{number}")
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.consumer.revoke()
        rig.consumer.assign()
        assert rig.consumer.paused == {(TASK_REQUESTS, 0)}
        gate.opened.set()
        rig.commands(1)
        with rig.log.changed:
            assert rig.log.changed.wait_for(lambda: not rig.consumer.paused, 10)


def test_large_requests_pause_the_partitions_sooner_than_small_ones(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),), slots=1, prefetch_bytes=40_000)) as rig:
        rig.ask({"type": "gate"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        for number in range(2):
            assert not rig.consumer.paused
            rig.ask({"type": RETURN, "format": "x" * 25_000}, run=f"large{number}")
            rig.consumer.pump()
        assert rig.consumer.paused == {(TASK_REQUESTS, 0)}
        gate.opened.set()
        rig.commands(3)
        with rig.log.changed:
            assert rig.log.changed.wait_for(lambda: not rig.consumer.paused, 10)


def test_a_request_that_runs_already_is_dropped(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask({"type": "gate"})
        rig.ask({"type": "gate"})
        rig.ask({"type": RETURN, "format": "last"}, run="r2")
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.commands(1)
        gate.opened.set()
        rig.commands(2)
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (3, "")
    assert gate.runs == 1


def test_a_request_that_ended_here_is_dropped(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.run({"type": RETURN, "format": "x"})
        rig.ask({"type": RETURN, "format": "x"})
        rig.run({"type": RETURN, "format": "y"}, run="r2")
    assert len(rig.log.all(EXECUTION_COMMANDS)) == 2


def test_the_next_attempt_of_a_task_run_is_no_duplicate(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.run({"type": RETURN, "format": "x"})
        result = rig.run({"type": RETURN, "format": "x"}, attempt=2)
    assert result.attempt == 2


def test_what_may_have_been_begun_by_a_worker_that_is_gone_is_left_to_the_executor(
    tmp_path: Path,
) -> None:
    """A crash between result and commit: what was reported, the executor knows."""
    rig = Rig(tmp_path)
    with running(rig):
        rig.run({"type": RETURN, "format": "x"})
    rig.log.commits.clear()
    with running(Rig(tmp_path, rig.log, id="w2")) as second:
        second.consumer.pump()
        lost = second.commands(2)[-1]
        assert isinstance(lost, RecordAttemptLost)
        assert (lost.task_run_id, lost.attempt, lost.issuer) == ("r1", 1, "w2")
        second.deadlines.advance(1)
        assert second.log.commits[KEY] == (1, "")
        second.ask({"type": RETURN, "format": "x"})  # the executor asks again
        second.consumer.pump()
        again = second.commands(3)[-1]
        assert (again.command_id, again.worker_id) == ("r1.1.result", "w2")


def test_the_next_life_of_a_worker_leaves_what_ran_in_the_last_one_to_the_executor(
    tmp_path: Path,
) -> None:
    """SIGKILL and a restart within the time that a worker counts as alive."""
    gate = Gate("gate")
    rig = Rig(tmp_path, plugins=(plugin(gate),), life="a")
    with running(rig):
        rig.ask({"type": "gate"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.deadlines.advance(0.2)
        with running(Rig(tmp_path, rig.log, (plugin(Gate("gate")),), life="b")) as second:
            second.consumer.pump()
            start, lost = second.commands(2)
            assert (start.worker_id, lost.worker_id, lost.issuer) == ("w1~a", "w1~a", "w1~b")
        gate.opened.set()


def test_what_waited_when_a_partition_was_given_back_runs_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with running(rig):
        rig.run({"type": RETURN, "format": "x"})
    rig.ask({"type": RETURN, "format": "y"}, run="r2")
    with running(Rig(tmp_path, rig.log, id="w2")) as second:
        second.consumer.pump()
        assert isinstance(second.commands(2)[-1], RecordTaskResult)


def test_a_task_that_may_run_once_tells_its_start_before_it_begins(tmp_path: Path) -> None:
    gate = Gate("gate")
    begun: list[bool] = []

    class Watched(MemoryLog):
        def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
            begun.append(gate.entered.is_set())
            return super().append(records, timeout)

    with running(Rig(tmp_path, Watched(), (plugin(gate),))) as rig:
        rig.ask({"type": "gate", "onWorkerLost": "FAIL"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        assert begun == [False]
        gate.opened.set()
        start, result = rig.commands(2)
        assert (start.issuer, result.state) == ("w1", StateType.SUCCESS)


def test_a_task_that_may_run_once_is_left_to_the_executor_whoever_gave_it_back(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    with running(rig):
        rig.run({"type": RETURN, "format": "x"})
    rig.ask({"type": RETURN, "format": "y", "onWorkerLost": "FAIL"}, run="r2")
    with running(Rig(tmp_path, rig.log, id="w2")) as second:
        second.consumer.pump()
        assert isinstance(second.commands(2)[-1], RecordAttemptLost)


def test_a_request_that_cannot_be_read_becomes_a_dead_letter(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.log.send(Outgoing(TASK_REQUESTS, "r1", b"not json"))
        rig.consumer.pump()
        rig.log.wait_for(DEAD_LETTER, 1)
        rig.run({"type": RETURN, "format": "on we go"})
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (2, "")


def test_a_stopping_worker_leaves_what_it_interrupts_to_others(tmp_path: Path) -> None:
    gate = Gate("gate")
    rig = Rig(tmp_path, plugins=(plugin(gate),), slots=1)
    rig.worker.start()
    rig.ask({"type": "gate"}, run="r1")
    rig.ask({"type": RETURN, "format": "waits"}, run="r2")
    rig.consumer.pump()
    assert gate.entered.wait(10)
    rig.worker.stop()
    assert rig.log.all(EXECUTION_COMMANDS) == []
    assert rig.log.commits.get(KEY, (0, ""))[0] == 0
    with running(Rig(tmp_path, rig.log, (plugin(Gate("gate")),), slots=1, id="w2")) as other:
        other.consumer.pump()
        results = other.commands(2)
    assert {r.task_run_id: type(r) for r in results} == {
        "r1": RecordAttemptLost,
        "r2": RecordTaskResult,
    }


def test_a_partition_lost_and_won_again_does_not_run_its_task_twice(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask({"type": "gate"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.consumer.revoke()
        rig.consumer.assign()
        rig.ask({"type": RETURN, "format": "x"}, run="r2")
        rig.consumer.pump()
        rig.commands(1)
        gate.opened.set()
        rig.commands(2)
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (2, "")
    assert gate.runs == 1


def test_heartbeats_go_out_and_the_last_one_says_good_bye(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.deadlines.advance(6.5)
    beats = [msgspec.json.decode(r.value or b"") for r in rig.log.all(WORKER_SIGNALS)]
    assert [beat.get("leaving", False) for beat in beats] == [False, False, False, True]
    assert beats[0]["worker_id"] == "w1"


def test_a_result_that_cannot_be_written_stops_the_worker(tmp_path: Path) -> None:
    class Refusing(MemoryLog):
        def send(self, record: Outgoing, delivered: object = None) -> None:
            if record.topic == EXECUTION_COMMANDS:
                delivered(None, OSError("gone"))  # type: ignore[operator]
            else:
                super().send(record, delivered)  # type: ignore[arg-type]

    rig = Rig(tmp_path, Refusing())
    with running(rig):
        rig.ask({"type": LOG, "message": "x"})
        rig.consumer.pump()
        assert rig.failed.wait(10)
        rig.deadlines.advance(1)
        assert rig.log.commits[KEY] == (0, ";w1=0")
    assert [str(error) for error in rig.failures] == ["gone"]
