"""Moments at which something is done unless it is called off before. One thread for all of them."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Protocol

Action = Callable[[], None]
_SWEEP_AT = 1_000


class Deadline:
    """One appointed moment."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        """Do nothing when the time has come. Harmless afterwards."""
        self.action = None


class Deadlines(Protocol):
    """Calls actions later."""

    def after(self, seconds: float, action: Action) -> Deadline:
        """Call `action` in so many seconds, from another thread. It must be quick and not raise."""
        ...


class DeadlineThread:
    """Deadlines on a thread that sleeps until the next one; it never polls.

    Args:
        failed: takes what an action raised; the thread goes on.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = itertools.count()
        self._changed = Condition()
        self._wakes_at = 0.0
        self._sweep_at = _SWEEP_AT
        self._closed = False
        self._thread = Thread(target=self._run, name="worker-deadlines", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Action) -> Deadline:
        """Call `action` in so many seconds on the deadline thread."""
        deadline = Deadline(action)
        due = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._heap, (due, next(self._order), deadline))
            if len(self._heap) > self._sweep_at:
                self._sweep()
            if due < self._wakes_at:
                self._changed.notify()
        return deadline

    def close(self) -> None:
        """Call nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _sweep(self) -> None:
        """Drop what was cancelled: far deadlines of short tasks would pile up."""
        self._heap = [entry for entry in self._heap if entry[2].action is not None]
        heapq.heapify(self._heap)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._heap))

    def _run(self) -> None:
        while True:
            with self._changed:
                action = self._next()
            if action is None:
                return
            try:
                action()
            except Exception as error:  # noqa: BLE001  one bad action must not stop the others
                self._failed(error)

    def _next(self) -> Action | None:
        """Wait, with the lock held, for the next action; None when closed."""
        while not self._closed:
            heap = self._heap
            while heap and heap[0][2].action is None:
                heapq.heappop(heap)
            if not heap:
                self._wakes_at = float("inf")
                self._changed.wait()
                continue
            wait = heap[0][0] - time.monotonic()
            if wait > 0:
                self._wakes_at = heap[0][0]
                self._changed.wait(wait)
                continue
            action = heapq.heappop(heap)[2].action
            if action is not None:
                return action
        return None
