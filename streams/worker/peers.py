"""The other workers, as far as their signals tell: who lives, and what ended elsewhere."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from domain.execution.requests import Heartbeat


class Peers:
    """What the signals said. Not thread-safe: its owner holds the lock.

    Args:
        gone_after_seconds: a worker that is silent for so long counts as dead.
        remembered: ended attempts that are remembered.
    """

    def __init__(self, gone_after_seconds: float, remembered: int) -> None:
        self._patience = timedelta(seconds=gone_after_seconds)
        self._remembered = remembered
        self._seen: dict[str, datetime] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def beat(self, heartbeat: Heartbeat) -> None:
        """Note a sign of life, or a farewell."""
        if heartbeat.leaving:
            self._seen.pop(heartbeat.worker_id, None)
        else:
            self._seen[heartbeat.worker_id] = heartbeat.sent_at

    def ended(self, attempt_id: str) -> None:
        """Note that an attempt ended elsewhere."""
        self._ended[attempt_id] = None
        if len(self._ended) > self._remembered:
            self._ended.popitem(last=False)

    def has_ended(self, attempt_id: str) -> bool:
        """Tell whether an attempt is known to have ended elsewhere."""
        return attempt_id in self._ended

    def seconds_left(self, worker_id: str, now: datetime) -> float:
        """Return for how long a worker counts as alive without a further sign; 0: it does not."""
        seen = self._seen.get(worker_id)
        if seen is None:
            return 0.0
        left = (seen + self._patience - now).total_seconds()
        if left <= 0:
            del self._seen[worker_id]
        return max(0.0, left)
