from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from opensearchpy import OpenSearch

from infra.local import opensearch
from infra.local.errors import LocalServerError
from infra.local.kafka import KafkaServer
from infra.local.opensearch import OpenSearchServer
from infra.local.ports import free_ports
from infra.local.servers import running_servers


def create_topic(server: KafkaServer, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": server.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)


def test_kafka_keeps_what_was_produced(kafka_server: KafkaServer, topic_prefix: str) -> None:
    topic = f"{topic_prefix}words"
    common = {"bootstrap.servers": kafka_server.bootstrap_servers}
    create_topic(kafka_server, topic)
    producer = Producer({**common, "enable.idempotence": True})
    for word in ("ebb", "flood"):
        producer.produce(topic, word)
    assert producer.flush(30) == 0
    consumer = Consumer({**common, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read = [message.value() for message in consumer.consume(2, timeout=60)]
    consumer.close()
    assert read == [b"ebb", b"flood"]


def test_kafka_makes_no_topic_by_itself(kafka_server: KafkaServer, topic_prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap_servers})
    admin.list_topics(f"{topic_prefix}unknown", timeout=30)
    assert f"{topic_prefix}unknown" not in admin.list_topics(timeout=30).topics


def test_opensearch_runs_scripts_and_refuses_stale_versions(
    opensearch_server: OpenSearchServer, index_prefix: str
) -> None:
    index = f"{index_prefix}tides"
    with OpenSearch(opensearch_server.url) as client:
        version = {"version": 5, "version_type": "external_gte"}
        client.index(index=index, id="1", body={"height": 3}, refresh=True, params=version)
        stale = client.index(
            index=index, id="1", body={"height": 9}, params={**version, "version": 4}, ignore=409
        )
        script = {"source": "ctx._source.height += params.rise", "params": {"rise": 2}}
        client.update_by_query(index=index, body={"script": script}, refresh=True)
        found = client.get(index=index, id="1")
    assert stale["status"] == 409
    assert found["_source"] == {"height": 5}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder on a way that every user may go, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.mark.servers
def test_both_keep_their_data_over_a_restart(open_folder: Path) -> None:
    folder = open_folder / "servers"
    with running_servers(folder) as servers:
        create_topic(servers.kafka, "kept")
        with OpenSearch(servers.opensearch.url) as client:
            client.index(index="kept", id="1", body={})
        processes = [psutil.Process(servers.kafka.pid), psutil.Process(servers.opensearch.pid)]
    assert not any(process.is_running() for process in processes)
    with running_servers(folder) as servers:
        admin = AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers})
        assert "kept" in admin.list_topics(timeout=30).topics
        with OpenSearch(servers.opensearch.url) as client:
            assert client.exists(index="kept", id="1")


@pytest.mark.servers
def test_a_server_that_dies_at_its_start_says_why(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    wrong = {"log.retention.hours": "often"}
    with pytest.raises(LocalServerError, match=r"(?s)Kafka.*log\.retention\.hours"):
        KafkaServer.start(tmp_path, port=port, settings=wrong)


def test_opensearch_of_root_finds_a_place_that_its_user_can_reach(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    (closed / "opensearch").mkdir(parents=True)
    closed.chmod(0o700)
    monkeypatch.setattr(opensearch, "SYSTEM_FOLDER", open_folder / "system")
    target = opensearch._reachable(closed / "opensearch", "nobody")
    assert (closed / "opensearch").resolve() == target
    assert opensearch._reachable(closed / "opensearch", "nobody") == target
    assert opensearch._may_enter(target, "nobody")


def test_data_of_a_folder_that_was_deleted_does_not_come_back(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "closed" / "opensearch"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    monkeypatch.setattr(opensearch, "SYSTEM_FOLDER", open_folder / "system")
    (opensearch._reachable(folder, "nobody") / "old").touch()
    folder.unlink()
    folder.mkdir()
    assert list(opensearch._reachable(folder, "nobody").iterdir()) == []
