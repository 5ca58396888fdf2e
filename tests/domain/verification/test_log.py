"""Replay verification: what was recorded is what its commands lead to, and what is not is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from domain.execution import commands as c
from domain.execution.context import Answer, Settings
from domain.execution.state import Label
from domain.record.envelope import Outgoing, Record
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, FLOWS
from domain.verification import verifier as verify_module
from domain.verification.divergence import Divergence, Tally
from domain.verification.log import Verified, verify_log
from tests.support.heart import World
from tests.support.memory_log import MemoryLog
from tests.support.recorded import flows_of, log_of

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
SOURCES = (CHILD, FLOW, CHILD.replace("message: x", "message: y"))


def recorded(flow: str = FLOW) -> MemoryLog:
    """Return the log of one run with a subflow, retries, a loop and an answer from outside."""
    world = World(CHILD, flow)
    world.answers = lambda _: Answer(value="yes")
    world.run("f")
    # a later revision of the child does not confuse what was chosen then
    world.add(SOURCES[2])
    return log_of(world, CHILD, flow, SOURCES[2])


def verified(log: MemoryLog, **more: Any) -> tuple[list[Divergence], Tally]:
    found = list(verify_log(log, flows_of(log), **more))
    whole = Tally()
    for item in found:
        if isinstance(item, Verified):
            whole.add(item.tally)
    return [item for item in found if isinstance(item, Divergence)], whole


def copied(log: MemoryLog, change: Callable[[Record], bytes | None]) -> MemoryLog:
    """Return the log with other event records; None leaves one out."""
    copy = MemoryLog()
    for topic in (FLOWS, EXECUTION_COMMANDS, EXECUTION_EVENTS):
        for record in log.all(topic):
            value = change(record) if topic == EXECUTION_EVENTS else record.value
            if value is not None:
                copy.append([Outgoing(topic, record.key, value, timestamp_ms=record.timestamp_ms)])
    return copy


def test_a_log_that_was_written_by_the_step_is_as_its_commands_lead_to() -> None:
    log = recorded()
    divergences, tally = verified(log)
    assert divergences == []
    assert tally.executions == 2
    assert tally.steps == len(log.all(EXECUTION_EVENTS))
    assert (tally.withheld, tally.uncommanded, tally.unreadable, tally.waiting) == (0, 0, 0, 0)


def test_one_execution_is_verified_alone() -> None:
    log = recorded()
    divergences, tally = verified(log, execution_id="execution-1")
    assert divergences == []
    assert tally.executions == 1
    assert tally.steps == sum(r.key == "execution-1" for r in log.all(EXECUTION_EVENTS))


def test_an_event_that_was_tampered_with_is_found_where_it_stands() -> None:
    log = recorded()
    number = next(
        r.offset
        for r in log.all(EXECUTION_EVENTS)
        if r.key == "execution-1" and b'"SUCCESS"' in (r.value or b"")
    )

    def forged(record: Record) -> bytes:
        assert record.value is not None
        if record.offset != number:
            return record.value
        return record.value.replace(b'"SUCCESS"', b'"WARNING"')

    [found], tally = verified(copied(log, forged))
    stands = msgspec.json.decode(log.all(EXECUTION_EVENTS)[number].value or b"")
    assert (found.execution_id, found.sequence) == ("execution-1", stands["sequence"])
    assert found.reason == "it leads to other events"
    old, new = found.events
    assert ("WARNING" in old, "SUCCESS" in new) == (True, True)
    assert tally.spoilt == 1
    assert tally.executions == 2


def test_a_step_whose_record_is_missing_is_found() -> None:
    log = recorded()
    own = [r.offset for r in log.all(EXECUTION_EVENTS) if r.key == "execution-1"]
    lost = own[-2]
    shorter = copied(log, lambda record: None if record.offset == lost else record.value)
    [found], tally = verified(shorter)
    assert "are missing" in found.reason
    assert (found.execution_id, tally.ignored) == ("execution-1", 1)


def test_a_record_that_was_ahead_of_its_stream_for_a_while_is_no_gap() -> None:
    log = recorded()
    early = MemoryLog()
    events = log.all(EXECUTION_EVENTS)
    for topic in (FLOWS, EXECUTION_COMMANDS):
        for record in log.all(topic):
            early.append(
                [Outgoing(topic, record.key, record.value, timestamp_ms=record.timestamp_ms)]
            )
    for record in (events[0], events[-1], *events[1:]):
        early.append([Outgoing(EXECUTION_EVENTS, record.key, record.value)])
    divergences, tally = verified(early)
    assert (divergences, tally.ignored) == ([], 1)


def test_losers_of_a_race_between_writers_are_left_out() -> None:
    log = recorded()
    second = log.all(EXECUTION_EVENTS)[1]
    log.append([Outgoing(EXECUTION_EVENTS, second.key, second.value)])
    divergences, tally = verified(log)
    assert (divergences, tally.ignored) == ([], 1)


def test_what_rests_on_a_secret_is_believed_and_counted() -> None:
    divergences, tally = verified(recorded(FLOW.replace("kv('x')", "secret('x')")))
    assert (divergences, tally.withheld) == ([], 1)


def test_a_loop_over_a_file_rests_on_nothing_but_the_log() -> None:
    flow = """
id: f
namespace: n
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.Loop
    values: kestra:///lines.ion
    tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: x}]
    finally: [{id: z, type: io.kestra.plugin.core.log.Log, message: x}]
    outputs: [{id: o, type: STRING, value: "{{ item.value }}"}]
"""
    world = World(flow)
    world.run()
    divergences, tally = verified(log_of(world, flow))
    assert (divergences, tally.withheld) == ([], 0)


def test_what_the_configuration_said_to_expressions_counts() -> None:
    flow = FLOW.replace("kv('x')", "envs.x == 'yes'")
    world = World(CHILD, flow)
    world.settings = Settings(envs={"x": "yes"})
    world.run("f")
    log = log_of(world, CHILD, flow)
    assert verified(log, settings=world.settings)[0] == []
    [found], _ = verified(log)
    assert found.execution_id == "execution-1"


def test_commands_behind_the_last_record_wait_for_their_step() -> None:
    log = recorded()
    first = log.all(EXECUTION_COMMANDS)[0]
    assert first.value is not None
    again = first.value.replace(b"execution-1", b"execution-9")
    log.append([Outgoing(EXECUTION_COMMANDS, "execution-9", again)])
    divergences, tally = verified(log)
    assert (divergences, tally.waiting) == ([], 1)


def test_executions_that_left_memory_are_folded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "_KEPT", 0)
    world = World(CHILD)
    for _ in range(3):
        world.run("child")
    for execution in world.executions:
        world.tell(c.ChangeLabels, execution, labels=[Label("team", "gold")])
    world.settle()
    divergences, tally = verified(log_of(world, CHILD))
    assert (divergences, tally.executions) == ([], 3)
