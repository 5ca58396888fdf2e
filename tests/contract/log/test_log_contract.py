"""The log's promises, kept by both engines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import LogUnavailable, RecordTooLarge
from domain.ports.log import Log
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import partition_of

COMMANDS, EVENTS, FLOWS = "execution.commands", "execution.events", "flows"
MEBIBYTE = 1024 * 1024
WAIT_SECONDS = 60.0


def numbered(count: int, topic: str = COMMANDS, partition: int | None = 3) -> list[Outgoing]:
    """Records whose values are their numbers."""
    return [Outgoing(topic, f"key-{n}", b"%d" % n, partition) for n in range(count)]


def values(records: Any) -> list[int]:
    return [int(record.value) for record in records]


def test_records_of_a_partition_keep_the_order_of_sending(log: Log) -> None:
    log.writer.append(numbered(1000))
    first, end = log.reader.bounds(COMMANDS, 3)
    assert values(log.reader.read(COMMANDS, 3, first, end)) == list(range(1000))


def test_offsets_follow_each_other_without_gaps(log: Log) -> None:
    positions = log.writer.append(numbered(50))
    assert [place.offset for place in positions] == list(range(50))
    assert {(place.topic, place.partition) for place in positions} == {(COMMANDS, 3)}


def test_every_engine_chooses_the_partition_of_a_key_alike(log: Log) -> None:
    keys = [f"execution-{n}" for n in range(40)] + ["ü-nïcode", ""]
    positions = log.writer.append([Outgoing(COMMANDS, key, b"x") for key in keys])
    assert [place.partition for place in positions] == [partition_of(key, 8) for key in keys]


def test_the_options_give_the_number_of_partitions(log: Log) -> None:
    assert [log.writer.partitions(topic) for topic in (COMMANDS, "logs", FLOWS)] == [8, 4, 1]
    assert log.reader.partitions(EVENTS) == 8


def test_creating_topics_again_changes_nothing(log: Log) -> None:
    log.writer.append(numbered(3))
    log.ensure_topics([COMMANDS, "task.requests.gpu"])
    assert log.reader.bounds(COMMANDS, 3) == (0, 3)
    assert log.reader.bounds("task.requests.gpu", 0) == (0, 0)


def test_an_unknown_topic_is_refused(log: Log) -> None:
    with pytest.raises(LogUnavailable):
        log.writer.send(Outgoing("worker.signals", "k", b"x"))
    with pytest.raises(LogUnavailable):
        log.ensure_topics(["not.in.the.catalogue"])


def test_a_record_reported_delivered_can_be_read_where_it_was_reported(log: Log) -> None:
    done = threading.Event()
    found: list[Record] = []

    def delivered(position: Position | None, error: Exception | None) -> None:
        assert position is not None
        places.append(position)
        done.set()

    places: list[Position] = []
    log.writer.send(Outgoing(EVENTS, "key", b"value"), delivered)
    assert done.wait(WAIT_SECONDS)
    place = places[0]
    found = list(log.reader.read(EVENTS, place.partition, place.offset, place.offset + 1))
    assert [(record.position, record.value) for record in found] == [(place, b"value")]


def test_a_report_that_its_sender_stumbles_over_keeps_no_other_from_being_told(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def stumbles(position: Position | None, error: Exception | None) -> None:
        raise ValueError("no")

    log.writer.send(Outgoing(COMMANDS, "key", b"0", 3), stumbles)
    assert [place.offset for place in log.writer.append(numbered(3))] == [1, 2, 3]
    assert "a delivery report was not taken" in caplog.text


def test_flush_waits_for_every_delivery(log: Log) -> None:
    reports: list[Position | None] = []
    for record in numbered(500):
        log.writer.send(record, lambda position, _: reports.append(position))
    log.writer.flush()
    assert sorted(place.offset for place in reports if place) == list(range(500))


def test_a_record_keeps_key_headers_timestamp_and_tombstone(log: Log) -> None:
    sent = [
        Outgoing(FLOWS, "ключ", b"value", None, 1_700_000_000_123, {"writer": "w1", "näme": "ß"}),
        Outgoing(FLOWS, "ключ", None, None, 1_700_000_000_124),
        Outgoing(FLOWS, "", b"", None, 1_700_000_000_125),
    ]
    log.writer.append(sent)
    found = list(log.reader.read(FLOWS, 0, 0, 3))
    assert [
        Outgoing(one.topic, one.key, one.value, None, one.timestamp_ms, one.headers)
        for one in found
    ] == sent


def test_a_record_without_a_timestamp_has_the_time_of_sending(log: Log) -> None:
    log.writer.append([Outgoing(FLOWS, "now", b"x"), Outgoing(FLOWS, "now", b"y")])
    first, second = log.reader.read(FLOWS, 0, 0, 2)
    assert 1_600_000_000_000 < first.timestamp_ms <= second.timestamp_ms


def test_a_record_of_one_mebibyte_passes(log: Log) -> None:
    value = bytes(range(256)) * (MEBIBYTE // 256)
    log.writer.append([Outgoing(COMMANDS, "", value, 0)])
    assert [record.value for record in log.reader.read(COMMANDS, 0, 0, 1)] == [value]


def test_a_larger_record_is_refused_with_its_size_and_the_limit(log: Log) -> None:
    reports: list[object] = []
    with pytest.raises(RecordTooLarge, match=r"1048577 bytes.* limit of 1048576 bytes"):
        log.writer.send(
            Outgoing(COMMANDS, "k", bytes(MEBIBYTE), 0), lambda *told: reports.append(told)
        )
    log.writer.append([Outgoing(COMMANDS, "k", b"after", 0)])
    assert reports == []
    assert [record.value for record in log.reader.read(COMMANDS, 0, 0, 1)] == [b"after"]


def test_bounds_tell_the_first_offset_and_the_next_to_be_written(log: Log) -> None:
    assert log.reader.bounds(COMMANDS, 3) == (0, 0)
    log.writer.append(numbered(7))
    assert log.reader.bounds(COMMANDS, 3) == (0, 7)


def test_read_yields_exactly_the_offsets_asked_for(log: Log) -> None:
    log.writer.append(numbered(100))
    assert values(log.reader.read(COMMANDS, 3, 20, 30)) == list(range(20, 30))
    assert values(log.reader.read(COMMANDS, 3, 90, 1000)) == list(range(90, 100))
    assert values(log.reader.read(COMMANDS, 3, -5, 2)) == [0, 1]
    assert values(log.reader.read(COMMANDS, 3, 100, 200)) == []
    assert values(log.reader.read(COMMANDS, 3, 30, 20)) == []


def test_several_reads_may_be_under_way_at_once(log: Log) -> None:
    log.writer.append(numbered(50))
    one = log.reader.read(COMMANDS, 3, 0, 50)
    other = log.reader.read(COMMANDS, 3, 10, 50)
    assert [(int(a.value or b""), int(b.value or b"")) for a, b in zip(one, other, strict=False)] \
        == [(n, n + 10) for n in range(40)]  # fmt: skip


def test_by_key_yields_a_keys_records_in_order_and_no_others(log: Log) -> None:
    log.writer.append([Outgoing(EVENTS, f"e{n % 10}", b"%d" % n) for n in range(200)])
    assert values(log.reader.by_key(EVENTS, "e7")) == list(range(7, 200, 10))
    last = list(log.reader.by_key(EVENTS, "e7"))[-3:]
    assert values(log.reader.by_key(EVENTS, "e7", last[0].offset)) == values(last)
    assert list(log.reader.by_key(EVENTS, "nobody")) == []


def test_a_tail_sees_old_then_new_records_without_a_gap(log: Log, owner: Any) -> None:
    log.writer.append(numbered(100))
    tail = log.reader.tail(COMMANDS, {3: 40}, owner.records, owner.failed)
    for record in numbered(300)[100:]:
        log.writer.send(record)
    owner.until(lambda it: len(it.seen) >= 260)
    tail.close()
    assert values(owner.seen) == list(range(40, 300))
    assert owner.errors == []


def test_a_tail_from_the_end_sees_only_what_comes(log: Log, owner: Any) -> None:
    log.writer.append(numbered(10))
    _, end = log.reader.bounds(COMMANDS, 3)
    tail = log.reader.tail(COMMANDS, {3: end, 4: 0}, owner.records)
    log.writer.append([Outgoing(COMMANDS, "k", b"10", 3), Outgoing(COMMANDS, "k", b"11", 4)])
    owner.until(lambda it: len(it.seen) == 2)
    tail.close()
    assert sorted(values(owner.seen)) == [10, 11]


def test_readers_that_gather_miss_nothing(log: Log, owner: Any, new_owner: Any) -> None:
    gather = timedelta(milliseconds=50)
    member = new_owner()
    log.reader.tail(COMMANDS, {3: 0}, owner.records, gather=gather)
    log.consumer("gatherers", [COMMANDS], member, gather=gather).start()
    for record in numbered(300):
        log.writer.send(record)
    for each in (owner, member):
        each.until(lambda it: len(it.seen) >= 300)
        assert values(each.seen) == list(range(300))


def test_a_closed_tail_delivers_nothing_more(log: Log, owner: Any, new_owner: Any) -> None:
    closed = log.reader.tail(COMMANDS, {3: 0}, owner.records)
    log.writer.append(numbered(1))
    owner.until(lambda it: len(it.seen) == 1)
    closed.close()
    witness = new_owner()
    log.reader.tail(COMMANDS, {3: 1}, witness.records)
    log.writer.append([Outgoing(COMMANDS, "k", b"1", 3)])
    witness.until(lambda it: len(it.seen) == 1)
    assert values(owner.seen) == [0]


def test_a_tail_whose_callback_raises_ends_and_tells_why(log: Log, owner: Any) -> None:
    def refuse(_: Sequence[Record]) -> None:
        raise ValueError("not this one")

    log.reader.tail(COMMANDS, {3: 0}, refuse, owner.failed)
    log.writer.append(numbered(1))
    owner.until(lambda it: bool(it.errors))
    assert [str(error) for error in owner.errors] == ["not this one"]


def test_a_tail_may_be_closed_from_its_own_callback(log: Log, owner: Any) -> None:
    ready = threading.Event()

    def close(_: Sequence[Record]) -> None:
        assert ready.wait(WAIT_SECONDS)
        tail.close()

    owner.on_records = close
    tail = log.reader.tail(COMMANDS, {3: 0}, owner.records)
    ready.set()
    log.writer.append(numbered(1))
    owner.until(lambda it: len(it.seen) == 1)


def test_a_new_group_begins_at_the_first_record(log: Log, owner: Any) -> None:
    log.writer.append(numbered(100))
    consumer = log.consumer("executor", [COMMANDS], owner)
    consumer.start()
    log.writer.append([Outgoing(COMMANDS, "k", b"100", 3)])
    owner.until(lambda it: len(it.seen) >= 101)
    consumer.close()
    assert values(owner.seen) == list(range(101))
    assert set(owner.gained) == set(owner.lost) == {(COMMANDS, number) for number in range(8)}


def test_a_group_consumes_several_topics(log: Log, owner: Any) -> None:
    log.consumer("indexer", [EVENTS, FLOWS], owner).start()
    log.writer.append([Outgoing(EVENTS, "e", b"1", 0), Outgoing(FLOWS, "f", b"2")])
    owner.until(lambda it: len(it.seen) == 2)
    assert {record.topic for record in owner.seen} == {EVENTS, FLOWS}


def test_groups_do_not_disturb_each_other(log: Log, owner: Any, new_owner: Any) -> None:
    other = new_owner()
    log.consumer("one", [COMMANDS], owner).start()
    log.consumer("two", [COMMANDS], other).start()
    log.writer.append(numbered(10))
    owner.until(lambda it: len(it.seen) == 10)
    other.until(lambda it: len(it.seen) == 10)


def test_a_commit_is_kept_with_its_metadata_over_a_restart(
    store: Any, log: Log, owner: Any, new_owner: Any
) -> None:
    log.writer.append(numbered(10))
    consumer = log.consumer("worker", [COMMANDS], owner)
    consumer.start()
    owner.until(lambda it: len(it.seen) == 10)
    assert consumer.committed(COMMANDS, 3) == (None, "")
    consumer.commit(COMMANDS, 3, 6, "ended: 7-8 ✓")
    assert consumer.committed(COMMANDS, 3) == (6, "ended: 7-8 ✓")
    consumer.close()
    log.close()
    log = store.open()
    again = new_owner()
    consumer = log.consumer("worker", [COMMANDS], again)
    consumer.start()
    again.until(lambda it: len(it.seen) == 4)
    assert consumer.committed(COMMANDS, 3) == (6, "ended: 7-8 ✓")
    assert consumer.committed(COMMANDS, 4) == (None, "")
    assert values(again.seen) == [6, 7, 8, 9]


def test_metadata_up_to_the_limit_passes_and_more_is_refused(log: Log, owner: Any) -> None:
    consumer = log.consumer("worker", [COMMANDS], owner)
    consumer.start()
    owner.until(lambda it: len(it.owned) == 8)
    with pytest.raises(ValueError, match="4095 bytes"):
        consumer.commit(COMMANDS, 0, 0, "m" * 4096)
    consumer.commit(COMMANDS, 0, 0, "m" * 4095)
    consumer.close()
    reader = log.consumer("worker", [COMMANDS], owner)
    assert reader.committed(COMMANDS, 0) == (0, "m" * 4095)
    reader.close()


def test_what_was_not_committed_is_delivered_again(log: Log, owner: Any, new_owner: Any) -> None:
    log.writer.append(numbered(20))
    consumer = log.consumer("executor", [COMMANDS], owner)
    consumer.start()
    owner.until(lambda it: len(it.seen) == 20)
    consumer.commit(COMMANDS, 3, 5)
    consumer.commit(COMMANDS, 3, 15)
    consumer.close()
    again = new_owner()
    log.consumer("executor", [COMMANDS], again).start()
    again.until(lambda it: len(it.seen) == 5)
    assert values(again.seen) == [15, 16, 17, 18, 19]


def test_commits_inside_revoked_are_the_last_accepted(log: Log, owner: Any, new_owner: Any) -> None:
    log.writer.append(numbered(20))
    consumer = log.consumer("executor", [COMMANDS], owner)
    owner.on_revoked = lambda _: consumer.commit(COMMANDS, 3, 12, "last")
    consumer.start()
    owner.until(lambda it: len(it.seen) == 20)
    consumer.close()
    consumer.commit(COMMANDS, 3, 17, "too late")
    again = new_owner()
    later = log.consumer("executor", [COMMANDS], again)
    later.start()
    again.until(lambda it: len(it.seen) == 8)
    assert later.committed(COMMANDS, 3) == (12, "last")


def test_a_paused_partition_is_silent_and_the_others_go_on(log: Log, owner: Any) -> None:
    consumer = log.consumer("worker", [COMMANDS], owner)
    consumer.start()
    owner.until(lambda it: len(it.owned) == 8)
    paused = threading.Event()

    def pause(batch: Sequence[Record]) -> None:
        if any(record.partition == 3 for record in batch):
            consumer.pause(COMMANDS, 3)
            paused.set()

    owner.on_records = pause
    log.writer.append(numbered(1))
    assert paused.wait(WAIT_SECONDS)
    log.writer.append(numbered(5)[1:])
    log.writer.append([Outgoing(COMMANDS, "k", b"100", 4)])
    owner.until(lambda it: len(it.seen) == 2)
    log.writer.append([Outgoing(COMMANDS, "k", b"101", 4)])
    owner.until(lambda it: len(it.seen) == 3)
    assert values(owner.seen) == [0, 100, 101]
    owner.on_records = None
    consumer.resume(COMMANDS, 3)
    owner.until(lambda it: len(it.seen) == 7)
    assert values(record for record in owner.seen if record.partition == 3) == [0, 1, 2, 3, 4]


def test_two_members_share_the_partitions_and_one_takes_over(
    log: Log, owner: Any, new_owner: Any
) -> None:
    first = log.consumer("executor", [COMMANDS], owner)
    first.start()
    owner.until(lambda it: len(it.owned) == 8)
    second_owner = new_owner()
    second = log.consumer("executor", [COMMANDS], second_owner)
    second.start()
    second_owner.until(lambda it: len(it.owned) == 4)
    owner.until(lambda it: len(it.owned) == 4)
    assert owner.owned.isdisjoint(second_owner.owned)
    log.writer.append([Outgoing(COMMANDS, "k", b"%d" % n, n) for n in range(8)])
    owner.until(lambda it: len(it.seen) == 4)
    second_owner.until(lambda it: len(it.seen) == 4)
    assert {record.partition for record in owner.seen} == {number for _, number in owner.owned}
    for record in owner.seen:
        first.commit(COMMANDS, record.partition, record.offset + 1)
    first.close()
    second_owner.until(lambda it: len(it.owned) == 8)
    log.writer.append([Outgoing(COMMANDS, "k", b"%d" % n, n) for n in range(8, 0, -1) if n < 8])
    second_owner.until(lambda it: len(it.seen) >= 11)
    second.close()
    again = {(record.partition, record.offset) for record in owner.seen} & {
        (record.partition, record.offset) for record in second_owner.seen
    }
    assert again == set()


def test_a_consumer_whose_owner_raises_ends_and_tells_why(log: Log, owner: Any) -> None:
    def refuse(_: Sequence[Record]) -> None:
        raise ValueError("broken invariant")

    owner.on_records = refuse
    log.consumer("executor", [COMMANDS], owner, failed=owner.failed).start()
    log.writer.append(numbered(1))
    owner.until(lambda it: bool(it.errors))
    assert [str(error) for error in owner.errors] == ["broken invariant"]


def test_a_consumer_that_was_never_started_can_be_closed(log: Log, owner: Any) -> None:
    log.consumer("executor", [COMMANDS], owner).close()
    assert owner.gained == []


def test_a_closed_log_refuses_records(log: Log) -> None:
    log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        log.writer.send(Outgoing(COMMANDS, "k", b"x"))


def test_closing_while_many_threads_send_loses_nothing_acknowledged(store: Any, log: Log) -> None:
    acknowledged: list[Position] = []
    many = threading.Event()

    def delivered(position: Position | None, error: Exception | None) -> None:
        if position is not None:
            acknowledged.append(position)
            if len(acknowledged) > 1000:
                many.set()

    def send(partition: int) -> None:
        number = 0
        while True:
            try:
                log.writer.send(Outgoing(COMMANDS, "k", b"%d" % number, partition), delivered)
            except LogUnavailable:
                return
            number += 1

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    assert many.wait(WAIT_SECONDS)
    log.close()
    for thread in threads:
        thread.join()
    log = store.open()
    for number in range(4):
        last = max(
            (place.offset for place in acknowledged if place.partition == number), default=-1
        )
        _, end = log.reader.bounds(COMMANDS, number)
        assert end > last
        assert values(log.reader.read(COMMANDS, number, 0, end)) == list(range(end))


def test_everything_is_there_after_closing_and_opening(store: Any, log: Log, owner: Any) -> None:
    log.writer.append(numbered(3000))
    log.writer.append([Outgoing(FLOWS, "f", b"1", None, 5, {"a": "b"})])
    log.close()
    log = store.open()
    positions = log.writer.append([Outgoing(COMMANDS, "k", b"3000", 3)])
    assert [place.offset for place in positions] == [3000]
    assert values(log.reader.read(COMMANDS, 3, 0, 3001)) == list(range(3001))
    assert [record.headers for record in log.reader.read(FLOWS, 0, 0, 1)] == [{"a": "b"}]
    log.consumer("late", [COMMANDS], owner).start()
    owner.until(lambda it: len(it.seen) == 3001)
    assert values(owner.seen) == list(range(3001))
