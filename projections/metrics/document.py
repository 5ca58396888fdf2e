"""The document of one measurement."""

from __future__ import annotations

from datetime import datetime

import msgspec

from projections.store import ReadModel


class MetricDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A measurement of a task."""

    id: str
    tenant: str
    namespace: str
    flow_id: str
    execution_id: str | None = None
    task_id: str | None = None
    task_run_id: str | None = None
    trigger_id: str | None = None
    type: str
    name: str
    value: float
    """Timers in milliseconds."""
    timestamp: datetime
    tags: dict[str, str] = {}
    execution_kind: str | None = None
    offset: int
    """Of its record on the topic; the document's version is one more, so never 0."""
    line: int
    """Place in its record, from 0."""


METRICS = ReadModel(
    "metrics",
    MetricDocument,
    lookups=(
        ("execution_id", "timestamp"),
        ("tenant", "namespace", "flow_id", "name", "timestamp"),
        ("tenant", "timestamp"),
    ),
)
