"""Which worker groups live, by the signs of life on the log."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event, Lock

from domain.errors import UnreadableRecord
from domain.execution.requests import AnyWorkerSignal, Heartbeat
from domain.ports.clock import Clock
from domain.ports.log import Log, Tail
from domain.record.codec import Codec
from domain.record.envelope import Record
from domain.record.topics import WORKER_SIGNALS

_SIGNALS: Codec[AnyWorkerSignal] = Codec(AnyWorkerSignal)
_PATIENCE_SECONDS = 5.0


class LiveWorkers:
    """Tells whether a worker of a group lives. Reads nothing before it is first asked."""

    def __init__(self, log: Log, clock: Clock, gone_after_seconds: float) -> None:
        """Hold what is needed.

        Args:
            log: has the signals.
            clock: tells how old a sign of life is.
            gone_after_seconds: a worker that is silent for so long counts as dead.
        """
        self._log = log
        self._clock = clock
        self._gone_after = timedelta(seconds=gone_after_seconds)
        self._seen: dict[tuple[str | None, str], datetime] = {}
        self._lock = Lock()
        self._heard = Event()
        self._tail: Tail | None = None

    def __call__(self, group: str) -> bool:
        """Tell whether one lives; the first time it may take some seconds to say that none does."""
        if self._tail is None:
            self._follow()
            if not self._lives(group):
                # all may have been started together: a worker says at once that it is there
                self._await(group)
        return self._lives(group)

    def close(self) -> None:
        """Stop reading."""
        if self._tail is not None:
            self._tail.close()

    def _follow(self) -> None:
        reader = self._log.reader
        partitions = range(reader.partitions(WORKER_SIGNALS))
        starts = {number: reader.bounds(WORKER_SIGNALS, number)[0] for number in partitions}
        self._tail = reader.tail(WORKER_SIGNALS, starts, self._deliver)

    def _await(self, group: str) -> None:
        until = self._clock.now() + timedelta(seconds=_PATIENCE_SECONDS)
        while not self._lives(group):
            left = (until - self._clock.now()).total_seconds()
            if left <= 0 or not self._heard.wait(left):
                return
            self._heard.clear()

    def _deliver(self, batch: list[Record]) -> None:
        for record in batch:
            try:
                signal = _SIGNALS.decode(record)
            except UnreadableRecord:
                continue
            if isinstance(signal, Heartbeat):
                with self._lock:
                    place = (signal.group, signal.worker_id)
                    if signal.leaving:
                        self._seen.pop(place, None)
                    else:
                        self._seen[place] = signal.sent_at
        self._heard.set()

    def _lives(self, group: str) -> bool:
        oldest = self._clock.now() - self._gone_after
        with self._lock:
            for place in [place for place, at in self._seen.items() if at < oldest]:
                del self._seen[place]
            return any(of == group for of, _ in self._seen)
