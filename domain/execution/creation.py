"""The first step of an execution, and its way into running: date, slot, start."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from domain.execution import timers
from domain.execution.commands import CreateExecution
from domain.execution.ending import refuse
from domain.execution.events import (
    ExecutionCreated,
    ExecutionStarted,
    SlotAsked,
)
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ON_PAUSE
from domain.execution.sla import watch_durations
from domain.execution.state import Metadata, Slot, TaskRun
from domain.execution.turn import Turn
from domain.flow.model import Flow
from domain.log import Level


def created(command: CreateExecution, flow: Flow, now: datetime) -> ExecutionCreated:
    """Return the first event of a stream."""
    variables = command.variables
    return ExecutionCreated(
        execution_id=command.execution_id,
        tenant=command.tenant,
        namespace=command.namespace,
        flow_id=command.flow_id,
        flow_revision=command.flow_revision,
        original_id=command.original_id or command.execution_id,
        metadata=command.metadata or Metadata(1, now),
        labels=command.labels,
        inputs=command.inputs,
        trigger=command.trigger,
        parent_id=command.parent_id,
        schedule_date=command.schedule_date,
        kind=command.kind,
        breakpoints=command.breakpoints,
        task_runs=command.task_runs,
        histories=command.histories,
        wanted_outputs=command.wanted_outputs,
        variables=flow.variables if variables is None else variables,
        defaults=flow.defaults,
    )


def create(turn: Turn, command: CreateExecution) -> None:
    """Go on after the first event: refuse, wait for the date, ask for a slot, or run."""
    if command.error is not None:
        turn.log(Level.ERROR, command.error)
        refuse(turn, StateType.FAILED, command.error)
        return
    if command.histories:
        misplaced = next(filter(partial(_is_misplaced, turn), turn.state.task_runs.values()), None)
        if misplaced is not None:
            message = (
                f"Task '{misplaced.task_id}' is not in revision {turn.state.flow_revision} of the"
                " flow as the execution had it: replay from the start, or on another revision"
            )
            turn.log(Level.ERROR, message)
            refuse(turn, StateType.FAILED, message)
            return
        # the step ends here, so that everyone sees RESTARTED
        turn.schedule(timers.CONTINUE, turn.now)
        return
    date = command.schedule_date
    if date is not None and date > turn.now:
        turn.schedule(timers.SCHEDULE, date)
        return
    begin(turn)


def _is_misplaced(turn: Turn, run: TaskRun) -> bool:
    """Whether a task run that was taken over cannot go on, as the flow is in this revision."""
    if run.state.current in TERMINAL:
        return False
    task = turn.task_of(run)
    if task is None:
        return True
    if run.state.current is StateType.RUNNING and not task.is_flowable:
        return True
    if task.lane == ON_PAUSE:
        return run.lane != ON_PAUSE
    parent = turn.parent_of(run)
    above = None if parent is None else parent.task_id
    return run.lane != task.lane or above != (None if task.parent is None else task.parent.id)


def begin(turn: Turn) -> None:
    """Ask for a slot where the flow has a limit, else run."""
    concurrency = turn.plan.flow.concurrency
    if concurrency is None or turn.state.slot is Slot.HELD:
        run(turn)
    else:
        watch_durations(turn)
        turn.emit(SlotAsked(limit=concurrency.limit, behavior=concurrency.behavior))


def run(turn: Turn) -> None:
    """Say RUNNING, and watch the promises."""
    turn.emit(ExecutionStarted())
    watch_durations(turn)
