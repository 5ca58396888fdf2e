"""The indexer: nothing is lost, nothing stops it but its own end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.log import Level, LogBatch, LogEntry
from domain.metric import MetricBatch, MetricEntry
from domain.ports.metrics import NoMetrics
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import DEAD_LETTER, EXECUTION_EVENTS, FLOWS, LOGS, METRICS
from domain.record.values import DeadLetter, FlowRevision
from infra.embedded.search import SqliteReadStore
from infra.snapshots import SqliteSnapshots, scratch_snapshots
from projections.catalogue import MODELS
from projections.executions.document import EXECUTIONS
from projections.indexer import Indexer
from projections.options import ProjectionsOptions
from projections.rebuild import Preparation
from projections.store import StoreUnavailable
from tests.support.histories import BEGIN, Historian
from tests.support.memory_log import MemoryConsumer, MemoryLog
from tests.support.memory_store import MemoryStore
from tests.support.waiting import eventually

QUICK = ProjectionsOptions(
    linger=timedelta(0),
    commit_interval=timedelta(0),
    snapshot_interval=timedelta(0),
    retry_least=timedelta(milliseconds=1),
    retry_most=timedelta(milliseconds=2),
    buffered_records=10,
)


class Bench:
    """A log, a store and indexers over them."""

    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog(partitions=2)
        self.store = MemoryStore()
        self.history = Historian(self.log)
        self.failures: list[Exception] = []
        self._folder = folder

    @contextmanager
    def indexer(
        self,
        options: ProjectionsOptions = QUICK,
        prepare: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[Indexer, MemoryConsumer]]:
        snapshots = SqliteSnapshots(self._folder / "snapshots.db")
        indexer = Indexer(
            self.log,
            self.store,
            snapshots,
            NoMetrics(),
            member="indexer-1",
            failed=self.failures.append,
            options=options,
            prepare=prepare,
        )
        indexer.start()
        try:
            yield indexer, self.log.consumers[-1]
        finally:
            indexer.close()
            snapshots.close()

    def settle(self, indexer: Indexer, consumer: MemoryConsumer) -> None:
        """Deliver everything and wait until it is written."""
        while consumer.pump():
            pass
        for topic in (EXECUTION_EVENTS, FLOWS, LOGS, METRICS):
            for partition in range(2):
                end = self.log.bounds(topic, partition)[1]
                assert indexer.wait_until_written((topic, partition), end, 20), (topic, partition)

    def committed(self, topic: str = EXECUTION_EVENTS) -> int:
        return sum(
            self.log.commits.get(("indexer", topic, partition), (0, ""))[0]
            for partition in range(2)
        )

    def ids(self, model: str) -> list[str]:
        return sorted(key for name, key in self.store.stored if name == model)

    def letters(self) -> list[DeadLetter]:
        return [
            msgspec.json.decode(record.value or b"", type=DeadLetter)
            for record in self.log.all(DEAD_LETTER)
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    assert made.failures == []


def line(number: int, **members: Any) -> LogEntry:
    return LogEntry(
        id=f"l{number}",
        tenant="main",
        namespace="company.team",
        flow_id="hello",
        execution_id="e1",
        level=Level.INFO,
        message=f"line {number}",
        timestamp=BEGIN,
        **members,
    )


def say(log: MemoryLog, *entries: LogEntry) -> None:
    log.append([Outgoing(LOGS, "e1", encode(LogBatch(entries=list(entries))))])


def test_every_topic_becomes_documents(bench: Bench) -> None:
    bench.history.create("e1")
    bench.history.run("e1", "a")
    say(bench.log, line(1), line(2))
    entry = MetricEntry(
        id="m1", tenant="main", namespace="n", flow_id="f", type="counter", name="rows", value=1,
        timestamp=BEGIN, execution_id="e1",
    )  # fmt: skip
    bench.log.append([Outgoing(METRICS, "e1", encode(MetricBatch(entries=[entry])))])
    flow = FlowRevision(
        tenant="main", namespace="n", id="f", revision=1, source="labels: {a: true}",
        updated=BEGIN, writer="w",
    )  # fmt: skip
    bench.log.append([Outgoing(FLOWS, "main/n/f/1/w", encode(flow))])
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert bench.ids("executions") == ["e1"]
    assert bench.ids("taskruns") == ["e1.a"]
    assert bench.ids("logs") == ["l1", "l2"]
    assert bench.ids("metrics") == ["m1"]
    assert bench.store.stored["flows", "main/n/f"][1]["label_pairs"] == ["a\x1ftrue"]


def test_offsets_are_committed_behind_durable_writes(bench: Bench) -> None:
    bench.history.create("e1")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
        eventually(lambda: bench.committed() == 1)
        assert bench.store.synced


def test_a_restart_goes_on_where_it_was_committed(bench: Bench) -> None:
    bench.history.create("e1")
    bench.history.run("e1", "a")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    bench.store.bulks.clear()
    bench.history.run("e1", "b")
    bench.history.end("e1")
    with bench.indexer() as (indexer, consumer):
        assert consumer.pump() == 3
        bench.settle(indexer, consumer)
    execution = bench.store.stored["executions", "e1"][1]
    assert execution["state"] == "SUCCESS"
    assert execution["task_run_count"] == 2
    assert [bench.store.stored["taskruns", f"e1.{n}"][1]["position"] for n in "ab"] == [0, 1]


@pytest.mark.parametrize("lose_snapshots", [False, True])
def test_a_crash_before_the_commit_repeats_and_loses_nothing(
    bench: Bench, tmp_path: Path, lose_snapshots: bool
) -> None:
    bench.history.create("e1")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    bench.history.run("e1", "a", "b")
    before = dict(bench.log.commits)
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    bench.log.commits.clear()
    bench.log.commits.update(before)
    if lose_snapshots:
        (tmp_path / "snapshots.db").unlink()
        bench.store.stored.clear()
        bench.log.commits.clear()
    bench.history.end("e1")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    execution = bench.store.stored["executions", "e1"][1]
    assert (execution["state"], execution["task_run_count"]) == ("SUCCESS", 2)


def test_a_record_that_cannot_be_read_is_put_aside_and_stops_nobody(bench: Bench) -> None:
    bench.log.append([Outgoing(EXECUTION_EVENTS, "e1", b"\xff{")])
    bench.log.append([Outgoing(LOGS, "e1", b'{"entries": 1}')])
    bench.log.append([Outgoing(FLOWS, "x", b"")])
    bench.history.create("e1")
    say(bench.log, line(1))
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
        assert indexer.store_away is None
    assert bench.ids("executions") == ["e1"]
    assert bench.ids("logs") == ["l1"]
    letters = {letter.topic: letter for letter in bench.letters()}
    assert set(letters) == {EXECUTION_EVENTS, LOGS, FLOWS}
    assert letters[EXECUTION_EVENTS].component == "indexer"
    assert "cannot be read" in letters[EXECUTION_EVENTS].reason


def test_events_that_contradict_the_state_fail_their_execution_and_stop_nobody(
    bench: Bench,
) -> None:
    bench.history.create("e1")
    bench.history.step("e1", e.TaskRunPaused(id="none"))
    bench.history.create("e2")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert bench.ids("executions") == ["e1", "e2"]
    assert bench.store.stored["executions", "e1"][1]["state"] == "FAILED"
    assert bench.letters() == []


def test_a_document_that_the_store_refuses_is_put_aside(bench: Bench) -> None:
    bench.store.poison.add("l1")
    say(bench.log, line(1), line(2))
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert bench.ids("logs") == ["l2"]
    [letter] = bench.letters()
    assert (letter.topic, letter.reason) == (LOGS, "poison")


def test_a_zombies_record_is_ignored(bench: Bench) -> None:
    bench.history.create("e1")
    bench.history.run("e1", "a")
    bench.history.step("e1", e.ExecutionEnded(state=StateType.FAILED), sequence=3, writer="zombie")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert bench.store.stored["executions", "e1"][1]["state"] == "RUNNING"


def test_while_the_store_is_away_consuming_pauses_and_nothing_is_lost(bench: Bench) -> None:
    bench.store.away = True
    with bench.indexer() as (indexer, consumer):
        for number in range(40):
            bench.history.create(f"e{number}")
            consumer.pump()
        eventually(lambda: indexer.store_away is not None)
        consumer.pump()
        assert any(topic == EXECUTION_EVENTS for topic, _ in consumer.paused)
        assert bench.committed() == 0
        assert indexer.lag() == 40
        bench.store.away = False
        eventually(lambda: not consumer.paused)
        bench.settle(indexer, consumer)
        assert indexer.store_away is None
        assert indexer.lag() == 0
    assert len(bench.ids("executions")) == 40


def test_closing_does_not_wait_for_a_store_that_is_away(bench: Bench) -> None:
    bench.store.away = True
    with bench.indexer() as (indexer, consumer):
        bench.history.create("e1")
        consumer.pump()
        eventually(lambda: indexer.store_away is not None)
    assert bench.committed() == 0


def test_closing_writes_and_commits_what_was_taken(bench: Bench) -> None:
    slow = msgspec.structs.replace(QUICK, commit_interval=timedelta(hours=1))
    with bench.indexer(slow) as (_, consumer):
        bench.history.create("e1")
        consumer.pump()
    assert bench.ids("executions") == ["e1"]
    assert bench.committed() == 1


def test_under_load_documents_are_coalesced(bench: Bench) -> None:
    lingering = msgspec.structs.replace(QUICK, linger=timedelta(hours=1), buffered_records=1_000)
    bench.history.create("e1")
    with bench.indexer(lingering) as (indexer, consumer):
        bench.settle(indexer, consumer)  # the first goes on at once
        bench.store.bulks.clear()
        for number in range(50):
            bench.history.run("e1", f"t{number}")
            consumer.pump()
    assert bench.store.bulks == [51]


def test_a_partition_given_away_is_committed_and_taken_up_again(bench: Bench) -> None:
    slow = msgspec.structs.replace(
        QUICK, commit_interval=timedelta(hours=1), snapshot_interval=timedelta(hours=1)
    )
    bench.history.create("e1")
    with bench.indexer(slow) as (indexer, consumer):
        bench.settle(indexer, consumer)
        consumer.revoke()
        assert bench.committed() == 1
        bench.history.run("e1", "a")
        consumer.assign()
        bench.settle(indexer, consumer)
    assert bench.store.stored["executions", "e1"][1]["task_run_count"] == 1


def test_a_deleted_execution_takes_its_lines_along(bench: Bench) -> None:
    bench.history.create("e1")
    bench.history.run("e1", "a")
    say(bench.log, line(1))
    say(bench.log, msgspec.structs.replace(line(2), execution_id="e2"))
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
        bench.history.step("e1", e.ExecutionDeleted(metrics=False))
        bench.settle(indexer, consumer)
    assert bench.ids("executions") == []
    assert bench.ids("taskruns") == []
    assert bench.ids("logs") == ["l2"]


def test_a_line_that_is_deleted_goes(bench: Bench) -> None:
    say(bench.log, line(1), line(2))
    say(bench.log, line(1, deleted=True))
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert bench.ids("logs") == ["l2"]


def test_what_must_stop_the_process_is_told(bench: Bench) -> None:
    told: list[Exception] = []

    class Broken(MemoryStore):
        def bulk(self, writes: object) -> NoReturn:
            del writes
            raise RuntimeError("no")

    bench.store = Broken()
    bench.failures = told
    with bench.indexer() as (_, consumer):
        bench.history.create("e1")
        consumer.pump()
        eventually(lambda: bool(told))
    assert isinstance(told[0], RuntimeError)
    told.clear()


def test_nothing_is_written_before_the_read_models_are_ready(bench: Bench) -> None:
    answers: list[bool | None] = [None, False, True]

    def prepare() -> bool:
        assert bench.store.stored == {}
        ready = answers.pop(0)
        if ready is None:
            raise StoreUnavailable("not yet")
        return ready

    bench.history.create("e1")
    with bench.indexer(prepare=prepare) as (indexer, consumer):
        bench.settle(indexer, consumer)
    assert answers == []
    assert bench.ids("executions") == ["e1"]


def test_read_models_are_prepared_though_nothing_new_is_on_the_log(bench: Bench) -> None:
    asked: list[bool] = []

    def prepare() -> bool:
        asked.append(True)
        return True

    with bench.indexer(prepare=prepare):
        eventually(lambda: asked == [True])


def test_read_models_of_another_shape_are_rebuilt_by_the_indexer(
    bench: Bench, tmp_path: Path
) -> None:
    bench.history.create("e1")
    with bench.indexer() as (indexer, consumer):
        bench.settle(indexer, consumer)
    store = SqliteReadStore(tmp_path / "read.db", MODELS)  # a new one, everything is committed
    preparation = Preparation(
        bench.log, store, lambda: scratch_snapshots(tmp_path / "scratch.db"), owner="a"
    )
    with bench.indexer(prepare=preparation):
        eventually(lambda: store.get(EXECUTIONS, "e1") is not None)
    assert store.outdated() == []
    store.close()
