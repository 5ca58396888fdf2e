"""Questions of the read models, answered by SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from domain.errors import InvalidQuery
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.state import ExecutionTrigger, Label
from domain.log import Level, LogBatch, LogEntry
from domain.metric import MetricBatch, MetricEntry
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_EVENTS, FLOWS, LOGS, METRICS, TRIGGER_EVENTS
from domain.record.values import FlowRevision
from domain.trigger.events import (
    TriggerDisabled,
    TriggerEvent,
    TriggerEventRecord,
    TriggerRegistered,
    TriggerUnregistered,
)
from domain.trigger.state import TriggerKey
from infra.embedded.search import SqliteReadStore
from infra.snapshots import SqliteSnapshots
from projections.catalogue import MODELS
from projections.executions.query import ExecutionQueries
from projections.flows.query import FlowQueries
from projections.logs.query import LogQueries
from projections.metrics.query import MetricQueries, instants, interval_of
from projections.namespaces.query import NamespaceQueries
from projections.options import ProjectionsOptions
from projections.rebuild import Rebuild, RebuildUnderWay, Rebuilt
from projections.search import Filter, InvalidSort, Operation, Page, Query, Sort
from projections.store import Interval
from projections.taskruns.query import TaskRunQueries
from projections.triggers.query import TriggerQueries
from tests.support.histories import BEGIN, Historian
from tests.support.memory_log import MemoryLog

T = TypeVar("T")
OP = Operation


def now() -> datetime:
    return BEGIN + timedelta(hours=1)


def answer(question: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(question)


class Library:
    """A log and the read models that a rebuild makes of it."""

    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog()
        self.history = Historian(self.log)
        self.store = SqliteReadStore(folder / "read.db", MODELS)
        self.folder = folder
        self._rebuilds = 0
        self.executions = ExecutionQueries(self.store, now)
        self.task_runs = TaskRunQueries(self.store)
        self.logs = LogQueries(self.store, now)
        self.metrics = MetricQueries(self.store)
        self.flows = FlowQueries(self.store, now)
        self.namespaces = NamespaceQueries(self.flows)
        self.triggers = TriggerQueries(self.store, now)

    def rebuild(self) -> Rebuilt:
        self._rebuilds += 1
        scratch = SqliteSnapshots(self.folder / f"scratch{self._rebuilds}.db")
        try:
            return Rebuild(self.log, self.store, scratch, owner="a").run(MODELS)
        finally:
            scratch.close()

    def say(self, *entries: LogEntry) -> None:
        self.log.append([Outgoing(LOGS, "e1", encode(LogBatch(entries=list(entries))))])

    def measure(self, *entries: MetricEntry) -> None:
        self.log.append([Outgoing(METRICS, "e1", encode(MetricBatch(entries=list(entries))))])

    def save_flow(self, namespace: str, flow_id: str, revision: int = 1, **members: Any) -> None:
        members = {"source": f"id: {flow_id}\nnamespace: {namespace}\n", **members}
        flow = FlowRevision(
            tenant="main", namespace=namespace, id=flow_id, revision=revision, updated=BEGIN,
            writer="w", **members,
        )  # fmt: skip
        self.log.append([Outgoing(FLOWS, f"main/{namespace}/{flow_id}/{revision}/w", encode(flow))])

    def trigger(self, name: str, sequence: int, *events: TriggerEvent) -> None:
        record = TriggerEventRecord(
            key=TriggerKey("main", "company.team", "hello", name), sequence=sequence,
            command_id="c", command_offset=0, timestamp_ms=1, events=list(events),
        )  # fmt: skip
        self.log.append([Outgoing(TRIGGER_EVENTS, record.key.text, encode(record))])


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.store.close()


def query(*filters: Filter, sorts: Sequence[Sort] = (), page: Page | None = None) -> Query:
    return Query("main", filters, None, sorts, page or Page(1, 100))


# -- executions


@pytest.fixture
def executions(library: Library) -> Library:
    history = library.history
    history.create("e1", labels=[Label("team", "gold")])
    history.run("e1", "a", "b")
    history.end("e1")
    trigger = ExecutionTrigger("up", "io.kestra.plugin.core.trigger.Flow", {"executionId": "e1"})
    history.create("e2", trigger=trigger, namespace="company")
    history.create("e3", kind="TEST")
    history.create("e4", tenant="other")
    history.create("e5")
    history.end("e5", StateType.FAILED)
    library.rebuild()
    return library


def found(library: Library, *filters: Filter, **more: Any) -> list[str]:
    page = answer(library.executions.search(query(*filters, **more)))
    assert page.total == len(page.results)
    return [execution.id for execution in page.results]


def test_lists_leave_special_kinds_out_unless_asked(executions: Library) -> None:
    assert found(executions) == ["e5", "e2", "e1"]
    assert found(executions, Filter("kind", OP.EQUALS, "TEST")) == ["e3"]
    assert found(executions, Filter("kind", OP.IN, "TEST,NORMAL")) == ["e5", "e3", "e2", "e1"]
    assert found(executions, Filter("kind", OP.NOT_EQUALS, "NORMAL")) == ["e3"]


def test_filters_and_sorts_are_those_of_the_api(executions: Library) -> None:
    assert found(executions, Filter("labels", OP.EQUALS, "gold", "team")) == ["e1"]
    assert found(executions, Filter("childFilter", OP.EQUALS, "CHILD")) == ["e2"]
    assert found(executions, Filter("state", OP.IN, "FAILED,SUCCESS")) == ["e5", "e1"]
    assert found(executions, Filter("timeRange", OP.EQUALS, "PT1S")) == []
    assert found(executions, sorts=[Sort("state.startDate")]) == ["e1", "e2", "e5"]
    with pytest.raises(InvalidSort):
        answer(executions.executions.search(query(sorts=[Sort("nope")])))


def test_a_page_comes_without_task_runs_unless_asked(executions: Library) -> None:
    wanted = query(Filter("state", OP.EQUALS, "SUCCESS"))
    [bare] = answer(executions.executions.search(wanted)).results
    assert bare.task_runs == {}
    [whole] = answer(executions.executions.search(wanted, task_runs=True)).results
    assert [run.task_id for run in whole.task_runs.values()] == ["a", "b"]


def test_get_composes_the_whole_execution(executions: Library) -> None:
    execution = answer(executions.executions.get("main", "e1"))
    assert execution is not None
    assert list(execution.task_runs) == ["e1.a", "e1.b"]
    assert execution.task_runs["e1.a"].outputs == {"value": "e1.a"}
    assert answer(executions.executions.get("main", "e4")) is None
    assert answer(executions.executions.get("main", "none")) is None


def test_latest_is_one_execution_per_flow(executions: Library) -> None:
    queries = executions.executions
    wanted = [("company", "hello"), ("none", "none"), ("company.team", "hello")]
    assert [one.id for one in answer(queries.latest("main", wanted))] == ["e2", "e5"]
    assert [one.id for one in answer(queries.latest("main", []))] == ["e2", "e5"]


def test_other_questions_about_executions(executions: Library) -> None:
    queries = executions.executions
    by_flow = answer(queries.by_flow("main", "company.team", "hello", Page(1, 1)))
    assert ([one.id for one in by_flow.results], by_flow.total) == (["e5"], 2)
    assert answer(queries.ids(query())) == ["e1", "e2", "e5"]
    assert [one.id for one in answer(queries.every(query()))] == ["e1", "e2", "e5"]
    assert answer(queries.count(query())) == 3
    assert answer(queries.distinct(query(), "namespace")) == ["company", "company.team"]
    runs = answer(executions.task_runs.page("main", "e1", Page(2, 1)))
    assert ([run.task_id for run in runs.results], runs.total) == (["b"], 2)
    assert answer(executions.task_runs.page("main", "e1", Page(), "FAILED")).total == 0


# -- log lines


def line(number: int, level: Level = Level.INFO, **members: Any) -> LogEntry:
    defaults: dict[str, Any] = {
        "message": f"line {number}",
        "timestamp": BEGIN,
        "execution_id": "e1",
        "task_id": "say",
        "task_run_id": "r1",
        "attempt": 0,
    }
    return LogEntry(
        id=f"l{number}", tenant="main", namespace="company.team", flow_id="hello", level=level,
        **{**defaults, **members},
    )  # fmt: skip


def test_lines_of_an_execution_are_in_time_order(library: Library) -> None:
    library.say(line(1), line(2), line(3, Level.ERROR, task_id="other", task_run_id="r2"))
    library.say(line(4, timestamp=BEGIN - timedelta(seconds=1), attempt=1))
    library.say(line(5, execution_id="e2"))
    library.rebuild()

    def lines(**wanted: Any) -> list[str]:
        return [one.id for one in answer(library.logs.of_execution("main", "e1", **wanted))]

    assert lines() == ["l4", "l1", "l2", "l3"]
    assert lines(min_level=Level.WARN) == ["l3"]
    assert lines(task_id="say") == ["l4", "l1", "l2"]
    assert lines(task_run_id="r1", attempt=1) == ["l4"]
    assert lines(task_id="say", task_run_id="r2", attempt=9) == ["l4", "l1", "l2"]
    assert answer(library.logs.of_execution("other", "e1")) == []


def test_lines_are_searched_by_words_and_level(library: Library) -> None:
    library.say(line(1, message="first line"), line(2, message="second line"))
    library.say(line(3, Level.ERROR, message="third"), line(4, message="third", execution_id="e9"))
    library.rebuild()

    def lines(*filters: Filter) -> list[str]:
        return [one.id for one in answer(library.logs.search(query(*filters))).results]

    assert lines() == ["l4", "l3", "l2", "l1"]
    assert lines(Filter("q", OP.EQUALS, "second line")) == ["l2"]
    assert lines(Filter("q", OP.EQUALS, "e9")) == ["l4"]
    assert lines(Filter("level", OP.EQUALS, "WARN")) == ["l3"]
    assert [one.id for one in answer(library.logs.every(query()))] == ["l1", "l2", "l3", "l4"]


# -- metrics


def measurement(number: int, **members: Any) -> MetricEntry:
    defaults: dict[str, Any] = {"name": "rows", "value": 2.0, "timestamp": BEGIN, "task_id": "t"}
    return MetricEntry(
        id=f"m{number}", tenant="main", namespace="company.team", flow_id="hello", type="counter",
        execution_id="e1", **{**defaults, **members},
    )  # fmt: skip


def test_metrics_of_an_execution_and_of_a_flow(library: Library) -> None:
    library.measure(measurement(1), measurement(2, name="took", task_id="u", tags={"a": "b"}))
    library.measure(measurement(3, execution_kind="TEST", name="hidden"))
    library.rebuild()
    metrics = library.metrics
    page = answer(metrics.of_execution("main", "e1", sorts=[Sort("name", descending=True)]))
    assert [one.name for one in page.results] == ["took", "rows", "hidden"]
    assert page.results[0].tags == {"a": "b"}
    assert answer(metrics.of_execution("main", "e1", task_id="u")).total == 1
    assert answer(metrics.names("main", "company.team", "hello")) == ["rows", "took"]
    assert answer(metrics.names("main", "company.team", "hello", "u")) == ["took"]
    assert answer(metrics.tasks("main", "company.team", "hello")) == ["t", "u"]
    with pytest.raises(InvalidSort):
        answer(metrics.of_execution("main", "e1", sorts=[Sort("nope")]))


def test_a_curve_has_a_value_for_every_bucket(library: Library) -> None:
    library.measure(
        measurement(1),
        measurement(2, value=4.0),
        measurement(3, timestamp=BEGIN - timedelta(days=2), value=7.0),
    )
    library.rebuild()

    def curve(**wanted: Any) -> list[tuple[str | None, float]]:
        made = answer(
            library.metrics.curve(
                "main", "company.team", "hello", "rows", now=BEGIN + timedelta(hours=1), **wanted
            )
        )
        return [(bucket.name, bucket.value) for bucket in made.buckets]

    assert curve(start=BEGIN - timedelta(days=3)) == [
        (None, 0.0),
        ("rows", 7.0),
        (None, 0.0),
        ("rows", 6.0),
    ]
    assert curve(start=BEGIN - timedelta(days=2), aggregation="AVG")[-1] == ("rows", 3.0)
    assert curve(start=BEGIN - timedelta(days=2), aggregation="max")[-1] == ("rows", 4.0)
    assert len(curve()) == 31
    with pytest.raises(InvalidQuery, match="Invalid aggregation: median"):
        curve(aggregation="median")
    with pytest.raises(InvalidQuery, match="before"):
        curve(start=BEGIN + timedelta(days=9))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(hours=2), Interval.MINUTE),
        (timedelta(hours=7), Interval.HOUR),
        (timedelta(days=30), Interval.DAY),
        (timedelta(days=181), Interval.WEEK),
        (timedelta(days=366), Interval.MONTH),
    ],
)
def test_the_span_decides_the_width_of_buckets(span: timedelta, expected: Interval) -> None:
    assert interval_of(span) is expected


def test_months_step_from_date_to_date() -> None:
    start = datetime(2025, 11, 30, tzinfo=UTC)
    dates = instants(start, datetime(2026, 3, 1, tzinfo=UTC), Interval.MONTH)
    assert [(date.month, date.day) for date in dates] == [(11, 30), (12, 28), (1, 28), (2, 28)]


# -- flows, namespaces


def test_only_the_latest_revision_is_found(library: Library) -> None:
    library.save_flow("a.b", "one", 1, source="labels:\n  team: gold\n# needle\n")
    library.save_flow("a.b", "one", 2, source="labels:\n- key: team\n  value: silver\n")
    library.save_flow("a.b", "one", 2, source="labels: {team: loser}")
    library.save_flow("a", "two", 1, source="tasks: [{message: needle in hay}]")
    library.save_flow("c", "gone", 1)
    library.save_flow("c", "gone", 2, deleted=True)
    library.save_flow("c", "broken", 1, source="a: [")
    library.rebuild()

    def ids(*filters: Filter) -> list[str]:
        return [one.id for one in answer(library.flows.search(query(*filters))).results]

    assert ids() == ["two", "one", "broken"]
    assert ids(Filter("labels", OP.EQUALS, "silver", "team")) == ["one"]
    assert ids(Filter("labels", OP.EQUALS, "gold", "team")) == []
    assert ids(Filter("q", OP.EQUALS, "silv on")) == ["one"]
    by_source = answer(library.flows.search_source("main", "needle"))
    assert [one.id for one in by_source.results] == ["two"]
    assert answer(library.flows.search_source("main", None, namespace="a")).total == 2
    assert [one.revision for one in answer(library.flows.every(query()))] == [1, 2, 1]
    assert answer(library.flows.count(query())) == 3


def test_namespaces_are_those_of_flows_and_their_parents(library: Library) -> None:
    library.save_flow("a.b.c", "one")
    library.save_flow("z", "gone", 1)
    library.save_flow("z", "gone", 2, deleted=True)
    library.rebuild()
    assert answer(library.flows.namespaces("main")) == ["a.b.c"]
    assert answer(library.flows.namespaces("main", deleted=True)) == ["a.b.c", "z"]
    assert answer(library.flows.namespaces("main", prefix="b")) == []
    every = ["a", "a.b", "a.b.c", "system"]
    assert answer(library.namespaces.every("main")) == every
    page = answer(library.namespaces.search("main", "B", [Sort("id", descending=True)], Page(1, 1)))
    assert (page.results, page.total) == (["a.b.c"], 2)
    assert answer(library.namespaces.autocomplete("main", "a.", ["x"])) == ["a.b", "a.b.c", "x"]
    with pytest.raises(InvalidSort):
        answer(library.namespaces.search("main", sorts=[Sort("nope")]))


# -- triggers


def registered(kind: str = "io.kestra.plugin.core.trigger.Schedule") -> TriggerRegistered:
    return TriggerRegistered(flow_revision=1, fingerprint="f", next_date=BEGIN, kind=kind)


def test_triggers_are_where_their_streams_say(library: Library) -> None:
    library.trigger("daily", 1, registered())
    library.trigger("off", 1, registered())
    library.trigger("off", 2, TriggerDisabled())
    library.trigger("off", 2, TriggerUnregistered(flow_revision=2))  # lost the race
    library.trigger("gone", 1, registered())
    library.trigger("gone", 2, TriggerUnregistered(flow_revision=2))
    library.trigger("hook", 1, registered("io.kestra.plugin.core.trigger.Webhook"))
    library.rebuild()

    def ids(*filters: Filter) -> list[str]:
        page = answer(library.triggers.search(query(*filters)))
        return [trigger.key.trigger_id for trigger in page.results]

    assert ids() == ["daily", "off"]
    assert ids(Filter("triggerState", OP.EQUALS, "ENABLED")) == ["daily"]
    assert ids(Filter("triggerState", OP.EQUALS, "DISABLED")) == ["off"]
    assert ids(Filter("q", OP.EQUALS, "dail")) == ["daily"]
    assert ids(Filter("workerId", OP.EQUALS, "w")) == []
    assert answer(library.triggers.of_flow("main", "company.team", "hello", text="off")).total == 1
    hook = answer(library.triggers.get(TriggerKey("main", "company.team", "hello", "hook")))
    assert hook is not None
    assert hook.registered
    assert len(answer(library.triggers.every(query()))) == 2


# -- rebuilding


def test_a_rebuild_of_an_empty_log_adopts_what_is_there(library: Library) -> None:
    assert library.store.outdated() == list(MODELS)
    assert library.rebuild() == Rebuilt(0, 0, 0, 0)
    assert library.store.outdated() == []


def test_a_rebuild_leaves_the_same_documents_and_drops_what_the_log_never_said(
    executions: Library,
) -> None:
    before = answer(executions.executions.get("main", "e1"))
    executions.history.step("e2", e.ExecutionDeleted())
    executions.log.append([Outgoing(EXECUTION_EVENTS, "x", b"{")])
    done = executions.rebuild()
    assert done.unreadable == 1
    assert done.refused == 0
    assert answer(executions.executions.get("main", "e1")) == before
    assert found(executions) == ["e5", "e1"]


def test_a_rebuild_gives_way_to_another_one(executions: Library) -> None:
    assert executions.store.claim("another", 60)
    with pytest.raises(RebuildUnderWay):
        executions.rebuild()
    executions.store.release("another")
    assert executions.rebuild().refused == 0


def test_a_rebuild_that_fails_leaves_the_live_documents(executions: Library) -> None:
    def break_off(_topic: str, _read: int, _all: int) -> None:
        raise KeyboardInterrupt

    scratch = SqliteSnapshots(executions.folder / "other.db")
    rebuild = Rebuild(
        executions.log,
        executions.store,
        scratch,
        owner="a",
        options=ProjectionsOptions(batch_documents=1),
        progress=break_off,
    )
    with pytest.raises(KeyboardInterrupt):
        rebuild.run(MODELS)
    scratch.close()
    assert found(executions) == ["e5", "e2", "e1"]
    assert executions.store.claim("another", 1)
