"""The document of one log line."""

from __future__ import annotations

from datetime import datetime

import msgspec

from projections.store import ReadModel


class LogDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of a task, a trigger or the executor."""

    id: str
    tenant: str
    namespace: str
    flow_id: str
    execution_id: str | None = None
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None
    """From 0."""
    trigger_id: str | None = None
    level: str
    timestamp: datetime
    thread: str | None = None
    execution_kind: str | None = None
    offset: int
    """Of its record on the topic; the document's version is one more, so never 0."""
    line: int
    """Place in its record, from 0: with the offset it orders lines of the same instant."""
    message: str


LOGS = ReadModel(
    "logs",
    LogDocument,
    lookups=(("execution_id", "timestamp"), ("tenant", "timestamp")),
)
