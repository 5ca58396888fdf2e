from __future__ import annotations

from threading import Event

from streams.worker.deadlines import DeadlineThread


def test_actions_are_called_in_the_order_of_their_moments() -> None:
    order: list[int] = []
    last = Event()
    deadlines = DeadlineThread(lambda error: None)
    deadlines.after(0.02, last.set)
    deadlines.after(0.01, lambda: order.append(2))
    deadlines.after(0.0, lambda: order.append(1))
    assert last.wait(10)
    deadlines.close()
    assert order == [1, 2]


def test_a_cancelled_deadline_is_not_called() -> None:
    called: list[int] = []
    last = Event()
    deadlines = DeadlineThread(lambda error: None)
    deadlines.after(0.0, lambda: called.append(1)).cancel()
    deadlines.after(0.01, last.set)
    assert last.wait(10)
    deadlines.close()
    assert called == []


def test_an_action_that_raises_is_told_and_stops_no_other() -> None:
    failures: list[Exception] = []
    last = Event()
    deadlines = DeadlineThread(failures.append)

    def bad() -> None:
        raise ValueError("bad")

    deadlines.after(0.0, bad)
    deadlines.after(0.01, last.set)
    assert last.wait(10)
    deadlines.close()
    assert [str(error) for error in failures] == ["bad"]


def test_cancelled_far_deadlines_do_not_pile_up() -> None:
    deadlines = DeadlineThread(lambda error: None)
    for _ in range(20_000):
        deadlines.after(3600.0, lambda: None).cancel()
    assert len(deadlines._heap) <= 1_001
    deadlines.close()
