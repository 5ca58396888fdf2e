"""When a command is done: after every record that its step caused is durable."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from domain.ports.log import Delivery
from domain.record.envelope import Position


class Pending:
    """Counts the records of one step; tells once when all are durable, or at the first failure."""

    __slots__ = ("_done", "_failed", "_left", "_lock")

    def __init__(self, done: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self._done = done
        self._failed = failed
        self._left = 1  # the step itself, until `close`
        self._lock = Lock()

    def expect(self) -> Delivery:
        """Return the delivery callback of one more record."""
        with self._lock:
            self._left += 1
        return self._delivered

    def close(self) -> None:
        """Say that the step sends nothing more."""
        self._count()

    def _delivered(self, position: Position | None, error: Exception | None) -> None:
        del position
        if error is not None:
            self._failed(error)
            return
        self._count()

    def _count(self) -> None:
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._done()
