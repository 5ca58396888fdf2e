"""The news that an attempt is to end: told once, heard by whoever waits or asks."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock

from streams.worker.errors import Interrupted


class Interruption:
    """Shared by an attempt, its context and whoever kills it. Thread-safe."""

    __slots__ = ("_actions", "_event", "_lock")

    def __init__(self) -> None:
        self._event = Event()
        self._lock = Lock()
        self._actions: list[Callable[[], None]] = []

    @property
    def is_told(self) -> bool:
        """Whether the attempt is to end."""
        return self._event.is_set()

    def tell(self) -> None:
        """Wake who waits and call every action, once."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            actions = list(self._actions)
        for action in actions:
            action()

    def wait(self, seconds: float) -> None:
        """Wait so long; raise Interrupted as soon as the attempt is to end."""
        if self._event.wait(seconds):
            raise Interrupted("The task was interrupted.")

    def check(self) -> None:
        """Raise Interrupted when the attempt is to end."""
        if self._event.is_set():
            raise Interrupted("The task was interrupted.")

    def on_told(self, action: Callable[[], None]) -> Callable[[], None]:
        """Call `action` when told, at once if it was. Returns what takes the action back."""
        with self._lock:
            if not self._event.is_set():
                self._actions.append(action)
                return lambda: self._forget(action)
        action()
        return lambda: None

    def _forget(self, action: Callable[[], None]) -> None:
        with self._lock:
            if action in self._actions:
                self._actions.remove(action)
