"""The embedded log after SIGKILL, a power cut, a damaged file; and who may open it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.errors import LogUnavailable
from domain.record.envelope import Outgoing, Position
from infra.embedded.log import EmbeddedLog
from infra.embedded.log_format import CHECKPOINT, HEAD_BYTES
from infra.embedded.log_segment import frames_of, index_path
from infra.log_options import LogOptions, Sync

ROOT = Path(__file__).parents[3]
COMMANDS, FLOWS = "execution.commands", "flows"
SMALL = LogOptions(segment_bytes=64 * 1024, tail_records=8)

WRITER = """
import sys
from pathlib import Path
from domain.record.envelope import Outgoing
from infra.embedded.log import EmbeddedLog
from infra.log_options import LogOptions, Sync

log = EmbeddedLog(Path(sys.argv[1]), LogOptions(segment_bytes=256 * 1024, sync=Sync(sys.argv[2])))
log.ensure_topics(["execution.commands"])

class Owner:
    def assigned(self, partitions): ...
    def revoked(self, partitions): ...
    def records(self, batch):
        for record in batch:
            consumer.commit(record.topic, record.partition, record.offset + 1, str(record.offset))

consumer = log.consumer("executor", ["execution.commands"], Owner())
consumer.start()

def delivered(position, error):
    sys.stdout.write(f"{position.partition} {position.offset}\\n")
    sys.stdout.flush()

number = 0
while True:
    record = Outgoing("execution.commands", f"key-{number}", b"%d " % number * 40)
    log.writer.send(record, delivered)
    number += 1
"""

Open = Callable[..., EmbeddedLog]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "log"


@pytest.fixture
def open_log(folder: Path) -> Iterator[Open]:
    """Opens logs that are closed after the test."""
    opened: list[EmbeddedLog] = []

    def open_it(options: LogOptions = SMALL) -> EmbeddedLog:
        log = EmbeddedLog(folder, options)
        opened.append(log)
        log.ensure_topics([COMMANDS, FLOWS])
        return log

    yield open_it
    for log in opened:
        log.close()


def fill(log: EmbeddedLog, count: int, start: int = 0) -> list[Position]:
    return log.writer.append(
        [
            Outgoing(COMMANDS, f"k{n}", b"%d" % n + b"." * 500, 3, None, {"n": str(n)})
            for n in range(start, start + count)
        ]
    )


def numbers(log: EmbeddedLog) -> list[int]:
    first, end = log.reader.bounds(COMMANDS, 3)
    return [int(one.headers["n"]) for one in log.reader.read(COMMANDS, 3, first, end)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def abandon(log: EmbeddedLog) -> None:
    """Leave the files as a killed process would: nothing truncated, the lock given back."""
    log._keeper.close()
    log._journal._folder_lock.release()
    log._closing = True


@pytest.mark.parametrize("sync", list(Sync), ids=lambda sync: sync.value)
def test_everything_reported_delivered_survives_sigkill(
    folder: Path, open_log: Open, sync: Sync
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), sync.value], cwd=ROOT, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(3000)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    # the last line may be torn by the kill
    told = [line.split() for line in lines if line.endswith(b"\n")]
    log = open_log()
    assert len(told) >= 3000
    keys: list[int] = []
    for partition in range(8):
        last = max(int(offset) for place, offset in told if int(place) == partition)
        found = list(log.reader.read(COMMANDS, partition, 0, 1 << 60))
        assert [record.offset for record in found] == list(range(len(found)))
        assert len(found) > last
        keys += [int(record.key.removeprefix("key-")) for record in found]
        committed, metadata = log.consumer("executor", [COMMANDS], _Nobody()).committed(
            COMMANDS, partition
        )
        assert committed is None or (committed <= len(found) and metadata == str(committed - 1))
    # one sender: what is there is a beginning of what was sent, over all partitions
    assert sorted(keys) == list(range(len(keys)))


class _Nobody:
    def assigned(self, partitions: object) -> None: ...
    def revoked(self, partitions: object) -> None: ...
    def records(self, batch: object) -> None: ...


def test_a_second_process_is_told_who_has_the_folder(folder: Path, open_log: Open) -> None:
    open_log()
    code = (
        "import sys; from pathlib import Path; from infra.embedded.log import EmbeddedLog;"
        "EmbeddedLog(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"is in use by process {os.getpid()}" in done.stderr


def test_a_folder_can_be_opened_again_once_its_log_is_closed(open_log: Open) -> None:
    log = open_log()
    with pytest.raises(LogUnavailable, match="in use"):
        open_log()
    log.close()
    open_log()


def test_a_log_of_many_segments_reads_as_one(open_log: Open, folder: Path) -> None:
    log = open_log()
    positions = fill(log, 1000)
    assert len(segments(folder)) > 5
    assert [place.offset for place in positions] == list(range(1000))
    assert numbers(log) == list(range(1000))
    found = log.reader.read(COMMANDS, 3, 495, 505)
    assert [record.offset for record in found] == list(range(495, 505))
    assert [record.offset for record in log.reader.by_key(COMMANDS, "none")] == []


def test_a_key_is_found_in_every_segment(open_log: Open) -> None:
    log = open_log()
    for _ in range(5):
        log.writer.append([Outgoing(COMMANDS, "mine", b"x")])
        log.writer.append([Outgoing(COMMANDS, f"other-{n}", b"." * 500) for n in range(150)])
    found = list(log.reader.by_key(COMMANDS, "mine"))
    assert [record.key for record in found] == ["mine"] * 5
    assert list(log.reader.by_key(COMMANDS, "mine", found[2].offset)) == found[2:]


def test_a_torn_record_at_the_end_is_dropped_and_written_over(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 10)
    last = frames_of(segments(folder)[-1])[-1]
    abandon(log)
    with segments(folder)[-1].open("r+b") as file:
        file.seek(last.position + HEAD_BYTES + 3)
        file.write(b"torn")
    log = open_log()
    assert numbers(log) == list(range(9))
    fill(log, 5, start=9)
    assert numbers(log) == list(range(14))


def test_what_a_power_cut_left_beyond_a_hole_never_comes_back(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 10)
    hole = frames_of(segments(folder)[-1])[-5]
    abandon(log)
    with segments(folder)[-1].open("r+b") as file:
        file.seek(hole.position)
        file.write(bytes(hole.size))
    log = open_log()
    kept = numbers(log)
    assert kept == list(range(5))
    # the same size as what was there: a leftover would stand exactly behind it
    fill(log, 1, start=5)
    log.close()
    assert numbers(open_log()) == list(range(6))


def test_segments_after_a_torn_one_are_given_up(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 400)
    abandon(log)
    torn, *later = segments(folder)[1:]
    for path in (torn, *later):
        index_path(path).unlink(missing_ok=True)
    middle = frames_of(torn)[20]
    before = [found for found in frames_of(torn)[:20] if found.kind != CHECKPOINT]
    with torn.open("r+b") as file:
        file.seek(middle.position)
        file.write(bytes(middle.size))
    log = open_log()
    assert numbers(log) == list(range(before[-1].offset + 1))
    assert not any(path.exists() for path in later[1:])
    assert fill(log, 1)[0].offset == before[-1].offset + 1


def test_a_missing_or_damaged_index_is_made_anew(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 400)
    log.close()
    first, second = (index_path(path) for path in segments(folder)[:2])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-8])
    log = open_log()
    assert numbers(log) == list(range(400))
    assert first.exists()


def test_a_segment_without_its_beginning_is_dropped(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 400)
    log.close()
    last = segments(folder)[-1]
    empty = last.with_name(f"{int(last.name.split('.')[0]) + 1:012d}.0.log")
    empty.write_bytes(bytes(4096))
    (folder / "junk.tmp").write_bytes(b"half")
    log = open_log()
    assert numbers(log) == list(range(400))
    assert not (folder / "junk.tmp").exists()


def test_a_damaged_record_is_reported_when_it_is_read(open_log: Open, folder: Path) -> None:
    log = open_log()
    fill(log, 400)
    log.close()
    path = segments(folder)[0]
    found = frames_of(path)[10]
    with path.open("r+b") as file:
        file.seek(found.position + HEAD_BYTES + 50)
        file.write(b"\xff\xff")
    log = open_log()
    with pytest.raises(LogUnavailable, match=f"execution.commands/3/{found.offset} is damaged"):
        numbers(log)


def test_topics_commits_and_starts_survive_many_segments(open_log: Open, folder: Path) -> None:
    log = open_log()
    partition = log._journal.partitions(COMMANDS)[3]
    fill(log, 10)
    log._journal.commit("executor", partition, 7, "meta")
    log._journal.move_start(partition, 4)
    fill(log, 1000, start=10)
    log.close()
    log = open_log()
    assert log.reader.bounds(COMMANDS, 3) == (4, 1010)
    assert log.consumer("executor", [COMMANDS], _Nobody()).committed(COMMANDS, 3) == (7, "meta")
    assert numbers(log)[0] == 4


def test_an_existing_topic_keeps_its_number_of_partitions(open_log: Open) -> None:
    open_log().close()
    log = open_log(LogOptions(execution_partitions=16))
    assert log.writer.partitions(COMMANDS) == 8


def test_a_record_as_large_as_a_segment_gets_one_of_its_own(open_log: Open) -> None:
    log = open_log()
    value = bytes(1024 * 1024 - 10)
    log.writer.append([Outgoing(COMMANDS, "k", value, 3, None, {"n": "0"})] * 3)
    assert [len(record.value or b"") for record in log.reader.read(COMMANDS, 3, 0, 3)] == [
        len(value)
    ] * 3


def test_a_full_disk_is_reported_and_passes(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    fill(log, 10)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("infra.embedded.log_segment.reserve", full)
        with pytest.raises(LogUnavailable, match=r"can't grow.*No space left"):
            fill(log, 1000, start=10)
    before = numbers(log)
    fill(log, 500, start=len(before))
    assert numbers(log) == list(range(len(before) + 500))


def test_a_disk_that_fails_to_sync_stops_the_log(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(LogOptions(sync=Sync.ALWAYS))
    fill(log, 1)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("infra.embedded.log_segment.sync", broken)
        with pytest.raises(LogUnavailable, match="Input/output error"):
            fill(log, 1, start=1)
    with pytest.raises(LogUnavailable, match="Input/output error"):
        fill(log, 1, start=1)
    assert numbers(log) == [0]


def test_with_always_nothing_is_shown_before_it_is_synced(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(LogOptions(sync=Sync.ALWAYS))
    seen: list[tuple[int, int]] = []
    journal = log._journal
    real = type(journal.active).sync

    def spy(active: object) -> None:
        seen.append(log.reader.bounds(COMMANDS, 3))
        real(active)  # type: ignore[arg-type]

    monkeypatch.setattr(type(journal.active), "sync", spy)
    fill(log, 1)
    assert seen[0] == (0, 0)
    assert log.reader.bounds(COMMANDS, 3) == (0, 1)


def test_a_failure_of_a_background_thread_stops_the_log(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(LogOptions(sync_interval=SMALL.sync_interval / 1000))

    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("infra.embedded.log_segment.Active.sync", broken)
    fill(log, 1)
    keeper = log._keeper._threads[0]
    keeper.join(60)
    assert not keeper.is_alive()
    with pytest.raises(LogUnavailable, match="Input/output error"):
        fill(log, 1)
    monkeypatch.undo()
