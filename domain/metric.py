"""What tasks measure: entries of the topic `metrics`."""

from __future__ import annotations

from datetime import datetime

import msgspec


class MetricEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One measurement of a task."""

    id: str
    tenant: str
    namespace: str
    flow_id: str
    type: str
    """`counter`, `timer` or `gauge`."""
    name: str
    value: float
    """Timers in milliseconds."""
    timestamp: datetime
    execution_id: str | None = None
    task_id: str | None = None
    task_run_id: str | None = None
    trigger_id: str | None = None
    tags: dict[str, str] = {}
    execution_kind: str | None = None


class MetricBatch(msgspec.Struct, kw_only=True):
    """The value of a record on `metrics`."""

    entries: list[MetricEntry]
