"""What workers, children and slots report. Stale and repeated reports change nothing."""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from domain.execution.commands import (
    RecordAttemptLost,
    RecordSlot,
    RecordSubflowResult,
    RecordTaskResult,
    RecordTaskStart,
)
from domain.execution.creation import run as run_execution
from domain.execution.dynamic import add_dynamic
from domain.execution.ending import finish, milder, refuse
from domain.execution.events import (
    ExecutionQueued,
    SlotFreed,
    SlotTaken,
    SubflowRecorded,
    TaskRunEnded,
    TaskRunOutputsSet,
    TaskRunReset,
    TaskRunStarted,
    TaskRunStateForced,
)
from domain.execution.flowables.foreach_item import count_child
from domain.execution.flowables.subflow import state_of
from domain.execution.flowables.working_directory import record_body
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ItemsTask
from domain.execution.starting import submit
from domain.execution.state import Slot, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.log import Level

_S = StateType

MOST_LOST: Final = 10
"""A task that takes its worker down so often in a row is not tried again by itself."""


def _is_current(run: TaskRun, attempt: int) -> bool:
    """Whether a report is about the attempt that is under way, or about to be."""
    if run.state.current is _S.SUBMITTED:
        return attempt == len(run.attempts) + 1
    return run.state.current is _S.RUNNING and attempt == len(run.attempts)


def record_start(turn: Turn, command: RecordTaskStart) -> None:
    """An attempt began."""
    run = turn.state.task_runs.get(command.task_run_id)
    if run is None or run.state.current is not _S.SUBMITTED:
        return
    if _is_current(run, command.attempt):
        turn.emit(TaskRunStarted(id=run.id, worker_id=command.worker_id, at=command.started_at))


def record_result(turn: Turn, command: RecordTaskResult) -> None:
    """An attempt ended: apply the flow's rules."""
    run = turn.state.task_runs.get(command.task_run_id)
    if run is None or run.body is not None or not _is_current(run, command.attempt):
        return
    task = turn.task_of(run)
    begun = run.state.current is _S.RUNNING
    add_dynamic(turn, run, command)
    if command.error is not None:
        turn.log(Level.ERROR, command.error, run)
    if task is None:
        turn.emit(TaskRunEnded(id=run.id, state=command.state))
        return
    if isinstance(task.task, t.WorkingDirectory):
        record_body(turn, task, run, command)
        return
    outputs = command.outputs
    if task.merges and outputs is not None:
        outputs = {"subflowOutputs": outputs.get("uri")}
    finish(
        turn,
        task,
        run,
        command.state,
        outputs=outputs,
        outputs_uri=command.outputs_uri,
        started_at=None if begun else command.started_at,
        ended_at=command.ended_at,
        worker_id=command.worker_id,
        retriable=turn.state.state.current is not _S.KILLING,
    )


def record_lost(turn: Turn, command: RecordAttemptLost) -> None:
    """A worker has taken over a request that another one had: ask anew for what is to run.

    An attempt that nobody reported as begun is asked for again under its number, at once: a report
    of it may be on its way, and must find it SUBMITTED. One that was begun ends RESUBMITTED and
    another one follows; where the flow says FAIL, or too many were lost in a row, it fails instead,
    and the task's retry decides.
    """
    run = turn.state.task_runs.get(command.task_run_id)
    if run is None or run.body is not None or not _is_current(run, command.attempt):
        return
    task = turn.task_of(run)
    if run.state.current is not _S.RUNNING:
        if task is None:
            turn.emit(TaskRunEnded(id=run.id, state=_S.FAILED))
        else:
            submit(turn, task, run)
        return
    attempt = run.last_attempt
    worker_id = None if attempt is None else attempt.worker_id
    if worker_id == command.issuer:
        return  # it runs there, and was asked for twice
    if turn.state.state.current is _S.KILLING:
        turn.emit(TaskRunEnded(id=run.id, state=turn.state.kill_state or _S.KILLED))
        return
    gone = f"Worker {worker_id or command.worker_id} is gone"
    if task is not None and task.task.on_worker_lost == "FAIL":
        turn.log(Level.ERROR, f"{gone}: the attempt counts as failed", run)
    elif task is not None and _lost_in_a_row(run) >= MOST_LOST:
        before = f"{gone}, as were {MOST_LOST} before it"
        turn.log(Level.ERROR, f"{before}: the attempt counts as failed", run)
    else:
        turn.log(Level.WARN, f"{gone}: the task runs again", run)
        turn.emit(TaskRunReset(id=run.id, resubmitted=True))
        return
    finish(turn, task, run, _S.FAILED)


def _lost_in_a_row(run: TaskRun) -> int:
    """Return how many attempts were lost directly before the one that runs."""
    states = [attempt.state.current for attempt in run.attempts[:-1]]
    kept = takewhile(lambda state: state is _S.RESUBMITTED, reversed(states))
    return sum(1 for _ in kept)


def record_subflow(turn: Turn, command: RecordSubflowResult) -> None:
    """A child told its state."""
    children = turn.state.children
    known = children.get(command.child_id)
    replaced = None if known is not None else command.replaces
    child = known or children.get(replaced or "")
    if child is None:
        return
    if known is not None and (
        command.state in (known.state, _S.CREATED)  # that it begins is told late
        or known.state is _S.RETRIED  # another runs in its place
    ):
        return
    old = child.state
    turn.emit(
        SubflowRecorded(
            task_run_id=child.task_run_id,
            child_id=command.child_id,
            state=command.state,
            outputs=command.outputs,
            replaces=replaced,
        )
    )
    run = turn.state.task_runs.get(child.task_run_id)
    task = None if run is None else turn.task_of(run)
    if run is None or task is None:
        return
    if replaced is not None and (run.outputs or {}).get("executionId") == replaced:
        turn.emit(TaskRunOutputsSet(id=run.id, outputs={"executionId": command.child_id}))
    if not child.waited:
        return
    if isinstance(task.task, ItemsTask):
        count_child(turn, run, old, command.state)
    if run.state.current is _S.RUNNING:
        turn.index.touch(run.id)
    elif old in TERMINAL and command.state is not _S.CREATED and isinstance(task.task, t.Subflow):
        # somebody changed how the child ended, after its end had been taken over
        state = milder(task.task, state_of(command.state, transmits=task.task.transmit_failed))
        if state is not run.state.current:
            turn.emit(TaskRunStateForced(id=run.id, state=state))


def record_slot(turn: Turn, command: RecordSlot) -> None:
    """The concurrency limit answers."""
    state = turn.state
    if state.state.current in TERMINAL or state.slot not in (Slot.ASKED, Slot.QUEUED):
        return
    if command.ask != state.metadata.attempt_number:
        return
    if command.state is _S.RUNNING:
        turn.emit(SlotTaken())
        run_execution(turn)
    elif command.state is _S.QUEUED:
        if state.slot is Slot.ASKED:
            turn.emit(ExecutionQueued())
    else:
        message = f"Execution is {command.state.value} due to concurrency limit exceeded"
        turn.log(Level.WARN, message)
        turn.emit(SlotFreed())
        refuse(turn, command.state, message)
