"""What happened to an execution. A stream is these, in order; state is their fold.

A tag is never used again for something else, a field is only ever added, with a default. Where a
date is missing the record's timestamp is meant.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.execution.commands import CreateExecution
from domain.execution.lifecycle import StateType
from domain.execution.state import (
    MAIN_LANE,
    Breakpoint,
    ExecutionTrigger,
    Label,
    Metadata,
    Moment,
    TaskRun,
    Timer,
)
from domain.log import Level


class Event(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """Root of the events."""


class ExecutionCreated(Event, tag="execution.created"):
    """The stream begins: CREATED, or RESTARTED after the histories taken over."""

    execution_id: str
    tenant: str
    namespace: str
    flow_id: str
    flow_revision: int
    original_id: str
    metadata: Metadata
    labels: list[Label] = []
    inputs: dict[str, Any] = {}
    trigger: ExecutionTrigger | None = None
    parent_id: str | None = None
    schedule_date: datetime | None = None
    kind: str | None = None
    breakpoints: list[Breakpoint] = []
    task_runs: list[TaskRun] = []
    """Taken over from another execution."""
    histories: list[Moment] = []
    """Taken over with them."""
    variables: dict[str, Any] = {}
    """Of the flow, or taken over with the task runs."""
    wanted_outputs: dict[str, Any] = {}
    """Templates that the parent wants rendered at the end."""
    defaults: int = 0
    """Number of the set of plugin defaults that it runs with; 0: none."""


class ExecutionStarted(Event, tag="execution.started"):
    """RUNNING: tasks may start."""


class ExecutionQueued(Event, tag="execution.queued"):
    """QUEUED: waits for a slot of its flow."""


class SlotAsked(Event, tag="slot.asked"):
    """A slot of the flow's concurrency limit was asked for."""

    limit: int
    behavior: str
    """QUEUE, CANCEL or FAIL."""


class SlotTaken(Event, tag="slot.taken"):
    """A slot is held."""

    forced: bool = False
    """Taken beyond the limit: the aggregate is to count it."""


class SlotFreed(Event, tag="slot.freed"):
    """The slot, or the place in the queue, is given back."""


class ExecutionPaused(Event, tag="execution.paused"):
    """PAUSED."""

    held: bool = False
    """By a person: nothing new starts until a resume."""


class ExecutionResumed(Event, tag="execution.resumed"):
    """A pause is over: RESTARTED, which RUNNING follows; from a hold RUNNING at once."""


class ExecutionRetrying(Event, tag="execution.retrying"):
    """RETRYING: a task run waits for its next attempt."""

    failed: bool = False
    """FAILED first: what failed was all that went on, a task at the top."""


class ExecutionKilling(Event, tag="execution.killing"):
    """KILLING: running work was told to stop."""

    state: StateType = StateType.KILLED
    """State to end in."""
    cascade: bool = True
    """Children are killed, too."""


class ExecutionEnded(Event, tag="execution.ended"):
    """A terminal state; afterExecution may still run."""

    state: StateType
    outputs: dict[str, Any] | None = None
    told: dict[str, Any] | None = None
    """Outputs for the parent, where they are more than the flow's own."""
    error: str | None = None
    failed: bool = False
    """FAILED first, then RETRIED: what failed was all that went on, a task at the top."""


class ExecutionLeaving(Event, tag="execution.leaving"):
    """No task follows: `finally` runs, then the execution ends in this state."""

    state: StateType


class ExecutionClosed(Event, tag="execution.closed"):
    """Nothing more happens by itself."""


class ExecutionSuspended(Event, tag="execution.suspended"):
    """BREAKPOINT."""


class ExecutionRestarted(Event, tag="execution.restarted"):
    """RESTARTED: runs again from what was reset."""

    flow_revision: int | None = None
    attempt_number: int | None = None
    defaults: int | None = None
    """Number of the set of plugin defaults from here on; None: as before."""


class ExecutionStateForced(Event, tag="execution.state-forced"):
    """A person said how it ended."""

    state: StateType


class ExecutionReplayed(Event, tag="execution.replayed"):
    """Another execution begins from this one: a replay, or a retry of the whole flow."""

    creation: CreateExecution


class ExecutionDeleted(Event, tag="execution.deleted"):
    """Readers forget it."""

    logs: bool = True
    metrics: bool = True
    storage: bool = True


class ExecutionForgotten(Event, tag="execution.forgotten"):
    """What happened here stood in a file that is gone: nothing can be said of what follows."""


class LabelsChanged(Event, tag="labels.changed"):
    """All labels, in their new order."""

    labels: list[Label]


class VariablesChanged(Event, tag="variables.changed"):
    """All variables, as they are now."""

    variables: dict[str, Any]


class BreakpointsChanged(Event, tag="breakpoints.changed"):
    """All breakpoints from now on, and the task runs that may pass theirs."""

    breakpoints: list[Breakpoint] = []
    passed: list[str] = []


class SlaViolated(Event, tag="sla.violated"):
    """A promise was broken."""

    sla_id: str
    index: int = 0
    """Position in the flow: ids may repeat."""


class TimerScheduled(Event, tag="timer.scheduled"):
    """The execution wants to be woken."""

    timer: Timer


class TimerEnded(Event, tag="timer.ended"):
    """Fired or no longer wanted."""

    timer_id: str


class SubflowStarted(Event, tag="subflow.started"):
    """A child execution begins."""

    task_run_id: str
    creation: CreateExecution
    index: int = 0
    waited: bool = True


class SubflowRestarted(Event, tag="subflow.restarted"):
    """A child that failed runs again."""

    task_run_id: str
    child_id: str


class SubflowRecorded(Event, tag="subflow.recorded"):
    """A child told its state."""

    task_run_id: str
    child_id: str
    state: StateType
    outputs: dict[str, Any] | None = None
    replaces: str | None = None
    """The child in whose place this one runs, with its first report."""


class LookupAnswered(Event, tag="lookup.answered"):
    """What the outside world answered to a function inside a flowable's expression."""

    key: str
    """The question: function and arguments, canonical."""
    value: Any = None
    error: str | None = None
    withheld: bool = False
    """A secret: the value is not recorded."""


class LogWritten(Event, tag="log.written"):
    """The executor said something about a task run or the execution."""

    level: Level
    message: str
    task_run_id: str | None = None
    attempt: int = 0
    """From 0, as clients of the API count."""


class CommandRejected(Event, tag="command.rejected"):
    """A command was refused; nothing else happened."""

    command: str
    """Its tag."""
    code: str
    message: str
    issuer: str = ""


class CommandNoted(Event, tag="command.noted"):
    """A command was taken, and there was nothing to do."""

    command: str
    """Its tag."""
    issuer: str = ""


class TaskRunCreated(Event, tag="taskrun.created"):
    """CREATED."""

    id: str
    task_id: str
    parent_id: str | None = None
    value: str | None = None
    iteration: int | None = None
    lane: str = MAIN_LANE
    force: bool = False
    dynamic: bool = False
    isolated: bool = False
    """An iteration of its own: nothing outside sees it, it sees nothing of its siblings."""


class TaskRunSubmitted(Event, tag="taskrun.submitted"):
    """SUBMITTED: a worker is asked."""

    id: str
    attempt: int = 1
    group: str | None = None
    """Worker group; None: the default one."""


class TaskRunStarted(Event, tag="taskrun.started"):
    """RUNNING: an attempt began."""

    id: str
    worker_id: str | None = None
    at: datetime | None = None


class TaskRunOpened(Event, tag="taskrun.opened"):
    """RUNNING: a flowable, or what the executor itself carries out, begins."""

    id: str
    submitted: bool = False
    """The history shows SUBMITTED first, as that of a task that a worker runs."""
    values: list[str] | None = None
    """Loops: what is looped over, as text."""
    keys: list[str] | None = None
    """Loops over a map: the keys of the values."""
    outputs: dict[str, Any] | None = None
    stores: bool = False
    """Loop: what its iterations hand out goes to files in internal storage."""
    source: str | None = None
    """Loop: URI of the file whose lines are the values, read as iterations begin."""


class TaskRunReopened(Event, tag="taskrun.reopened"):
    """RUNNING again: something inside runs again."""

    id: str


class TaskRunEnded(Event, tag="taskrun.ended"):
    """A terminal state."""

    id: str
    state: StateType
    attempt: StateType | None = None
    """State of the attempt that ended with it, where it differs; see `has_attempt`."""
    has_attempt: bool = True
    """False: no attempt ended with it."""
    started_at: datetime | None = None
    """Set when the attempt's start was not recorded before."""
    ended_at: datetime | None = None
    worker_id: str | None = None
    outputs: dict[str, Any] | None = None
    """None: leaves them as they are."""
    outputs_uri: str | None = None
    interrupted: bool = False
    """Ended from outside: its worker is told to stop, its children are killed."""


class IterationEnded(Event, tag="iteration.ended"):
    """An iteration of a Loop is over; its outputs are added to those of the loop."""

    id: str
    """Task run of the loop."""
    iteration: int
    state: StateType
    outputs: dict[str, Any] = {}
    value: str | None = None
    """Its value, where the loop does not keep them."""


class TaskRunBodyEnded(Event, tag="taskrun.body-ended"):
    """The worker's part is over; blocks of the executor follow."""

    id: str
    state: StateType
    started_at: datetime | None = None
    """Set when the attempt's start was not recorded before."""
    worker_id: str | None = None
    outputs: dict[str, Any] | None = None
    outputs_uri: str | None = None


class TaskRunRetryScheduled(Event, tag="taskrun.retry-scheduled"):
    """RETRYING: the attempt failed, another follows."""

    id: str


class TaskRunReset(Event, tag="taskrun.reset"):
    """CREATED again: a retry is due, a breakpoint is passed, a loop goes round."""

    id: str
    resubmitted: bool = False
    """The running attempt's worker is gone: the attempt ends RESUBMITTED."""


class TaskRunPaused(Event, tag="taskrun.paused"):
    """PAUSED."""

    id: str
    holds: bool = True
    """Nothing new starts in the whole execution until a resume."""


class TaskRunSuspended(Event, tag="taskrun.suspended"):
    """BREAKPOINT."""

    id: str


class TaskRunRestarted(Event, tag="taskrun.restarted"):
    """RESTARTED: waits to be started anew."""

    id: str


class TaskRunStateForced(Event, tag="taskrun.state-forced"):
    """A person said how it ended; its last attempt says the same."""

    id: str
    state: StateType


class TaskRunOutputsSet(Event, tag="taskrun.outputs-set"):
    """Outputs of a task run that goes on."""

    id: str
    outputs: dict[str, Any]


class TaskRunsRemoved(Event, tag="taskrun.removed"):
    """These are as if they had never been."""

    ids: list[str]


ExecutionEvent = (
    TaskRunCreated
    | TaskRunSubmitted
    | TaskRunStarted
    | TaskRunOpened
    | TaskRunEnded
    | ExecutionCreated
    | ExecutionStarted
    | ExecutionEnded
    | ExecutionClosed
    | ExecutionLeaving
    | LogWritten
    | TimerScheduled
    | TimerEnded
    | SubflowStarted
    | SubflowRestarted
    | SubflowRecorded
    | TaskRunOutputsSet
    | TaskRunBodyEnded
    | IterationEnded
    | TaskRunReopened
    | TaskRunRetryScheduled
    | TaskRunReset
    | TaskRunPaused
    | TaskRunSuspended
    | TaskRunRestarted
    | TaskRunStateForced
    | TaskRunsRemoved
    | ExecutionQueued
    | SlotAsked
    | SlotTaken
    | SlotFreed
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionRetrying
    | ExecutionKilling
    | ExecutionSuspended
    | ExecutionRestarted
    | ExecutionStateForced
    | ExecutionReplayed
    | ExecutionDeleted
    | ExecutionForgotten
    | LabelsChanged
    | VariablesChanged
    | BreakpointsChanged
    | SlaViolated
    | LookupAnswered
    | CommandRejected
    | CommandNoted
)
"""Any event, by its tag in `type`."""
