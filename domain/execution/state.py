"""What an execution is at one point of its stream: the fold of its events.

An `Execution` belongs to exactly one fold, which changes it in place through `evolve` and nothing
else: a copy per event would make a step's cost grow with the execution.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import msgspec

from domain.execution.lifecycle import StateType

_MILLISECOND: Final = timedelta(milliseconds=1)


class Moment(msgspec.Struct, frozen=True):
    """One entry of a history."""

    state: StateType
    date: datetime


class State(msgspec.Struct):
    """Where something stands and how it came there."""

    current: StateType
    histories: list[Moment]

    @classmethod
    def begin(cls, state: StateType, date: datetime) -> State:
        """Return a state whose history has this one entry."""
        return cls(state, [Moment(state, date)])

    def move(self, state: StateType, date: datetime) -> None:
        """Go to a state; going where one is already changes nothing. Dates never run backwards."""
        if state is not self.current:
            self.current = state
            last = self.histories[-1].date
            self.histories.append(Moment(state, max(last, date)))

    def copy(self) -> State:
        """Return an independent copy."""
        return State(self.current, list(self.histories))

    @property
    def start_date(self) -> datetime:
        """Instant of the first entry."""
        return self.histories[0].date

    @property
    def end_date(self) -> datetime | None:
        """Instant of the last entry when ended or paused, else None."""
        if self.current.is_terminal or self.current is StateType.PAUSED:
            return self.histories[-1].date
        return None

    @property
    def duration(self) -> timedelta | None:
        """Time from the first to the last entry; None while there is one only."""
        if len(self.histories) < 2:
            return None
        return self.histories[-1].date - self.histories[0].date

    @property
    def duration_ms(self) -> int | None:
        """The same in milliseconds."""
        duration = self.duration
        return None if duration is None else duration // _MILLISECOND


class Label(msgspec.Struct, frozen=True):
    """A label of a flow or an execution."""

    key: str
    value: str


class Breakpoint(msgspec.Struct, frozen=True):
    """A task (and value) before which an execution is held."""

    id: str
    value: str | None = None


class ExecutionTrigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """What started an execution."""

    id: str
    type: str
    variables: dict[str, Any] = {}


class Attempt(msgspec.Struct, omit_defaults=True):
    """One run of a task run."""

    state: State
    worker_id: str | None = None


MAIN_LANE = "tasks"
"""The lane of a scope that holds its own tasks, whatever the branch is called in the flow."""


class TaskRun(msgspec.Struct, omit_defaults=True):
    """One task of one execution, at one value and iteration."""

    id: str
    task_id: str
    state: State
    parent_id: str | None = None
    value: str | None = None
    """The loop's value as text."""
    iteration: int | None = None
    attempts: list[Attempt] = []
    outputs: dict[str, Any] | None = None
    outputs_uri: str | None = None
    """Set instead of `outputs` when too large for the log: a JSON file in internal storage."""
    items: str | None = None
    """ForEachItem: URI of the batch."""
    dynamic: bool = False
    """Reported by a task as of its own making."""
    force_execution: bool = False
    """Runs although the execution has ended (afterExecution)."""
    lane: str = MAIN_LANE
    """Where it stands in its parent: `tasks`, `errors`, `finally`, `afterExecution`, `onPause`."""
    values: list[str] | None = None
    """Loops: the values as text, rendered once when the loop opened."""
    keys: list[str] | None = None
    """Loops over a map: the keys of the values."""
    isolated: bool = False
    """Belongs to an iteration that nothing outside sees."""
    stores: bool = False
    """Loop: what its iterations hand out goes to files in internal storage."""
    source: str | None = None
    """Loop: URI of the file whose lines are the values; they are not kept in `values` then."""
    body: StateType | None = None
    """WorkingDirectory: how the worker's part ended, while blocks of the executor follow."""

    @property
    def loops(self) -> bool:
        """True for a loop that has been opened."""
        return self.values is not None or self.source is not None

    @property
    def last_attempt(self) -> Attempt | None:
        """The latest attempt, running or ended; None before the first."""
        return self.attempts[-1] if self.attempts else None

    @property
    def lost_attempts(self) -> int:
        """How many attempts ended because their worker was gone: they are no failures."""
        return sum(attempt.state.current is StateType.RESUBMITTED for attempt in self.attempts)


class Metadata(msgspec.Struct, omit_defaults=True):
    """Lineage of an execution."""

    attempt_number: int
    original_created_date: datetime


class Timer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A moment at which the execution wants to be woken by `FireTimer`."""

    id: str
    due: datetime
    purpose: str
    """What for: see `domain.execution.timers`."""
    task_run_id: str | None = None


class Child(msgspec.Struct, omit_defaults=True):
    """An execution that a task run of this one started."""

    task_run_id: str
    state: StateType = StateType.CREATED
    """As last told by the child."""
    index: int = 0
    """Position among the children of its task run."""
    waited: bool = True
    """False: nobody waits for its end."""
    outputs: dict[str, Any] | None = None
    """Outputs of its flow, once it has ended."""


class Slot(Enum):
    """How an execution stands to its flow's concurrency limit."""

    NONE = "none"
    ASKED = "asked"
    QUEUED = "queued"
    HELD = "held"


class Execution(msgspec.Struct, omit_defaults=True, dict=True):
    """The state of one execution.

    `dict=True` holds what stands beside it in memory only: its index (`domain.execution.index`)
    and a step that is not over (`domain.execution.turn`).
    """

    id: str
    tenant: str
    namespace: str
    flow_id: str
    flow_revision: int
    state: State
    metadata: Metadata
    original_id: str
    sequence: int = 0
    """Sequence number of the last event folded in; 0 before the first."""
    labels: list[Label] = []
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] | None = None
    told: dict[str, Any] | None = None
    """Outputs for the parent, where they are more than the flow's own."""
    wanted_outputs: dict[str, Any] = {}
    """Templates that the parent wants rendered at the end."""
    variables: dict[str, Any] = {}
    """The flow's variables, as SetVariables and UnsetVariables have left them."""
    task_runs: dict[str, TaskRun] = {}
    """By id, in order of creation."""
    trigger: ExecutionTrigger | None = None
    parent_id: str | None = None
    schedule_date: datetime | None = None
    kind: str | None = None
    breakpoints: list[Breakpoint] = []
    timers: dict[str, Timer] = {}
    """Live timers by id."""
    command_ids: list[str] = []
    """Ids of people's commands applied, the last 256: a second delivery is dropped."""
    lost_ids: list[str] = []
    """The same of what told that attempts were lost."""
    deleted: bool = False
    sealed: bool = False
    """Its stream cannot be folded from here on: only its deletion still counts."""
    error: str | None = None
    """Why the execution failed outside any task, in words."""
    command_offset: int = -1
    """Offset of the last command stepped; commands up to it are known."""
    closed: bool = False
    """Nothing more happens by itself: ended, and afterExecution is through."""
    held: bool = False
    """Paused by a person: nothing new starts."""
    holding: list[str] = []
    """Task runs of Pause that wait: while there are any nothing new starts."""
    slot: Slot = Slot.NONE
    kill_state: StateType | None = None
    """While killing: the state to end in."""
    leaving: StateType | None = None
    """Set: no task follows, and the execution ends in this state."""
    children: dict[str, Child] = {}
    """By execution id, in order of creation."""
    violated: list[str] = []
    """Ids of broken SLAs."""
    passed_breakpoints: list[str] = []
    """Task runs that may pass their breakpoint."""
    removals: int = 0
    """How often task runs were taken out: makes the ids of those after it new."""
    defaults: int = 0
    """Number of the set of plugin defaults that it runs with; 0: none."""
    replayed: bool = False
    """Created from another execution's task runs: its first start is a restart."""

    @property
    def is_held(self) -> bool:
        """True while a pause forbids that anything new starts."""
        return self.held or bool(self.holding)
