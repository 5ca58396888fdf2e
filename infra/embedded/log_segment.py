"""Files of the journal: the one being written, the sealed ones, and views to read them by.

A segment `N.G.log` is a run of frames; generation G grows when the cleaner rewrites it. Its index
`N.G.idx` is written once the segment is sealed and on disk. Names appear only when what they name
is whole, so a half-written file is never taken for the truth.
"""

from __future__ import annotations

import os
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from zlib import crc32

import msgspec

from infra.embedded.log_format import (
    HEAD_BYTES,
    RECORD,
    SEAL,
    TOMBSTONE,
    Frame,
    Lane,
    Span,
    decode_index,
    encode_index,
    frame,
    scan,
)

SEAL_BYTES = HEAD_BYTES


class View:
    """A segment opened for reading: its bytes and where each partition's records stand in them."""

    __slots__ = ("data", "lanes")

    def __init__(self, data: mmap, lanes: dict[int, Lane]) -> None:
        self.data = data
        self.lanes = lanes


class Sealed(msgspec.Struct, frozen=True):
    """A segment that changes no more."""

    number: int
    generation: int
    folder: Path
    size: int
    """Bytes of the log file."""
    spans: dict[int, Span]

    @property
    def path(self) -> Path:
        """The log file."""
        return log_path(self.folder, self.number, self.generation)

    def open(self) -> View:
        """Map the segment and read its index.

        Raises:
            FileNotFoundError: the cleaner has replaced the segment since.
        """
        found = decode_index(index_path(self.path).read_bytes())
        assert found is not None, f"{self.path} has no whole index"
        return View(map_file(self.path), found[1])


class Active:
    """The segment being written; every method but reading `view` needs the log's lock."""

    def __init__(self, folder: Path, number: int, limit: int) -> None:
        """Make or extend the file; the disk space is taken at once.

        Raises:
            OSError: there is no room on the disk.
        """
        self.number = number
        self.generation = 0
        self.folder = folder
        self.path = log_path(folder, number, 0)
        self.limit = limit
        self.position = 0
        self.created_ms = 0
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            reserve(self.fd, limit)
            self.data = mmap(self.fd, limit)
        except BaseException:
            os.close(self.fd)
            raise
        self.view = View(self.data, {})
        self._io = Lock()

    def room(self, size: int) -> bool:
        """Tell whether a frame fits and leaves room for the seal."""
        return self.position + size + SEAL_BYTES <= self.limit

    def write(self, content: bytes) -> int:
        """Append bytes and return their position."""
        position = self.position
        end = position + len(content)
        self.data[position:end] = content
        self.position = end
        return position

    def index(self, found: Frame) -> None:
        """Note a record's place, when its frame was found by scanning."""
        self.lane(found.partition, found.offset).add(
            found.offset, found.position, found.size, found.timestamp_ms, crc32(found.key)
        )

    def lane(self, partition: int, offset: int) -> Lane:
        """Return the lane of a partition, made at its first record."""
        lane = self.view.lanes.get(partition)
        if lane is None:
            lane = self.view.lanes[partition] = Lane.fresh(partition, offset)
        return lane

    def seal(self) -> None:
        """Write the last frame."""
        self.write(frame(SEAL, 0, 0, 0, b""))

    def finish(self) -> Sealed:
        """Make a sealed segment durable and write its index; not under the lock, and only once."""
        with self._io:
            os.ftruncate(self.fd, self.position)
            sync(self.fd)
        lanes = list(self.view.lanes.values())
        write_file(index_path(self.path), encode_index(lanes, self.position))
        self._close()
        return self.sealed()

    def sealed(self) -> Sealed:
        """Return what stands in the folder after `finish`."""
        spans = {partition: lane.span for partition, lane in self.view.lanes.items()}
        return Sealed(self.number, self.generation, self.folder, self.position, spans)

    def sync(self) -> None:
        """Ask the disk to keep what was written; nothing to do once finished."""
        with self._io:
            if self.fd >= 0:
                sync(self.fd)

    def shut(self) -> None:
        """Make everything durable, give the unused space back and close the file."""
        with self._io:
            os.ftruncate(self.fd, self.position)
            sync(self.fd)
        self._close()

    def _close(self) -> None:
        with self._io:
            os.close(self.fd)
            self.fd = -1


def log_path(folder: Path, number: int, generation: int) -> Path:
    """Return the name of a segment."""
    return folder / f"{number:012d}.{generation}.log"


def index_path(path: Path) -> Path:
    """Return the name of a segment's index."""
    return path.with_suffix(".idx")


def map_file(path: Path) -> mmap:
    """Map a whole file for reading."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return mmap(fd, 0, access=ACCESS_READ)
    finally:
        os.close(fd)


def load(path: Path, folder: Path) -> Sealed | None:
    """Return the sealed segment at a path; None when it has no whole index."""
    number, generation = numbers_of(path)
    try:
        found = decode_index(index_path(path).read_bytes())
    except FileNotFoundError:
        return None
    if found is None or found[0] != path.stat().st_size:
        return None
    # Spans are copied out so that the index's bytes do not stay in memory.
    spans = {partition: lane.span for partition, lane in found[1].items()}
    return Sealed(number, generation, folder, found[0], spans)


def numbers_of(path: Path) -> tuple[int, int]:
    """Return number and generation of a segment's file."""
    number, generation, _ = path.name.split(".")
    return int(number), int(generation)


def frames_of(path: Path) -> list[Frame]:
    """Return the whole frames of a segment's file."""
    if path.stat().st_size == 0:
        return []
    data = map_file(path)
    return list(scan(data, len(data)))


def is_record(found: Frame) -> bool:
    """Tell whether a frame is a record or a tombstone."""
    return found.kind in (RECORD, TOMBSTONE)


def reserve(fd: int, size: int) -> None:
    """Take disk space now, so that writing to the mapping can not fail later (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    have = os.fstat(fd).st_size
    while have < size:
        have += os.pwrite(fd, bytes(min(size - have, 1 << 20)), have)


def sync(fd: int) -> None:
    """Ask the disk to keep a file's data."""
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names in a folder."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, durably."""
    half = path.with_suffix(".tmp")
    fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        sync(fd)
    finally:
        os.close(fd)
    half.rename(path)
    sync_folder(path.parent)
