"""A partition goes from one living worker to another while a task runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.execution.commands import RecordAttemptLost
from domain.record.topics import TASK_REQUESTS
from tests.support.memory_log import MemoryLog
from tests.support.tasks import StillClock, services
from tests.support.waiting import eventually
from tests.support.worker import RETURN, Gate, Rig, plugin

KEY = ("worker", TASK_REQUESTS, 0)


class Pair:
    """Two workers of a group: the first runs `long`, the second is about to get its partition."""

    def __init__(self, folder: Path) -> None:
        self.clock = StillClock()
        self.log = MemoryLog()
        self.gates = (Gate("gate"), Gate("gate"))
        self.rigs = [
            Rig(folder, self.log, (plugin(gate),), services(clock=self.clock), id=name, slots=1)
            for gate, name in zip(self.gates, ("w1", "w2"), strict=True)
        ]
        self.consumers = list(self.log.consumers)

    def begin(self) -> None:
        first, second = self.rigs
        first.worker.start()
        first.ask({"type": "gate"}, run="long")
        first.ask({"type": RETURN, "format": "queued"}, run="queued")
        self.consumers[0].pump()
        assert self.gates[0].entered.wait(10)
        self.consumers[0].revoke()
        second.worker.start()
        self.consumers[1].pump()
        first.commands(1)  # `queued`, by the second worker

    def stop(self) -> None:
        for gate in self.gates:
            gate.opened.set()
        for rig in self.rigs:
            rig.worker.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    made.begin()
    yield made
    made.stop()


def test_what_waited_runs_on_the_new_owner_only(pair: Pair) -> None:
    pair.gates[0].opened.set()
    results = pair.rigs[0].commands(2)
    assert [(r.task_run_id, r.worker_id) for r in results] == [("queued", "w2"), ("long", "w1")]


def test_a_task_that_runs_on_a_living_worker_is_not_started_again(pair: Pair) -> None:
    pair.gates[0].opened.set()
    pair.rigs[0].commands(2)
    pair.rigs[1].deadlines.advance(1)
    assert pair.log.commits[KEY] == (2, "")
    assert not pair.gates[1].entered.is_set()


def test_it_is_left_to_the_executor_when_that_worker_falls_silent(pair: Pair) -> None:
    pair.clock.advance(11)
    pair.rigs[1].deadlines.advance(11)
    lost = pair.rigs[1].commands(2)[-1]
    assert isinstance(lost, RecordAttemptLost)
    assert (lost.task_run_id, lost.worker_id, lost.issuer) == ("long", "w1", "w2")
    assert not pair.gates[1].entered.is_set()


def test_it_waits_on_while_that_worker_gives_signs_of_life(pair: Pair) -> None:
    for _ in range(10):
        pair.clock.advance(3)
        for rig in pair.rigs:
            rig.deadlines.advance(3)
    assert not pair.gates[1].entered.is_set()


def test_it_is_left_to_the_executor_when_that_worker_leaves(pair: Pair) -> None:
    pair.rigs[0].worker.stop()
    lost = pair.rigs[1].commands(2)[-1]
    assert isinstance(lost, RecordAttemptLost)
    assert (lost.task_run_id, lost.issuer) == ("long", "w2")


def test_a_request_that_came_twice_is_done_twice_when_its_attempt_ends_elsewhere(
    tmp_path: Path,
) -> None:
    log, gate = MemoryLog(), Gate("gate")
    first = Rig(tmp_path, log, (plugin(gate),), id="w1", slots=1)
    second = Rig(tmp_path, log, (plugin(Gate("gate")),), id="w2", slots=1)
    consumers = list(log.consumers)
    first.worker.start()
    for _ in range(2):
        first.ask({"type": "gate"}, run="long")
    first.ask({"type": RETURN, "format": "x"}, run="last")
    consumers[0].pump()
    assert gate.entered.wait(10)
    first.deadlines.advance(1)
    with log.changed:
        log.commits[KEY] = (0, ";w1=0,1")
    consumers[0].revoke()
    log.commits[KEY] = (0, ";w1=0,1")
    second.worker.start()
    consumers[1].pump()
    second.commands(1)  # `last`, after both of `long` were put aside
    gate.opened.set()
    first.commands(2)

    def committed() -> bool:
        second.deadlines.advance(1)
        return log.commits[KEY] == (3, "")

    eventually(committed)
    first.worker.stop()
    second.worker.stop()
