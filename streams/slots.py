"""Hands out the slots of flows: folds the wishes on `flow.slots`, answers with commands.

The wishes are their own log: compacted, so that what is left of a partition is who runs and who
waits. After an assignment they are folded from the start; answers below the committed offset were
sent before, the rest is sent, perhaps again: executions know an answer by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from domain.concurrency.slots import FlowSlots
from domain.errors import UnreadableRecord
from domain.execution.commands import RecordSlot
from domain.ports.log import Log
from domain.record.codec import Codec, encode
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Record
from domain.record.slots import TakeSlot
from domain.record.topics import EXECUTION_COMMANDS, FLOW_SLOTS
from streams.pending import Pending

_CODEC: Codec[TakeSlot] = Codec(TakeSlot)
_log = logging.getLogger(__name__)


class _Partition:
    __slots__ = ("flows",)

    def __init__(self) -> None:
        self.flows: dict[str, FlowSlots] = {}


class SlotKeeper:
    """CommandHandler for `flow.slots`."""

    topic = FLOW_SLOTS

    def __init__(self, log: Log, fatal: Callable[[BaseException], None]) -> None:
        self._log = log
        self._fatal = fatal
        self._partitions: dict[int, _Partition | None] = {}

    def assigned(self, partitions: Sequence[int]) -> None:
        """These are folded from their start before the next wish."""
        for number in partitions:
            self._partitions[number] = None

    def revoked(self, partitions: Sequence[int]) -> None:
        """Drop these."""
        for number in partitions:
            self._partitions.pop(number, None)

    def process(self, record: Record, done: Callable[[], None]) -> None:
        """Fold one wish and send the answers that follow from it."""
        try:
            known = self._partitions.get(record.partition)
            if known is None:
                known = self._partitions[record.partition] = self._catch_up(record)
            pending = Pending(done, self._fatal)
            try:
                answers = [
                    Outgoing(EXECUTION_COMMANDS, answer.execution_id, encode(answer))
                    for answer in fold_wish(known.flows, record)
                ]
            except UnreadableRecord as error:
                _log.warning("slots: dead letter: %s", error)
                answers = [dead_letter(record, str(error), "slots")]
            for answer in answers:
                self._log.writer.send(answer, pending.expect())
            pending.close()
        except Exception as error:  # noqa: BLE001 - an engine would take an escape for an ending
            self._fatal(error)

    def _catch_up(self, upto: Record) -> _Partition:
        fresh = _Partition()
        first, _ = self._log.reader.bounds(FLOW_SLOTS, upto.partition)
        for record in self._log.reader.read(FLOW_SLOTS, upto.partition, first, upto.offset):
            try:
                fold_wish(fresh.flows, record)
            except UnreadableRecord as error:
                _log.warning("slots: ignored: %s", error)
        return fresh


def fold_wish(flows: dict[str, FlowSlots], record: Record) -> list[RecordSlot]:
    """Fold a record of `flow.slots` into the slots of flows by key; returns the answers it earns.

    Raises:
        UnreadableRecord: the record is no wish.
    """
    flow_key, _, execution_id = record.key.rpartition("/")
    slots = flows.setdefault(flow_key, FlowSlots())
    if record.value is None:
        answers = slots.free(execution_id)
    else:
        answers = slots.take(_CODEC.decode(record))
    if slots.is_empty:
        del flows[flow_key]
    return answers
