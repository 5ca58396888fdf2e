"""Waiting for what another thread does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from time import monotonic


def eventually(check: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as the check holds; fail when it does not within the time."""
    deadline = monotonic() + seconds
    pause = Event()
    while not check():
        assert monotonic() < deadline, "what was waited for did not happen"
        pause.wait(0.002)
