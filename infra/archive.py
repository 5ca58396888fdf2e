"""An exported log, read from its file as any log is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self
from zipfile import BadZipFile, ZipFile

from domain.errors import LogUnavailable, NotFound, UnreadableRecord
from domain.ports.log import AT_ONCE, ConsumerEvents, Failed, LogConsumer, LogWriter
from domain.record.envelope import Record
from domain.verification.archive import ARCHIVED_TOPICS, MANIFEST, manifest_of, member_of, record_of

_BATCH = 500


class ArchivedLog:
    """Log over an archive, only to be read: as streams, with nothing but places in memory."""

    def __init__(self, path: Path) -> None:
        """Open an archive.

        Raises:
            NotFound: there is no such file.
            UnreadableRecord: it is no archive of a log, or damaged.
        """
        try:
            self._zip = ZipFile(path)
            self.manifest = manifest_of(self._zip.read(MANIFEST))
        except OSError as error:
            raise NotFound(f"{path} cannot be read: {error.strerror or error}") from error
        except (BadZipFile, KeyError) as error:
            raise UnreadableRecord(f"{path} is not an exported log: {error}") from error
        self._unpacked: dict[tuple[str, int], _Unpacked] = {}

    def close(self) -> None:
        """Release the file."""
        for unpacked in self._unpacked.values():
            unpacked.file.close()
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def reader(self) -> ArchivedLog:
        """Itself."""
        return self

    @property
    def writer(self) -> LogWriter:
        """Nothing writes to it.

        Raises:
            LogUnavailable: always.
        """
        raise LogUnavailable("an exported log is only read")

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> LogConsumer:
        """Nobody consumes it.

        Raises:
            LogUnavailable: always.
        """
        del group, topics, events, member, failed, gather
        raise LogUnavailable("an exported log is only read")

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Nothing to be done: they are what was exported."""

    def partitions(self, topic: str) -> int:
        """Number of partitions of a topic; 0 for one that is not exported."""
        return self.manifest.partitions.get(topic, 0) if topic in ARCHIVED_TOPICS else 0

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset and the one behind the last; reads the partition."""
        first, behind = None, 0
        for record in self._records(topic, partition):
            first = record.offset if first is None else first
            behind = record.offset + 1
        return first or 0, behind

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order."""
        if stop == start + 1:
            yield from self._place(topic, partition, start)
            return
        for record in self._records(topic, partition):
            if record.offset >= stop:
                return
            if record.offset >= start:
                yield record

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield all records of a key in order from an offset on."""
        for partition in range(self.partitions(topic)):
            for record in self._records(topic, partition):
                if record.key == key and record.offset >= start:
                    yield record

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> _Ended:
        """Deliver everything at once: nothing comes after it."""
        del failed, gather
        for partition, start in starts.items():
            batch: list[Record] = []
            for record in self._records(topic, partition):
                if record.offset < start:
                    continue
                batch.append(record)
                if len(batch) == _BATCH:
                    deliver(batch)
                    batch = []
            if batch:
                deliver(batch)
        return _Ended()

    def _records(self, topic: str, partition: int) -> Iterator[Record]:
        name = member_of(topic, partition)
        try:
            with self._zip.open(name) as lines:
                for number, line in enumerate(lines, 1):
                    yield record_of(line, topic, partition, number)
        except KeyError:
            raise UnreadableRecord(f"{name} is missing in the exported log") from None
        except (BadZipFile, EOFError) as error:
            raise UnreadableRecord(f"{name} is damaged: {error}") from error

    def _place(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        """Read one record by its place: the member is unpacked once for that."""
        key = (topic, partition)
        if key not in self._unpacked:
            self._unpacked[key] = _Unpacked(self._zip, topic, partition)
        yield from self._unpacked[key].read(offset)


class _Unpacked:
    """A member in a temporary file, with the place of every offset."""

    def __init__(self, archive: ZipFile, topic: str, partition: int) -> None:
        self._topic = topic
        self._partition = partition
        self.file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by its owner
        with archive.open(member_of(topic, partition)) as lines:
            shutil.copyfileobj(lines, self.file)
        self._places: dict[int, int] = {}
        self.file.seek(0)
        place = 0
        for number, line in enumerate(self.file, 1):
            self._places[record_of(line, topic, partition, number).offset] = place
            place += len(line)

    def read(self, offset: int) -> Iterator[Record]:
        place = self._places.get(offset)
        if place is not None:
            self.file.seek(place)
            yield record_of(self.file.readline(), self._topic, self._partition, 0)


class _Ended:
    """A tail that has nothing more to deliver."""

    def close(self) -> None:
        """Nothing is under way."""
