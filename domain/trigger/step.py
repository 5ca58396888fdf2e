"""One step of a trigger: a command becomes events, and the events name the executions to start."""

from __future__ import annotations

from collections.abc import Iterable

from domain.execution.commands import CreateExecution
from domain.flow.model import Flow
from domain.flow.triggers import FlowTrigger, Schedule, ScheduleOnDates
from domain.trigger.commands import FireTrigger, RecordUpstream, RegisterTrigger, TriggerCommand
from domain.trigger.creation import Surroundings
from domain.trigger.decide import NOTHING, Events, decide
from domain.trigger.events import DeadlineMissed, FlowTriggered, TriggerEvent, TriggerFired
from domain.trigger.gather import deadline_definition, deadline_passed, record_upstream
from domain.trigger.schedules import schedule_definition
from domain.trigger.state import Trigger


def revision_for(state: Trigger | None, command: TriggerCommand) -> tuple[int, int] | None:
    """Return which definition a command is about; None: there is none.

    Returns:
        The flow's revision, and the number of the plugin defaults to read it with.
    """
    if isinstance(command, RegisterTrigger | RecordUpstream):
        return command.flow_revision, command.defaults
    if state is None or not state.registered:
        return None
    return state.flow_revision, state.defaults


def step(
    flow: Flow | None, state: Trigger | None, command: TriggerCommand, surroundings: Surroundings
) -> Events:
    """Return the events that a command causes; none: nothing to do.

    Args:
        flow: as `revision_for` names it; None when it cannot be read.
        state: the trigger so far; not changed.
        command: what is wanted.
        surroundings: time, answers and settings.

    Raises:
        LookupNeeded: an expression asks what the surroundings do not know.
    """
    flow = None if flow is None else flow.effective
    if isinstance(command, RecordUpstream):
        return NOTHING if flow is None else record_upstream(flow, state, command, surroundings)
    now = surroundings.context.now
    trigger = None if flow is None else flow.find_trigger(command.key.trigger_id)
    if flow is None or trigger is None:
        return decide(None, state, command, now)
    if isinstance(trigger, Schedule | ScheduleOnDates):
        return decide(schedule_definition(flow, trigger, surroundings), state, command, now)
    if not isinstance(trigger, FlowTrigger):
        return decide(None, state, command, now)
    deadline = deadline_definition(flow, trigger, surroundings)
    if deadline is not None and isinstance(command, FireTrigger):
        return deadline_passed(flow, state, command, deadline, surroundings)
    return decide(deadline, state, command, now)


def react(events: Iterable[TriggerEvent]) -> tuple[CreateExecution, ...]:
    """Return the executions that events start: the same ones however often they are asked for."""
    return tuple(
        event.creation
        for event in events
        if isinstance(event, TriggerFired | FlowTriggered | DeadlineMissed)
    )
