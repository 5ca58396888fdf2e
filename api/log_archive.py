"""The log as an archive to be verified elsewhere, made while it is sent."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from api.views.text import instant
from domain.execution.context import Settings
from domain.ports.log import LogReader
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS
from domain.verification.archive import (
    ARCHIVED_TOPICS,
    MANIFEST,
    ArchiveManifest,
    line_of,
    member_of,
)

_PIECE = 64 * 1024
_BY_EXECUTION = (EXECUTION_COMMANDS, EXECUTION_EVENTS)


class _Sink(io.RawIOBase):
    """Where the zip is written to: it cannot be gone back in, and is emptied piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._written += view
        return view.nbytes

    @property
    def is_full(self) -> bool:
        return len(self._written) >= _PIECE

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def archive_pieces(
    reader: LogReader, settings: Settings, now: datetime, execution_id: str | None = None
) -> Iterator[bytes]:
    """Yield an archive of the log as it is now, piece by piece; blocks.

    Args:
        reader: the log.
        settings: what the server's configuration says to expressions.
        now: the time of the export.
        execution_id: only the commands and events of this execution; None: of all. The revisions
            of all flows are always there.
    """
    partitions = {topic: reader.partitions(topic) for topic in ARCHIVED_TOPICS}
    manifest = ArchiveManifest(
        exported=instant(now),
        partitions=partitions,
        execution_id=execution_id,
        envs=settings.envs,
        globals=settings.globals,
        kestra=settings.kestra,
    )
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))
        for topic, number in partitions.items():
            for partition in range(number):
                name = member_of(topic, partition)
                with archive.open(name, "w", force_zip64=True) as member:
                    for record in _records(reader, topic, partition, execution_id):
                        member.write(line_of(record))
                        if sink.is_full:
                            yield sink.take()
    yield sink.take()


def _records(
    reader: LogReader, topic: str, partition: int, execution_id: str | None
) -> Iterable[Record]:
    start, stop = reader.bounds(topic, partition)
    records = reader.read(topic, partition, start, stop)
    if execution_id is None or topic not in _BY_EXECUTION:
        return records
    return (record for record in records if record.key == execution_id)
