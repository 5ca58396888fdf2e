"""What only the SQLite read store has to prove."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from domain.log import Level, LogEntry
from infra.embedded.search import SqliteReadStore
from infra.embedded.search_sql import following
from projections.catalogue import MODELS
from projections.logs.document import LOGS
from projections.logs.project import document_of
from projections.store import EVERYTHING, StoreUnavailable, Upsert, Words
from tests.support.histories import BEGIN


def line(number: int, message: str = "hello") -> Upsert:
    entry = LogEntry(
        id=f"l{number}", tenant="main", namespace="n", flow_id="f", level=Level.INFO,
        message=message, timestamp=BEGIN,
    )  # fmt: skip
    return Upsert(LOGS, entry.id, 1, document_of(entry, number, 0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "read.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteReadStore]:
    opened = SqliteReadStore(path, MODELS)
    yield opened
    opened.close()


def test_readers_never_wait_for_the_writer(store: SqliteReadStore, path: Path) -> None:
    store.bulk([line(1)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM logs_1")
    assert store.count(LOGS, EVERYTHING) == 1
    other.execute("ROLLBACK")
    other.close()


def test_many_threads_read_while_one_writes(store: SqliteReadStore) -> None:
    done = Event()

    def read() -> int:
        reads = 0
        while not done.is_set() or reads == 0:
            hits = store.search(LOGS, Words(("hello",), "message"), size=5)
            assert hits.total % 10 == 0  # a bulk is seen whole or not at all
            reads += 1
        return reads

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for start in range(0, 300, 10):
            store.bulk([line(number) for number in range(start, start + 10)])
        done.set()
        assert all(reader.result() for reader in readers)


def test_a_bulk_with_a_refused_document_writes_the_others(store: SqliteReadStore) -> None:
    wrong = line(2)
    wrong.document.offset = 2**70  # type: ignore[attr-defined]
    failures = store.bulk([line(1), wrong, line(3)])
    assert [failure.write for failure in failures] == [wrong]
    assert store.count(LOGS, EVERYTHING) == 2


def test_another_process_sees_the_switch_of_generations(store: SqliteReadStore, path: Path) -> None:
    other = SqliteReadStore(path, MODELS)
    store.bulk([line(1)])
    assert other.count(LOGS, EVERYTHING) == 1
    store.begin([LOGS]).bulk([line(1), line(2)])
    store.switch([LOGS])
    assert other.count(LOGS, EVERYTHING) == 2
    other.close()


def test_a_dropped_generation_leaves_no_table(store: SqliteReadStore, path: Path) -> None:
    store.begin(MODELS)
    store.switch(MODELS)
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert not [name for name in names if name.startswith(tuple(f"{m.name}_1" for m in MODELS))]


def test_tables_of_another_shape_are_told(path: Path) -> None:
    first = SqliteReadStore(path, MODELS)
    first.adopt(MODELS)
    first.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE generations SET signature = 'old' WHERE model = 'logs'")
    connection.commit()
    connection.close()
    second = SqliteReadStore(path, MODELS)
    assert second.outdated() == [LOGS]
    second.begin([LOGS])
    second.switch([LOGS])
    assert second.outdated() == []
    second.close()


def test_a_file_that_is_no_database_is_put_aside_and_everything_must_be_rebuilt(
    path: Path,
) -> None:
    path.write_bytes(b"x" * 10_000)
    store = SqliteReadStore(path, MODELS)
    assert store.outdated() == list(MODELS)
    assert store.bulk([line(1)]) == []
    store.close()
    assert path.with_name("read.db.broken").read_bytes() == b"x" * 10_000


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        SqliteReadStore(tmp_path / "none" / "read.db", MODELS)


@pytest.mark.parametrize(
    ("text", "after"),
    [("a", "b"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("\ud7ff", "\ue000"), ("", None)],
)
def test_the_text_after_every_beginning(text: str, after: str | None) -> None:
    assert following(text) == after
