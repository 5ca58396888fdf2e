"""The count of taken slots, set by hand."""

from __future__ import annotations

from domain.concurrency.reconcile import RESERVED, reconciled
from domain.concurrency.slots import FlowSlots
from domain.record.slots import TakeSlot

FLOW = "main/team/flow"


def _slots(*holders: str, limit: int = 2) -> FlowSlots:
    slots = FlowSlots()
    for who in holders:
        slots.take(TakeSlot(execution_id=who, flow_key=FLOW, limit=limit, forced=True))
    return slots


def _apply(slots: FlowSlots, wishes: list[tuple[str, TakeSlot | None]]) -> None:
    for who, wish in wishes:
        if wish is None:
            slots.free(who)
        else:
            slots.take(wish)


def test_count_that_is_right_changes_nothing() -> None:
    assert reconciled(_slots("a", "b"), FLOW, 2, "ada") == []


def test_fewer_ends_the_wishes_of_the_oldest_holders() -> None:
    assert reconciled(_slots("a", "b", "c"), FLOW, 1, "ada") == [("a", None), ("b", None)]


def test_more_adds_holders_that_are_no_executions_and_names_who_asked() -> None:
    slots = _slots("a", f"{RESERVED}1")
    wishes = reconciled(slots, FLOW, 4, "ada")
    assert [who for who, _ in wishes] == [f"{RESERVED}2", f"{RESERVED}3"]
    assert {wish.issuer for _, wish in wishes if wish} == {"ada"}
    _apply(slots, wishes)
    assert len(slots.holders) == 4
    assert slots.limit == 2


def test_added_holders_are_taken_back_before_executions_lose_their_slots() -> None:
    slots = _slots("a")
    _apply(slots, reconciled(slots, FLOW, 3, "ada"))
    _apply(slots, reconciled(slots, FLOW, 1, "ada"))
    assert list(slots.holders) == ["a"]
