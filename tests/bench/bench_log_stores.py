"""Ways to put a group of records into a file, compared: `python -m tests.bench.bench_log_stores`.

The figures stand in docs/adr/0001-embedded-log.md. "Busy" means that another thread of the process
computes, as the executor and the API do: every system call then gives the interpreter away.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from zlib import crc32

VALUE = os.urandom(400)
FILE_BYTES = 1 << 28
HEAD = Struct("<IBHHIQqI")
Write = Callable[[int], None]


def sqlite(folder: Path, synchronous: str) -> Write:
    """One transaction of SQLite in WAL mode for each group."""
    database = sqlite3.connect(folder / f"{synchronous}.db", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute(f"pragma synchronous = {synchronous}")
    database.execute(
        "create table records (place integer, position integer, key text, time integer, value blob,"
        " primary key (place, position)) without rowid"
    )
    following = 0

    def write(count: int) -> None:
        nonlocal following
        rows = [(1, following + n, f"key-{n}", 5, VALUE) for n in range(count)]
        database.execute("begin")
        database.executemany("insert into records values (?, ?, ?, ?, ?)", rows)
        database.execute("commit")
        following += count

    return write


def frames(count: int, following: int) -> bytes:
    """Return a group in the format of our journal."""
    parts = []
    for number in range(count):
        body = b"key-%d" % number + VALUE
        head = HEAD.pack(37 + len(body), 1, 1, 5, 0, following, 5, crc32(body))
        parts.append(head + crc32(head).to_bytes(4, "little") + body)
    return b"".join(parts)


def written(folder: Path, *, synced: bool) -> Write:
    """One `pwrite` for each group, synced to disk or not."""
    file = os.open(folder / f"written-{synced}", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(file, 0, FILE_BYTES)
    position = 0

    def write(count: int) -> None:
        nonlocal position
        content = frames(count, position)
        os.pwrite(file, content, position)
        position += len(content)
        if synced:
            os.fdatasync(file)

    return write


def mapped(folder: Path) -> Write:
    """A copy into a shared mapping of the file."""
    file = os.open(folder / "mapped", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(file, 0, FILE_BYTES)
    data = mmap.mmap(file, FILE_BYTES)
    position = 0

    def write(count: int) -> None:
        nonlocal position
        content = frames(count, position)
        data[position : position + len(content)] = content
        position += len(content)

    return write


def show(name: str, write: Write, count: int, turns: int) -> None:
    """Print the time of writing one group."""
    taken = []
    for _ in range(turns):
        begin = time.perf_counter()
        write(count)
        taken.append((time.perf_counter() - begin) * 1e6)
    taken.sort()
    median, worst = taken[turns // 2], taken[int(turns * 0.99)]
    print(f"{name:24} {count:3} records: median {median:9.1f} us   p99 {worst:9.1f} us")


def main() -> None:
    """Measure all, alone and beside a busy thread."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = {
            "SQLite WAL normal": sqlite(folder, "normal"),
            "SQLite WAL full": sqlite(folder, "full"),
            "pwrite": written(folder, synced=False),
            "pwrite and fdatasync": written(folder, synced=True),
            "mapped": mapped(folder),
        }
        for way, write in ways.items():
            show(f"alone  {way}", write, 1, 1000)
            show(f"alone  {way}", write, 50, 100)
        stop = threading.Event()

        def burn() -> None:
            number = 0
            while not stop.is_set():
                number += 1

        thread = threading.Thread(target=burn)
        thread.start()
        for way, write in ways.items():
            show(f"busy   {way}", write, 1, 100)
            show(f"busy   {way}", write, 50, 10)
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
