"""Bytes of records to values and back: decoders are built once, unreadable bytes have one error."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from domain.errors import UnreadableRecord
from domain.record.envelope import Record

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """Return the wire form of a value: JSON, UTF-8."""
    return _ENCODER.encode(value)


def tag_of(value: msgspec.Struct) -> str:
    """Return what names the type of a value on the wire, for example `execution.kill`."""
    tag = value.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


class Codec(Generic[T]):
    """Reads one topic's values."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def decode(self, record: Record) -> T:
        """Return the record's value.

        Raises:
            UnreadableRecord: no value, not JSON, an unknown type tag or a member of the wrong type.
        """
        if record.value is None:
            raise UnreadableRecord(f"{_place(record)} has no value")
        try:
            return self._decoder.decode(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableRecord(f"{_place(record)} cannot be read: {error}") from error


def _place(record: Record) -> str:
    return f"record {record.offset} of {record.topic}/{record.partition}"
