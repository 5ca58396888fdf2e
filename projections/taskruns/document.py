"""The document of one task run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.execution.state import TaskRun
from projections.store import ReadModel


class TaskRunDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A task run, its place in its execution and what it is found by."""

    id: str
    tenant: str
    namespace: str
    flow_id: str
    execution_id: str
    task_id: str
    parent_id: str | None = None
    state: str
    start_date: datetime
    end_date: datetime | None = None
    duration: int | None = None
    """Milliseconds."""
    position: int
    """Place among the task runs of the execution, from 0."""
    sequence: int
    """Of the execution's step that changed it last: the document's version."""
    body: TaskRun


TASK_RUNS = ReadModel(
    "taskruns",
    TaskRunDocument,
    lookups=(("execution_id", "position"),),
    routing="execution_id",
)
