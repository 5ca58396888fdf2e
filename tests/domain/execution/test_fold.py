"""The fold that executor, indexer and webserver share, and what the log promises about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from domain.errors import UnreadableRecord
from domain.execution import commands as c
from domain.execution import events as e
from domain.execution.evolve import APPLIERS, KNOWN_COMMANDS
from domain.execution.fold import (
    PartitionFold,
    decode_state,
    encode_state,
    fold_record,
    is_settled,
)
from domain.execution.lifecycle import (
    EXECUTION_TRANSITIONS,
    TASK_RUN_TRANSITIONS,
    TERMINAL,
    StateType,
)
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.record.envelope import Record
from tests.support.heart import World

FLOW = """
id: f
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: x}]
"""
GOLDEN = Path(__file__).parents[2] / "golden" / "wire"
EVENTS: tuple[type[Any], ...] = get_args(e.ExecutionEvent)


def records(*sources: str) -> list[Record]:
    world = World(*(sources or (FLOW,)))
    world.run()
    return [
        Record("execution.events", 0, number, "execution-1", data, 0)
        for number, data in enumerate(world.records)
    ]


def test_records_are_folded_once_and_in_order() -> None:
    fold = PartitionFold(0)
    written = records()
    for record in written:
        applied = fold.apply(record)
        assert applied is not None
        assert applied.execution_id == "execution-1"
    assert fold.apply(written[0]) is None
    state = fold.get("execution-1")
    assert state is not None
    assert is_settled(state)
    assert fold.next_offset == len(written)
    assert fold.last_command_offset == len(written) - 1


def test_a_record_that_does_not_continue_its_stream_is_ignored_by_everyone() -> None:
    fold = PartitionFold(0)
    first, second = records()
    fold.apply(first)
    loser = msgspec.structs.replace(second, offset=1)
    winner = msgspec.structs.replace(second, offset=2)
    assert fold.apply(loser) is not None
    assert fold.apply(winner) is None
    early = PartitionFold(0)
    assert early.apply(second) is None
    assert early.next_offset == 2


def test_a_refusal_outside_of_any_stream_is_told_and_makes_no_execution() -> None:
    world = World(FLOW)
    world.tell(c.KillExecution, "nobody")
    world.work()
    fold = PartitionFold(0)
    applied = fold.apply(Record("execution.events", 0, 0, "nobody", world.records[0], 0))
    assert applied is not None
    assert applied.state is None
    assert fold.get("nobody") is None


def test_an_execution_that_was_dropped_is_loaded_again() -> None:
    stored: dict[str, bytes] = {}
    fold = PartitionFold(0, load=stored.get)
    first, second = records()
    fold.apply(first)
    state = fold.drop("execution-1")
    assert state is not None
    stored["execution-1"] = encode_state(state)
    assert len(fold) == 0
    assert fold.apply(second) is not None
    assert fold.get("execution-1") is not None


def test_a_snapshot_of_another_version_is_unreadable() -> None:
    with pytest.raises(UnreadableRecord):
        decode_state(b"\x81\xa1x\x01")


def test_the_ids_of_the_last_commands_are_remembered() -> None:
    world = World(FLOW)
    execution = world.run()
    for _ in range(KNOWN_COMMANDS + 10):
        world.tell(c.ChangeLabels, execution, labels=[])
    world.settle()
    assert len(execution.command_ids) == KNOWN_COMMANDS


def test_every_event_has_a_rule_that_folds_it() -> None:
    assert set(APPLIERS) == set(EVENTS)


def test_every_tag_is_used_once() -> None:
    tags = [event.__struct_config__.tag for event in EVENTS]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__struct_config__.tag)
def test_every_event_has_a_golden_sample_that_still_decodes(event: type[Any]) -> None:
    """Recipe: a new event gets a sample once; a changed one gets a default or a new version.

    Samples are never edited: what was written once is in the logs of others.
    """
    tag = event.__struct_config__.tag
    samples = sorted(GOLDEN.glob(f"{tag}.v*.json"))
    assert samples, f"write tests/golden/wire/{tag}.v1.json"
    for sample in samples:
        data = sample.read_bytes()
        decoded = msgspec.json.decode(data, type=e.ExecutionEvent)
        assert type(decoded) is event
        again = msgspec.json.decode(msgspec.json.encode(decoded))
        wire = msgspec.json.decode(data)
        assert {key: again[key] for key in wire} == wire


def test_the_golden_record_still_folds_to_the_golden_state() -> None:
    lines = (GOLDEN / "record.v1.jsonl").read_bytes().splitlines()
    state: Execution | None = None
    for line in lines:
        state = fold_record(state, msgspec.json.decode(line, type=EventRecord))
    assert state is not None
    expected = msgspec.json.decode((GOLDEN / "state.v1.json").read_bytes())
    found = msgspec.json.decode(msgspec.json.encode(state))
    assert {key: found[key] for key in expected} == expected


def test_the_transition_tables_cover_every_state_that_can_be_left() -> None:
    for table in (EXECUTION_TRANSITIONS, TASK_RUN_TRANSITIONS):
        reached = {state for after in table.values() for state in after}
        assert reached <= set(table) | {StateType.RETRIED, StateType.SKIPPED}
        for state in TERMINAL & set(table):
            assert StateType.CREATED not in table[state]
            assert StateType.SUBMITTED not in table[state]
