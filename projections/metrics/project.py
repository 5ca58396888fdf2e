"""Records of `metrics` to documents."""

from __future__ import annotations

from domain.metric import MetricBatch, MetricEntry
from domain.record.codec import Codec
from domain.record.envelope import Record
from projections.metrics.document import METRICS, MetricDocument
from projections.store import Upsert, Write

_CODEC: Codec[MetricBatch] = Codec(MetricBatch)


def writes_of(record: Record) -> list[Write]:
    """Return what a record asks of the index; raises UnreadableRecord."""
    offset = record.offset
    return [
        Upsert(METRICS, entry.id, offset + 1, document_of(entry, offset, line))
        for line, entry in enumerate(_CODEC.decode(record).entries)
    ]


def document_of(entry: MetricEntry, offset: int, line: int) -> MetricDocument:
    """Return the document of a measurement, with the place of its record."""
    return MetricDocument(
        id=entry.id,
        tenant=entry.tenant,
        namespace=entry.namespace,
        flow_id=entry.flow_id,
        execution_id=entry.execution_id,
        task_id=entry.task_id,
        task_run_id=entry.task_run_id,
        trigger_id=entry.trigger_id,
        type=entry.type,
        name=entry.name,
        value=entry.value,
        timestamp=entry.timestamp,
        tags=entry.tags,
        execution_kind=entry.execution_kind,
        offset=offset,
        line=line,
    )
