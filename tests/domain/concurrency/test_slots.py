"""The slots of one flow."""

from __future__ import annotations

from typing import Any

from domain.concurrency.slots import FlowSlots
from domain.execution.commands import RecordSlot
from domain.record.slots import TakeSlot


def wish(who: str, limit: int = 1, behavior: str = "QUEUE", **more: Any) -> TakeSlot:
    return TakeSlot(execution_id=who, flow_key="main/n/f", limit=limit, behavior=behavior, **more)


def said(answers: list[RecordSlot]) -> list[tuple[str, str]]:
    return [(answer.execution_id, answer.state.value) for answer in answers]


def test_the_first_ones_run_and_the_next_one_waits() -> None:
    slots = FlowSlots()
    assert said(slots.take(wish("a", 2))) == [("a", "RUNNING")]
    assert said(slots.take(wish("b", 2))) == [("b", "RUNNING")]
    assert said(slots.take(wish("c", 2))) == [("c", "QUEUED")]


def test_the_oldest_one_that_waits_gets_the_slot_that_is_freed() -> None:
    slots = FlowSlots()
    for who in "abc":
        slots.take(wish(who))
    assert said(slots.free("a")) == [("b", "RUNNING")]
    assert said(slots.free("b")) == [("c", "RUNNING")]
    assert said(slots.free("c")) == []
    assert slots.is_empty


def test_one_too_many_is_cancelled_or_failed_as_the_flow_says() -> None:
    slots = FlowSlots()
    slots.take(wish("a"))
    assert said(slots.take(wish("b", behavior="CANCEL"))) == [("b", "CANCELLED")]
    assert said(slots.take(wish("c", behavior="FAIL"))) == [("c", "FAILED")]
    assert said(slots.free("a")) == []


def test_a_wish_that_comes_twice_is_answered_twice_and_counts_once() -> None:
    slots = FlowSlots()
    assert slots.take(wish("a")) == slots.take(wish("a"))
    assert said(slots.take(wish("b"))) == [("b", "QUEUED")]
    assert said(slots.take(wish("b"))) == [("b", "QUEUED")]
    assert said(slots.free("a")) == [("b", "RUNNING")]
    assert said(slots.free("a")) == []


def test_whoever_leaves_the_queue_lets_nobody_through() -> None:
    slots = FlowSlots()
    for who in "abc":
        slots.take(wish(who))
    assert said(slots.free("b")) == []
    assert said(slots.free("a")) == [("c", "RUNNING")]


def test_a_forced_run_counts_beyond_the_limit() -> None:
    slots = FlowSlots()
    slots.take(wish("a"))
    slots.take(wish("b"))
    assert said(slots.take(wish("b", forced=True))) == []
    assert said(slots.take(wish("c"))) == [("c", "QUEUED")]
    assert said(slots.free("a")) == []
    assert said(slots.free("b")) == [("c", "RUNNING")]


def test_a_raised_limit_lets_those_through_who_wait() -> None:
    slots = FlowSlots()
    for who in "abc":
        slots.take(wish(who))
    assert said(slots.take(wish("d", limit=3))) == [
        ("b", "RUNNING"),
        ("c", "RUNNING"),
        ("d", "QUEUED"),
    ]


def test_the_answer_names_the_asking_it_answers() -> None:
    slots = FlowSlots()
    [first] = slots.take(wish("a"))
    slots.free("a")
    [second] = slots.take(TakeSlot(execution_id="a", flow_key="main/n/f", limit=1, ask=2))
    assert (first.ask, second.ask) == (1, 2)
    assert first.command_id != second.command_id


def test_an_execution_of_an_older_revision_does_not_bring_its_limit_back() -> None:
    slots = FlowSlots()
    slots.take(wish("a", limit=2, revision=2))
    slots.take(wish("b", limit=1, revision=1))
    assert slots.limit == 2
    assert list(slots.holders) == ["a", "b"]
