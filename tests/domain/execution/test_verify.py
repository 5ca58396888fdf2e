"""Replay verification, and the state at any sequence number."""

from __future__ import annotations

import msgspec

from domain.execution import commands as c
from domain.execution.context import Answer
from domain.execution.lifecycle import StateType
from domain.execution.record import EventRecord
from domain.execution.verify import StepInput, Verification, state_at, verify
from domain.record.envelope import milliseconds_of
from tests.support.heart import World

_COMMANDS = msgspec.json.Decoder(c.ExecutionCommand)
_RECORDS = msgspec.json.Decoder(EventRecord)

CHILD = """
id: child
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: x}]
"""
FLOW = """
id: f
namespace: n
tasks:
  - {id: s, type: io.kestra.plugin.core.flow.Subflow, namespace: n, flowId: child}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1, 2]
    tasks:
      - id: t
        type: io.kestra.plugin.core.log.Log
        message: "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}"
        retry: {type: random, minInterval: PT1S, maxInterval: PT9S, maxAttempts: 2}
  - id: if
    type: io.kestra.plugin.core.flow.If
    condition: "{{ kv('x') }}"
    then: [{id: e, type: io.kestra.plugin.core.log.Log, message: yes}]
"""


def inputs(world: World) -> list[StepInput]:
    return [
        StepInput(offset, milliseconds_of(time), _COMMANDS.decode(data))
        for offset, (data, time) in enumerate(zip(world.commands, world.times, strict=True))
    ]


def records(world: World) -> list[EventRecord]:
    return [_RECORDS.decode(data) for data in world.records]


def verified(world: World, recorded: list[EventRecord]) -> Verification:
    return verify(inputs(world), recorded, world.flow, encrypt=lambda text: text)


def done(flow: str = FLOW, answer: str = "yes") -> World:
    world = World(CHILD, flow)
    world.answers = lambda _: Answer(value=answer)
    world.run("f")
    # a later revision of the child does not confuse what was chosen then
    world.add(CHILD.replace("message: x", "message: y"))
    return world


def test_a_log_that_was_written_by_the_step_is_right() -> None:
    world = done()
    found = verified(world, records(world))
    assert not found.differences
    assert found.steps == len(world.commands)
    assert found.believed == 0


def test_losers_of_a_race_between_writers_are_left_out() -> None:
    world = done()
    recorded = records(world)
    loser = msgspec.structs.replace(recorded[2], events=recorded[2].events[:1], writer="zombie")
    assert not verified(world, [*recorded[:3], loser, *recorded[3:]]).differences


def test_an_event_that_was_tampered_with_is_found_and_the_rest_still_verified() -> None:
    world = done()
    recorded = records(world)
    forged = _RECORDS.decode(world.records[2].replace(b'"SUCCESS"', b'"WARNING"'))
    assert forged != recorded[2]
    found = verified(world, [*recorded[:2], forged, *recorded[3:]])
    assert found.differences[0].offset == recorded[2].command_offset
    assert found.differences[0].reason == "the events differ"


def test_a_step_whose_record_is_missing_is_found() -> None:
    world = done()
    recorded = records(world)
    found = verified(world, recorded[:-2] + recorded[-1:])
    gap, lost, *_ = found.differences
    assert "are missing" in gap.reason
    assert (lost.offset, lost.recorded) == (recorded[-2].command_offset, None)


def test_where_a_secret_was_withheld_the_record_is_believed() -> None:
    world = done(FLOW.replace("kv('x')", "secret('x')"))
    found = verified(world, records(world))
    assert found.believed == 1
    assert not found.differences


def test_the_state_at_a_sequence_is_the_fold_of_the_events_up_to_it() -> None:
    world = done()
    stream = [r for r in records(world) if r.execution_id == "execution-1"]
    first = state_at(stream, 1)
    assert first is not None
    assert (first.sequence, first.state.current) == (1, StateType.CREATED)
    assert not first.task_runs
    last = state_at(stream, 10_000)
    assert last == world["execution-1"]
    middle = state_at(stream, stream[1].sequence)
    assert middle is not None
    assert middle.sequence == stream[1].sequence
    assert state_at(stream, 0) is None
