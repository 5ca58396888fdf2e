"""The slots of flows, seen from outside the executor: a fold of `flow.slots`."""

from __future__ import annotations

import logging
from threading import Condition, Lock, RLock

from domain.concurrency.reconcile import reconciled
from domain.concurrency.slots import FlowSlots
from domain.errors import LogUnavailable, UnreadableRecord
from domain.ports.log import Failed, Log, Tail
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Record
from domain.record.slots import slot_record_key
from domain.record.topics import FLOW_SLOTS, partition_of
from streams.slots import fold_wish

_SEEN_SECONDS = 10.0
_log = logging.getLogger(__name__)


class LogSlots:
    """Slots port. Follows the topic from the first question on: most servers are never asked."""

    def __init__(self, log: Log, failed: Failed | None = None) -> None:
        self._log = log
        self._failed = failed
        self._flows: dict[str, FlowSlots] = {}
        self._next: dict[int, int] = {}
        self._moved = Condition(RLock())
        self._writing = Lock()
        self._tail: Tail | None = None

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    def running(self) -> dict[str, int]:
        """The number of slots taken by flow; see the port."""
        self._follow()
        self._catch_up()
        with self._moved:
            return {key: len(slots.holders) for key, slots in self._flows.items() if slots.holders}

    def set_running(self, flow_key: str, running: int, issuer: str) -> None:
        """Let so many slots count as taken; see the port."""
        self._follow()
        with self._writing:
            self._catch_up()
            with self._moved:
                slots = self._flows.get(flow_key, FlowSlots())
                wishes = reconciled(slots, flow_key, running, issuer)
            partition = partition_of(flow_key, self._log.reader.partitions(FLOW_SLOTS))
            records = [
                Outgoing(
                    FLOW_SLOTS,
                    slot_record_key(flow_key, who),
                    None if wish is None else encode(wish),
                    partition=partition,
                    headers={"issuer": issuer},
                )
                for who, wish in wishes
            ]
            if records:
                _log.warning("%s sets the running count of %s to %s", issuer, flow_key, running)
                self._log.writer.append(records)
                self._catch_up()

    def _follow(self) -> None:
        with self._writing:
            if self._tail is None:
                reader = self._log.reader
                numbers = range(reader.partitions(FLOW_SLOTS))
                starts = {number: reader.bounds(FLOW_SLOTS, number)[0] for number in numbers}
                self._next = dict(starts)
                self._tail = reader.tail(FLOW_SLOTS, starts, self._deliver, self._failed)

    def _catch_up(self) -> None:
        """Wait until everything that is durable now has been folded."""
        reader = self._log.reader
        for number in list(self._next):
            end = reader.bounds(FLOW_SLOTS, number)[1]
            with self._moved:
                if not self._moved.wait_for(
                    lambda number=number, end=end: self._next[number] >= end,  # type: ignore[misc]
                    _SEEN_SECONDS,
                ):
                    raise LogUnavailable(f"{FLOW_SLOTS}/{number} was not read up to {end} in time")

    def _deliver(self, batch: list[Record]) -> None:
        with self._moved:
            for record in batch:
                try:
                    fold_wish(self._flows, record)
                except UnreadableRecord as error:
                    _log.warning("slots: ignored: %s", error)
                self._next[record.partition] = record.offset + 1
            self._moved.notify_all()
