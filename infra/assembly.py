"""The parts of one process: started in order, closed last first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import faust

_log = logging.getLogger(__name__)


@dataclass
class Assembly:
    """The parts of one process."""

    management: Any
    """ASGI application of the management port."""
    api: Any = None
    """ASGI application of the API; None where the process has no webserver."""
    apps: list[faust.App] = field(default_factory=list)
    """Run on the main thread's loop, after `start` and until before `close`."""
    starts: list[Callable[[], None]] = field(default_factory=list)
    closes: list[Callable[[], None]] = field(default_factory=list)
    up: Event = field(default_factory=Event)
    """Set while everything runs and listens: what makes the process ready."""

    def add(self, start: Callable[[], None] | None, close: Callable[[], None] | None) -> None:
        """Add a part: started after, and closed before, those added earlier."""
        if start is not None:
            self.starts.append(start)
        if close is not None:
            self.closes.append(close)

    def start(self) -> None:
        """Start all parts, in order."""
        for start in self.starts:
            start()

    def close(self) -> None:
        """Close all parts, last first; what fails is told and does not keep the others open."""
        for close in reversed(self.closes):
            try:
                close()
            except Exception:  # noqa: BLE001 - logged; the others are closed all the same
                _log.exception("a part could not be closed cleanly")
