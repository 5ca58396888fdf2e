"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Clock port on the machine's time."""

    def now(self) -> datetime:
        """The present as an aware UTC instant."""
        return datetime.now(UTC)
