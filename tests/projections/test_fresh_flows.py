"""Lists of flows show what was just written, though the index learns of it a moment later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.record.codec import encode
from domain.record.envelope import Record
from domain.record.topics import FLOWS
from domain.record.values import FlowRevision
from infra.embedded.search import SqliteReadStore
from projections.catalogue import MODELS
from projections.flows.query import FlowQueries
from projections.projector import STATELESS
from projections.search import Query

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteReadStore]:
    opened = SqliteReadStore(tmp_path / "read.sqlite", MODELS)
    yield opened
    opened.close()


def written(revision: int = 1, ago: timedelta = timedelta(0)) -> FlowRevision:
    return FlowRevision(
        tenant="main",
        namespace="n",
        id="f",
        revision=revision,
        source="id: f\nnamespace: n\n",
        updated=NOW - ago,
        writer="w",
    )


def index(store: SqliteReadStore, revision: FlowRevision) -> None:
    store.bulk(STATELESS[FLOWS](Record(FLOWS, 0, 0, "k", encode(revision), 0)))


def total(queries: FlowQueries) -> int:
    return asyncio.run(queries.search(Query("main"))).total


def test_a_list_waits_for_what_was_just_written(store: SqliteReadStore) -> None:
    queries = FlowQueries(store, lambda: NOW)
    queries.expect(written())
    behind = threading.Timer(0.05, index, (store, written()))
    behind.start()
    assert total(queries) == 1
    behind.join()


def test_an_answer_waits_for_the_latest_of_several_revisions(store: SqliteReadStore) -> None:
    queries = FlowQueries(store, lambda: NOW)
    index(store, written(1))
    queries.expect(written(1))
    queries.expect(written(2))
    behind = threading.Timer(0.05, index, (store, written(2)))
    behind.start()
    [found] = asyncio.run(queries.every(Query("main")))
    assert found.revision == 2
    behind.join()


def test_nobody_waits_for_what_was_written_long_ago(store: SqliteReadStore) -> None:
    queries = FlowQueries(store, lambda: NOW)
    queries.expect(written(ago=timedelta(minutes=1)))
    assert total(queries) == 0
