"""The contract of the Snapshots port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.snapshots import SqliteSnapshots


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snapshots.db"


@pytest.fixture
def snapshots(path: Path) -> Iterator[SqliteSnapshots]:
    opened = SqliteSnapshots(path, ended_limit=3)
    yield opened
    opened.close()


def test_nothing_is_stored_at_first(snapshots: SqliteSnapshots) -> None:
    assert snapshots.offset(0) is None
    assert snapshots.load(0, "a") is None
    assert list(snapshots.live(0)) == []


def test_what_is_saved_is_loaded_again_with_its_offset(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 7, [("a", b"one", False), ("b", b"two", True)])
    assert snapshots.offset(0) == 7
    assert snapshots.load(0, "a") == b"one"
    assert snapshots.load(0, "b") == b"two"


def test_only_states_that_were_not_ended_are_live(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [("a", b"1", False), ("b", b"2", True), ("c", b"3", False)])
    assert dict(snapshots.live(0)) == {"a": b"1", "c": b"3"}


def test_a_later_save_replaces_a_state_and_whether_it_ended(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [("a", b"1", False)])
    snapshots.save(0, 2, [("a", b"2", True)])
    assert snapshots.load(0, "a") == b"2"
    assert list(snapshots.live(0)) == []
    snapshots.save(0, 3, [("a", b"3", False)])
    assert dict(snapshots.live(0)) == {"a": b"3"}


def test_partitions_are_apart(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [("a", b"1", False)])
    snapshots.save(1, 9, [("a", b"9", False)])
    snapshots.forget(0)
    assert snapshots.offset(0) is None
    assert snapshots.load(0, "a") is None
    assert snapshots.offset(1) == 9
    assert snapshots.load(1, "a") == b"9"


def test_a_save_that_breaks_off_changes_nothing(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [("a", b"1", False)])

    def broken() -> Iterator[tuple[str, bytes, bool]]:
        yield "a", b"2", True
        raise LookupError

    with pytest.raises(LookupError):
        snapshots.save(0, 2, broken())
    assert snapshots.offset(0) == 1
    assert snapshots.load(0, "a") == b"1"


def test_many_live_states_come_whole_and_once(snapshots: SqliteSnapshots) -> None:
    states = [(f"e{number}", str(number).encode(), False) for number in range(1_234)]
    snapshots.save(0, 1, states)
    assert list(snapshots.live(0)) == [(key, value) for key, value, _ in states]


def test_states_may_be_saved_while_the_live_ones_are_read(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [("a", b"1", False), ("b", b"1", False)])
    for key, _ in snapshots.live(0):
        snapshots.save(0, 2, [(key, b"2", True)])
    assert snapshots.offset(0) == 2


def test_the_oldest_ended_states_go_beyond_the_bound(snapshots: SqliteSnapshots) -> None:
    snapshots.save(0, 1, [(f"e{number}", b"x", True) for number in range(10)])
    snapshots.save(0, 2, [("live", b"y", False)])
    kept = [number for number in range(10) if snapshots.load(0, f"e{number}") is not None]
    assert kept == [7, 8, 9]
    assert snapshots.load(0, "live") == b"y"


def test_a_reopened_file_has_everything(path: Path) -> None:
    first = SqliteSnapshots(path)
    first.save(0, 5, [("a", b"1", False)])
    first.close()
    second = SqliteSnapshots(path)
    assert second.offset(0) == 5
    assert dict(second.live(0)) == {"a": b"1"}
    second.close()


def test_a_file_that_is_no_database_is_begun_anew(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    snapshots = SqliteSnapshots(path)
    assert snapshots.offset(0) is None
    snapshots.save(0, 1, [("a", b"1", False)])
    assert snapshots.load(0, "a") == b"1"
    snapshots.close()
