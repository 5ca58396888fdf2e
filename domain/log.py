"""What tasks say: entries of the topic `logs`."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import msgspec


class Level(Enum):
    """Severity, most severe first."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"

    @property
    def rank(self) -> int:
        """0 for ERROR up to 4 for TRACE."""
        return _RANK[self]


_RANK = {level: rank for rank, level in enumerate(Level)}


class LogEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a task, a trigger or the executor."""

    id: str
    """Derived from attempt and line number: a second delivery is the same document."""
    tenant: str
    namespace: str
    flow_id: str
    level: Level
    message: str
    timestamp: datetime
    execution_id: str | None = None
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None
    """From 0, as clients of the API count."""
    trigger_id: str | None = None
    thread: str | None = None
    execution_kind: str | None = None
    deleted: bool = False


class LogBatch(msgspec.Struct, kw_only=True):
    """The value of a record on `logs`: entries of one execution or trigger, in order."""

    entries: list[LogEntry]
