"""Retention and compaction of the embedded log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.record.envelope import Outgoing, Record
from infra.embedded.log import EmbeddedLog
from infra.embedded.log_cleaner import TOMBSTONE_AGE_MS, Cleaner
from infra.log_options import LogOptions

COMMANDS, EVENTS, FLOWS = "execution.commands", "execution.events", "flows"
DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_800_000_000_000
OPTIONS = LogOptions(
    segment_bytes=64 * 1024,
    tail_records=8,
    commands_retention=timedelta(days=7),
    archive_retention=timedelta(0),
)


class Kept:
    """A log whose cleaner is driven by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = EmbeddedLog(folder, OPTIONS)
        self.log.ensure_topics([COMMANDS, EVENTS, FLOWS])

    def write(self, topic: str, count: int, age_days: float, *, key: str = "") -> None:
        for _ in range(count):
            self.log.writer.send(
                Outgoing(topic, key or "k", b"." * 500, 0, int(NOW_MS - age_days * DAY_MS))
            )

    def clean(self, now_ms: int = NOW_MS) -> None:
        journal = self.log._journal
        with journal.lock:
            journal._roll(0)
        assert self.log._keeper._finish() or not journal.to_finish
        Cleaner(journal, lambda: False).clean(now_ms)

    def all(self, topic: str) -> list[Record]:
        return list(self.log.reader.read(topic, 0, 0, 1 << 60))

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("*.log"))

    def reopen(self) -> None:
        self.log.close()
        self.log = EmbeddedLog(self.folder, OPTIONS)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """An empty log; its own keeper has nothing to clean before the test's clock."""
    found = Kept(tmp_path / "log")
    # the keeper cleans by the real clock whenever a segment is sealed: leave that to the test
    monkeypatch.setattr(found.log._keeper._cleaner, "clean", lambda _: None)
    yield found
    found.log.close()


def test_records_older_than_the_retention_go_with_their_files(kept: Kept) -> None:
    kept.write(COMMANDS, 500, age_days=10)
    kept.write(COMMANDS, 100, age_days=1)
    before = kept.size()
    kept.clean()
    first, end = kept.log.reader.bounds(COMMANDS, 0)
    assert 400 <= first <= 500
    assert end == 600
    assert [record.offset for record in kept.all(COMMANDS)] == list(range(first, 600))
    assert kept.size() < before / 2


def test_a_topic_kept_for_ever_stays_whole_in_rewritten_segments(kept: Kept) -> None:
    for _ in range(50):
        kept.write(COMMANDS, 10, age_days=10)
        kept.write(EVENTS, 1, age_days=10)
    before = kept.size()
    kept.clean()
    assert kept.size() < before / 2
    assert [record.offset for record in kept.all(EVENTS)] == list(range(50))
    assert kept.all(COMMANDS) == []
    kept.reopen()
    assert [record.offset for record in kept.all(EVENTS)] == list(range(50))
    assert kept.log.reader.bounds(COMMANDS, 0) == (500, 500)
    assert kept.log.writer.append([Outgoing(COMMANDS, "k", b"x", 0)])[0].offset == 500


def test_what_a_group_has_not_committed_is_kept_past_the_retention(kept: Kept) -> None:
    """A server that was off for longer than the retention still finds what it accepted."""
    journal = kept.log._journal
    kept.write(COMMANDS, 500, age_days=10)
    journal.commit("executor", journal.partitions(COMMANDS)[0], 123, "")
    kept.clean()
    assert kept.log.reader.bounds(COMMANDS, 0) == (123, 500)
    assert kept.all(COMMANDS)[0].offset == 123


def test_a_compacted_topic_keeps_the_last_record_of_each_key(kept: Kept) -> None:
    for number in range(1000):
        kept.log.writer.send(Outgoing(FLOWS, f"flow-{number % 7}", b"%d" % number + b"." * 500))
    before = kept.size()
    kept.clean()
    found = kept.all(FLOWS)
    assert kept.size() < before / 5
    assert {record.key for record in found} == {f"flow-{number}" for number in range(7)}
    assert [record.offset for record in found[-7:]] == list(range(993, 1000))
    assert kept.log.reader.bounds(FLOWS, 0) == (0, 1000)
    kept.reopen()
    assert kept.all(FLOWS) == found
    assert [record.offset for record in kept.log.reader.by_key(FLOWS, "flow-5")][-1] == 999


def test_a_rare_key_outlives_many_writes_of_others(kept: Kept) -> None:
    kept.log.writer.send(Outgoing(FLOWS, "rare", b"precious"))
    for number in range(1000):
        kept.log.writer.send(Outgoing(FLOWS, "busy", b"%d" % number + b"." * 500))
    kept.clean()
    assert kept.all(FLOWS)[0].value == b"precious"


def test_a_deletion_is_forgotten_only_when_old_and_nothing_of_its_key_is_left(kept: Kept) -> None:
    kept.log.writer.send(Outgoing(FLOWS, "gone", b"old", None, NOW_MS))
    kept.log.writer.send(Outgoing(FLOWS, "gone", None, None, NOW_MS))
    kept.write(FLOWS, 300, age_days=0, key="busy")
    kept.clean(NOW_MS)
    assert [record.value for record in kept.all(FLOWS) if record.key == "gone"] == [None]
    kept.write(FLOWS, 300, age_days=0, key="busy")
    kept.clean(NOW_MS + TOMBSTONE_AGE_MS + 1)
    assert [record for record in kept.all(FLOWS) if record.key == "gone"] == []


def test_a_reader_under_way_is_not_disturbed_by_cleaning(kept: Kept) -> None:
    kept.write(EVENTS, 3000, age_days=1)
    reading = kept.log.reader.read(EVENTS, 0, 0, 3000)
    first = next(reading)
    kept.write(COMMANDS, 1000, age_days=10)
    kept.clean()
    assert [first.offset, *(record.offset for record in reading)] == list(range(3000))


def test_a_reader_behind_the_retention_goes_on_with_what_is_kept(kept: Kept) -> None:
    kept.write(COMMANDS, 3000, age_days=10)
    reading = kept.log.reader.read(COMMANDS, 0, 0, 3000)
    assert next(reading).offset == 0
    kept.write(COMMANDS, 10, age_days=0)
    kept.clean()
    later = [record.offset for record in reading]
    assert later == sorted(later)


def test_cleaning_twice_changes_nothing(kept: Kept) -> None:
    kept.write(COMMANDS, 500, age_days=10)
    kept.write(FLOWS, 500, age_days=10)
    kept.clean()
    found = kept.all(FLOWS)
    kept.clean()
    kept.clean()
    assert kept.all(FLOWS) == found


def test_a_closed_log_takes_no_more_room_than_its_records(kept: Kept) -> None:
    kept.write(EVENTS, 10, age_days=0)
    kept.log.close()
    assert kept.size() < 10 * 1024
