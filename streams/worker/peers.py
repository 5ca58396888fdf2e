"""The other workers, as far as their signals tell: who lives, and what ended elsewhere."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from domain.execution.requests import Heartbeat

_LIFE: Final = "~"


def worker_id_of(member: str, life: str) -> str:
    """Return the id of one life of a worker: its stable name, and what tells its starts apart.

    Two processes never share an id, so that what one ran is not taken for the other's.
    """
    return f"{member}{_LIFE}{life}" if life else member


def member_of(worker_id: str) -> str:
    """Return the stable name of a worker."""
    return worker_id.rpartition(_LIFE)[0] or worker_id


class Peers:
    """What the signals said. Not thread-safe: its owner holds the lock.

    Args:
        worker_id: the worker that listens.
        gone_after_seconds: a worker that is silent for so long counts as dead.
        remembered: ended attempts that are remembered.
    """

    def __init__(self, worker_id: str, gone_after_seconds: float, remembered: int) -> None:
        self._member = member_of(worker_id)
        self._patience = timedelta(seconds=gone_after_seconds)
        self._remembered = remembered
        self._seen: dict[str, tuple[str, datetime]] = {}
        """By stable name: the life seen last, and when."""
        self._ended: OrderedDict[str, None] = OrderedDict()

    def beat(self, heartbeat: Heartbeat) -> list[str]:
        """Note a sign of life, or a farewell; returns who is gone by that."""
        worker_id = heartbeat.worker_id
        member = member_of(worker_id)
        before = self._seen.get(member)
        if heartbeat.leaving:
            if before is not None and before[0] == worker_id:
                del self._seen[member]
            return [worker_id]
        self._seen[member] = (worker_id, heartbeat.sent_at)
        return [before[0]] if before is not None and before[0] != worker_id else []

    def ended(self, attempt_id: str) -> None:
        """Note that an attempt ended elsewhere."""
        self._ended[attempt_id] = None
        if len(self._ended) > self._remembered:
            self._ended.popitem(last=False)

    def has_ended(self, attempt_id: str) -> bool:
        """Tell whether an attempt is known to have ended elsewhere."""
        return attempt_id in self._ended

    def seconds_left(self, worker_id: str, now: datetime) -> float:
        """Return for how long a worker counts as alive without a further sign; 0: it does not.

        An earlier life of the one that listens is over.
        """
        member = member_of(worker_id)
        seen = self._seen.get(member)
        if seen is None or seen[0] != worker_id or member == self._member:
            return 0.0
        left = (seen[1] + self._patience - now).total_seconds()
        if left <= 0:
            del self._seen[member]
        return max(0.0, left)
