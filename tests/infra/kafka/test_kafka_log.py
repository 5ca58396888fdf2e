"""What only Kafka has: topics' settings, foreign records, static members, brokers that are away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from domain.errors import LogUnavailable
from domain.record.envelope import Outgoing, Position, Record
from infra.kafka.admin import ensure_topics
from infra.kafka.log import KafkaLog
from infra.kafka.producer import outcome
from infra.local.kafka import KafkaServer
from infra.log_options import LogOptions

COMMANDS, FLOWS = "execution.commands", "flows"
WAIT_SECONDS = 60.0


@pytest.fixture
def options(kafka_server: KafkaServer, topic_prefix: str) -> LogOptions:
    """Options that lead to the run's broker."""
    return LogOptions(
        bootstrap_servers=kafka_server.bootstrap_servers,
        prefix=topic_prefix,
        session_timeout=timedelta(seconds=6),
    )


@pytest.fixture
def log(options: LogOptions) -> Iterator[KafkaLog]:
    """A log on the run's broker."""
    found = KafkaLog(options)
    found.ensure_topics([COMMANDS, FLOWS])
    yield found
    found.close()


@pytest.fixture
def nowhere() -> Iterator[LogOptions]:
    """Options that lead to a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield LogOptions(
            bootstrap_servers=f"127.0.0.1:{taken.getsockname()[1]}",
            delivery_timeout=timedelta(seconds=1),
        )


class Sent:
    """What the client tells of a record it has sent."""

    def __init__(self, partition: int | None, offset: int | None) -> None:
        self._place = partition, offset

    def partition(self) -> int | None:
        return self._place[0]

    def offset(self) -> int | None:
        return self._place[1]


@pytest.mark.parametrize("sent", [Sent(3, None), Sent(3, -1001), Sent(None, None)])
def test_a_record_acknowledged_without_an_offset_is_not_durable(sent: Sent) -> None:
    position, error = outcome(COMMANDS, None, sent)
    assert position is None
    assert isinstance(error, LogUnavailable)
    assert COMMANDS in str(error)


def test_a_record_acknowledged_with_its_offset_stands_there() -> None:
    assert outcome(COMMANDS, None, Sent(3, 17)) == (Position(COMMANDS, 3, 17), None)


def test_new_topics_are_led_when_they_are_said_to_be_made(options: LogOptions) -> None:
    for number in range(10):
        log = KafkaLog(msgspec.structs.replace(options, prefix=f"{options.prefix}{number}."))
        log.ensure_topics([COMMANDS])
        try:
            places = log.writer.append([Outgoing(COMMANDS, f"k{n}", b"x") for n in range(200)])
        finally:
            log.close()
        assert len(set(places)) == 200


class Owner:
    """Notes what a consumer tells."""

    def __init__(self) -> None:
        self.assignments = threading.Semaphore(0)
        self.arrivals = threading.Semaphore(0)
        self.failure = threading.Event()
        self.seen: list[Record] = []
        self.lost: list[tuple[str, int]] = []
        self.error: Exception | None = None

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        for _ in partitions:
            self.assignments.release()

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        self.lost.extend(partitions)

    def records(self, batch: Sequence[Record]) -> None:
        self.seen.extend(batch)
        for _ in batch:
            self.arrivals.release()

    def failed(self, error: Exception) -> None:
        self.error = error
        self.failure.set()

    def wait_assigned(self, count: int = 8) -> None:
        for _ in range(count):
            assert self.assignments.acquire(timeout=WAIT_SECONDS)


def test_topics_get_the_settings_of_catalogue_and_options(
    log: KafkaLog, options: LogOptions
) -> None:
    admin = AdminClient({"bootstrap.servers": options.bootstrap_servers})
    asked = {name: ConfigResource(ResourceType.TOPIC, options.prefix + name) for name in
             (COMMANDS, FLOWS)}  # fmt: skip
    answers = admin.describe_configs(list(asked.values()))
    found = {name: answers[asked[name]].result(30) for name in asked}
    assert found[COMMANDS]["cleanup.policy"].value == "delete"
    assert found[COMMANDS]["retention.ms"].value == str(7 * 24 * 3600 * 1000)
    assert found[FLOWS]["cleanup.policy"].value == "compact"
    assert int(found[FLOWS]["max.message.bytes"].value) > options.max_record_bytes
    partitions = admin.list_topics(timeout=30).topics[options.prefix + COMMANDS].partitions
    assert len(partitions) == options.execution_partitions


def test_commands_and_events_on_partitions_of_different_numbers_are_refused(
    log: KafkaLog, options: LogOptions
) -> None:
    more = msgspec.structs.replace(options, execution_partitions=9)
    with pytest.raises(LogUnavailable, match=r"commands has 8 partitions and .*events has 9"):
        ensure_topics(more, [COMMANDS, "execution.events"])


def test_a_foreign_record_without_key_and_with_odd_bytes_is_read(
    log: KafkaLog, options: LogOptions
) -> None:
    foreign = Producer({"bootstrap.servers": options.bootstrap_servers})
    topic = options.prefix + COMMANDS
    foreign.produce(topic, b"no key", partition=0, headers=[("x", b"\xff"), ("y", None)])
    foreign.produce(topic, b"odd key", b"\xfe\xff", partition=0)
    assert foreign.flush(30) == 0
    first, second = log.reader.read(COMMANDS, 0, 0, 2)
    assert (first.key, first.value, first.headers) == ("", b"no key", {"x": "\ufffd", "y": ""})
    assert second.key == "\ufffd\ufffd"


def test_what_we_write_is_plain_kafka_for_others(log: KafkaLog, options: LogOptions) -> None:
    log.writer.append([Outgoing(FLOWS, "schlüssel", b"value", None, 1_700_000_000_000, {"a": "ß"})])
    foreign = Consumer(
        {
            "bootstrap.servers": options.bootstrap_servers,
            "group.id": options.prefix + "foreign",
            "auto.offset.reset": "earliest",
        }
    )
    foreign.subscribe([options.prefix + FLOWS])
    message = foreign.poll(WAIT_SECONDS)
    assert message is not None
    assert message.error() is None
    assert message.key() == "schlüssel".encode()
    assert message.headers() == [("a", "ß".encode())]
    assert message.timestamp()[1] == 1_700_000_000_000
    foreign.close()


def test_a_member_that_comes_back_within_its_session_gets_its_partitions_at_once(
    log: KafkaLog, options: LogOptions
) -> None:
    before = Owner()
    member = log.consumer("executor", [COMMANDS], before, "executor-1")
    member.start()
    before.wait_assigned()
    log.writer.append([Outgoing(COMMANDS, "k", b"0", 3)])
    assert before.arrivals.acquire(timeout=WAIT_SECONDS)
    member.commit(COMMANDS, 3, 1)
    member.close()
    after = Owner()
    again = log.consumer("executor", [COMMANDS], after, "executor-1")
    again.start()
    after.wait_assigned()
    log.writer.append([Outgoing(COMMANDS, "k", b"1", 3)])
    assert after.arrivals.acquire(timeout=WAIT_SECONDS)
    assert [record.value for record in after.seen] == [b"1"]


def test_a_member_whose_stable_id_is_taken_by_another_ends_and_says_so(log: KafkaLog) -> None:
    first, second = Owner(), Owner()
    log.consumer("executor", [COMMANDS], first, "executor-1", first.failed).start()
    first.wait_assigned()
    log.consumer("executor", [COMMANDS], second, "executor-1").start()
    second.wait_assigned()
    assert first.failure.wait(WAIT_SECONDS)
    assert isinstance(first.error, LogUnavailable)
    assert "another process has joined with our id" in str(first.error)
    assert len(first.lost) >= 8


def test_a_member_that_is_thrown_out_once_joins_again(log: KafkaLog, options: LogOptions) -> None:
    owner = Owner()
    member = log.consumer("executor", [COMMANDS], owner, "executor-1", owner.failed)
    member.start()
    owner.wait_assigned()
    passing = Owner()
    other = log.consumer("executor", [COMMANDS], passing, "executor-1")
    other.start()
    passing.wait_assigned()
    other.close()
    owner.wait_assigned()
    log.writer.append([Outgoing(COMMANDS, "k", b"0", 3)])
    assert owner.arrivals.acquire(timeout=WAIT_SECONDS)
    member.commit(COMMANDS, 3, 1)
    assert member.committed(COMMANDS, 3) == (1, "")
    assert not owner.failure.is_set()


def test_a_record_that_can_not_be_delivered_is_reported(nowhere: LogOptions) -> None:
    log = KafkaLog(nowhere)
    told: list[Exception | None] = []
    done = threading.Event()

    def delivered(position: Position | None, error: Exception | None) -> None:
        assert position is None
        told.append(error)
        done.set()

    log.writer.send(Outgoing(COMMANDS, "k", b"x", 0), delivered)
    assert done.wait(WAIT_SECONDS)
    assert isinstance(told[0], LogUnavailable)
    with pytest.raises(LogUnavailable):
        log.writer.append([Outgoing(COMMANDS, "k", b"x", 0)], timeout=WAIT_SECONDS)
    log.close()


def test_a_broker_that_is_away_is_told_as_log_unavailable(
    nowhere: LogOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.admin.TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("infra.kafka.producer._METADATA_SECONDS", 0.5)
    monkeypatch.setattr("infra.kafka.reader._BOUNDS_SECONDS", 0.5)
    monkeypatch.setattr("infra.kafka.reader._AWAY_SECONDS", 0.5)
    log = KafkaLog(nowhere)
    with pytest.raises(LogUnavailable, match="list topics"):
        log.ensure_topics([COMMANDS])
    with pytest.raises(LogUnavailable, match="describe"):
        log.writer.partitions(COMMANDS)
    with pytest.raises(LogUnavailable, match="bounds"):
        log.reader.bounds(COMMANDS, 0)
    log.close()
