"""Approval of 2.0: holds the execution until somebody approves or denies, or time has run out.

`onWait` runs first, then the execution pauses. The decision is an output; the branch that belongs
to it runs, then `finally`, and the behaviour of the decision says what becomes of the execution.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from domain.duration import parse_duration
from domain.errors import InvalidInput, TidewheelError
from domain.execution import timers
from domain.execution.ending import interrupt, milder
from domain.execution.events import (
    ExecutionKilling,
    ExecutionLeaving,
    ExecutionPaused,
    TaskRunEnded,
    TaskRunOpened,
    TaskRunOutputsSet,
    TaskRunPaused,
    TaskRunReopened,
)
from domain.execution.flowables.contract import (
    FlowableRule,
    advance_blocks,
    advance_sequence,
    outcome_of,
)
from domain.execution.flowables.pause import let_run
from domain.execution.index import Scope
from domain.execution.lifecycle import BAD, StateType
from domain.execution.plan import ERRORS, FINALLY, ON_WAIT, TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn
from domain.execution.variables import instant_text
from domain.expression import ExpressionError
from domain.flow import tasks as t
from domain.log import Level

_S = StateType
APPROVED: Final = "APPROVED"
DENIED: Final = "DENIED"
EXPIRED: Final = "EXPIRED"

_BRANCHES: Final = {APPROVED: "onApprove", DENIED: "onDeny"}
_STATES: Final = {
    "WARN": _S.WARNING,
    "FAIL": _S.FAILED,
    "SUCCEED": _S.SUCCESS,
    "CANCEL": _S.CANCELLED,
    "KILL": _S.KILLED,
}
"""Behaviour to the state that the task takes; CONTINUE leaves that of the branch."""


class ApprovalRule(FlowableRule):
    """Three parts: `onWait`, the wait, the branch of the decision."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Approve at once where `autoApprove` holds, else prepare the wait."""
        approval = task.task
        assert isinstance(approval, t.Approval)
        auto = turn.holds(approval.auto_approve, task, run)
        turn.record_answers()
        outputs: dict[str, Any] = {"auto": auto}
        if auto:
            outputs["decision"] = APPROVED
        elif (run.outputs or {}).get("decision"):
            outputs["decision"] = None  # a restart asks again
        url = _url(turn)
        if url:
            outputs["url"] = url
        turn.emit(TaskRunOpened(id=run.id, outputs=outputs))
        if run.force_execution and not auto:
            turn.log(Level.WARN, "An execution that has ended cannot pause: going on", run)
            turn.emit(TaskRunEnded(id=run.id, state=_S.SUCCESS))

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Go on with the part whose turn it is."""
        scope = turn.scope(run)
        decision = (run.outputs or {}).get("decision")
        if decision is None:
            self._prepare(turn, task, run, scope)
            return
        branch = task.tasks(_BRANCHES.get(decision, ""))
        over = advance_blocks(
            turn,
            run,
            scope,
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=lambda: advance_sequence(turn, run, scope.lane(MAIN_LANE), branch),
        )
        if over:
            self._conclude(turn, task, run, decision, outcome_of(scope.lane(MAIN_LANE)))

    def _prepare(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> None:
        lane = scope.lane(ON_WAIT)
        if not advance_sequence(turn, run, lane, task.tasks(ON_WAIT)):
            return
        if outcome_of(lane) not in BAD or milder(task.task, _S.FAILED) is not _S.FAILED:
            self._wait(turn, task, run)
            return
        over = advance_blocks(
            turn,
            run,
            scope,
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=lambda: True,
            failed=True,
        )
        if over:
            self.end(turn, task, run, _S.FAILED)

    def _wait(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        try:
            due = _due(turn, task, run)
        except TidewheelError as error:
            turn.record_answers()
            self.fail(turn, task, run, str(error))
            return
        turn.record_answers()
        turn.emit(TaskRunPaused(id=run.id))
        if due is not None:
            turn.emit(TaskRunOutputsSet(id=run.id, outputs={"due": instant_text(due)}))
            turn.schedule(timers.TIMEOUT, due, run)
        if turn.state.state.current is not _S.PAUSED:
            turn.emit(ExecutionPaused())

    def _conclude(
        self, turn: Turn, task: TaskPlan, run: TaskRun, decision: str, state: StateType
    ) -> None:
        """End the task as its behaviour says; what failed in the branch is never hidden by it."""
        if state in BAD:
            self.end(turn, task, run, state)
            return
        try:
            behavior = _behavior(turn, task, run, decision)
        except TidewheelError as error:
            turn.record_answers()
            self.fail(turn, task, run, str(error))
            return
        turn.record_answers()
        self.end(turn, task, run, _STATES.get(behavior, state))
        if behavior == "KILL":
            turn.emit(ExecutionKilling())
        elif behavior == "SUCCEED":
            for ancestor in turn.ancestors(run):
                interrupt(turn, turn.descendants(ancestor), _S.SUCCESS)
                turn.emit(TaskRunEnded(id=ancestor.id, state=_S.SUCCESS))
            turn.emit(ExecutionLeaving(state=_S.SUCCESS))


def wants_comment(turn: Turn, run: TaskRun, decision: str) -> bool:
    """Tell whether a decision must come with a comment.

    Raises:
        LookupNeeded: the outside world must be asked first; nothing was emitted.
    """
    task = turn.task_of(run)
    if task is None or not isinstance(task.task, t.Approval):
        return False
    try:
        said = turn.render(task.task.comment_required, task, run).upper()
    except ExpressionError:
        return True
    return said in {"ALWAYS", "ON_APPROVE" if decision == APPROVED else "ON_DENY"}


def decide_run(
    turn: Turn,
    run: TaskRun,
    decision: str,
    *,
    by: str | None = None,
    comment: str | None = None,
    inputs: dict[str, Any] | None = None,
) -> None:
    """End the wait with a decision."""
    outputs: dict[str, Any] = {"decision": decision, "auto": False, "on": instant_text(turn.now)}
    outputs |= {"by": by} if by else {}
    outputs |= {"comment": comment} if comment else {}
    outputs |= {"inputs": inputs} if inputs else {}
    turn.cancel_all(run.id)
    turn.emit(TaskRunOutputsSet(id=run.id, outputs=outputs))
    turn.emit(TaskRunReopened(id=run.id))
    let_run(turn)


def is_approval(turn: Turn, run: TaskRun) -> bool:
    """Whether a task run is one of an Approval."""
    task = turn.task_of(run)
    return task is not None and isinstance(task.task, t.Approval)


def _behavior(turn: Turn, task: TaskPlan, run: TaskRun, decision: str) -> str:
    approval = task.task
    assert isinstance(approval, t.Approval)
    said = {
        APPROVED: approval.approve_behavior,
        DENIED: approval.deny_behavior,
        EXPIRED: approval.expire_behavior,
    }[decision]
    behavior = turn.render(said, task, run).upper()
    if behavior != "CONTINUE" and behavior not in _STATES:
        known = ", ".join(("CONTINUE", *_STATES))
        raise InvalidInput(f"'{behavior}' is no behavior: write one of {known}")
    return behavior


def _due(turn: Turn, task: TaskPlan, run: TaskRun) -> datetime | None:
    """Return when the wait ends without a decision: the earlier of `due` and `timeout`."""
    approval = task.task
    assert isinstance(approval, t.Approval)
    found: list[datetime] = []
    span = turn.render_typed(approval.timeout, task, run)
    if span not in (None, ""):
        length: timedelta = parse_duration(span)
        found.append(turn.now + length)
    date = turn.render_typed(approval.due, task, run)
    if date not in (None, ""):
        try:
            moment = msgspec.convert(date, datetime, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"`due` is no date: '{date}'") from error
        if moment.tzinfo is None:
            raise InvalidInput(f"`due` has no time zone: '{date}'")
        found.append(moment)
    return min(found, default=None)


def _url(turn: Turn) -> str | None:
    """Return the address of the execution's page, where the server knows its own."""
    base = turn.context.settings.kestra.get("url")
    state = turn.state
    if not base:
        return None
    place = f"{state.tenant}/executions/{state.namespace}/{state.flow_id}/{state.id}"
    return f"{str(base).rstrip('/')}/ui/{place}"
