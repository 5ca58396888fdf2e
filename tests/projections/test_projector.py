"""I7: a record twice, late or out of order between documents leaves the same documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UnreadableRecord
from domain.execution.events import ExecutionRestarted
from domain.execution.fold import PartitionFold
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_EVENTS
from infra.snapshots import SqliteSnapshots
from projections.projector import ExecutionProjector
from projections.store import Delete, Upsert
from tests.support.histories import Historian, logs
from tests.support.memory_log import MemoryLog
from tests.support.memory_store import MemoryStore


class MemorySnapshots:
    """Snapshots port in memory."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.states: dict[tuple[int, str], tuple[bytes, bool]] = {}

    def offset(self, partition: int) -> int | None:
        return self.offsets.get(partition)

    def load(self, partition: int, execution_id: str) -> bytes | None:
        found = self.states.get((partition, execution_id))
        return None if found is None else found[0]

    def live(self, partition: int) -> Iterator[tuple[str, bytes]]:
        for (number, execution_id), (state, ended) in list(self.states.items()):
            if number == partition and not ended:
                yield execution_id, state

    def save(self, partition: int, offset: int, states: Any) -> None:
        for execution_id, state, ended in states:
            self.states[partition, execution_id] = (state, ended)
        self.offsets[partition] = offset

    def forget(self, partition: int) -> None:
        self.states = {place: v for place, v in self.states.items() if place[0] != partition}
        self.offsets.pop(partition, None)

    def close(self) -> None:
        pass


def project(log: MemoryLog, store: MemoryStore, *, every: int = 1_000_000) -> None:
    """Project a whole log, drained and saved after so many records."""
    for partition in range(2):
        projector = ExecutionProjector(partition, MemorySnapshots(), log)
        _, end = log.bounds(EXECUTION_EVENTS, partition)
        for number, record in enumerate(log.read(EXECUTION_EVENTS, partition, 0, end), 1):
            projector.take(record)
            if number % every == 0:
                store.bulk([pending.write for pending in projector.drain()])
                projector.save()
        store.bulk([pending.write for pending in projector.drain()])


def folded(log: MemoryLog) -> dict[str, Execution]:
    """The executions that the log holds and that are not deleted."""
    states: dict[str, Execution] = {}
    for partition in range(2):
        fold = PartitionFold(partition)
        for record in log.read(EXECUTION_EVENTS, partition, 0, 10_000):
            fold.apply(record)
        states.update({key: state for key, state in fold.states.items() if not state.deleted})
    return states


def composed(store: MemoryStore) -> dict[str, dict[str, Any]]:
    """Executions as the documents tell them, task runs in order."""
    found: dict[str, dict[str, Any]] = {}
    for (model, key), (_, document) in store.stored.items():
        if model == "executions":
            found[key] = {**document["body"], "task_runs": {}}
    runs = [doc for (model, _), (_, doc) in store.stored.items() if model == "taskruns"]
    for run in sorted(runs, key=lambda run: run["position"]):
        found[run["execution_id"]]["task_runs"][run["id"]] = run["body"]
    return found


@given(logs())
def test_documents_are_the_fold_of_the_log(log: MemoryLog) -> None:
    store = MemoryStore()
    project(log, store)
    left_out = ("timers", "command_ids", "children", "passed_breakpoints")
    expected = {}
    for key, state in folded(log).items():
        members = msgspec.to_builtins(state)
        for name in left_out:
            members.pop(name, None)
        members.setdefault("task_runs", {})
        expected[key] = members
    found = composed(store)
    assert found == expected
    for key, state in folded(log).items():
        assert list(found[key]["task_runs"]) == list(state.task_runs)


@given(logs(), st.integers(1, 5))
def test_batches_do_not_matter(log: MemoryLog, every: int) -> None:
    at_once, in_parts = MemoryStore(), MemoryStore()
    project(log, at_once)
    project(log, in_parts, every=every)
    assert in_parts.stored == at_once.stored


@given(logs(), st.data())
def test_a_restart_from_any_snapshot_repeats_and_changes_nothing(
    log: MemoryLog, data: st.DataObject
) -> None:
    once, store = MemoryStore(), MemoryStore()
    project(log, once)
    for partition in range(2):
        records = list(log.read(EXECUTION_EVENTS, partition, 0, 10_000))
        saved_at = data.draw(st.integers(0, len(records)))
        died_at = data.draw(st.integers(saved_at, len(records)))
        snapshots = MemorySnapshots()
        first = ExecutionProjector(partition, snapshots, log)
        for record in records[:saved_at]:
            first.take(record)
        store.bulk([pending.write for pending in first.drain()])
        first.save()
        for record in records[saved_at:died_at]:
            first.take(record)
            store.bulk([pending.write for pending in first.drain()])
        if data.draw(st.booleans()):
            snapshots.states = {k: v for k, v in snapshots.states.items() if not v[1]}  # pruned
        second = ExecutionProjector(partition, snapshots, log, snapshots.offsets[partition])
        second.restore()
        again = data.draw(st.integers(0, saved_at))
        for record in records[again:]:
            second.take(record)
        store.bulk([pending.write for pending in second.drain()])
    assert store.stored == once.stored


@given(logs(deletions=False), st.randoms(use_true_random=False))
def test_the_order_between_documents_does_not_matter(log: MemoryLog, chance: random.Random) -> None:
    in_order, shuffled = MemoryStore(), MemoryStore()
    writes: list[Upsert] = []
    removed: set[str] = set()
    for partition in range(2):
        projector = ExecutionProjector(partition, MemorySnapshots(), log)
        for record in log.read(EXECUTION_EVENTS, partition, 0, 10_000):
            projector.take(record)
            # a state goes on changing: what a write holds is fixed when it is sent
            batch = [pending.write for pending in projector.drain()]
            in_order.bulk(batch)
            removed |= {write.id for write in batch if isinstance(write, Delete)}
            writes += [_fixed(write) for write in batch if isinstance(write, Upsert)]
    writes += writes
    chance.shuffle(writes)
    shuffled.bulk([write for write in writes if write.id not in removed])
    assert shuffled.stored == in_order.stored


def _fixed(write: Upsert) -> Upsert:
    document = msgspec.convert(msgspec.to_builtins(write.document), type(write.document))
    return msgspec.structs.replace(write, document=document)


def test_events_of_one_batch_make_one_document_each(tmp_path: Any) -> None:
    log = MemoryLog()
    historian = Historian(log)
    historian.create("e1")
    historian.run("e1", "a", "b", "c")
    historian.end("e1")
    projector = ExecutionProjector(0, SqliteSnapshots(tmp_path / "s.db"), log)
    for record in log.all(EXECUTION_EVENTS):
        projector.take(record)
    writes = [pending.write for pending in projector.drain()]
    assert [write.model.name for write in writes] == ["taskruns"] * 3 + ["executions"]


def test_a_step_rewrites_only_the_task_runs_it_touched() -> None:
    log = MemoryLog()
    historian = Historian(log)
    historian.create("e1")
    projector = ExecutionProjector(0, MemorySnapshots(), log)
    for number in range(200):
        historian.run("e1", f"t{number}")
        for record in log.all(EXECUTION_EVENTS)[-2:]:
            projector.take(record)
        projector.drain()
    historian.run("e1", "last")
    for record in log.all(EXECUTION_EVENTS)[-2:]:
        projector.take(record)
    assert len(projector.drain()) == 2


def test_executions_to_which_nothing_happens_leave_memory_and_come_back() -> None:
    log, store, snapshots = MemoryLog(), MemoryStore(), MemorySnapshots()
    historian = Historian(log)
    historian.create("e1")
    historian.run("e1", "a")
    historian.end("e1")
    projector = ExecutionProjector(0, snapshots, log)
    for record in log.all(EXECUTION_EVENTS):
        projector.take(record)
    store.bulk([pending.write for pending in projector.drain()])
    projector.save()
    assert len(projector) == 0
    for lost in (False, True):
        if lost:
            snapshots.states.clear()
        historian.step("e1", ExecutionRestarted())
        projector.take(log.all(EXECUTION_EVENTS)[-1])
        store.bulk([pending.write for pending in projector.drain()])
        document = store.stored["executions", "e1"][1]
        assert document["state"] == "RESTARTED"
        assert document["task_run_count"] == 1
        assert document["task_sequence"] == store.stored["taskruns", "e1.a"][0]
        historian.end("e1", StateType.FAILED)
        projector.take(log.all(EXECUTION_EVENTS)[-1])
        store.bulk([pending.write for pending in projector.drain()])
        projector.save()


def test_an_unreadable_record_is_gone_past() -> None:
    log = MemoryLog()
    historian = Historian(log)
    projector = ExecutionProjector(0, MemorySnapshots(), log)
    log.append([Outgoing(EXECUTION_EVENTS, "x", b"{")])
    historian.create("e1")
    bad, good = log.all(EXECUTION_EVENTS)
    with pytest.raises(UnreadableRecord):
        projector.take(bad)
    projector.take(good)
    assert projector.next_offset == 2
    assert len(projector.drain()) == 1
