"""A log whose records may be of any size: large values stand in internal storage (ADR 5).

What is over the engine's limit is written to a file; the log has its URI in a header, and for event
records a small value that says how many events there are. Whoever reads gets the value itself, so
that nobody above the log's port knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final

import msgspec

from domain.errors import InvalidInput, LogUnavailable, NotFound, UnreadableRecord
from domain.execution.fold import RECORDS
from domain.execution.record import forgotten
from domain.ports.log import (
    AT_ONCE,
    ConsumerEvents,
    Delivery,
    Failed,
    Log,
    LogConsumer,
    LogReader,
    LogWriter,
    Tail,
)
from domain.ports.stores import Blobs
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import (
    EXECUTION_COMMANDS,
    EXECUTION_EVENTS,
    TASK_REQUESTS,
    TRIGGER_COMMANDS,
    TRIGGER_EVENTS,
)
from domain.storage import RECORDS_FOLDER, records_uri
from streams.handler import CommandHandler

HEADER: Final = "large"
"""Header of a record whose value is the file at this URI."""

_TOPICS: Final = frozenset(
    {EXECUTION_COMMANDS, EXECUTION_EVENTS, TASK_REQUESTS, TRIGGER_COMMANDS, TRIGGER_EVENTS}
)
_ROOM: Final = 512
"""Bytes left for what the writer adds beside key, value and known headers."""


class _Owner(msgspec.Struct):
    execution_id: str = ""


_OWNERS: Final = msgspec.json.Decoder(_Owner)


class LargeValues:
    """Takes large values out of records, and puts them back."""

    def __init__(self, blobs: Blobs, limit_bytes: int) -> None:
        """Hold what is needed.

        Args:
            blobs: where large values stand; every process of the engine has the same.
            limit_bytes: largest record that the log takes: key, value and headers.
        """
        self._blobs = blobs
        self._limit = limit_bytes

    def stored(self, record: Outgoing) -> Outgoing:
        """Return a record that the log takes; a large value is in its file by then.

        Raises:
            LogUnavailable: the file cannot be written.
        """
        value = record.value
        if value is None or len(value) < self._limit // 2:
            return record
        size = len(record.key.encode()) + len(value) + _ROOM
        size += sum(len(name) + len(text.encode()) for name, text in record.headers.items())
        if size <= self._limit or not _may_be_large(record.topic):
            return record
        # by content: what is sent again is the same file
        uri = f"{records_uri(_owner(record.topic, value))}/{sha256(value).hexdigest()}.json"
        try:
            self._blobs.put(uri, value)
        except (OSError, InvalidInput) as error:
            raise LogUnavailable(f"a large record cannot be stored: {error}") from error
        headers = {**record.headers, HEADER: uri}
        return msgspec.structs.replace(record, value=_stub(record.topic, value), headers=headers)

    def opened(self, record: Record) -> Record:
        """Return a record with its value.

        Where the file is gone the value is what the log has: for events one that says so, for
        everything else nothing that can be read.

        Raises:
            LogUnavailable: the file cannot be read.
        """
        uri = record.headers.get(HEADER)
        if uri is None or not uri.startswith(RECORDS_FOLDER):
            return record
        headers = {name: text for name, text in record.headers.items() if name != HEADER}
        try:
            with self._blobs.open(uri) as file:
                value = file.read()
        except NotFound:
            return msgspec.structs.replace(record, headers=headers)
        except (OSError, InvalidInput) as error:
            raise LogUnavailable(f"a large record cannot be read: {error}") from error
        return msgspec.structs.replace(record, value=value, headers=headers)


class LargeRecords:
    """Log over another one. Records of other topics than those of executions stay limited."""

    def __init__(self, log: Log, values: LargeValues) -> None:
        self._log = log
        self._writer = _Writer(log.writer, values.stored)
        self._reader = _Reader(log.reader, values.opened)
        self.opened = values.opened

    @property
    def writer(self) -> LogWriter:
        """The process-wide writer."""
        return self._writer

    @property
    def reader(self) -> LogReader:
        """The process-wide reader."""
        return self._reader

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> LogConsumer:
        """Make a consumer of a group."""
        opening = _Opening(events, self.opened)
        return self._log.consumer(group, topics, opening, member, failed, gather)

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create missing topics."""
        self._log.ensure_topics(topics)

    def close(self) -> None:
        """Release everything."""
        self._log.close()


class _Writer:
    """LogWriter that stores large values first."""

    def __init__(self, writer: LogWriter, stored: Callable[[Outgoing], Outgoing]) -> None:
        self._stored = stored
        self._send = writer.send
        self._append = writer.append
        self.partitions = writer.partitions
        self.flush = writer.flush
        self.close = writer.close

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        """Send one record."""
        self._send(self._stored(record), delivered)

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        """Append and wait until all are durable."""
        return self._append([self._stored(record) for record in records], timeout)


class _Reader:
    """LogReader that fetches large values."""

    def __init__(self, reader: LogReader, opened: Callable[[Record], Record]) -> None:
        self._reader = reader
        self._opened = opened
        self.partitions = reader.partitions
        self.bounds = reader.bounds

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order."""
        return map(self._opened, self._reader.read(topic, partition, start, stop))

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> Tail:
        """Call `deliver` with every batch from `starts` on."""

        def opening(batch: list[Record]) -> None:
            deliver([self._opened(record) for record in batch])

        return self._reader.tail(topic, starts, opening, failed, gather)

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield all records of a key in order."""
        return map(self._opened, self._reader.by_key(topic, key, start))


class _Opening:
    """ConsumerEvents that fetches large values."""

    def __init__(self, events: ConsumerEvents, opened: Callable[[Record], Record]) -> None:
        self._events = events
        self._opened = opened
        self.assigned = events.assigned
        self.revoked = events.revoked

    def records(self, batch: Sequence[Record]) -> None:
        """Hand on a batch."""
        self._events.records([self._opened(record) for record in batch])


class OpeningHandler:
    """CommandHandler that fetches large values, for an engine that consumes without our log."""

    def __init__(
        self,
        handler: CommandHandler,
        opened: Callable[[Record], Record],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self.topic = handler.topic
        self.assigned = handler.assigned
        self.revoked = handler.revoked
        self._process = handler.process
        self._opened = opened
        self._fatal = fatal

    def process(self, record: Record, done: Callable[[], None]) -> None:
        """Step one command; what cannot be read just now ends the process, which reads it again."""
        try:
            whole = self._opened(record)
        except Exception as error:  # noqa: BLE001 - an engine would take an escape for an ending
            self._fatal(error)
            return
        self._process(whole, done)


def _may_be_large(topic: str) -> bool:
    return topic in _TOPICS or topic.startswith(TASK_REQUESTS + ".")


def _owner(topic: str, value: bytes) -> str:
    """Return the execution that a value is about: with it the file goes."""
    try:
        return _OWNERS.decode(value).execution_id or topic
    except msgspec.MsgspecError:
        return topic


def _stub(topic: str, value: bytes) -> bytes:
    """Return what stands in the log instead of a value."""
    if topic == EXECUTION_EVENTS:
        try:
            return encode(forgotten(RECORDS.decode(Record(topic, 0, 0, "", value, 0))))
        except UnreadableRecord:
            return b"{}"
    return b"{}"


__all__ = ["HEADER", "LargeRecords", "LargeValues", "OpeningHandler"]
