"""What a flowable is to the step: it opens, it is resolved after every change below it, it ends.

The blocks `errors` and `finally` are the same for all flowables and for the flow itself:
once a task has failed `errors` runs (between the attempts, too, where what retries the task is
around the block), in the end `finally`, and the outcome is told from the main
tasks alone. Source: `kestra-features.md` 3.3, 3.4; `kestra-1.3-observed.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from domain.execution import timers
from domain.execution.ending import interrupt, milder, try_again
from domain.execution.events import TaskRunEnded, TaskRunOpened
from domain.execution.index import Iteration, Lane, Scope
from domain.execution.lifecycle import BAD, StateType
from domain.execution.plan import ERRORS, FINALLY, Branch, TaskPlan
from domain.execution.state import MAIN_LANE, TaskRun
from domain.execution.turn import Turn, timer_id
from domain.log import Level

_S = StateType

BY_WEIGHT: Final = (_S.KILLED, _S.FAILED, _S.CANCELLED, _S.WARNING)
"""States that outweigh SUCCESS where several are told as one, heaviest first."""


def outcome_of(lane: Lane) -> StateType:
    """Return the state that the runs of a lane make together: the heaviest of theirs."""
    for state in BY_WEIGHT:
        if lane.counts.get(state):
            return state
    return _S.SUCCESS


def has_stopped(lane: Lane) -> bool:
    """Tell whether a run of the lane ended in a way that lets nothing follow it."""
    counts = lane.counts
    return bool(counts.get(_S.FAILED) or counts.get(_S.KILLED) or counts.get(_S.CANCELLED))


def advance_sequence(
    turn: Turn,
    parent: TaskRun | None,
    lane: Lane,
    branch: Branch,
    *,
    past_failures: bool = False,
    value: str | None = None,
    iteration: int | None = None,
    isolated: bool = False,
) -> bool:
    """Create the next task of a sequence, if it is time.

    Returns:
        True when the sequence is over: through, or stopped by a failure, and nothing in it runs.
    """
    last = lane.last
    if last is None:
        if not branch:
            return True
        turn.create(branch[0], parent, value, iteration, isolated=isolated)
        return False
    if lane.active:
        return False
    if last.state.current in BAD and not past_failures:
        return True
    known = turn.plan.tasks.get(last.task_id)
    following = len(lane.runs) if known is None else known.index + 1
    if following >= len(branch):
        return True
    turn.create(branch[following], parent, value, iteration, isolated=isolated)
    return False


class FlowableRule:
    """How one kind of flowable behaves. Has no state of its own."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Begin: render what is to be rendered once, and say RUNNING.

        Raises:
            ExpressionError: something cannot be rendered; the caller fails the task run.
            LookupNeeded: the outside world must be asked first; nothing was emitted.
        """
        del task
        turn.emit(TaskRunOpened(id=run.id))

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Create what can start among the main tasks; True when they are over."""
        raise NotImplementedError

    def interrupts(self, task: TaskPlan) -> StateType | None:
        """Return the state for running siblings of a failed child; None: they go on."""
        del task
        return None

    def waits_for_siblings(self, task: TaskPlan) -> bool:
        """Tell whether a failed child changes nothing before its siblings have ended."""
        del task
        return False

    def outcome(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> StateType:
        """Return the state in which the flowable ends, before its own rules."""
        del turn, task, run
        return outcome_of(scope.lane(MAIN_LANE))

    def outputs(self, turn: Turn, task: TaskPlan, run: TaskRun) -> dict[str, Any] | None:
        """Return outputs known at the end only; None: none."""
        del turn, task, run
        return None

    def on_complete(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Called when the main tasks ended well, before `finally`; False: the flowable goes on."""
        del turn, task, run, scope
        return True

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Look at the children: create what can start, or end the flowable."""
        scope = turn.scope(run)
        main = scope.lane(MAIN_LANE)
        failed = main.counts.get(_S.FAILED, 0) > 0
        if failed:
            state = self.interrupts(task)
            if state is not None and main.active:
                culprit = next(r for r in main.runs.values() if r.state.current is _S.FAILED)
                self._interrupt_siblings(turn, main, culprit, state)
            elif main.active and self.waits_for_siblings(task):
                return
        over = advance_blocks(
            turn,
            run,
            scope,
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=lambda: self.advance_main(turn, task, run, scope),
            complete=lambda: self.on_complete(turn, task, run, scope),
        )
        if over:
            self.end(turn, task, run, self.outcome(turn, task, run, scope))

    def end(self, turn: Turn, task: TaskPlan, run: TaskRun, state: StateType) -> None:
        """End the flowable and whatever still runs below it."""
        rest = state if state in BAD else _S.KILLED
        interrupt(turn, turn.descendants(run), rest, forced=True)
        final = milder(task.task, state)
        turn.emit(
            TaskRunEnded(
                id=run.id,
                state=final,
                outputs=self.outputs(turn, task, run),
            )
        )

    @staticmethod
    def _interrupt_siblings(turn: Turn, main: Lane, culprit: TaskRun, state: StateType) -> None:
        for sibling in list(main.runs.values()):
            if sibling.state.current.is_terminal:
                continue
            message = f"Task terminated because sibling task '{culprit.task_id}' failed"
            turn.log(Level.WARN, message, sibling)
            inside = [*turn.descendants(sibling), sibling]
            interrupt(turn, inside, state, forced=True)

    @staticmethod
    def fail(turn: Turn, task: TaskPlan, run: TaskRun, message: str) -> None:
        """End the flowable FAILED, with a reason for people."""
        turn.log(Level.ERROR, message, run)
        final = milder(task.task, _S.FAILED)
        turn.emit(TaskRunEnded(id=run.id, state=final, attempt=_S.FAILED))


def advance_blocks(
    turn: Turn,
    parent: TaskRun | None,
    scope: Scope | Iteration,
    *,
    errors: Branch,
    final: Branch,
    main: Callable[[], bool],
    complete: Callable[[], bool] | None = None,
    failed: bool | None = None,
    value: str | None = None,
    iteration: int | None = None,
) -> bool:
    """Advance the block whose turn it is: main tasks, `errors` once one failed, `finally`.

    Args:
        turn: the step.
        parent: the flowable's task run; None: the execution.
        scope: its children, or those of one iteration of a Loop.
        errors: tasks of the block `errors`.
        final: tasks of the block `finally`.
        main: advances the main tasks; returns True when they are over.
        complete: called when the main tasks ended well; returns False to go on instead.
        failed: whether the main tasks count as failed; None: when one of them has.
        value: the iteration's value.
        iteration: its number; None: the blocks are those of all iterations together.

    Returns:
        True when everything is over.
    """

    def advance(lane: Lane, branch: Branch, *, past_failures: bool = False) -> bool:
        return advance_sequence(
            turn,
            parent,
            lane,
            branch,
            past_failures=past_failures,
            value=value,
            iteration=iteration,
            isolated=iteration is not None,
        )

    def before_finally() -> bool:
        main_lane = scope.lane(MAIN_LANE)
        errors_lane = scope.found(ERRORS)
        has_failed = bool(main_lane.counts.get(_S.FAILED)) if failed is None else failed
        if errors_lane is not None and errors_lane.runs:
            over = advance(errors_lane, errors)
            if has_failed or parent is None or not main_lane.counts.get(_S.RETRYING):
                return over
            if over:
                _let_attempts_begin(turn, main_lane)
            main()
            return False
        if has_failed:
            return not errors or advance(scope.lane(ERRORS), errors)
        if failed is None and has_stopped(main_lane):
            return True
        if not main():
            return False
        return complete is None or complete()

    finally_lane = scope.found(FINALLY)
    if finally_lane is None or not finally_lane.runs:
        if not before_finally():
            return False
        if not final:
            return True
    return advance(scope.lane(FINALLY), final, past_failures=True)


def _let_attempts_begin(turn: Turn, lane: Lane) -> None:
    """Try again what was due while `errors` ran between its attempts."""
    for run in turn.index.in_state(_S.RETRYING):
        if run.id in lane.runs and timer_id(timers.RETRY, run.id) not in turn.state.timers:
            try_again(turn, run)
