"""What someone may want of an execution. Everything on `execution.commands` is one of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from domain.execution.lifecycle import StateType
from domain.execution.state import Breakpoint, ExecutionTrigger, Label, Metadata, Moment, TaskRun


class Command(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """Members of every command."""

    execution_id: str
    command_id: str
    """Unique for what is wanted: the same id twice is one wish."""
    issuer: str = ""
    """User name, worker id or component that asks."""


class CreateExecution(Command, tag="execution.create"):
    """Begin an execution of a flow. The sender has checked and typed the inputs."""

    tenant: str
    namespace: str
    flow_id: str
    flow_revision: int
    labels: list[Label] = []
    """All labels in their final order, system labels included."""
    inputs: dict[str, Any] = {}
    trigger: ExecutionTrigger | None = None
    schedule_date: datetime | None = None
    kind: str | None = None
    breakpoints: list[Breakpoint] = []
    parent_id: str | None = None
    original_id: str | None = None
    metadata: Metadata | None = None
    task_runs: list[TaskRun] = []
    """Task runs taken over from another execution (replay)."""
    histories: list[Moment] = []
    """With task runs: the states of the execution they come from."""
    variables: dict[str, Any] | None = None
    """With task runs: the variables of the execution they come from."""
    wanted_outputs: dict[str, Any] = {}
    """Deprecated `outputs` of a Subflow: rendered at the child's end, for the parent."""
    error: str | None = None
    """Set: the execution is created FAILED with this reason, and runs nothing."""


class RecordTaskStart(Command, tag="task.start"):
    """A worker began an attempt. Left out for attempts that end at once."""

    task_run_id: str
    attempt: int
    worker_id: str
    started_at: datetime


class DynamicTaskRun(msgspec.Struct, omit_defaults=True):
    """A task run that a task reports of its own making."""

    task_id: str
    state: StateType
    value: str | None = None
    outputs: dict[str, Any] | None = None


class RecordTaskResult(Command, tag="task.result"):
    """An attempt ended."""

    task_run_id: str
    attempt: int
    state: StateType
    """As the task itself ended, before the flow's rules (allowFailure, retry) are applied."""
    worker_id: str
    started_at: datetime
    ended_at: datetime
    outputs: dict[str, Any] | None = None
    outputs_uri: str | None = None
    dynamic_task_runs: list[DynamicTaskRun] = []
    children: list[RecordTaskResult] = []
    """Results of the children of a WorkingDirectory, in order."""
    error: str | None = None


class RecordAttemptLost(Command, tag="task.lost"):
    """A worker, the issuer, has taken over a request that may have been begun elsewhere.

    The sender does not run it: what is to run follows as a new request.
    """

    task_run_id: str
    attempt: int
    worker_id: str = ""
    """Who is gone, as far as the sender knows."""


class FireTimer(Command, tag="timer.fire"):
    """A timer of the execution is due."""

    timer_id: str
    due: datetime | None = None
    """The moment that the timer was set for: one that was set anew since is not fired. None: the
    timer of that name, whenever it is due."""


class RestartSubflow(Command, tag="subflow.restart"):
    """The parent runs a failed child again; anything but a failed or paused child ignores it."""


class RecordSubflowResult(Command, tag="subflow.result"):
    """A child execution started or ended."""

    task_run_id: str
    child_id: str
    state: StateType
    outputs: dict[str, Any] | None = None
    error: str | None = None
    replaces: str | None = None
    """The child in whose place this one runs, where the child's flow is retried whole."""


class RecordSlot(Command, tag="slot.answer"):
    """The concurrency aggregate's answer: RUNNING (go), QUEUED, CANCELLED or FAILED."""

    state: StateType
    ask: int = 1
    """Which asking is answered: the execution's attempt number then."""


class PauseExecution(Command, tag="execution.pause"):
    """Start nothing new until a resume."""


class ResumeExecution(Command, tag="execution.resume"):
    """Go on after a pause."""

    inputs: dict[str, Any] = {}
    by: str | None = None


class ReviewExecution(Command, tag="execution.review"):
    """Decide an Approval that waits."""

    decision: Literal["APPROVED", "DENIED"]
    task_run_id: str | None = None
    """None: the oldest one that waits."""
    comment: str | None = None
    inputs: dict[str, Any] = {}
    by: str | None = None


class ResumeFromBreakpoint(Command, tag="execution.resume-breakpoint"):
    """Go on after a breakpoint, with new breakpoints."""

    breakpoints: list[Breakpoint] = []


class KillExecution(Command, tag="execution.kill"):
    """Stop everything."""

    cascade: bool = True
    state: StateType = StateType.KILLED
    """State to end in: KILLED, or FAILED/CANCELLED for an SLA."""


class RestartExecution(Command, tag="execution.restart"):
    """Run again from what failed or paused."""

    flow_revision: int | None = None
    """Set: a new execution, on this revision, takes over; see `new_execution_id`."""
    new_execution_id: str | None = None
    """Wanted with `flow_revision`."""


class ReplayExecution(Command, tag="execution.replay"):
    """Begin a new execution from this one."""

    new_execution_id: str
    task_run_id: str | None = None
    flow_revision: int | None = None
    inputs: dict[str, Any] | None = None
    breakpoints: list[Breakpoint] = []


class ChangeTaskRunState(Command, tag="taskrun.change-state"):
    """Force the state of a task run of an ended execution and go on from there."""

    task_run_id: str
    state: StateType


class ChangeExecutionState(Command, tag="execution.change-state"):
    """Force the state of an ended execution."""

    state: StateType


class ForceRunExecution(Command, tag="execution.force-run"):
    """Run now, whatever holds it."""


class UnqueueExecution(Command, tag="execution.unqueue"):
    """Take a queued execution out of its queue: into RUNNING, CANCELLED or FAILED."""

    state: StateType = StateType.RUNNING


class ChangeLabels(Command, tag="execution.change-labels"):
    """Replace all labels but the system ones."""

    labels: list[Label]


class DeleteExecution(Command, tag="execution.delete"):
    """Forget an execution: readers drop it, its stream stays in the archive until retention."""

    delete_logs: bool = True
    delete_metrics: bool = True
    delete_storage: bool = True


ExecutionCommand = (
    RecordTaskResult
    | RecordTaskStart
    | CreateExecution
    | FireTimer
    | RecordSubflowResult
    | RestartSubflow
    | RecordSlot
    | RecordAttemptLost
    | PauseExecution
    | ResumeExecution
    | ReviewExecution
    | ResumeFromBreakpoint
    | KillExecution
    | RestartExecution
    | ReplayExecution
    | ChangeTaskRunState
    | ChangeExecutionState
    | ForceRunExecution
    | UnqueueExecution
    | ChangeLabels
    | DeleteExecution
)
"""Any command, by its tag in `type`."""

RESTARTS = (RestartExecution, RestartSubflow)
"""Commands that begin anew with the plugin defaults now in force."""

LOST = "task.lost"
"""Tag of the loss of an attempt."""

MACHINE_COMMANDS = frozenset(
    {"task.result", "task.start", LOST, "timer.fire", "subflow.result", "slot.answer"}
)
"""Tags of commands that are known by what they report, and need no memory of their ids."""
