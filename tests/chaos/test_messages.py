"""Messages that come twice, late, broken, or from a zombie change nothing and stop nobody."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from domain.execution.events import ExecutionEnded, LabelsChanged
from domain.execution.lifecycle import StateType
from domain.execution.record import EventRecord
from domain.execution.state import Label
from domain.ports.log import Log
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import (
    EXECUTION_COMMANDS,
    EXECUTION_EVENTS,
    TASK_REQUESTS,
    partition_of,
)
from tests.support.load import NAMESPACE, Load, settled_rows, shape
from tests.support.rest import until
from tests.support.running import ENGINES, Running, prepare
from tests.support.truth import (
    History,
    check_once,
    check_read_models,
    check_streams,
    dead_letters,
    everything,
)

pytestmark = pytest.mark.process

SEED = 20261124


@pytest.fixture(scope="module", params=ENGINES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with prepare(request.param, request, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def load(running: Running) -> Load:
    made = Load(running.rest)
    made.prepare()
    return made


def go_round(running: Running) -> None:
    """Run executions until each partition has carried one: what stood before them is processed."""
    left = set(range(int(running.environment["TIDEWHEEL_LOG_EXECUTION_PARTITIONS"])))
    while left:
        done = running.rest.run(NAMESPACE, "two", wait=True)
        assert done["state"]["current"] == "SUCCESS"
        left.discard(partition_of(done["id"], 4))


def check_all(running: Running) -> History:
    """Streams and read models agree with the log; nothing but poison is in the dead letter."""
    rows = settled_rows(running.rest)
    streams = {row["id"]: running.rest.events(row["id"]) for row in rows}
    with running.hand() as log:
        history = History(log)
        assert [letter for letter in dead_letters(log) if letter.key != "poison"] == []
    check_streams(history, streams)
    check_once(history)
    check_read_models(history, rows)
    return history


def test_messages_that_come_twice_and_late_change_nothing(running: Running, load: Load) -> None:
    load.begin(21)
    before = {row["id"]: row for row in load.finish()}
    random = Random(SEED)
    with running.hand() as log:
        for topic in (EXECUTION_COMMANDS, TASK_REQUESTS):
            for partition in range(log.reader.partitions(topic)):
                again = list(everything(log.reader, topic, partition))
                random.shuffle(again)
                log.writer.append(
                    [Outgoing(topic, r.key, r.value, partition=partition) for r in again]
                )
    go_round(running)
    after = {row["id"]: row for row in settled_rows(running.rest)}
    assert {key: after[key] for key in before} == before
    check_all(running)


def test_poison_goes_to_the_dead_letter_and_stops_nobody(running: Running, load: Load) -> None:
    before = settled_rows(running.rest, wanted=load.accepted)
    poison = (b"\x00\xff not json", b"{}", b'{"type":"execution.unheard-of","execution_id":"x"}')
    with running.hand() as log:
        for topic in (EXECUTION_COMMANDS, EXECUTION_EVENTS, TASK_REQUESTS):
            log.writer.append(
                [
                    Outgoing(topic, "poison", value, partition=partition)
                    for partition in range(log.reader.partitions(topic))
                    for value in poison
                ]
            )
    go_round(running)

    def put_aside(log: Log) -> set[tuple[str, int]]:
        return {(letter.topic, letter.partition) for letter in dead_letters(log)}

    expected = {
        (topic, partition)
        for topic in (EXECUTION_COMMANDS, EXECUTION_EVENTS, TASK_REQUESTS)
        for partition in range(4)
    }
    after = {row["id"]: row for row in settled_rows(running.rest)}
    assert {row["id"]: row for row in before} == {row["id"]: after[row["id"]] for row in before}
    with running.hand() as log:
        assert put_aside(log) == expected
        for letter in dead_letters(log):
            assert letter.reason
            assert letter.component


def zombie_record(execution_id: str, sequence: int, *events: Any) -> Outgoing:
    """A step by an executor that does not know that others have taken over."""
    record = EventRecord(
        execution_id=execution_id,
        sequence=sequence,
        command_id=f"zombie-{sequence}",
        command_offset=0,
        timestamp_ms=1_700_000_000_000,
        events=list(events),
        command="execution.kill",
        writer="zombie:0",
    )
    return Outgoing(EXECUTION_EVENTS, execution_id, encode(record))


def test_a_zombies_record_that_lost_is_ignored_by_every_reader(
    running: Running, load: Load
) -> None:
    rest = running.rest
    done = rest.run(NAMESPACE, "two", wait=True)["id"]
    paused = rest.run(NAMESPACE, "pauses")["id"]
    rest.comes_to(paused, "PAUSED")
    before = {key: (rest.execution(key), rest.events(key)) for key in (done, paused)}
    kill = ExecutionEnded(state=StateType.KILLED)
    with running.hand() as log:
        lost = len(History(log).lost)
        for execution_id, (_, events) in before.items():
            for sequence in (1, 2, len(events), len(events) + 2, len(events) + 50):
                log.writer.append([zombie_record(execution_id, sequence, kill)])
        log.writer.append([zombie_record("nobody", 7, kill)])
    go_round(running)
    assert {key: (rest.execution(key), rest.events(key)) for key in before} == before
    assert rest.client.get("/executions/nobody").status_code == 404
    rest.call("POST", f"/executions/{paused}/resume")
    assert shape(rest.ended(paused)) == load.expected["pauses"]
    history = check_all(running)
    assert len(history.lost) == lost + 11


def test_a_foreign_record_that_came_first_is_history(running: Running, load: Load) -> None:
    """Two executors for one partition: first in log order wins, and the other one follows."""
    rest = running.rest
    paused = rest.run(NAMESPACE, "pauses")["id"]
    rest.comes_to(paused, "PAUSED")
    labels = [Label("by", "another")]
    with running.hand() as log:
        sequence = History(log).states[paused].sequence + 1
        log.writer.append([zombie_record(paused, sequence, LabelsChanged(labels=labels))])
    until(
        lambda: rest.execution(paused)["labels"] == [{"key": "by", "value": "another"}] or None,
        "the webserver seeing it",
    )
    rest.call("POST", f"/executions/{paused}/resume")
    assert shape(rest.ended(paused)) == load.expected["pauses"]
    assert rest.execution(paused)["labels"] == [{"key": "by", "value": "another"}]
    check_all(running)
