"""What people may do to executions: when it is allowed, which command says it, how a refusal reads.

The check is made on the state as this process sees it, for a precise answer; the executor decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from api.context import Context
from api.errors import ApiError, illegal_argument, illegal_state, not_found
from api.sse import closing
from domain.errors import LogUnavailable
from domain.execution.commands import (
    ChangeExecutionState,
    ChangeLabels,
    ChangeTaskRunState,
    DeleteExecution,
    ExecutionCommand,
    ForceRunExecution,
    KillExecution,
    PauseExecution,
    ReplayExecution,
    RestartExecution,
    ResumeExecution,
    ResumeFromBreakpoint,
    ReviewExecution,
    UnqueueExecution,
)
from domain.execution.lifecycle import StateType
from domain.execution.rejections import status_of
from domain.execution.state import Breakpoint, Execution, Label
from domain.ports.gateway import Outcome

Check = Callable[[Execution], ApiError | None]

_NOTHING_TO_RESTART = "No task found to restart execution from!"


@dataclass(frozen=True)
class Action:
    """One thing that may be done."""

    name: str
    """As bulk refusals call it."""
    check: Check
    """Why a single execution refuses; None when it does not."""
    refusal: Callable[[Execution], str | None]
    """Why a bulk action refuses an execution; None when it does not."""


def _never(_: Execution) -> None:
    return None


def _unless(state: StateType) -> Callable[[Execution], str | None]:
    def refusal(execution: Execution) -> str | None:
        held = execution.state.current is state
        return None if held else f"execution not in state {state.value}"

    return refusal


def _if_ended(text: str) -> Callable[[Execution], str | None]:
    return lambda execution: text if execution.state.current.is_terminal else None


def _unless_ended(text: str) -> Callable[[Execution], str | None]:
    return lambda execution: None if execution.state.current.is_terminal else text


def _check_pause(execution: Execution) -> ApiError | None:
    if execution.state.current is StateType.RUNNING:
        return None
    return illegal_argument("The execution is not running")


def _check_resume(execution: Execution) -> ApiError | None:
    if execution.state.current is StateType.PAUSED:
        return None
    return illegal_state(f"Execution '{execution.id}' is not paused, can't resume it")


def _check_breakpoint(execution: Execution) -> ApiError | None:
    if execution.state.current is StateType.BREAKPOINT:
        return None
    return illegal_state("Execution is not suspended")


def _check_restart(execution: Execution) -> ApiError | None:
    state = execution.state.current
    if state is StateType.PAUSED or (state.is_terminal and state is not StateType.KILLED):
        if state is StateType.SUCCESS:
            return illegal_argument(_NOTHING_TO_RESTART)
        return None
    return illegal_state("Execution must be terminated or paused and not killed to be restarted")


def _check_force_run(execution: Execution) -> ApiError | None:
    if execution.state.current.is_terminal:
        return illegal_argument("Only non terminated executions can be forced run.")
    return None


def _check_unqueue(execution: Execution) -> ApiError | None:
    if execution.state.current is StateType.QUEUED:
        return None
    return illegal_argument("Only QUEUED execution can be unqueued")


def _check_labels(execution: Execution) -> ApiError | None:
    if execution.state.current.is_terminal:
        return None
    return ApiError(400, "The execution is not terminated")


def check_status(execution: Execution, status: StateType) -> ApiError | None:
    """Why the state of an execution may not be changed to another; None when it may."""
    if not status.is_terminal:
        return illegal_argument(
            "You can only change the state of an execution to a terminal state."
        )
    state = execution.state.current
    if not state.is_terminal or state is StateType.KILLED:
        return illegal_argument(
            "You can only change the state of a terminated non killed execution."
        )
    return None


def check_task_run_state(execution: Execution, task_run_id: str) -> ApiError | None:
    """Why the state of a task run may not be changed; None when it may."""
    state = execution.state.current
    if not state.is_terminal or state is StateType.KILLED:
        return illegal_argument(
            "You can only change the state of a task run for a terminated non killed execution."
        )
    if task_run_id not in execution.task_runs:
        return illegal_argument(_NOTHING_TO_RESTART)
    return None


def check_replay(execution: Execution, task_run_id: str | None) -> ApiError | None:
    """Why an execution may not be replayed from a task run; None when it may."""
    if task_run_id is not None and task_run_id not in execution.task_runs:
        return illegal_argument(_NOTHING_TO_RESTART)
    return None


def check_kill(execution: Execution, *, cascade: bool) -> ApiError | None:
    """Why an execution may not be killed; None when it may."""
    if execution.state.current.is_terminal and not cascade:
        return illegal_state("Execution is already finished, can't kill it")
    return None


KILL = Action("kill", _never, _if_ended("execution already finished"))
PAUSE = Action("pause", _check_pause, _unless(StateType.RUNNING))
RESUME = Action("resume", _check_resume, _unless(StateType.PAUSED))
RESUME_BREAKPOINT = Action("resume", _check_breakpoint, _unless(StateType.BREAKPOINT))
RESTART = Action(
    "restart", _check_restart, _unless_ended(f"execution not in state {StateType.FAILED.value}")
)
REPLAY = Action("replay", _never, _never)
FORCE_RUN = Action("force run", _check_force_run, _if_ended("execution in a terminated state"))
UNQUEUE = Action("unqueue", _check_unqueue, _unless(StateType.QUEUED))
CHANGE_STATUS = Action("change executions state", _never, _never)
SET_LABELS = Action("set labels", _check_labels, _unless_ended("execution is not terminated"))
DELETE = Action("delete", _never, _unless_ended("execution not found"))


class Commands:
    """Makes commands for one caller; every command has an id of its own."""

    def __init__(self, own: Context, issuer: str) -> None:
        self._new_id = own.ports.new_id
        self._issuer = issuer

    def _of(self, execution: Execution) -> dict[str, Any]:
        return {
            "execution_id": execution.id,
            "command_id": self._new_id(),
            "issuer": self._issuer,
        }

    def kill(self, execution: Execution, *, cascade: bool = True) -> ExecutionCommand:
        """Stop it."""
        return KillExecution(**self._of(execution), cascade=cascade)

    def pause(self, execution: Execution) -> ExecutionCommand:
        """Hold it."""
        return PauseExecution(**self._of(execution))

    def resume(
        self, execution: Execution, inputs: dict[str, Any] | None = None
    ) -> ExecutionCommand:
        """Let it go on."""
        return ResumeExecution(**self._of(execution), inputs=inputs or {})

    def review(
        self,
        execution: Execution,
        decision: Literal["APPROVED", "DENIED"],
        *,
        task_run_id: str | None,
        comment: str | None,
        inputs: dict[str, Any],
    ) -> ExecutionCommand:
        """Decide an Approval."""
        return ReviewExecution(
            **self._of(execution),
            decision=decision,
            task_run_id=task_run_id,
            comment=comment,
            inputs=inputs,
            by=self._issuer,
        )

    def resume_breakpoint(
        self, execution: Execution, breakpoints: list[Breakpoint]
    ) -> ExecutionCommand:
        """Let it go on to the next breakpoints."""
        return ResumeFromBreakpoint(**self._of(execution), breakpoints=breakpoints)

    def restart(self, execution: Execution) -> ExecutionCommand:
        """Run what failed again."""
        return RestartExecution(**self._of(execution))

    def restart_anew(self, execution: Execution, revision: int) -> RestartExecution:
        """Run what failed again in another execution, on the revision."""
        return RestartExecution(
            **self._of(execution), flow_revision=revision, new_execution_id=self._new_id()
        )

    def replay(
        self,
        execution: Execution,
        *,
        task_run_id: str | None = None,
        revision: int | None = None,
        inputs: dict[str, Any] | None = None,
        breakpoints: list[Breakpoint] | None = None,
        new_id: str | None = None,
    ) -> ReplayExecution:
        """Begin another execution from it."""
        return ReplayExecution(
            **self._of(execution),
            new_execution_id=new_id or self._new_id(),
            task_run_id=task_run_id,
            flow_revision=revision,
            inputs=inputs,
            breakpoints=breakpoints or [],
        )

    def force_run(self, execution: Execution) -> ExecutionCommand:
        """Run it whatever holds it."""
        return ForceRunExecution(**self._of(execution))

    def unqueue(self, execution: Execution, state: StateType) -> ExecutionCommand:
        """Take it out of its queue."""
        return UnqueueExecution(**self._of(execution), state=state)

    def status(self, execution: Execution, state: StateType) -> ExecutionCommand:
        """Force its state."""
        return ChangeExecutionState(**self._of(execution), state=state)

    def task_run_state(
        self, execution: Execution, task_run_id: str, state: StateType
    ) -> ExecutionCommand:
        """Force the state of one of its task runs."""
        return ChangeTaskRunState(**self._of(execution), task_run_id=task_run_id, state=state)

    def labels(self, execution: Execution, labels: list[Label]) -> ExecutionCommand:
        """Replace its labels."""
        return ChangeLabels(**self._of(execution), labels=labels)

    def delete(
        self, execution: Execution, *, logs: bool, metrics: bool, storage: bool
    ) -> ExecutionCommand:
        """Forget it."""
        return DeleteExecution(
            **self._of(execution), delete_logs=logs, delete_metrics=metrics, delete_storage=storage
        )


async def submit(own: Context, command: ExecutionCommand) -> Execution:
    """Send a command and return the execution after it.

    Raises:
        ApiError: the executor refused it.
        LogUnavailable: nobody answered in time.
    """
    outcome = await own.ports.gateway.submit(command, own.options.submit_seconds)
    if not outcome.accepted:
        raise refused(outcome)
    if outcome.execution is None:
        raise not_found()
    return outcome.execution


async def replayed(own: Context, command: ReplayExecution | RestartExecution) -> Execution:
    """Send what begins another execution and return that one, as soon as it is seen.

    Raises:
        ApiError: the executor refused it.
        LogUnavailable: nobody answered in time.
    """
    with_id = command.new_execution_id
    assert with_id is not None
    source = await submit(own, command)
    try:
        async with asyncio.timeout(own.options.submit_seconds):
            async with closing(own.ports.window.follow(with_id)) as steps:
                async for execution in steps:
                    return execution
    except TimeoutError:
        pass
    raise LogUnavailable(f"'{source.id}' goes on as '{with_id}', which is not seen yet")


def refused(outcome: Outcome) -> ApiError:
    """Return the answer to a command that the executor refused."""
    status = status_of(outcome.code)
    if status == 404:
        return not_found(outcome.message)
    if status == 422:
        return illegal_argument(outcome.message)
    return illegal_state(outcome.message or "the execution's state forbids it")
