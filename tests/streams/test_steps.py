"""Event sourcing on a log, with the smallest aggregate there is: a counter per key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from domain.errors import BrokenInvariant, RecordTooLarge, UnreadableRecord
from domain.ports.log import Delivery
from domain.ports.metrics import NoMetrics
from domain.record.envelope import Outgoing, Record
from domain.record.topics import DEAD_LETTER, EXECUTION_COMMANDS, EXECUTION_EVENTS, LOGS
from streams.steps import COMMAND_OFFSET, WRITER, StepHandler, Stepped
from tests.support.memory_log import MemoryLog


class Counter:
    """Adds what commands say; refuses nothing; its effect is a line that tells the sum."""

    topic = EXECUTION_COMMANDS
    event_topic = EXECUTION_EVENTS

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.sequences: dict[str, int] = {}
        self.steps = 0
        self.readied: list[int] = []
        self.owed: dict[int, bool] = {}
        self.knows: Callable[[int, int], bool] = lambda partition, end: True

    def load(self, partition: int) -> int | None:
        del partition
        return None

    def fold(self, record: Record, *, owed: bool) -> bool:
        self.owed[record.offset] = owed
        event = _decode(record)
        if event["sequence"] != self.sequences.get(record.key, 0) + 1:
            return False
        self.sequences[record.key] = event["sequence"]
        self.sums[record.key] = self.sums.get(record.key, 0) + event["add"]
        return True

    def ready(self, partition: int) -> None:
        self.readied.append(partition)

    def step(self, command: Record) -> Stepped:
        self.steps += 1
        wanted = _decode(command)
        if wanted.get("fault"):
            raise ZeroDivisionError("a fault of ours")
        if wanted.get("broken"):
            raise BrokenInvariant("cannot be")
        sequence = self.sequences.get(command.key, 0) + 1
        self.sequences[command.key] = sequence
        self.sums[command.key] = self.sums.get(command.key, 0) + wanted["add"]
        event = {"sequence": sequence, "add": wanted["add"]}
        return Stepped(
            Outgoing(EXECUTION_EVENTS, command.key, json.dumps(event).encode()),
            self._line(command.key),
        )

    def effects_of(self, recorded: Record) -> Sequence[Outgoing]:
        return self._line(recorded.key)

    def forget(self, partition: int) -> None:
        del partition
        self.sums.clear()
        self.sequences.clear()

    def _line(self, key: str) -> Sequence[Outgoing]:
        return (Outgoing(LOGS, key, str(self.sums[key]).encode()),)


def _decode(record: Record) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = json.loads(record.value or b"")
    except ValueError as error:
        raise UnreadableRecord(str(error)) from error
    return decoded


class Engine:
    """Drives a handler over a memory log, with crashes."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.failures: list[BaseException] = []
        self.committed = 0
        self.soon: Callable[[Callable[[], None]], None] | None = None
        self.restart("first")

    def restart(self, writer: str) -> None:
        """Forget everything but the log, as a SIGKILL does."""
        self.counter = Counter()
        self.handler = StepHandler(
            self.log,
            self.counter,
            writer=writer,
            component="counter",
            committed=lambda _: self.committed,
            fatal=self.failures.append,
            metrics=NoMetrics(),
            soon=self.soon,
        )
        self.handler.assigned([0])

    def command(self, key: str, **wanted: Any) -> None:
        self.log.append([Outgoing(EXECUTION_COMMANDS, key, json.dumps(wanted).encode())])

    def drive(self, start: int, *, done: Callable[[int], None] = lambda _: None) -> None:
        """Deliver all commands from an offset on."""
        for record in self.log.all(EXECUTION_COMMANDS)[start:]:
            self.handler.process(record, partial(done, record.offset))

    def events(self) -> list[tuple[str, int, int]]:
        return [
            (record.key, _decode(record)["sequence"], _decode(record)["add"])
            for record in self.log.all(EXECUTION_EVENTS)
        ]

    def lines(self) -> list[str]:
        return [(record.value or b"").decode() for record in self.log.all(LOGS)]


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_one_command_makes_one_event_record_and_then_its_effects(engine: Engine) -> None:
    engine.command("a", add=2)

    engine.drive(0)

    [event] = engine.log.all(EXECUTION_EVENTS)
    assert event.headers == {WRITER: "first", COMMAND_OFFSET: "0"}
    assert engine.lines() == ["2"]


def test_command_is_done_only_when_all_it_caused_is_durable(engine: Engine) -> None:
    engine.command("a", add=1)
    done: list[int] = []
    engine.log.held, engine.log.hold_topic = [], EXECUTION_EVENTS

    engine.drive(0, done=done.append)
    assert done == []
    engine.log.release()

    assert done == [0]


def test_state_is_folded_from_the_log_before_the_first_step(engine: Engine) -> None:
    engine.command("a", add=1)
    engine.drive(0)
    engine.restart("second")
    engine.committed = 1
    engine.command("a", add=10)

    engine.drive(1)

    assert engine.counter.readied == [0]
    assert engine.events() == [("a", 1, 1), ("a", 2, 10)]
    assert engine.lines()[-1] == "11"


@pytest.mark.parametrize("committed", [0, 1, 2, 3])
def test_commands_redelivered_after_a_crash_append_nothing_and_send_their_effects_again(
    engine: Engine, committed: int
) -> None:
    for _ in range(3):
        engine.command("a", add=1)
    engine.drive(0)
    before = len(engine.lines())
    engine.committed = committed
    engine.restart("second")

    engine.drive(committed)

    assert engine.events() == [("a", 1, 1), ("a", 2, 1), ("a", 3, 1)]
    assert len(engine.lines()) == before + 3 - committed


def test_unreadable_command_goes_to_the_dead_letter_and_stops_nobody(engine: Engine) -> None:
    engine.log.append([Outgoing(EXECUTION_COMMANDS, "a", b"{rubbish")])
    engine.command("a", add=5)
    done: list[int] = []

    engine.drive(0, done=done.append)

    assert done == [0, 1]
    assert engine.events() == [("a", 1, 5)]
    [letter] = engine.log.all(DEAD_LETTER)
    assert json.loads(letter.value or b"")["component"] == "counter"


def test_fault_of_a_step_is_put_aside_and_the_state_is_folded_anew(engine: Engine) -> None:
    engine.command("a", add=1)
    engine.command("a", fault=True)
    engine.command("a", add=2)

    engine.drive(0)

    assert engine.failures == []
    assert len(engine.log.all(DEAD_LETTER)) == 1
    assert engine.events() == [("a", 1, 1), ("a", 2, 2)]
    assert engine.counter.sums == {"a": 3}


def test_a_contradiction_of_the_program_stops_neither_the_process_nor_the_partition(
    engine: Engine,
) -> None:
    engine.command("a", broken=True)
    engine.command("b", add=1)
    done: list[int] = []

    engine.drive(0, done=done.append)

    assert done == [0, 1]
    assert engine.failures == []
    assert len(engine.log.all(DEAD_LETTER)) == 1
    assert engine.counter.sums == {"b": 1}


def test_an_event_that_makes_the_fold_stumble_does_not_stop_the_partition(engine: Engine) -> None:
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", b'{"sequence": "one"}')])
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", b'{"no": "sequence"}')])
    engine.command("a", add=1)

    engine.restart("again")
    engine.drive(0)

    assert engine.failures == []
    assert engine.counter.sums == {"a": 1}


def test_a_record_that_the_log_refuses_is_put_aside_and_its_command_is_done(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = engine.log.send

    refused = ""

    def refusing(record: Outgoing, delivered: Delivery | None = None) -> None:
        if record.topic == refused:
            raise RecordTooLarge(record.topic, 2, 1)
        send(record, delivered)

    monkeypatch.setattr(engine.log, "send", refusing)
    done: list[int] = []
    for number, topic in enumerate((LOGS, EXECUTION_EVENTS)):
        refused = topic
        engine.command("a", add=1)
        engine.drive(number, done=done.append)

    assert done == [0, 1]
    assert engine.failures == []
    assert len(engine.log.all(DEAD_LETTER)) == 2


def test_unreadable_event_is_ignored_by_the_fold(engine: Engine) -> None:
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", b"nonsense")])
    engine.command("a", add=1)

    engine.drive(0)

    assert engine.counter.sums == {"a": 1}


def test_record_of_a_zombie_makes_the_owner_fold_anew_and_step_its_losers_again() -> None:
    engine = Engine()
    engine.soon = lambda call: call()
    engine.restart("owner")
    engine.command("a", add=1)
    engine.drive(0)
    # a zombie stepped command 1 before us, and differently
    engine.command("a", add=1)
    zombie = {"sequence": 2, "add": 100}
    headers = {WRITER: "zombie", COMMAND_OFFSET: "1"}
    engine.log.append(
        [Outgoing(EXECUTION_EVENTS, "a", json.dumps(zombie).encode(), headers=headers)]
    )

    engine.drive(1)
    engine.command("a", add=1)
    engine.drive(2)

    fold = Counter()
    for record in engine.log.all(EXECUTION_EVENTS):
        fold.fold(record, owed=False)
    assert engine.counter.sums == fold.sums


def test_effects_of_a_zombie_that_died_before_sending_them_are_sent_by_the_owner() -> None:
    engine = Engine()
    engine.soon = lambda call: call()
    engine.restart("owner")
    engine.command("a", add=1)
    engine.drive(0)
    # a zombie stepped command 1 before us, and died of it: we hear of it before the command
    engine.command("a", add=1)
    zombie = {"sequence": 2, "add": 1}
    headers = {WRITER: "zombie", COMMAND_OFFSET: "1"}
    engine.log.append(
        [Outgoing(EXECUTION_EVENTS, "a", json.dumps(zombie).encode(), headers=headers)]
    )

    engine.drive(1)

    assert [sequence for _, sequence, _ in engine.events()] == [1, 2]
    assert engine.lines() == ["1", "2"]


def test_command_whose_record_left_a_gap_is_stepped_again_after_the_crash() -> None:
    engine = Engine()
    engine.command("a", add=1)
    engine.command("a", add=10)
    # the record of command 0 was lost with its writer, that of command 1 was not
    headers = {WRITER: "first", COMMAND_OFFSET: "1"}
    orphan = json.dumps({"sequence": 2, "add": 10}).encode()
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", orphan, headers=headers)])
    engine.restart("second")

    engine.drive(0)

    assert engine.counter.sums == {"a": 11}
    assert engine.events() == [("a", 2, 10), ("a", 1, 1), ("a", 2, 10)]


def test_records_of_another_writer_are_not_known_until_they_are_folded() -> None:
    engine = Engine()
    engine.soon = lambda call: None  # the tail has told, and nobody has come to heal yet
    engine.restart("owner")
    engine.command("a", add=1)
    engine.drive(0)
    assert engine.counter.knows(0, 1)

    headers = {WRITER: "zombie", COMMAND_OFFSET: "1"}
    zombie = json.dumps({"sequence": 2, "add": 5}).encode()
    engine.log.append([Outgoing(EXECUTION_EVENTS, "a", zombie, headers=headers)])

    assert not engine.counter.knows(0, 2)
    engine.command("a", add=5)
    engine.drive(1)
    assert engine.counter.knows(0, 2)


def test_what_was_recorded_and_may_be_unsent_is_not_known_until_its_command_has_come_again() -> (
    None
):
    engine = Engine()
    for number in range(3):
        engine.command("a", add=number)
    engine.drive(0)
    engine.committed = 1
    engine.restart("second")

    assert engine.counter.owed == {0: False, 1: True, 2: True}
    assert not engine.counter.knows(0, 3)
    first, second = engine.log.all(EXECUTION_COMMANDS)[1:]
    engine.handler.process(first, lambda: None)
    assert not engine.counter.knows(0, 3)
    engine.handler.process(second, lambda: None)
    assert engine.counter.knows(0, 3)


def test_other_writers_are_looked_for_on_every_partition_that_is_ours_and_no_other() -> None:
    engine = Engine()
    heals: list[Callable[[], None]] = []
    engine.soon = heals.append
    engine.restart("owner")
    engine.handler.assigned([1, 2])
    engine.handler.revoked([1])

    def zombie(partition: int, key: str) -> None:
        value = json.dumps({"sequence": 1, "add": 1}).encode()
        headers = {WRITER: "zombie", COMMAND_OFFSET: "0"}
        engine.log.append([Outgoing(EXECUTION_EVENTS, key, value, partition, headers=headers)])

    zombie(1, "given away")
    assert heals == []
    zombie(0, "from the start")
    zombie(2, "gained later")
    assert len(heals) == 2
    for heal in heals:
        heal()
    assert engine.counter.sums["gained later"] == 1


def test_commands_that_the_engine_leaves_out_are_stepped_before_the_next(engine: Engine) -> None:
    for number in range(5):
        engine.command("a", add=10**number)

    records = engine.log.all(EXECUTION_COMMANDS)
    for record in (records[1], records[4]):
        engine.handler.process(record, lambda: None)

    assert engine.events() == [("a", n + 1, 10**n) for n in range(5)]


def test_what_is_committed_was_not_left_out(engine: Engine) -> None:
    engine.command("a", add=1)
    engine.command("a", add=10)
    engine.committed = 1
    engine.restart("second")

    engine.drive(1)

    assert engine.events() == [("a", 1, 10)]


def test_revoked_partition_is_forgotten(engine: Engine) -> None:
    engine.command("a", add=1)
    engine.drive(0)

    engine.handler.revoked([0])

    assert engine.counter.sums == {}
