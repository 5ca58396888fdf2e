"""What people want of an execution: pause, resume, kill, change, delete.

Source: `kestra-features.md` 3.10, 3.10b; refusals: `kestra-1.3-observed.md`.
"""

from __future__ import annotations

from domain.execution import commands as c
from domain.execution import rejections as r
from domain.execution import timers
from domain.execution.creation import run as run_execution
from domain.execution.ending import interrupt, refuse
from domain.execution.events import (
    BreakpointsChanged,
    CommandNoted,
    ExecutionDeleted,
    ExecutionEnded,
    ExecutionKilling,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionStateForced,
    LabelsChanged,
    SlotFreed,
    SlotTaken,
    TaskRunReset,
)
from domain.execution.evolve_runs import EXECUTOR
from domain.execution.flowables.approval import (
    APPROVED,
    decide_run,
    is_approval,
    wants_comment,
)
from domain.execution.flowables.pause import resume_run
from domain.execution.lifecycle import FORCIBLE, PROGRESSING, TERMINAL, StateType
from domain.execution.restarts import change_task_run_state
from domain.execution.state import Slot
from domain.execution.turn import Turn
from domain.map_order import in_map_order
from domain.record.codec import tag_of

_S = StateType


def note(turn: Turn, command: c.Command) -> None:
    """Record a command that was taken and changes nothing."""
    turn.emit(CommandNoted(command=tag_of(command), issuer=command.issuer))


def pause(turn: Turn, command: c.PauseExecution) -> None:
    """Hold a running execution: what runs ends, nothing new starts."""
    if turn.state.state.current not in PROGRESSING:
        turn.emit(r.reject(command, r.NOT_RUNNING))
        return
    turn.emit(ExecutionPaused(held=True))


def resume(turn: Turn, command: c.ResumeExecution) -> None:
    """End the hold, or the oldest Pause that waits."""
    state = turn.state
    if state.state.current is not _S.PAUSED or not state.is_held:
        turn.emit(r.reject(command, r.NOT_PAUSED))
        return
    if state.held:
        turn.emit(ExecutionResumed())
        if not state.is_held:
            turn.emit(ExecutionStarted())
        return
    waiting = (state.task_runs[run_id] for run_id in state.holding)
    pause_run = next((run for run in waiting if not is_approval(turn, run)), None)
    if pause_run is None:
        turn.emit(r.reject(command, r.WAITS_FOR_REVIEW))
        return
    resume_run(turn, pause_run, command.inputs, command.by)


def review(turn: Turn, command: c.ReviewExecution) -> None:
    """Decide the oldest Approval that waits, or the one that is named."""
    state = turn.state
    waiting = [run_id for run_id in state.holding if is_approval(turn, state.task_runs[run_id])]
    run_id = command.task_run_id or next(iter(waiting), "")
    if state.state.current is not _S.PAUSED or run_id not in waiting:
        turn.emit(r.reject(command, r.NOT_PAUSED))
        return
    run = state.task_runs[run_id]
    if not (command.comment or "").strip() and wants_comment(turn, run, command.decision):
        turn.record_answers()
        turn.emit(r.reject(command, r.COMMENT_WANTED))
        return
    turn.record_answers()
    decide_run(
        turn,
        run,
        command.decision,
        by=command.by,
        comment=command.comment,
        inputs=command.inputs,
    )


def resume_from_breakpoint(turn: Turn, command: c.ResumeFromBreakpoint) -> None:
    """Let the task runs that wait at a breakpoint pass it."""
    if turn.state.state.current is not _S.BREAKPOINT:
        turn.emit(r.reject(command, r.NOT_SUSPENDED))
        return
    waiting = turn.index.in_state(_S.BREAKPOINT)
    turn.emit(
        BreakpointsChanged(breakpoints=command.breakpoints, passed=[run.id for run in waiting])
    )
    for run in waiting:
        turn.emit(TaskRunReset(id=run.id))
    turn.emit(ExecutionStarted())


def kill(turn: Turn, command: c.KillExecution) -> None:
    """Stop everything; `advance` ends what no worker has to end."""
    current = turn.state.state.current
    if timers.FLOW_RETRY in turn.state.timers:
        turn.cancel(timers.FLOW_RETRY)
        turn.index.touch(None)
    elif current is _S.RETRIED and command.issuer == EXECUTOR:
        note(turn, command)  # the parent does not know yet who runs in its place
    elif current in TERMINAL:
        turn.emit(r.reject(command, r.KILLED_ALREADY))
    elif current is _S.KILLING:
        note(turn, command)
    else:
        turn.emit(ExecutionKilling(state=command.state, cascade=command.cascade))


def force_run(turn: Turn, command: c.ForceRunExecution) -> None:
    """Run now, whatever holds it."""
    current = turn.state.state.current
    if current in TERMINAL or current is _S.KILLING:
        turn.emit(r.reject(command, r.ENDED))
    elif current in (_S.CREATED, _S.QUEUED, _S.RESTARTED):
        turn.cancel(timers.SCHEDULE)
        turn.cancel(timers.CONTINUE)
        _take_slot(turn)
        run_execution(turn)
    elif current is _S.PAUSED and turn.state.is_held:
        if turn.state.held:
            turn.emit(ExecutionResumed())
        for run_id in list(turn.state.holding):
            run = turn.state.task_runs[run_id]
            if is_approval(turn, run):
                decide_run(turn, run, APPROVED, by=command.issuer or None)
            else:
                resume_run(turn, run, {}, None)
        if turn.state.state.current is _S.PAUSED:
            turn.emit(ExecutionStarted())
    else:
        note(turn, command)
        turn.index.wake()


def unqueue(turn: Turn, command: c.UnqueueExecution) -> None:
    """Take a queued execution out of the queue."""
    if turn.state.state.current is not _S.QUEUED:
        turn.emit(r.reject(command, r.NOT_QUEUED))
    elif command.state is _S.RUNNING:
        _take_slot(turn)
        run_execution(turn)
    elif command.state in (_S.CANCELLED, _S.FAILED):
        turn.emit(SlotFreed())
        refuse(turn, command.state)
    else:
        turn.emit(r.reject(command, r.STATE_NOT_ALLOWED, state=command.state.value))


def _take_slot(turn: Turn) -> None:
    if turn.plan.flow.concurrency is not None and turn.state.slot is not Slot.HELD:
        turn.emit(SlotTaken(forced=True))


def change_execution_state(turn: Turn, command: c.ChangeExecutionState) -> None:
    """Force the state of an ended execution."""
    current = turn.state.state.current
    if current not in TERMINAL or current is _S.KILLED:
        turn.emit(r.reject(command, r.STATUS_NOT_CHANGEABLE))
    elif command.state not in FORCIBLE:
        turn.emit(r.reject(command, r.STATE_NOT_ALLOWED, state=command.state.value))
    elif command.state is current:
        note(turn, command)
    else:
        turn.cancel(timers.FLOW_RETRY)
        turn.emit(ExecutionStateForced(state=command.state))


def change_labels(turn: Turn, command: c.ChangeLabels) -> None:
    """Replace all labels but those of the system."""
    kept = [label for label in turn.state.labels if label.key.startswith("system.")]
    new = [label for label in command.labels if not label.key.startswith("system.")]
    labels = {label.key: label for label in new + kept}
    turn.emit(LabelsChanged(labels=[labels[key] for key in in_map_order(list(labels))]))


def delete(turn: Turn, command: c.DeleteExecution) -> None:
    """Forget the execution, with its slot; one that runs is stopped, and its parent told so."""
    # afterExecution may still be under way
    interrupt(turn, turn.state.task_runs.values(), _S.KILLED, forced=True)
    if turn.state.state.current not in TERMINAL:
        turn.emit(ExecutionEnded(state=_S.KILLED))
    turn.cancel(timers.FLOW_RETRY)
    forget(turn, command)


def forget(turn: Turn, command: c.DeleteExecution) -> None:
    """Give the slot back and let everyone drop what they have of it."""
    if turn.state.slot is not Slot.NONE:
        turn.emit(SlotFreed())
    turn.emit(
        ExecutionDeleted(
            logs=command.delete_logs,
            metrics=command.delete_metrics,
            storage=command.delete_storage,
        )
    )


__all__ = [
    "change_execution_state",
    "change_labels",
    "change_task_run_state",
    "delete",
    "force_run",
    "forget",
    "kill",
    "note",
    "pause",
    "resume",
    "resume_from_breakpoint",
    "review",
    "unqueue",
]
