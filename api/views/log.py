"""Log and metric entries as JSON and as lines of text."""

from __future__ import annotations

from typing import Any

from api.views.text import instant
from domain.log import LogEntry
from domain.metric import MetricEntry

View = dict[str, Any]


def log_view(entry: LogEntry) -> View:
    """Return a log entry."""
    view = _origin(entry)
    if entry.attempt is not None:
        view["attemptNumber"] = entry.attempt
    if entry.trigger_id is not None:
        view["triggerId"] = entry.trigger_id
    view["timestamp"] = instant(entry.timestamp)
    view["level"] = entry.level.value
    if entry.thread is not None:
        view["thread"] = entry.thread
    view["message"] = entry.message
    if entry.execution_kind is not None:
        view["executionKind"] = entry.execution_kind
    return view


def log_line(entry: LogEntry) -> str:
    """Return a log entry as a line of a downloaded file."""
    return f"{instant(entry.timestamp)} {entry.level.value} {entry.message}"


def metric_view(entry: MetricEntry) -> View:
    """Return a metric entry."""
    view = _origin(entry)
    if entry.trigger_id is not None:
        view["triggerId"] = entry.trigger_id
    view["type"] = entry.type
    view["name"] = entry.name
    view["value"] = float(entry.value)
    view["timestamp"] = instant(entry.timestamp)
    view["tags"] = entry.tags
    if entry.execution_kind is not None:
        view["executionKind"] = entry.execution_kind
    return view


def _origin(entry: LogEntry | MetricEntry) -> View:
    view: View = {"namespace": entry.namespace, "flowId": entry.flow_id}
    if entry.task_id is not None:
        view["taskId"] = entry.task_id
    if entry.execution_id is not None:
        view["executionId"] = entry.execution_id
    if entry.task_run_id is not None:
        view["taskRunId"] = entry.task_run_id
    return view
