"""What only OpenSearch can do wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from opensearchpy import OpenSearch

from domain.execution.lifecycle import StateType
from domain.execution.state import Execution, Metadata, State
from domain.log import Level, LogEntry
from infra.local.opensearch import OpenSearchServer
from infra.local.ports import free_ports
from infra.opensearch.options import OpenSearchOptions
from infra.opensearch.store import OpenSearchReadStore
from projections.catalogue import MODELS
from projections.executions.document import EXECUTIONS
from projections.executions.project import write_of
from projections.logs.document import LOGS
from projections.logs.project import document_of
from projections.store import EVERYTHING, Grouping, Key, StoreUnavailable, Upsert
from tests.support.histories import BEGIN


def execution(number: int) -> Execution:
    return Execution(
        id=f"e{number}",
        tenant="main",
        namespace="n",
        flow_id="f",
        flow_revision=1,
        state=State.begin(StateType.CREATED, BEGIN),
        metadata=Metadata(attempt_number=1, original_created_date=BEGIN),
        original_id="e",
        sequence=1,
    )


def line(number: int, message: str) -> Upsert:
    entry = LogEntry(
        id=f"l{number}", tenant="main", namespace="n", flow_id="f", level=Level.INFO,
        message=message, timestamp=BEGIN,
    )  # fmt: skip
    return Upsert(LOGS, entry.id, 1, document_of(entry, number, 0))


@pytest.fixture
def options(opensearch_server: OpenSearchServer, index_prefix: str) -> OpenSearchOptions:
    return OpenSearchOptions(url=opensearch_server.url, prefix=index_prefix)


@pytest.fixture
def store(options: OpenSearchOptions) -> Iterator[OpenSearchReadStore]:
    opened = OpenSearchReadStore(options, MODELS)
    yield opened
    opened.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    [port] = free_ports(1)
    away = OpenSearchOptions(url=f"http://127.0.0.1:{port}", timeout=timedelta(seconds=1))
    store = OpenSearchReadStore(away, MODELS)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.bulk([write_of(execution(1), 0)])
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.search(EXECUTIONS, EVERYTHING)
    store.close()


def test_an_index_that_was_deleted_is_never_made_without_its_mapping(
    store: OpenSearchReadStore, options: OpenSearchOptions
) -> None:
    store.bulk([write_of(execution(1), 0)])
    with OpenSearch(options.url) as client:
        client.indices.delete(index=f"{options.prefix}executions-*")
        with pytest.raises(StoreUnavailable):
            store.bulk([write_of(execution(2), 0)])
        assert f"{options.prefix}executions" not in client.indices.get(index=options.prefix + "*")


def test_one_refused_document_leaves_the_others_written(store: OpenSearchReadStore) -> None:
    wrong = execution(2)
    wrong.state = State.begin(StateType.CREATED, BEGIN.replace(year=2500))  # beyond nanoseconds
    failures = store.bulk([write_of(one, 0) for one in (execution(1), wrong, execution(3))])
    assert [failure.write.id for failure in failures if isinstance(failure.write, Upsert)] == ["e2"]
    assert "date" in failures[0].reason
    assert store.get(EXECUTIONS, "e1") is not None
    assert store.get(EXECUTIONS, "e3") is not None


def test_bulks_are_cut_to_the_bytes_allowed(
    options: OpenSearchOptions, store: OpenSearchReadStore
) -> None:
    del store
    small = OpenSearchOptions(url=options.url, prefix=options.prefix, bulk_bytes=2_000)
    cut = OpenSearchReadStore(small, MODELS)
    assert cut.bulk([line(number, "x" * 900) for number in range(20)]) == []
    cut.refresh()
    assert cut.count(LOGS, EVERYTHING) == 20
    cut.close()


def test_several_processes_may_create_the_indices_at_once(options: OpenSearchOptions) -> None:
    stores = [OpenSearchReadStore(options, MODELS) for _ in range(3)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        outdated = list(pool.map(lambda one: one.outdated(), stores))
    assert outdated == [list(MODELS)] * 3
    assert stores[0].bulk([write_of(execution(1), 0)]) == []
    for store in stores:
        store.close()


def test_an_aggregation_over_nothing_has_no_rows(store: OpenSearchReadStore) -> None:
    assert store.aggregate(EXECUTIONS, EVERYTHING, Grouping((Key("s", "state"),), ())) == []


def test_searches_go_on_while_generations_are_switched(
    store: OpenSearchReadStore, options: OpenSearchOptions
) -> None:
    store.bulk([write_of(execution(1), 0)])
    failures: list[Exception] = []
    switched = threading.Event()

    def search() -> None:
        while not switched.is_set():
            try:
                store.search(EXECUTIONS, EVERYTHING)
            except Exception as error:  # noqa: BLE001 - told by the test
                failures.append(error)

    searching = threading.Thread(target=search)
    searching.start()
    for _ in range(3):
        store.begin(MODELS).bulk([write_of(execution(1), 0)])
        store.switch(MODELS)
    switched.set()
    searching.join()
    assert failures == []
    with OpenSearch(options.url) as client:
        assert len(client.indices.get(index=options.prefix + "*")) == len(MODELS)


def test_a_generation_that_a_crash_has_left_is_dropped_with_the_next_switch(
    store: OpenSearchReadStore, options: OpenSearchOptions
) -> None:
    store.bulk([write_of(execution(1), 0)])
    with OpenSearch(options.url) as client:
        client.indices.create(index=options.prefix + "executions-000007")
        store.begin([EXECUTIONS])
        store.switch([EXECUTIONS])
        assert list(client.indices.get(index=options.prefix + "executions-*")) == [
            options.prefix + "executions-000008"
        ]
