"""The step of an execution: the first file to read.

`decide` turns a command into events, `advance` adds what can happen with no outside input until
nothing more can, `evolve` folds every event into the state, `react` names the effects. The same
state and command give the same events, byte for byte, on any machine and any day.

The state belongs to its owner's fold and is changed in place. If a step raises, or its record
cannot be written, the owner drops the state and folds it again from the log.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.errors import BrokenInvariant
from domain.execution import rejections as r
from domain.execution.advance import advance, close
from domain.execution.commands import (
    MACHINE_COMMANDS,
    CreateExecution,
    ExecutionCommand,
    RecordAttemptLost,
)
from domain.execution.context import DEFAULT_SETTINGS, Answer, Context, Question, Settings
from domain.execution.creation import create, created
from domain.execution.decide import decide
from domain.execution.effects import AnyEffect
from domain.execution.ending import interrupt
from domain.execution.events import ExecutionEnded, ExecutionEvent
from domain.execution.evolve import begin
from domain.execution.fold import note_command
from domain.execution.index import drop_index
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.lookups import LookupNeeded
from domain.execution.plan import plan_of
from domain.execution.react import react
from domain.execution.record import EventRecord
from domain.execution.sla import check_assertions
from domain.execution.state import Execution
from domain.execution.turn import Turn, keep_turn, take_turn
from domain.flow.model import Flow
from domain.log import Level
from domain.record.codec import tag_of
from domain.record.envelope import instant_of, milliseconds_of


class Step(msgspec.Struct, frozen=True):
    """What a command did."""

    events: Sequence[ExecutionEvent]
    """In order. Empty: the command was known already, or is stale; no record is written."""
    state: Execution | None
    """After the step: the object that was given, or the new one. None: there is no execution."""
    effects: Sequence[AnyEffect] = ()
    sequence: int = 0
    """Sequence number of the first event; 0 for a refusal outside of any stream."""
    known: bool = False
    """The command has been stepped before, by its offset: send the effects of its record again."""

    def record(self, command: ExecutionCommand, context: Context, writer: str = "") -> EventRecord:
        """Return the one record that this step writes."""
        return EventRecord(
            execution_id=command.execution_id,
            sequence=self.sequence,
            command_id=command.command_id,
            command_offset=context.command_offset,
            timestamp_ms=milliseconds_of(context.now),
            events=list(self.events),
            command=tag_of(command),
            issuer=command.issuer,
            writer=writer,
        )


class Needs(msgspec.Struct, frozen=True):
    """The outside world must be asked. Call `step` again with the answers added to the context.

    Until then no other command of the execution may be stepped.
    """

    questions: Sequence[Question]


def step(
    flow: Flow | None, state: Execution | None, command: ExecutionCommand, context: Context
) -> Step | Needs:
    """Step a command.

    Args:
        flow: the flow in the revision of the execution; None: there is none.
        state: the execution; None when it does not exist. Changed in place.
        command: what is wanted.
        context: the time, the command's offset, and what else is to be known.

    Raises:
        BrokenInvariant: the program contradicts itself; the state must be dropped.
    """
    if state is None:
        return _first(flow, command, context)
    if 0 <= context.command_offset <= state.command_offset:
        return Step((), state, known=True)
    if command.command_id in state.command_ids or (
        isinstance(command, RecordAttemptLost) and command.command_id in state.lost_ids
    ):
        return Step((), state)
    turn = take_turn(state)
    if turn is None:
        turn = Turn(state, plan_of(flow or _missing(state)), context)
    else:
        turn.answered(context)
    return _go_on(turn, command)


def give_up(
    flow: Flow | None,
    state: Execution | None,
    command: ExecutionCommand,
    context: Context,
    reason: str,
) -> Step:
    """Fail an execution whose step cannot be made or recorded, instead of losing or repeating it.

    Args:
        flow: the flow in the revision of the execution; None: there is none.
        state: the execution as the log has it, folded anew after the step that went wrong.
        command: the command of that step.
        context: as for that step.
        reason: what went wrong, in words for people.
    """
    if state is None:
        if not isinstance(command, CreateExecution):
            return Step((), None)
        # neither inputs nor task runs are kept: they may be what does not fit
        small = msgspec.structs.replace(
            command, inputs={}, task_runs=[], histories=[], variables={}, error=reason
        )
        result = _first(flow, small, context)
        assert isinstance(result, Step)
        return result
    take_turn(state)
    drop_index(state)
    turn = Turn(state, plan_of(flow or _missing(state)), context)
    turn.log(Level.ERROR, reason)
    if state.state.current not in TERMINAL:
        interrupt(turn, state.task_runs.values(), StateType.FAILED)
        turn.emit(ExecutionEnded(state=StateType.FAILED, error=reason))
    close(turn)
    turn.index.rest()
    return _ended(turn, command)


def react_again(
    flow: Flow | None, state: Execution, record: EventRecord, settings: Settings = DEFAULT_SETTINGS
) -> Sequence[AnyEffect]:
    """Name the effects of a recorded step that are still owed: its command came again.

    Args:
        flow: the flow in the revision of the execution; None: there is none.
        state: the execution as it is now.
        record: what the step wrote.
        settings: what the server's configuration says to expressions.
    """
    return react(
        flow or _missing(state),
        state,
        record.events,
        sequence=record.sequence,
        now=instant_of(record.timestamp_ms),
        settings=settings,
    )


def missing_flow(command: CreateExecution) -> str:
    """Return why an execution fails whose flow is not there."""
    return f"Flow '{command.namespace}.{command.flow_id}' does not exist"


def _first(flow: Flow | None, command: ExecutionCommand, context: Context) -> Step | Needs:
    """Step a command to an execution that does not exist."""
    if not isinstance(command, CreateExecution):
        if tag_of(command) in MACHINE_COMMANDS:
            return Step((), None)
        return Step((r.reject(command, r.NOT_FOUND, id=command.execution_id),), None)
    event = created(command, flow or _no_flow(command), context.now)
    state = begin(event, context.now)
    turn = Turn(state, plan_of(flow or _missing(state)), context)
    turn.events.append(event)
    turn.index.touch(None)
    if flow is None and command.error is None:
        command = msgspec.structs.replace(command, error=missing_flow(command))
    create(turn, command)
    turn.decided = True
    return _go_on(turn, command)


def _go_on(turn: Turn, command: ExecutionCommand) -> Step | Needs:
    try:
        if turn.command_id not in (None, command.command_id):
            waits = turn.command_id
            raise BrokenInvariant(f"{command.command_id} came while {waits} needs answers")
        turn.command_id = command.command_id
        if not turn.decided:
            turn.attempt(lambda: decide(turn, command))
            turn.decided = True
        if turn.plan.flow.sla and not turn.checked:
            turn.attempt(lambda: check_assertions(turn))
            turn.checked = True
        advance(turn)
    except BaseException as raised:
        keep_turn(turn)  # it goes on with the answers; a state that it broke takes nothing else
        if isinstance(raised, LookupNeeded):
            return Needs((raised.question,))
        raise
    return _ended(turn, command)


def _ended(turn: Turn, command: ExecutionCommand) -> Step:
    """Close the books of a step: remember the command, name the effects."""
    state = turn.state
    events = turn.events
    if not events:
        return Step((), state)
    context = turn.context
    sequence = state.sequence + 1
    note_command(
        state,
        sequence=state.sequence + len(events),
        offset=context.command_offset,
        command=tag_of(command),
        command_id=command.command_id,
    )
    effects = react(
        turn.plan.flow,
        state,
        events,
        sequence=sequence,
        now=context.now,
        settings=context.settings,
    )
    return Step(events, state, effects, sequence)


def _no_flow(command: CreateExecution) -> Flow:
    return Flow(id=command.flow_id, namespace=command.namespace, tenant_id=command.tenant)


def _missing(state: Execution) -> Flow:
    """Stand in for a flow that is gone: nothing more starts, what runs may end."""
    return Flow(
        id=state.flow_id,
        namespace=state.namespace,
        tenant_id=state.tenant,
        revision=state.flow_revision,
    )


__all__ = [
    "Answer",
    "Context",
    "Needs",
    "Question",
    "Settings",
    "Step",
    "give_up",
    "missing_flow",
    "react",
    "react_again",
    "step",
]
