"""Slots of flows, as handed out from the log."""

from __future__ import annotations

import json

import pytest

from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.slots import TakeSlot, slot_record_key
from domain.record.topics import DEAD_LETTER, EXECUTION_COMMANDS, FLOW_SLOTS
from streams.slots import SlotKeeper
from tests.support.memory_log import MemoryLog

FLOW = "main/team/flow"


class World:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.failures: list[BaseException] = []
        self.restart()

    def restart(self) -> None:
        self.keeper = SlotKeeper(self.log, self.failures.append)
        self.keeper.assigned([0])

    def take(self, execution_id: str, *, limit: int = 1) -> None:
        wish = TakeSlot(execution_id=execution_id, flow_key=FLOW, limit=limit)
        self._write(execution_id, encode(wish))

    def free(self, execution_id: str) -> None:
        self._write(execution_id, None)

    def _write(self, execution_id: str, value: bytes | None) -> None:
        self.log.append([Outgoing(FLOW_SLOTS, slot_record_key(FLOW, execution_id), value)])
        self.drive(len(self.log.all(FLOW_SLOTS)) - 1)

    def drive(self, start: int) -> None:
        for record in self.log.all(FLOW_SLOTS)[start:]:
            self.keeper.process(record, lambda: None)

    def answers(self) -> list[tuple[str, str]]:
        decoded = [json.loads(record.value or b"") for record in self.log.all(EXECUTION_COMMANDS)]
        return [(answer["execution_id"], answer["state"]) for answer in decoded]


@pytest.fixture
def world() -> World:
    return World()


def test_execution_beyond_the_limit_waits_until_a_slot_is_free(world: World) -> None:
    world.take("a")
    world.take("b")
    world.free("a")

    assert world.answers() == [("a", "RUNNING"), ("b", "QUEUED"), ("b", "RUNNING")]


def test_slots_are_the_same_after_a_restart(world: World) -> None:
    world.take("a")
    world.take("b")
    world.restart()
    world.take("c")
    world.free("a")

    assert world.answers()[2:] == [("c", "QUEUED"), ("b", "RUNNING")]


def test_wish_that_comes_again_is_answered_again_and_takes_nothing_more(world: World) -> None:
    world.take("a", limit=2)
    world.drive(0)
    world.take("b", limit=2)

    assert world.answers() == [("a", "RUNNING"), ("a", "RUNNING"), ("b", "RUNNING")]


def test_unreadable_wish_goes_to_the_dead_letter(world: World) -> None:
    world._write("a", b"{")
    world.take("b")

    assert len(world.log.all(DEAD_LETTER)) == 1
    assert world.answers() == [("b", "RUNNING")]
    assert world.failures == []
