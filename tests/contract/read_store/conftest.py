"""The read stores that keep the contract: SQLite, and a real OpenSearch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.execution.lifecycle import StateType
from domain.execution.state import Execution, Label, Metadata, Moment, State
from infra.embedded.search import SqliteReadStore
from infra.opensearch.options import OpenSearchOptions
from infra.opensearch.store import OpenSearchReadStore
from projections.catalogue import MODELS
from projections.executions.project import write_of
from projections.logs.document import LOGS, LogDocument
from projections.metrics.document import METRICS, MetricDocument
from projections.store import ReadModel, ReadStore, Upsert

START = datetime(2026, 3, 4, 5, 6, 7, 891_011, UTC)

Opened = SqliteReadStore | OpenSearchReadStore


@pytest.fixture(params=["sqlite", pytest.param("opensearch", marks=pytest.mark.servers)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Opened]]:
    """Opens a store over the same place each time it is called."""
    opened: list[Opened] = []

    def open_it(models: Sequence[ReadModel] = MODELS) -> Opened:
        store: Opened
        if request.param == "sqlite":
            store = SqliteReadStore(tmp_path / "read.db", models)
        else:
            server = request.getfixturevalue("opensearch_server")
            prefix = request.getfixturevalue("index_prefix")
            store = OpenSearchReadStore(OpenSearchOptions(url=server.url, prefix=prefix), models)
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Opened]) -> Opened:
    """An empty store."""
    return open_store()


def execution(number: int = 1, **members: Any) -> Execution:
    """An execution that started `number` minutes after START."""
    date = START + timedelta(minutes=number)
    made = Execution(
        id=f"e{number}",
        tenant="main",
        namespace="company.team",
        flow_id="hello",
        flow_revision=1,
        state=State(StateType.RUNNING, [Moment(StateType.CREATED, date)]),
        metadata=Metadata(attempt_number=1, original_created_date=date),
        original_id=f"e{number}",
        sequence=3,
    )
    for name, value in members.items():
        setattr(made, name, value)
    return made


def ended(number: int, state: StateType, seconds: float) -> State:
    """A history that ended after so many seconds."""
    date = START + timedelta(minutes=number)
    end = date + timedelta(seconds=seconds)
    return State(state, [Moment(StateType.CREATED, date), Moment(state, end)])


def labelled(**labels: str) -> list[Label]:
    """Labels by keyword."""
    return [Label(key, value) for key, value in labels.items()]


def put(store: ReadStore, *executions: Execution) -> None:
    """Write executions and make them visible."""
    assert store.bulk([write_of(one, 0) for one in executions]) == []
    store.refresh()


def line(number: int, message: str, **members: Any) -> Upsert:
    """A log line, `number` seconds after START."""
    document = LogDocument(
        id=f"l{number}",
        tenant="main",
        namespace="company.team",
        flow_id="hello",
        execution_id="e1",
        level="INFO",
        timestamp=START + timedelta(seconds=number),
        offset=number,
        line=0,
        message=message,
    )
    for name, value in members.items():
        setattr(document, name, value)
    return Upsert(LOGS, document.id, number, document)


def measurement(number: int, value: float, date: datetime, name: str = "rows") -> Upsert:
    """A measurement."""
    document = MetricDocument(
        id=f"m{number}",
        tenant="main",
        namespace="company.team",
        flow_id="hello",
        execution_id="e1",
        type="counter",
        name=name,
        value=value,
        timestamp=date,
        tags={"source": "csv"},
        offset=number,
        line=0,
    )
    return Upsert(METRICS, document.id, number, document)
