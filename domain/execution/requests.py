"""What the executor asks of workers. Everything on `task.requests` is a TaskRequest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class TaskRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One attempt of one task run, with all that a worker needs to render and run it."""

    execution_id: str
    task_run_id: str
    attempt: int
    """From 1. Together with the task run id it names the attempt."""
    tenant: str
    namespace: str
    flow_id: str
    flow_revision: int
    task: dict[str, Any]
    """The task as the flow has it, plugin defaults merged, templates not rendered."""
    variables: dict[str, Any]
    """The render context: only the outputs that the task's templates can reach."""
    requested_at: datetime
    kind: str | None = None
    force: bool = False
    """Run even though the execution is killed (afterExecution)."""
    retries_left: bool = False
    """A failure of this attempt will be retried: allowFailure does not apply yet."""
    lost_attempts: int = 0
    """Earlier attempts whose worker was gone: what they did may be done in part."""

    @property
    def is_at_most_once(self) -> bool:
        """Whether the flow forbids to run an attempt again that may have been begun."""
        return self.task.get("onWorkerLost") == "FAIL"


class WorkerSignal(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """Root of what travels on `worker.signals`."""


class KillSignal(WorkerSignal, tag="kill", kw_only=True, omit_defaults=True):
    """Interrupt running attempts of an execution, or of some of its task runs."""

    execution_id: str
    task_run_ids: list[str] = []
    """Empty: all but forced ones."""


class Heartbeat(WorkerSignal, tag="heartbeat", kw_only=True, omit_defaults=True):
    """A worker is alive."""

    worker_id: str
    group: str | None = None
    sent_at: datetime
    leaving: bool = False


class AttemptEnded(WorkerSignal, tag="ended", kw_only=True, omit_defaults=True):
    """An attempt ended on a worker after its request had gone over to another one."""

    attempt_id: str
    worker_id: str


AnyWorkerSignal = KillSignal | Heartbeat | AttemptEnded
