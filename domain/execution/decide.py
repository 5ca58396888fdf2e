"""Commands to events, or to a recorded refusal. What follows by itself is `advance`'s part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from domain.execution import commands as c
from domain.execution import rejections as r
from domain.execution.controls import (
    change_execution_state,
    change_labels,
    change_task_run_state,
    delete,
    force_run,
    forget,
    kill,
    pause,
    resume,
    resume_from_breakpoint,
    review,
    unqueue,
)
from domain.execution.creation import create
from domain.execution.reports import (
    record_lost,
    record_result,
    record_slot,
    record_start,
    record_subflow,
)
from domain.execution.restarts import replay, restart, restart_subflow
from domain.execution.timing import fire
from domain.execution.turn import Turn

C = TypeVar("C", bound=c.Command)


def decide(turn: Turn, command: c.ExecutionCommand) -> None:
    """Emit what a command does. Emits nothing for a command that is known already.

    Raises:
        LookupNeeded: never; only `advance` evaluates expressions that may ask.
    """
    if turn.state.deleted:
        if isinstance(command, c.RestartSubflow):
            restart_subflow(turn, command)
        elif type(command) not in _REPORTS:
            turn.emit(r.reject(command, r.DELETED, id=turn.state.id))
        return
    if turn.state.sealed:
        if isinstance(command, c.DeleteExecution):
            forget(turn, command)
        elif type(command) not in _REPORTS:
            turn.emit(r.reject(command, r.SEALED, id=turn.state.id))
        return
    _RULES[type(command)](turn, command)


def _exists(turn: Turn, command: c.CreateExecution) -> None:
    turn.emit(r.reject(command, r.EXISTS, id=turn.state.id))


_REPORTS: Final = frozenset(
    {
        c.RecordTaskResult,
        c.RecordTaskStart,
        c.RecordAttemptLost,
        c.FireTimer,
        c.RecordSubflowResult,
        c.RecordSlot,
    }
)
"""What machines report: stale ones need no answer."""

_RULES: Final[dict[type, Callable[[Turn, Any], None]]] = {
    c.RecordTaskResult: record_result,
    c.RecordTaskStart: record_start,
    c.RecordAttemptLost: record_lost,
    c.RecordSubflowResult: record_subflow,
    c.RecordSlot: record_slot,
    c.FireTimer: fire,
    c.CreateExecution: _exists,
    c.PauseExecution: pause,
    c.ResumeExecution: resume,
    c.ReviewExecution: review,
    c.ResumeFromBreakpoint: resume_from_breakpoint,
    c.KillExecution: kill,
    c.RestartExecution: restart,
    c.ReplayExecution: replay,
    c.RestartSubflow: restart_subflow,
    c.ChangeTaskRunState: change_task_run_state,
    c.ChangeExecutionState: change_execution_state,
    c.ForceRunExecution: force_run,
    c.UnqueueExecution: unqueue,
    c.ChangeLabels: change_labels,
    c.DeleteExecution: delete,
}

__all__ = ["create", "decide"]
