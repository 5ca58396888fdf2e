"""Deadlines under a test's hand."""

from __future__ import annotations

from threading import RLock

from streams.worker.deadlines import Action, Deadline


class ManualDeadlines:
    """Time passes when `advance` is called; actions run on the caller's thread."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, Deadline]] = []
        self._lock = RLock()

    def after(self, seconds: float, action: Action) -> Deadline:
        deadline = Deadline(action)
        with self._lock:
            self._waiting.append((self.now + seconds, deadline))
        return deadline

    def advance(self, seconds: float) -> None:
        """Let time pass, actions in order of their moments."""
        target = self.now + seconds
        while True:
            with self._lock:
                due = sorted(
                    (entry for entry in self._waiting if entry[0] <= target), key=lambda e: e[0]
                )
                if not due:
                    self.now = target
                    return
                self._waiting.remove(due[0])
                self.now = due[0][0]
            if due[0][1].action is not None:
                due[0][1].action()
