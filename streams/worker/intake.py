"""What becomes of a request that arrives: run it, or not. The worker's rule, without its threads.

A request is delivered again whenever its partition changes hands before it is done. Whether it was
begun is known in part: from the commit's metadata, from what runs here, from others' signals.
What may have been begun by a worker that is gone is not run again under the same number: the
executor is told, which knows what was reported, and asks anew for what is to run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from domain.execution.requests import AttemptEnded, Heartbeat, TaskRequest
from domain.ids import attempt_id
from streams.worker.offsets import Offsets
from streams.worker.peers import Peers

Token = TypeVar("Token")
"""A request as delivered."""
Item = TypeVar("Item")
"""What is kept of a request that waits."""


class Verdict(Enum):
    """What becomes of a request."""

    RUN = "run"
    JOINED = "joined"
    """The attempt runs here already: done when that is."""
    ENDED = "ended"
    """The attempt has ended: done."""
    WAIT = "wait"
    """It runs on another worker that lives: look again when that one is gone."""
    LOST = "lost"
    """It may have been begun by a worker that is gone: tell the executor, then it is done."""


class Intake(Generic[Token, Item]):
    """What a worker knows about requests. Not thread-safe: its owner holds the lock.

    Args:
        worker_id: this worker.
        gone_after_seconds: a worker that is silent for so long counts as gone.
        remembered: ended attempts that are remembered, here and elsewhere each.
    """

    def __init__(self, worker_id: str, gone_after_seconds: float, remembered: int) -> None:
        self._worker_id = worker_id
        self._remembered = remembered
        self._peers = Peers(worker_id, gone_after_seconds, remembered)
        self._tokens: dict[str, list[Token]] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._parked: dict[str, dict[str, list[Item]]] = {}  # worker -> attempt -> requests

    def judge(
        self, request: TaskRequest, token: Token, offsets: Offsets, offset: int, now: datetime
    ) -> Verdict:
        """Say what becomes of a request; one that joins a running attempt is noted."""
        name = attempt_id(request.task_run_id, request.attempt)
        if name in self._tokens:
            self._tokens[name].append(token)
            offsets.hold(offset, self._worker_id)
            return Verdict.JOINED
        if name in self._recent or self._peers.has_ended(name):
            return Verdict.ENDED
        holder = offsets.holder(offset)
        if holder is not None and self._peers.seconds_left(holder, now) > 0:
            return Verdict.WAIT
        if offsets.is_doubtful(offset, at_most_once=request.is_at_most_once):
            return Verdict.LOST
        return Verdict.RUN

    # -- what runs here

    def begun(self, name: str, token: Token) -> None:
        """An attempt is run here."""
        self._tokens[name] = [token]

    def left(self, name: str) -> None:
        """An attempt is forgotten without its end: it is delivered again."""
        self._tokens.pop(name, None)

    def ended(self, name: str) -> list[Token]:
        """An attempt has ended here; returns the requests that are done."""
        self._recent[name] = None
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return self._tokens.pop(name, [])

    # -- what runs elsewhere

    def park(self, holder: str, name: str, item: Item) -> bool:
        """Keep a request until its worker is gone; returns whether it is the first for that one."""
        first = holder not in self._parked
        self._parked.setdefault(holder, {}).setdefault(name, []).append(item)
        return first

    @property
    def holders(self) -> list[str]:
        """The workers that requests wait for."""
        return list(self._parked)

    def seconds_left(self, holder: str, now: datetime) -> float:
        """Return for how long a worker counts as alive without a further sign; 0: it does not."""
        return self._peers.seconds_left(holder, now)

    def release(self, holder: str) -> list[Item]:
        """Return what has waited for a worker."""
        return [item for items in self._parked.pop(holder, {}).values() for item in items]

    def keep(self, wanted: Callable[[Item], bool]) -> None:
        """Let what is not wanted any more wait no longer."""
        for holder, names in list(self._parked.items()):
            kept = {
                name: left
                for name, items in names.items()
                if (left := [item for item in items if wanted(item)])
            }
            if kept:
                self._parked[holder] = kept
            else:
                del self._parked[holder]

    def heard(self, signal: Heartbeat) -> list[str]:
        """A worker lives or leaves; returns the workers that are gone by that and waited for."""
        return [worker_id for worker_id in self._peers.beat(signal) if worker_id in self._parked]

    def ended_elsewhere(self, signal: AttemptEnded) -> list[Item]:
        """An attempt has ended on another worker; returns the requests that have waited for it."""
        self._peers.ended(signal.attempt_id)
        names = self._parked.get(signal.worker_id, {})
        items = names.pop(signal.attempt_id, [])
        if items and not names:
            del self._parked[signal.worker_id]
        return items
