"""The Snapshots port on SQLite: one file per component, a cache that may be lost at any time."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS states (
    place INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    execution TEXT NOT NULL,
    ended INTEGER NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (partition, execution)
);
CREATE INDEX IF NOT EXISTS live ON states (partition) WHERE ended = 0;
"""
_BATCH = 500
_TRIM_EVERY = 5_000


class SqliteSnapshots:
    """Snapshots port.

    Ended states beyond a bound are dropped, the oldest first: whoever asks for one folds it again
    from the log. A file that cannot be read is begun anew.
    """

    def __init__(self, path: Path, *, ended_limit: int = 100_000) -> None:
        """Open or create the file.

        Args:
            path: the file; its folder exists.
            ended_limit: ended states kept in all; count.
        """
        self._lock = threading.Lock()
        self._ended_limit = ended_limit
        self._since_trim = 0
        try:
            self._connection = _opened(path)
        except sqlite3.DatabaseError:
            _delete(path)
            self._connection = _opened(path)

    def offset(self, partition: int) -> int | None:
        """The next offset to fold after what is stored; None when nothing is."""
        with self._lock:
            row = self._connection.execute(
                "SELECT next FROM offsets WHERE partition = ?", (partition,)
            ).fetchone()
        return None if row is None else int(row[0])

    def load(self, partition: int, execution_id: str) -> bytes | None:
        """The stored state of an execution."""
        with self._lock:
            row = self._connection.execute(
                "SELECT state FROM states WHERE partition = ? AND execution = ?",
                (partition, execution_id),
            ).fetchone()
        return None if row is None else bytes(row[0])

    def live(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """Every stored state that was not ended."""
        after = -1
        while True:
            with self._lock:
                rows = self._connection.execute(
                    "SELECT place, execution, state FROM states"
                    " WHERE partition = ? AND ended = 0 AND place > ? ORDER BY place LIMIT ?",
                    (partition, after, _BATCH),
                ).fetchall()
            for _, execution_id, state in rows:
                yield execution_id, bytes(state)
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]

    def save(self, partition: int, offset: int, states: Iterable[tuple[str, bytes, bool]]) -> None:
        """Store changed states (id, bytes, ended) and the next offset, in one transaction."""
        with self._lock:
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            try:
                count = 0
                for execution_id, state, ended in states:
                    # replaced, not updated: an ended state takes its place at the end of the queue
                    run(
                        "INSERT OR REPLACE INTO states (partition, execution, ended, state)"
                        " VALUES (?, ?, ?, ?)",
                        (partition, execution_id, int(ended), state),
                    )
                    count += 1
                run("INSERT OR REPLACE INTO offsets VALUES (?, ?)", (partition, offset))
                self._since_trim += count
                if self._since_trim >= min(_TRIM_EVERY, self._ended_limit):
                    self._since_trim = 0
                    self._trim()
            except BaseException:
                run("ROLLBACK")
                raise
            run("COMMIT")

    def _trim(self) -> None:
        self._connection.execute(
            "DELETE FROM states WHERE place IN (SELECT place FROM states WHERE ended = 1"
            " ORDER BY place DESC LIMIT -1 OFFSET ?)",
            (self._ended_limit,),
        )

    def forget(self, partition: int) -> None:
        """Drop everything of a partition."""
        with self._lock:
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            run("DELETE FROM states WHERE partition = ?", (partition,))
            run("DELETE FROM offsets WHERE partition = ?", (partition,))
            run("COMMIT")

    def close(self) -> None:
        """Release."""
        with self._lock:
            self._connection.close()


@contextmanager
def scratch_snapshots(path: Path) -> Iterator[SqliteSnapshots]:
    """Snapshots in a file of their own, empty at first and deleted at last; its folder exists."""
    _delete(path)
    snapshots = SqliteSnapshots(path, ended_limit=sys.maxsize)
    try:
        yield snapshots
    finally:
        snapshots.close()
        _delete(path)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # losing the last snapshot costs time, never truth
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        connection.execute("SELECT count(*) FROM offsets").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
