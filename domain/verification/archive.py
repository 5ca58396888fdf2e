"""The exported log: a zip archive whose members hold the records of one partition each.

`manifest.json` says what is in it; `<topic>/<partition>.jsonl` holds one record a line, in order,
with its offset, so that whoever reads it sees what a reader of the log has seen.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from domain.errors import UnreadableRecord
from domain.execution.context import Settings
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, FLOWS, PLUGIN_DEFAULTS

ARCHIVE_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
ARCHIVED_TOPICS: Final = (EXECUTION_EVENTS, EXECUTION_COMMANDS, FLOWS, PLUGIN_DEFAULTS)
"""What a verification needs. Events are cut off first: their commands are older."""


class ArchiveManifest(msgspec.Struct, kw_only=True, frozen=True):
    """What an archive holds."""

    version: int = ARCHIVE_VERSION
    exported: str
    """When, as an ISO 8601 instant."""
    partitions: dict[str, int]
    """Number of partitions by topic."""
    execution_id: str | None = None
    """The only execution in it; None: all."""
    envs: dict[str, str] = {}
    """Variable `envs` of the server's expressions."""
    globals: dict[str, Any] = {}
    """Variable `globals`."""
    kestra: dict[str, Any] = {}
    """Variable `kestra`."""

    @property
    def settings(self) -> Settings:
        """What the server's configuration said to expressions."""
        return Settings(envs=self.envs, globals=self.globals, kestra=self.kestra)


class _Line(msgspec.Struct, omit_defaults=True):
    offset: int
    timestamp: int
    key: str
    value: str | None = None
    binary: bool = False
    """The value is not UTF-8: it stands here in Base64."""
    headers: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode
_LINES: Final = msgspec.json.Decoder(_Line)
_MANIFESTS: Final = msgspec.json.Decoder(ArchiveManifest)


def member_of(topic: str, partition: int) -> str:
    """Return the name of the member that holds a partition."""
    return f"{topic}/{partition}.jsonl"


def line_of(record: Record) -> bytes:
    """Return a record's line, with its line break."""
    value, binary = None, False
    if record.value is not None:
        try:
            value = record.value.decode()
        except UnicodeDecodeError:
            value, binary = base64.b64encode(record.value).decode(), True
    line = _Line(record.offset, record.timestamp_ms, record.key, value, binary, record.headers)
    return _encode(line) + b"\n"


def record_of(line: bytes, topic: str, partition: int, number: int) -> Record:
    """Return the record of a line.

    Args:
        line: with or without its line break.
        topic: of its member.
        partition: of its member.
        number: of the line, for errors.

    Raises:
        UnreadableRecord: it is no record; the text names member and line.
    """
    try:
        read = _LINES.decode(line)
        value = None if read.value is None else read.value.encode()
        if value is not None and read.binary:
            value = base64.b64decode(value, validate=True)
    except (msgspec.MsgspecError, ValueError) as error:
        where = f"{member_of(topic, partition)}, line {number}"
        raise UnreadableRecord(f"{where}: not a record of an exported log: {error}") from error
    return Record(topic, partition, read.offset, read.key, value, read.timestamp, read.headers)


def manifest_of(data: bytes) -> ArchiveManifest:
    """Return what an archive says of itself.

    Raises:
        UnreadableRecord: it is not a manifest, or of a later version.
    """
    try:
        manifest = _MANIFESTS.decode(data)
    except msgspec.MsgspecError as error:
        raise UnreadableRecord(f"{MANIFEST}: not an exported log: {error}") from error
    if manifest.version > ARCHIVE_VERSION:
        raise UnreadableRecord(
            f"{MANIFEST}: version {manifest.version} was written by a later Tidewheel;"
            f" this one reads up to {ARCHIVE_VERSION}"
        )
    return manifest
