"""Records of `logs` to documents."""

from __future__ import annotations

from domain.log import LogBatch, LogEntry
from domain.record.codec import Codec
from domain.record.envelope import Record
from projections.logs.document import LOGS, LogDocument
from projections.store import Delete, Upsert, Write

_CODEC: Codec[LogBatch] = Codec(LogBatch)


def writes_of(record: Record) -> list[Write]:
    """Return what a record asks of the index; raises UnreadableRecord.

    A line delivered twice is one document: of the later record, with the same content.
    """
    offset = record.offset
    return [
        Delete(LOGS, entry.id, offset + 1)
        if entry.deleted
        else Upsert(LOGS, entry.id, offset + 1, document_of(entry, offset, line))
        for line, entry in enumerate(_CODEC.decode(record).entries)
    ]


def document_of(entry: LogEntry, offset: int, line: int) -> LogDocument:
    """Return the document of a line, with the place of its record."""
    return LogDocument(
        id=entry.id,
        tenant=entry.tenant,
        namespace=entry.namespace,
        flow_id=entry.flow_id,
        execution_id=entry.execution_id,
        task_id=entry.task_id,
        task_run_id=entry.task_run_id,
        attempt=entry.attempt,
        trigger_id=entry.trigger_id,
        level=entry.level.value,
        timestamp=entry.timestamp,
        thread=entry.thread,
        execution_kind=entry.execution_kind,
        offset=offset,
        line=line,
        message=entry.message,
    )
