"""Who holds the slots of one flow: a fold of standing wishes in the order of the log.

Deterministic and idempotent: a wish that comes twice, or is granted twice, changes nothing. A slot
cannot leak, because it is nothing but a wish that stands, and a wish ends with its execution.
"""

from __future__ import annotations

import msgspec

from domain.execution.commands import RecordSlot
from domain.execution.lifecycle import StateType
from domain.ids import derived
from domain.record.slots import TakeSlot

_REFUSED = {"CANCEL": StateType.CANCELLED, "FAIL": StateType.FAILED}


class FlowSlots(msgspec.Struct):
    """The slots of one flow. Changed in place by its owner alone."""

    holders: dict[str, int] = {}
    """Executions that run, in order, with the number of their asking."""
    waiting: dict[str, TakeSlot] = {}
    """Executions in the queue, oldest first."""
    limit: int = 0
    """As of the latest revision that asked."""
    revision: int = 0
    """That revision of the flow."""

    def take(self, wish: TakeSlot) -> list[RecordSlot]:
        """Fold a wish in; returns the answers to be sent, in order."""
        if wish.revision >= self.revision:
            self.revision, self.limit = wish.revision, wish.limit
        who = wish.execution_id
        if who in self.holders:
            self.holders[who] = wish.ask
            return [self._answer(who, wish.ask, StateType.RUNNING)]
        if wish.forced:
            self.waiting.pop(who, None)
            self.holders[who] = wish.ask
            return []
        if who not in self.waiting and len(self.holders) >= self.limit:
            refused = _REFUSED.get(wish.behavior)
            if refused is not None:
                return [self._answer(who, wish.ask, refused)]
        self.waiting[who] = wish
        granted = self._grant()
        if who in self.waiting:
            return [*granted, self._answer(who, wish.ask, StateType.QUEUED)]
        return granted

    def free(self, execution_id: str) -> list[RecordSlot]:
        """Fold the end of a wish in; returns the answers to those who may run now."""
        self.waiting.pop(execution_id, None)
        self.holders.pop(execution_id, None)
        return self._grant()

    @property
    def is_empty(self) -> bool:
        """True when nobody holds or waits: the flow can be forgotten."""
        return not self.holders and not self.waiting

    def _grant(self) -> list[RecordSlot]:
        answers = []
        while self.waiting and len(self.holders) < self.limit:
            who = next(iter(self.waiting))
            ask = self.waiting.pop(who).ask
            self.holders[who] = ask
            answers.append(self._answer(who, ask, StateType.RUNNING))
        return answers

    @staticmethod
    def _answer(execution_id: str, ask: int, state: StateType) -> RecordSlot:
        return RecordSlot(
            execution_id=execution_id,
            command_id=derived("slot", execution_id, ask, state.value),
            issuer="slots",
            state=state,
            ask=ask,
        )
