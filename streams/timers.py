"""The clock of the handlers: a heap of due moments, and a thread that sleeps until the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from threading import Condition, Thread

from domain.execution.state import Timer
from domain.ports.clock import Clock

Due = Callable[[int, str, Timer], None]
"""Called with partition, execution id and timer when a timer is due, on the clock's thread."""

_Key = tuple[str, str]


class TimerClock:
    """Timers of the owned partitions. Thread-safe. What it forgets is rebuilt from the states."""

    def __init__(self, clock: Clock, due: Due) -> None:
        self._clock = clock
        self._due = due
        self._heap: list[tuple[datetime, _Key]] = []
        self._live: dict[_Key, tuple[Timer, int]] = {}
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="executor-timers", daemon=True)

    def start(self) -> None:
        """Begin to fire."""
        self._thread.start()

    def close(self) -> None:
        """Fire nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def __len__(self) -> int:
        return len(self._live)

    def schedule(self, partition: int, execution_id: str, timer: Timer) -> None:
        """Fire a timer when its time has come; the same timer again moves it."""
        key = (execution_id, timer.id)
        with self._changed:
            self._live[key] = (timer, partition)
            heapq.heappush(self._heap, (timer.due, key))
            if self._heap[0][1] == key:
                self._changed.notify_all()

    def cancel(self, execution_id: str, timer_id: str) -> None:
        """Do not fire a timer; unknown ones are ignored."""
        with self._changed:
            self._live.pop((execution_id, timer_id), None)

    def forget(self, partition: int) -> None:
        """Drop the timers of a partition."""
        with self._changed:
            self._live = {k: v for k, v in self._live.items() if v[1] != partition}

    def next_moment(self) -> datetime | None:
        """Return when the next timer is due; None while there is none."""
        with self._changed:
            return self._first()

    def fire(self) -> bool:
        """Fire the next timer if it is due, on the caller's thread; False: none is.

        For whoever drives the clock instead of starting it.
        """
        with self._changed:
            moment = self._first()
            if moment is None or moment > self._clock.now():
                return False
            due = self._take()
        self._due(*due)
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                due = self._next()
                if due is None:
                    return
            self._due(*due)

    def _next(self) -> tuple[int, str, Timer] | None:
        """Wait, with the lock held, for the next timer that is due; None when closed."""
        while not self._closed:
            moment = self._first()
            if moment is None:
                self._changed.wait()
                continue
            wait = (moment - self._clock.now()).total_seconds()
            if wait > 0:
                self._changed.wait(wait)
                continue
            return self._take()
        return None

    def _first(self) -> datetime | None:
        """Return the moment at the top of the heap, cancelled and moved ones taken off."""
        while self._heap:
            moment, key = self._heap[0]
            live = self._live.get(key)
            if live is not None and live[0].due == moment:
                return moment
            heapq.heappop(self._heap)
        return None

    def _take(self) -> tuple[int, str, Timer]:
        """Take the timer at the top of the heap, which is live."""
        _, key = heapq.heappop(self._heap)
        timer, partition = self._live.pop(key)
        return partition, key[0], timer
