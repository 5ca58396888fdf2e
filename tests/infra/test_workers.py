"""Which worker groups live, by their signs of life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.execution.requests import Heartbeat
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import WORKER_SIGNALS
from infra.workers import LiveWorkers
from tests.support.memory_log import MemoryLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Watch:
    """A clock that goes on by a second whenever somebody looks at it."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def beat(
    log: MemoryLog, worker: str, group: str | None, age: float = 0.0, *, leaving: bool = False
) -> None:
    signal = Heartbeat(
        worker_id=worker, group=group, sent_at=NOW - timedelta(seconds=age), leaving=leaving
    )
    log.append([Outgoing(WORKER_SIGNALS, worker, encode(signal))])


def test_a_group_lives_while_one_of_its_workers_does() -> None:
    log = MemoryLog()
    beat(log, "a", "gpu")
    beat(log, "b", None)
    beat(log, "c", "old", age=60)
    beat(log, "d", "left")
    beat(log, "d", "left", leaving=True)
    lives = LiveWorkers(log, Watch(), gone_after_seconds=30)
    assert lives("gpu")
    assert not lives("old")
    assert not lives("left")
    assert not lives("nobody")
    lives.close()


def test_a_worker_that_comes_later_is_seen_and_one_that_is_silent_is_forgotten() -> None:
    log = MemoryLog()
    watch = Watch()
    lives = LiveWorkers(log, watch, gone_after_seconds=30)
    assert not lives("gpu")
    beat(log, "a", "gpu")
    assert lives("gpu")
    watch.time += timedelta(seconds=60)
    assert not lives("gpu")
    lives.close()
