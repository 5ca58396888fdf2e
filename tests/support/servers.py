"""Fixtures: a real Kafka and a real OpenSearch, each started once a run when the first test asks.

A test gets names of its own on them (`topic_prefix`, `index_prefix`), whose topics and indices go
away after it. Tests that ask for one of these fixtures are marked `servers` by themselves. Without
Java or Maven they fail; they are never skipped.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from opensearchpy import OpenSearch

from infra.local.kafka import KafkaServer
from infra.local.opensearch import OpenSearchServer

SERVER_FIXTURES = frozenset({"kafka_server", "opensearch_server", "topic_prefix", "index_prefix"})
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers before `-m` chooses among them."""
    for item in items:
        if SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """The run's broker."""
    with KafkaServer.start() as server:
        yield server


@pytest.fixture(scope="session")
def opensearch_server() -> Iterator[OpenSearchServer]:
    """The run's OpenSearch node."""
    with OpenSearchServer.start() as server:
        yield server


@pytest.fixture
def topic_prefix(kafka_server: KafkaServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for topics and groups that only this test uses, for example `t7.two_writers.`."""
    prefix = f"t{next(_numbers)}.{_word(request, '_')}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap_servers})
    ours = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
    if ours:
        for deleted in admin.delete_topics(ours).values():
            deleted.result(30)


@pytest.fixture
def index_prefix(
    opensearch_server: OpenSearchServer, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A prefix for indices that only this test uses, for example `t7-two-writers-`."""
    prefix = f"t{next(_numbers)}-{_word(request, '-')}-"
    yield prefix
    with OpenSearch(opensearch_server.url) as client:
        client.indices.delete(index=f"{prefix}*", ignore_unavailable=True)


def _word(request: pytest.FixtureRequest, joint: str) -> str:
    """The test's name as part of a topic's or an index's name, not too long."""
    return re.sub(r"[^a-z0-9]+", joint, request.node.name.lower()).removeprefix(f"test{joint}")[:40]
