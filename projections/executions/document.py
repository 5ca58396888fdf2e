"""The document of one execution."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.execution.state import Execution
from projections.store import ReadModel


class ExecutionDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An execution without its task runs, and what it is found by."""

    id: str
    tenant: str
    namespace: str
    flow_id: str
    flow_key: str
    """Namespace and flow in one text: to take one execution of each flow."""
    flow_revision: int
    state: str
    start_date: datetime
    end_date: datetime | None = None
    duration: int | None = None
    """Milliseconds from the first to the last entry of the history."""
    original_id: str
    parent_id: str | None = None
    trigger_id: str | None = None
    trigger_execution_id: str | None = None
    """The execution that started this one, by a flow trigger or as a subflow."""
    kind: str | None = None
    """None: an ordinary one."""
    label_pairs: list[str] = []
    """Every label as key, U+001F, value."""
    text: str
    """What `q` looks through: id, namespace, flow, labels."""
    sequence: int
    """Of the last event: the document's version."""
    task_run_count: int = 0
    task_sequence: int = 0
    """Sequence of the last step that changed a task run."""
    body: Execution
    """The execution, with no task runs, timers and command ids."""


EXECUTIONS = ReadModel(
    "executions",
    ExecutionDocument,
    lookups=(
        ("tenant", "kind", "start_date"),
        ("tenant", "flow_key", "kind", "start_date"),
        ("tenant", "kind", "state", "start_date"),
        ("trigger_execution_id",),
    ),
)
