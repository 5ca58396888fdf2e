"""Records of the log: the one shape in which every engine hands bytes to the handlers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the log."""

    topic: str
    """Logical topic name from the catalogue, without the prefix."""
    partition: int
    offset: int
    """Offset of the record in its partition, from 0."""


class Record(msgspec.Struct, frozen=True):
    """One record as read from the log."""

    topic: str
    """Logical topic name from the catalogue, without the prefix."""
    partition: int
    offset: int
    key: str
    value: bytes | None
    """None is a tombstone of a compacted topic."""
    timestamp_ms: int
    """Time the record was produced, in milliseconds since the epoch (UTC)."""
    headers: dict[str, str] = {}

    @property
    def position(self) -> Position:
        """Where the record stands."""
        return Position(self.topic, self.partition, self.offset)

    @property
    def timestamp(self) -> datetime:
        """The time of the record as an aware UTC instant."""
        return instant_of(self.timestamp_ms)


class Outgoing(msgspec.Struct, frozen=True):
    """One record to be appended to the log."""

    topic: str
    """Logical topic name from the catalogue, without the prefix."""
    key: str
    value: bytes | None
    """None writes a tombstone."""
    partition: int | None = None
    """None: chosen by the key (`domain.record.topics.partition_of`)."""
    timestamp_ms: int | None = None
    """None: the time of sending."""
    headers: dict[str, str] = {}


def instant_of(timestamp_ms: int) -> datetime:
    """Return the aware UTC instant of a record timestamp in milliseconds."""
    return _EPOCH + timedelta(milliseconds=timestamp_ms)


def milliseconds_of(instant: datetime) -> int:
    """Return a record timestamp in milliseconds for an aware instant."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
