"""Time as a port, so that tests and the simulation own it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present as an aware UTC instant."""
        ...
