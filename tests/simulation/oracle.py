"""Watches the log of a simulation from outside, and holds everything in it to the invariants.

The oracle folds each record as it becomes durable: it has the fold of every prefix of the log. What
an executor believed after a step is compared with that fold when the step's record is accepted.
"""

from __future__ import annotations

from typing import Any

from domain.execution import events as e
from domain.execution.advance import advance
from domain.execution.context import Context
from domain.execution.fold import (
    RECORDS,
    continues,
    decode_state,
    encode_state,
    fold_record,
)
from domain.execution.index import index_of
from domain.execution.lifecycle import (
    EXECUTION_TRANSITIONS,
    TASK_RUN_TRANSITIONS,
    TERMINAL,
    StateType,
)
from domain.execution.lookups import LookupNeeded
from domain.execution.plan import plan_of
from domain.execution.record import EventRecord
from domain.execution.requests import TaskRequest
from domain.execution.state import Execution, Slot, State, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.record.codec import Codec
from domain.record.envelope import Outgoing, Record, instant_of
from domain.record.topics import DEAD_LETTER, EXECUTION_EVENTS, FLOW_SLOTS
from domain.record.values import DeadLetter
from streams.steps import WRITER
from tests.simulation.broker import Broker
from tests.simulation.flows import Flows

_LETTERS: Codec[DeadLetter] = Codec(DeadLetter)
_S = StateType
_Mark = tuple[str, str, int]


class Broken(BaseException):
    """An invariant does not hold. No handler may catch it."""


class Oracle:
    """The fold of everything durable, checked on the way.

    Attributes:
        states: every execution as of the end of the log.
        accepted: event records that counted.
        ignored: event records that did not.
    """

    def __init__(self, broker: Broker, flows: Flows, *, thorough: bool) -> None:
        self._broker = broker
        self._flows = flows
        self._thorough = thorough
        self.states: dict[str, Execution] = {}
        self.accepted = 0
        self.ignored = 0
        self.letters: list[Record] = []
        self._believed: dict[_Mark, bytes | None] = {}
        self._checked: dict[tuple[str, str], int] = {}
        self._forced: set[str] = set()
        self._freed: set[str] = set()
        self.haunted = False
        """A worker did not know that others had its work."""
        broker.listeners.append(self.landed)

    # --- what executors believe

    def stepped(self, writer: str, state: Execution | None, event: Outgoing) -> None:
        """An executor has made a step: its record is not durable yet."""
        if state is None:
            return
        if not index_of(state).is_quiet:
            raise Broken(f"{state.id} is not quiet after a step: {event.value!r}")
        if self._thorough:
            self._believed[writer, state.id, state.sequence] = encode_state(state)

    # --- what workers do

    def begun(self, request: TaskRequest, worker_id: str) -> None:
        """A worker begins an attempt; where it may run once, nobody else may be on record."""
        state = self.states.get(request.execution_id)
        run = None if state is None else state.task_runs.get(request.task_run_id)
        if run is None or self.haunted or not request.is_at_most_once:
            return
        if len(run.attempts) < request.attempt:
            return
        other = run.attempts[request.attempt - 1].worker_id
        if other not in (worker_id, None):
            name = f"{request.task_run_id}.{request.attempt}"
            raise Broken(f"{worker_id} begins {name}, which is {other}'s")

    # --- what becomes durable

    def landed(self, record: Record) -> None:
        """Fold one durable record."""
        if record.topic == DEAD_LETTER:
            self.letters.append(record)
        if record.topic == FLOW_SLOTS:
            who = record.key.rpartition("/")[2]
            (self._freed.add if record.value is None else self._freed.discard)(who)
        if record.topic != EXECUTION_EVENTS:
            return
        decoded = RECORDS.decode(record)
        if decoded.sequence == 0:
            return
        execution_id = decoded.execution_id
        state = self.states.get(execution_id)
        if not continues(state, decoded):
            self.ignored += 1
            return
        self.accepted += 1
        folded = fold_record(state, decoded)
        assert folded is not None
        self.states[execution_id] = folded
        if state is None:
            self._inherit(folded)
        if folded.sequence != decoded.last_sequence:
            raise Broken(f"{execution_id} has a gap before {decoded.sequence}")
        self._check_transitions(folded, decoded)
        self._check_forced(decoded)
        if self._thorough:
            mark = (record.headers.get(WRITER, ""), execution_id, folded.sequence)
            believed = self._believed.pop(mark, None)
            if believed is not None and believed != encode_state(folded):
                raise Broken(
                    f"the fold of {execution_id} at {folded.sequence} is not what the executor"
                    f" believed:\n{encode_state(folded)!r}\n{believed!r}"
                )
            self.check_nothing_is_left(folded)
        self._check_slots(folded)

    def _check_transitions(self, state: Execution, record: EventRecord) -> None:
        self._check(state.id, "", state.state, EXECUTION_TRANSITIONS)
        runs = state.task_runs
        for event in record.events:
            run_id = getattr(event, "id", None)
            run = None if run_id is None else runs.get(run_id)
            if run is not None:
                self._check(state.id, run.id, run.state, TASK_RUN_TRANSITIONS)

    def _inherit(self, state: Execution) -> None:
        """What a replay takes over from another execution is not this one's doing."""
        created = len(state.state.histories) if state.replayed else 0
        self._checked[state.id, ""] = created
        if state.replayed:
            for run in state.task_runs.values():
                self._checked[state.id, run.id] = len(run.state.histories)

    def _check(
        self,
        execution_id: str,
        who: str,
        state: State,
        table: dict[StateType, frozenset[StateType]],
    ) -> None:
        place = (execution_id, who)
        histories = state.histories
        known = self._checked.get(place, 0)
        for number in range(max(1, known), len(histories)):
            old, new = histories[number - 1].state, histories[number].state
            if new not in table.get(old, frozenset()):
                raise Broken(f"{execution_id} {who}: {old.value} to {new.value}")
        self._checked[place] = len(histories)
        if histories and histories[-1].state is not state.current:
            raise Broken(f"{execution_id} {who}: {state.current.value} is not its last state")

    def _check_forced(self, record: EventRecord) -> None:
        for event in record.events:
            if isinstance(event, e.SlotTaken) and event.forced:
                self._forced.add(record.execution_id)

    def _check_slots(self, state: Execution) -> None:
        """No more executions hold slots than the limit says; forced ones are beyond it.

        A slot may be free before its holder's own record of that is durable: both were sent at
        once, and the step is made.
        """
        flow = self._flows.get(state.tenant, state.namespace, state.flow_id)
        if flow is None or flow.concurrency is None or state.slot is not Slot.HELD:
            return
        holders = [
            other.id
            for other in self.states.values()
            if other.flow_id == state.flow_id
            and other.slot is Slot.HELD
            and other.id not in self._forced
            and other.id not in self._freed
        ]
        if len(holders) > flow.concurrency.limit:
            raise Broken(f"{holders} hold slots of {state.flow_id}: more than its limit")

    def check_nothing_is_left(self, state: Execution) -> None:
        """Look at everything anew, with an index made from the state alone: nothing may happen."""
        flow = self._flows.get(state.tenant, state.namespace, state.flow_id, state.flow_revision)
        if flow is None:
            return
        copy = decode_state(encode_state(state))
        now = instant_of(self._broker.now_ms)
        turn = Turn(copy, plan_of(flow), Context(now=now, find_flow=self._flows.get))
        turn.index.wake()
        try:
            advance(turn)
        except LookupNeeded as needed:
            raise Broken(f"{state.id} still asks {needed.question.key}") from needed
        names = [type(event).__name__ for event in turn.events]
        if names:
            raise Broken(f"{names} of {state.id} had been left undone")

    # --- how it ends

    def unfinished(self) -> list[Execution]:
        """Executions to which something is still to happen."""
        return [state for state in self.states.values() if not state.closed and not state.deleted]

    def check_end(self) -> None:
        """Check what must hold once nothing more happens."""
        for state in self.states.values():
            if state.deleted:
                continue
            current = state.state.current
            if current not in TERMINAL or not state.closed:
                raise Broken(f"{state.id} hangs: {self.describe(state)}")
            if state.timers:
                raise Broken(f"{state.id} has ended and keeps timers {list(state.timers)}")
            if state.slot is not Slot.NONE:
                raise Broken(f"{state.id} has ended and keeps its slot")
            for run in state.task_runs.values():
                if run.state.current not in TERMINAL:
                    raise Broken(f"{state.id} has ended: {self.describe(state)}")
        if self.letters:
            letters = [_LETTERS.decode(letter) for letter in self.letters[:3]]
            raise Broken(f"dead letters: {[(one.component, one.reason) for one in letters]}")

    def check_looked_after(self, owed: set[str], moving: set[str]) -> None:
        """Every live task run is running somewhere, or has a pending effect or timer (I9).

        Args:
            owed: task runs whose requests are not done.
            moving: executions whose commands are not stepped, or may be stepped again.
        """
        for state in self.states.values():
            if state.deleted or state.state.current in TERMINAL or state.id in moving:
                continue
            for run in state.task_runs.values():
                if run.state.current in TERMINAL or self._is_looked_after(state, run, owed):
                    continue
                raise Broken(f"nobody goes on with {run.id}: {self.describe(state)}")

    def _is_looked_after(self, state: Execution, run: TaskRun, owed: set[str]) -> bool:
        if run.state.current is not _S.SUBMITTED and run.state.current is not _S.RUNNING:
            return True  # held by a state of the execution or by a timer: the end tells
        flow = self._flows.get(state.tenant, state.namespace, state.flow_id, state.flow_revision)
        plan = None if flow is None else plan_of(flow).tasks.get(run.task_id)
        if plan is None or not isinstance(plan.task, t.PluginTask | t.WorkingDirectory):
            return True
        return run.id in owed or run.body is not None

    def describe(self, state: Execution) -> str:
        """Return where an execution stands, in words."""
        runs = {
            f"{run.task_id}[{run.value}]" if run.value else run.task_id: run.state.current.value
            for run in state.task_runs.values()
            if run.state.current not in TERMINAL
        }
        return (
            f"{state.flow_id} is {state.state.current.value}, closed {state.closed}, slot"
            f" {state.slot.value}, timers {list(state.timers)}, holding {state.holding},"
            f" open task runs {runs}"
        )

    def outcome(self, asked_for: list[str]) -> dict[str, Any]:
        """Return how everything ended, without what depends on time.

        Args:
            asked_for: executions that people created; the others are known by what they did.
        """
        ended: dict[str, Any] = {}
        for state in self.states.values():
            runs = sorted(
                (run.task_id, run.value or "", run.iteration or 0, run.state.current.value)
                for run in state.task_runs.values()
            )
            name = state.id if state.id in asked_for else f"{state.flow_id}: {runs}"
            while name in ended:
                name += "+"
            ended[name] = (state.flow_id, state.state.current.value, runs)
        return ended
