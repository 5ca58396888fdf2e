"""Records of any size on a log that takes small ones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from domain.errors import LogUnavailable, RecordTooLarge
from domain.execution.events import ExecutionForgotten, LogWritten
from domain.execution.fold import RECORDS
from domain.execution.record import EventRecord
from domain.log import Level
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Record
from domain.record.topics import EXECUTION_EVENTS, FLOWS, TASK_REQUESTS
from infra.embedded.log import EmbeddedLog
from infra.large_records import HEADER, LargeRecords, LargeValues, OpeningHandler
from infra.log_options import LogOptions
from infra.storage.local import LocalBlobs
from tests.support.waiting import eventually

LIMIT = 4_096
TOPICS = [EXECUTION_EVENTS, TASK_REQUESTS, "task.requests.gpu", FLOWS]


class Reader:
    """Remembers what a consumer tells."""

    def __init__(self) -> None:
        self.seen: list[Record] = []

    def assigned(self, partitions: object) -> None:
        pass

    def revoked(self, partitions: object) -> None:
        pass

    def records(self, batch: object) -> None:
        assert isinstance(batch, list)
        self.seen.extend(batch)


class World:
    """An embedded log with a small limit, bare and with large records."""

    def __init__(self, folder: Path) -> None:
        options = LogOptions(max_record_bytes=LIMIT, execution_partitions=1, task_partitions=1)
        self.bare = EmbeddedLog(folder / "log", options)
        self.bare.ensure_topics(TOPICS)
        self.blobs = LocalBlobs(folder / "storage")
        self.log = LargeRecords(self.bare, LargeValues(self.blobs, LIMIT))

    def events(self) -> list[Record]:
        return list(self.log.reader.by_key(EXECUTION_EVENTS, "Aa"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def event_record(count: int, size: int) -> EventRecord:
    """Return a record of some log lines."""
    return EventRecord(
        execution_id="Aa",
        sequence=7,
        command_id="c",
        command_offset=3,
        timestamp_ms=0,
        events=[LogWritten(level=Level.INFO, message="x" * size) for _ in range(count)],
    )


def outgoing(value: bytes, topic: str = EXECUTION_EVENTS) -> Outgoing:
    return Outgoing(topic, "Aa", value, headers={"writer": "w"})


@pytest.mark.parametrize("topic", [EXECUTION_EVENTS, TASK_REQUESTS, "task.requests.gpu"])
def test_every_way_to_read_gives_a_large_value_as_it_was_sent(world: World, topic: str) -> None:
    value = encode(event_record(3, LIMIT))
    consumed, tailed = Reader(), Reader()
    consumer = world.log.consumer("g", [topic], consumed)
    consumer.start()
    tail = world.log.reader.tail(topic, {0: 0}, tailed.records)
    world.log.writer.append([outgoing(value, topic)])
    delivered: list[object] = []
    world.log.writer.send(outgoing(value, topic), lambda *said: delivered.append(said))
    eventually(lambda: len(consumed.seen) == len(tailed.seen) == 2)

    for records in (
        consumed.seen,
        tailed.seen,
        list(world.log.reader.read(topic, 0, 0, 2)),
        list(world.log.reader.by_key(topic, "Aa")),
    ):
        assert [record.value for record in records] == [value, value]
        assert records[0].headers == {"writer": "w"}
    assert len(delivered) == 1
    tail.close()
    consumer.close()


def test_a_record_on_the_limit_stands_in_the_log_itself(world: World) -> None:
    for size in range(LIMIT - 1_000, LIMIT + 200, 7):
        world.log.writer.append([outgoing(b"x" * size)])
        assert world.events()[-1].value == b"x" * size


def test_the_same_value_is_the_same_file_and_lies_with_its_execution(world: World) -> None:
    value = encode(event_record(1, LIMIT))
    world.log.writer.append([outgoing(value), outgoing(value)])

    [uri] = world.blobs.list("kestra:///_records")
    assert uri.startswith("kestra:///_records/Aa/")


def test_what_has_no_execution_of_its_own_stays_limited(world: World) -> None:
    with pytest.raises(RecordTooLarge):
        world.log.writer.append([outgoing(b"x" * LIMIT, FLOWS)])


def test_of_an_event_record_whose_file_is_gone_the_place_in_the_stream_is_left(
    world: World,
) -> None:
    record = event_record(3, LIMIT)
    world.log.writer.append([outgoing(encode(record))])
    world.blobs.delete("kestra:///_records/Aa")

    left = RECORDS.decode(world.events()[0])
    assert left.events == [ExecutionForgotten()]
    assert (left.sequence, left.last_sequence) == (record.sequence, record.last_sequence)
    assert left.command_offset == record.command_offset


def test_a_file_that_cannot_be_written_refuses_the_record(world: World, tmp_path: Path) -> None:
    (tmp_path / "storage/main/_records").write_text("in the way")
    with pytest.raises(LogUnavailable, match="cannot be stored"):
        world.log.writer.append([outgoing(encode(event_record(1, LIMIT)))])
    assert world.events() == []


def test_only_files_of_records_are_opened(world: World) -> None:
    world.blobs.put("kestra:///secret.json", b"secret")
    sent = msgspec.structs.replace(outgoing(b"{}"), headers={HEADER: "kestra:///secret.json"})
    world.bare.writer.append([sent])
    assert world.events()[0].value == b"{}"


def test_an_engine_that_consumes_by_itself_gets_large_values_too(world: World) -> None:
    class Handler:
        topic = EXECUTION_EVENTS
        seen: list[Record] = []  # noqa: RUF012 - one test's own

        def assigned(self, partitions: object) -> None:
            pass

        def revoked(self, partitions: object) -> None:
            pass

        def process(self, record: Record, done: object) -> None:
            self.seen.append(record)

    value = encode(event_record(1, LIMIT))
    world.log.writer.append([outgoing(value)])
    [record] = world.bare.reader.by_key(EXECUTION_EVENTS, "Aa")
    assert record.value != value
    fatal: list[BaseException] = []
    handler = OpeningHandler(Handler(), world.log.opened, fatal.append)
    handler.process(record, lambda: None)
    assert [one.value for one in Handler.seen] == [value]
    assert fatal == []
