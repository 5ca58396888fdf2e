"""Bytes of the embedded log: frames of the journal and the index beside a sealed segment.

A frame is a head of 33 bytes, the head's crc32, and the body. The body of a record is its key,
its headers (JSON, empty when there are none) and its value. A head of zeros ends the data.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from mmap import mmap
from struct import Struct, error
from typing import NamedTuple
from zlib import crc32

import msgspec

from domain.errors import LogUnavailable
from domain.record.envelope import Record

VERSION = 1
RECORD, TOMBSTONE, CHECKPOINT, COMMIT, TOPIC, START, SEAL = range(1, 8)

_HEAD = Struct("<IBHHIQqI")
_CRC = Struct("<I")
HEAD_BYTES = _HEAD.size + _CRC.size
MAX_KEY_BYTES = 0xFFFF

pack_head = _HEAD.pack
pack_crc = _CRC.pack
_unpack_head = _HEAD.unpack_from
_unpack_crc = _CRC.unpack_from

encode_headers = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode
encode_state = msgspec.msgpack.Encoder().encode


class TopicState(msgspec.Struct, frozen=True, array_like=True):
    """A topic of the journal: its partitions are numbered from `first` through the whole log."""

    name: str
    first: int
    partitions: int


class CommitState(msgspec.Struct, frozen=True, array_like=True):
    """A group's place in a partition."""

    group: str
    partition: int
    """Number through the whole log."""
    offset: int
    metadata: str


class StartState(msgspec.Struct, frozen=True, array_like=True):
    """Retention moved the first offset of a partition."""

    partition: int
    offset: int


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """First frame of a segment: all state besides the records, as it was when the segment began."""

    version: int
    created_ms: int
    topics: list[TopicState]
    starts: list[int]
    """First offset kept, by partition number."""
    nexts: list[int]
    """Next offset to be written, by partition number."""
    commits: list[CommitState]


decode_checkpoint = msgspec.msgpack.Decoder(Checkpoint).decode
decode_commit = msgspec.msgpack.Decoder(CommitState).decode
decode_topic = msgspec.msgpack.Decoder(TopicState).decode
decode_start = msgspec.msgpack.Decoder(StartState).decode


class Frame(NamedTuple):
    """A checked frame found by `scan`."""

    position: int
    size: int
    kind: int
    partition: int
    key: bytes
    offset: int
    timestamp_ms: int


def frame(kind: int, partition: int, offset: int, timestamp_ms: int, body: bytes) -> bytes:
    """Return the bytes of a frame whose body has neither key nor headers."""
    head = pack_head(
        HEAD_BYTES + len(body), kind, partition, 0, 0, offset, timestamp_ms, crc32(body)
    )
    return head + pack_crc(crc32(head)) + body


def body_at(data: mmap, position: int) -> bytes:
    """Return the body of the frame at a position."""
    size: int = _unpack_head(data, position)[0]
    return data[position + HEAD_BYTES : position + size]


def bytes_at(data: mmap, position: int) -> bytes:
    """Return a whole frame."""
    size: int = _unpack_head(data, position)[0]
    return data[position : position + size]


def head_at(data: mmap, position: int) -> tuple[int, int]:
    """Return kind and timestamp (ms) of the frame at a position."""
    head = _unpack_head(data, position)
    return head[1], head[6]


def key_at(data: mmap, position: int) -> bytes:
    """Return the key of the record at a position."""
    length: int = _unpack_head(data, position)[3]
    return data[position + HEAD_BYTES : position + HEAD_BYTES + length]


def record_at(data: mmap, position: int, topic: str, partition: int) -> Record:
    """Decode the record at a position.

    Raises:
        LogUnavailable: the bytes are not what was written.
    """
    size, kind, _, key_length, headers_length, offset, timestamp_ms, crc = _unpack_head(
        data, position
    )
    body = data[position + HEAD_BYTES : position + size]
    if crc32(body) != crc:
        raise LogUnavailable(f"the record at {topic}/{partition}/{offset} is damaged on disk")
    split = key_length + headers_length
    return Record(
        topic,
        partition,
        offset,
        body[:key_length].decode(),
        body[split:] if kind == RECORD else None,
        timestamp_ms,
        _decode_headers(body[key_length:split]) if headers_length else {},
    )


def scan(data: mmap, limit: int) -> Iterator[Frame]:
    """Yield the frames from the beginning up to the first one that is not whole."""
    position = 0
    while position + HEAD_BYTES <= limit:
        try:
            size, kind, partition, key_length, _, offset, timestamp_ms, crc = _unpack_head(
                data, position
            )
        except error:
            return
        body = position + HEAD_BYTES
        if size < HEAD_BYTES or position + size > limit:
            return
        if _unpack_crc(data, body - _CRC.size)[0] != crc32(data[position : body - _CRC.size]):
            return
        content = data[body : position + size]
        if crc32(content) != crc:
            return
        yield Frame(position, size, kind, partition, content[:key_length], offset, timestamp_ms)
        position += size


class Span(msgspec.Struct, array_like=True):
    """What a segment holds of one partition."""

    partition: int
    first: int
    last: int
    count: int
    size: int
    """Bytes of its frames."""
    newest_ms: int
    """Latest timestamp."""


class Lane:
    """Where the records of one partition stand in one segment, in offset order."""

    __slots__ = ("fingerprints", "offsets", "positions", "span")

    def __init__(
        self,
        span: Span,
        positions: array[int] | memoryview,
        fingerprints: array[int] | memoryview,
        offsets: array[int] | memoryview | None,
    ) -> None:
        self.span = span
        self.positions = positions
        self.fingerprints = fingerprints
        self.offsets = offsets

    @classmethod
    def fresh(cls, partition: int, first: int, *, gaps: bool = False) -> Lane:
        """Make an empty lane; `gaps` keeps every offset, else they are counted from `first`."""
        span = Span(partition, first, first - 1, 0, 0, 0)
        return cls(span, array("I"), array("I"), array("Q") if gaps else None)

    def add(self, offset: int, position: int, size: int, timestamp_ms: int, mark: int) -> None:
        """Append a record's place; `mark` is the crc32 of its key."""
        assert isinstance(self.positions, array)
        assert isinstance(self.fingerprints, array)
        self.positions.append(position)
        self.fingerprints.append(mark)
        if self.offsets is not None:
            assert isinstance(self.offsets, array)
            self.offsets.append(offset)
        span = self.span
        span.last = offset
        span.count += 1
        span.size += size
        span.newest_ms = max(span.newest_ms, timestamp_ms)

    def seek(self, offset: int) -> int:
        """Return the ordinal of the first record at or after an offset."""
        if self.offsets is not None:
            return bisect_left(self.offsets, offset)
        return max(0, offset - self.span.first)

    def offset(self, ordinal: int) -> int:
        """Return the offset of a record."""
        return self.span.first + ordinal if self.offsets is None else self.offsets[ordinal]

    def marked(self, mark: int) -> Iterator[int]:
        """Yield the ordinals of the records whose key may be the one with this crc32."""
        marks = self.fingerprints.tobytes()
        needle = _CRC.pack(mark)
        at = marks.find(needle)
        while at >= 0:
            if at % 4 == 0:
                yield at // 4
            at = marks.find(needle, at + 1)


class _IndexHead(msgspec.Struct, array_like=True):
    version: int
    log_bytes: int
    spans: list[Span]
    gaps: list[bool]


_encode_index = msgspec.msgpack.Encoder().encode
_decode_index = msgspec.msgpack.Decoder(_IndexHead).decode
_INDEX = Struct("<II")


def encode_index(lanes: Sequence[Lane], log_bytes: int) -> bytes:
    """Return the index file of a sealed segment: crc32, head length, head, then the arrays."""
    head = _encode_index(
        _IndexHead(
            VERSION,
            log_bytes,
            [lane.span for lane in lanes],
            [lane.offsets is not None for lane in lanes],
        )
    )
    head += b"\0" * (-len(head) % 8)
    parts = [head]
    for lane in lanes:
        parts += [lane.positions.tobytes(), lane.fingerprints.tobytes()]
        if lane.offsets is not None:
            parts.append(lane.offsets.tobytes())
    body = b"".join(parts)
    return _INDEX.pack(crc32(body), len(head)) + body


def decode_index(data: bytes) -> tuple[int, dict[int, Lane]] | None:
    """Return the size of the segment and its lanes by partition; None if the file is not whole."""
    if len(data) < _INDEX.size:
        return None
    crc, head_bytes = _INDEX.unpack_from(data)
    if crc32(memoryview(data)[_INDEX.size :]) != crc:
        return None
    view = memoryview(data)
    head = _decode_index(data[_INDEX.size : _INDEX.size + head_bytes].rstrip(b"\0"))
    if head.version != VERSION:
        raise LogUnavailable(f"the index has version {head.version}, this program reads {VERSION}")
    lanes: dict[int, Lane] = {}
    at = _INDEX.size + head_bytes
    for span, gaps in zip(head.spans, head.gaps, strict=True):
        four, eight = span.count * 4, span.count * 8
        positions, marks = view[at : at + four].cast("I"), view[at + four : at + eight].cast("I")
        at += eight
        offsets = view[at : at + eight].cast("Q") if gaps else None
        at += eight if gaps else 0
        lanes[span.partition] = Lane(span, positions, marks, offsets)
    return head.log_bytes, lanes
