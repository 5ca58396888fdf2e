"""The indexer on both engines: log, store and snapshots as they are in production."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.ports.log import Log
from domain.ports.metrics import NoMetrics
from domain.record.envelope import Outgoing
from domain.record.topics import CATALOGUE, EXECUTION_EVENTS
from infra.embedded.log import EmbeddedLog
from infra.embedded.search import SqliteReadStore
from infra.kafka.log import KafkaLog
from infra.log_options import LogOptions
from infra.opensearch.options import OpenSearchOptions
from infra.opensearch.store import OpenSearchReadStore
from infra.snapshots import SqliteSnapshots, scratch_snapshots
from projections.catalogue import MODELS
from projections.executions.query import ExecutionQueries
from projections.indexer import Indexer
from projections.options import ProjectionsOptions
from projections.rebuild import Preparation, RebuildableStore
from projections.search import Page, Query
from tests.support.histories import BEGIN, Historian
from tests.support.waiting import eventually

OPTIONS = ProjectionsOptions(
    linger=timedelta(milliseconds=5),
    commit_interval=timedelta(milliseconds=50),
    snapshot_interval=timedelta(milliseconds=100),
)


class Engine:
    """One engine's data."""

    def __init__(
        self, folder: Path, log: Callable[[], Log], store: Callable[[], RebuildableStore]
    ) -> None:
        self._folder = folder
        self.log = log()
        self.store = store()
        self.log.ensure_topics([topic.name for topic in CATALOGUE])
        self.history = Historian(self.log.writer)
        self.executions = ExecutionQueries(self.store, lambda: BEGIN)
        self.failures: list[Exception] = []

    @contextmanager
    def indexer(self, member: str = "a") -> Iterator[Indexer]:
        snapshots = SqliteSnapshots(self._folder / f"{member}.db")
        scratch = self._folder / f"scratch-{member}.db"
        prepare = Preparation(
            self.log, self.store, lambda: scratch_snapshots(scratch), owner=member
        )
        indexer = Indexer(
            self.log,
            self.store,
            snapshots,
            NoMetrics(),
            member=member,
            failed=self.failures.append,
            options=OPTIONS,
            prepare=prepare,
        )
        indexer.start()
        try:
            yield indexer
        finally:
            indexer.close()
            snapshots.close()

    def states(self) -> dict[str, tuple[str, int]]:
        """State and number of task runs of every execution, as lists show them."""
        self.store.refresh()
        query = Query("main", page=Page(1, 1_000))
        page = asyncio.run(self.executions.search(query, task_runs=True))
        return {one.id: (one.state.current.value, len(one.task_runs)) for one in page.results}

    def await_states(self, expected: dict[str, tuple[str, int]]) -> None:
        eventually(lambda: self.states() == expected, 60)


@pytest.fixture(params=["embedded", pytest.param("distributed", marks=pytest.mark.servers)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "embedded":
        made = Engine(
            tmp_path,
            lambda: EmbeddedLog(tmp_path / "log", LogOptions()),
            lambda: SqliteReadStore(tmp_path / "read.db", MODELS),
        )
    else:
        kafka = request.getfixturevalue("kafka_server")
        prefix = request.getfixturevalue("topic_prefix")
        search = OpenSearchOptions(
            url=request.getfixturevalue("opensearch_server").url,
            prefix=request.getfixturevalue("index_prefix"),
        )
        options = LogOptions(bootstrap_servers=kafka.bootstrap_servers, prefix=prefix)
        made = Engine(
            tmp_path, lambda: KafkaLog(options), lambda: OpenSearchReadStore(search, MODELS)
        )
    yield made
    made.log.close()
    made.store.close()
    assert made.failures == []


def test_what_happens_is_soon_found_and_a_restart_goes_on(engine: Engine) -> None:
    history = engine.history
    expected: dict[str, tuple[str, int]] = {}
    with engine.indexer():
        for number in range(20):
            history.create(f"e{number}")
            history.run(f"e{number}", "a", "b")
            expected[f"e{number}"] = ("RUNNING", 2)
        engine.await_states(expected)
    for number in range(10):
        history.run(f"e{number}", "c")
        history.end(f"e{number}", StateType.SUCCESS)
        expected[f"e{number}"] = ("SUCCESS", 3)
    history.step("e19", e.ExecutionDeleted())
    del expected["e19"]
    with engine.indexer():
        engine.await_states(expected)
    whole = asyncio.run(engine.executions.get("main", "e3"))
    assert whole is not None
    assert [run.task_id for run in whole.task_runs.values()] == ["a", "b", "c"]


def test_members_share_the_partitions_and_take_over(engine: Engine) -> None:
    history = engine.history
    expected: dict[str, tuple[str, int]] = {}

    def write(numbers: range) -> None:
        for number in numbers:
            history.create(f"e{number}")
            history.run(f"e{number}", "a")
            expected[f"e{number}"] = ("RUNNING", 1)

    with engine.indexer("a"):
        write(range(10))
        with engine.indexer("b"):
            write(range(10, 20))
            engine.await_states(expected)
        for number in range(20):
            history.end(f"e{number}")
            expected[f"e{number}"] = ("SUCCESS", 1)
        engine.await_states(expected)


def test_poison_stops_nobody(engine: Engine) -> None:
    poison: list[Any] = [Outgoing(EXECUTION_EVENTS, "e1", value) for value in (b"{", b"[]", b"")]
    engine.log.writer.append(poison)
    engine.history.create("e1")
    with engine.indexer():
        engine.await_states({"e1": ("RUNNING", 0)})
