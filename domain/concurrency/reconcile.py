"""Sets how many slots of a flow count as taken: by hand, for whoever watches over a flow.

Slots are standing wishes, so the count is changed by ending wishes or by adding some that nobody
executes. Each is a record of its own, with the name of who asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.concurrency.slots import FlowSlots
from domain.record.slots import TakeSlot

RESERVED = "reserved-"
"""Begins the id of a holder that is no execution."""


def reconciled(
    slots: FlowSlots, flow_key: str, running: int, issuer: str
) -> list[tuple[str, TakeSlot | None]]:
    """Return the wishes, by execution id, after which so many slots count as taken.

    Too many: holders that are no executions go first, then the oldest; these executions run on
    without a slot. Too few: holders are added that are no executions and stay until they are
    taken back in the same way.

    Args:
        slots: the flow's slots now.
        flow_key: `tenant/namespace/flow`.
        running: how many are to count; at least 0.
        issuer: who asks.
    """
    surplus = len(slots.holders) - running
    if surplus >= 0:
        first_the_reserved = sorted(slots.holders, key=lambda who: not who.startswith(RESERVED))
        return [(who, None) for who in first_the_reserved[:surplus]]
    names = _free_names(slots)
    return [
        (
            who,
            TakeSlot(
                execution_id=who,
                flow_key=flow_key,
                limit=slots.limit,
                forced=True,
                issuer=issuer,
            ),
        )
        for who, _ in zip(names, range(-surplus), strict=False)
    ]


def _free_names(slots: FlowSlots) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        name = f"{RESERVED}{number}"
        if name not in slots.holders:
            yield name
