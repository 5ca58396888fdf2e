"""The clock of the handlers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from queue import Queue

import pytest

from domain.execution.state import Timer
from infra.clock import SystemClock
from streams.timers import TimerClock

Fired = Queue[tuple[int, str, str]]


@pytest.fixture
def fired() -> Fired:
    return Queue()


@pytest.fixture
def timers(fired: Fired) -> Iterator[TimerClock]:
    clock = TimerClock(
        SystemClock(), lambda partition, key, timer: fired.put((partition, key, timer.id))
    )
    clock.start()
    yield clock
    clock.close()


def _timer(name: str, seconds: float = 0) -> Timer:
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    return Timer(id=name, due=due, purpose="pause")


def test_due_timer_fires_once(timers: TimerClock, fired: Fired) -> None:
    timers.schedule(3, "e", _timer("t"))

    assert fired.get(timeout=10) == (3, "e", "t")
    assert len(timers) == 0


def test_timers_fire_in_the_order_of_their_moments(timers: TimerClock, fired: Fired) -> None:
    timers.schedule(0, "e", _timer("late", 0.2))
    timers.schedule(0, "e", _timer("early", 0.05))

    assert [fired.get(timeout=10)[2], fired.get(timeout=10)[2]] == ["early", "late"]


def test_cancelled_timer_does_not_fire(timers: TimerClock, fired: Fired) -> None:
    timers.schedule(0, "e", _timer("cancelled", 0.05))
    timers.schedule(0, "e", _timer("other", 0.1))
    timers.cancel("e", "cancelled")

    assert fired.get(timeout=10)[2] == "other"
    assert fired.empty()


def test_moved_timer_fires_at_its_new_moment_only(timers: TimerClock, fired: Fired) -> None:
    timers.schedule(0, "e", _timer("t", 3600))
    timers.schedule(0, "e", _timer("t"))

    assert fired.get(timeout=10) == (0, "e", "t")
    assert len(timers) == 0


def test_forgotten_partition_fires_nothing(timers: TimerClock, fired: Fired) -> None:
    timers.schedule(1, "e", _timer("gone", 0.05))
    timers.schedule(2, "f", _timer("kept", 0.1))
    timers.forget(1)

    assert fired.get(timeout=10) == (2, "f", "kept")
    assert fired.empty()
