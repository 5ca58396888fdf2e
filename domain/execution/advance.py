"""What can happen without outside input, until nothing more can.

Only what the step's events touched is looked at: task runs that wait to be started, and scopes in
which something changed. When it returns the execution is quiet.
"""

from __future__ import annotations

from domain.execution.ending import interrupt
from domain.execution.events import (
    ExecutionClosed,
    ExecutionEnded,
    ExecutionStarted,
    SlotFreed,
    TaskRunEnded,
    TimerEnded,
)
from domain.execution.flowables.contract import advance_blocks, advance_sequence, outcome_of
from domain.execution.flowables.loop_until import pause_while_loops_wait
from domain.execution.flowables.registry import RULES
from domain.execution.index import ROOT
from domain.execution.lifecycle import STARTABLE, TERMINAL, StateType
from domain.execution.lookups import LookupNeeded
from domain.execution.outputs import flow_outputs, outputs_for_parent
from domain.execution.plan import AFTER, ERRORS, FINALLY
from domain.execution.sla import check_assertions
from domain.execution.starting import meets_breakpoint, start
from domain.execution.state import MAIN_LANE, Slot, TaskRun
from domain.execution.timers import FLOW_RETRY, KILL, KILL_GRACE
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.log import Level

_S = StateType


def advance(turn: Turn) -> None:
    """Emit everything that can happen now.

    Raises:
        LookupNeeded: the outside world must be asked first. What was emitted stands; called again
            with the answers it goes on where it stopped.
    """
    index = turn.index
    state = turn.state.state
    while True:
        current = state.current
        if current is _S.KILLING:
            if not _advance_kill(turn):
                index.rest()
                return
            continue
        if current is _S.PAUSED and not turn.state.is_held and _has_work(turn):
            turn.emit(ExecutionStarted())
            continue
        ended = current in TERMINAL
        if not ended and not turn.may_start and not turn.state.is_held:
            index.rest()
            return
        if index.startable and _others_first(turn):
            _start(turn, index.startable.popleft())
        elif index.touched:
            _look_at(turn, _next_scope(turn))
        else:
            pause_while_loops_wait(turn)
            return


def _others_first(turn: Turn) -> bool:
    """Bring what does not pause to the front of what waits to be started.

    A pause takes hold when all that can start beside it has started, wherever it is written.

    Returns:
        Whether the front may start now: false while only pauses are there and a scope could still
        bring forth something else.
    """
    index = turn.index
    waiting = index.startable
    if turn.state.is_held:
        return True
    for _ in range(len(waiting)):
        if not _pauses(turn, waiting[0]):
            return True
        waiting.rotate(-1)
    return not index.touched


def _next_scope(turn: Turn) -> str:
    """Return the scope to look at next: that of an approval, which may pause, after the others."""
    index = turn.index
    first = next(iter(index.touched))
    if len(index.touched) == 1 or turn.state.is_held:
        return first
    for key in index.touched:
        run = turn.state.task_runs.get(key)
        if run is None or not _pauses(turn, run):
            return key
    return first


def _pauses(turn: Turn, run: TaskRun) -> bool:
    task = turn.task_of(run)
    return task is not None and isinstance(task.task, t.Pause | t.Approval)


def _start(turn: Turn, run: TaskRun) -> None:
    if run.state.current not in STARTABLE or not _may_start(turn, run):
        return
    try:
        turn.attempt(lambda: start(turn, run))
    except LookupNeeded:
        turn.index.startable.appendleft(run)
        raise


def _may_start(turn: Turn, run: TaskRun) -> bool:
    """Whether a task run may start now: not while held, and after the end only afterExecution."""
    state = turn.state
    if state.state.current in TERMINAL:
        return run.force_execution
    if run.force_execution:
        return False  # of a replay: its turn comes when the execution has ended
    if not state.is_held:
        return True
    task = turn.task_of(run)
    if state.held or task is None:
        return False
    if isinstance(task.task, t.Pause):
        return not meets_breakpoint(turn, run)  # it stops there once the execution goes on
    return turn.is_aside(run)


def _has_work(turn: Turn) -> bool:
    return bool(turn.index.startable)


def _look_at(turn: Turn, key: str) -> None:
    """Look at a scope, once; what happens meanwhile may touch it again."""
    del turn.index.touched[key]
    try:
        turn.attempt(lambda: _resolve(turn, key))
    except LookupNeeded:
        turn.index.touch(key)
        raise


def _resolve(turn: Turn, key: str) -> None:
    state = turn.state
    ended = state.state.current in TERMINAL
    if key == ROOT:
        if ended:
            _advance_after(turn)
        elif not state.is_held:
            _advance_root(turn)
        return
    run = state.task_runs.get(key)
    if run is None or run.state.current is not _S.RUNNING or ended != run.force_execution:
        return
    task = turn.task_of(run)
    rule = None if task is None else RULES.get(type(task.task))
    if task is None or rule is None:
        return
    if not state.is_held or turn.is_aside(run):
        rule.resolve(turn, task, run)


def _advance_root(turn: Turn) -> None:
    """Advance the flow's own blocks; end the execution when they are over."""
    scope = turn.scope(None)
    lanes = turn.plan.lanes
    over = advance_blocks(
        turn,
        None,
        scope,
        errors=lanes[ERRORS],
        final=lanes[FINALLY],
        main=lambda: (
            turn.state.leaving is not None
            or advance_sequence(turn, None, scope.lane(MAIN_LANE), lanes["tasks"])
        ),
    )
    if over and turn.plan.flow.sla:
        # what the last tasks have changed is looked at while it can still be broken
        check_assertions(turn)
    if over and turn.state.state.current not in TERMINAL:
        end_execution(turn, turn.state.leaving or outcome_of(scope.lane(MAIN_LANE)))


def end_execution(turn: Turn, state: StateType) -> None:
    """End the execution: outputs, state, whatever still runs."""
    outputs, error = flow_outputs(turn)
    told = outputs_for_parent(turn, outputs)
    turn.record_answers()
    if error is not None:
        turn.log(Level.ERROR, error)
        state = _S.FAILED
    interrupt(turn, turn.state.task_runs.values(), _S.KILLED)
    turn.emit(ExecutionEnded(state=state, outputs=outputs, told=told, error=error))


def _advance_after(turn: Turn) -> None:
    """Run afterExecution, then close."""
    state = turn.state
    if state.closed:
        return
    if FLOW_RETRY in state.timers:
        if state.slot is not Slot.NONE:
            # the next execution asks for one of its own
            turn.emit(SlotFreed())
        return
    if not _is_refused(turn):
        lane = turn.scope(None).lane(AFTER)
        over = advance_sequence(turn, None, lane, turn.plan.lanes[AFTER], past_failures=True)
        if not over:
            return
    close(turn)


def _is_refused(turn: Turn) -> bool:
    """Refused before it ran, or ran again: nothing of it runs, afterExecution neither."""
    for moment in reversed(turn.state.state.histories):
        if moment.state in (_S.RUNNING, _S.RESTARTED):
            return moment.state is _S.RESTARTED
    return True


def close(turn: Turn) -> None:
    """Nothing more happens: timers and the slot are given back."""
    state = turn.state
    for timer_id in list(state.timers):
        turn.emit(TimerEnded(timer_id=timer_id))
    if state.slot is not Slot.NONE:
        turn.emit(SlotFreed())
    turn.emit(ExecutionClosed())


def _advance_kill(turn: Turn) -> bool:
    """End what no worker has to end; the execution with the last of them.

    Returns:
        False when workers have still to answer.
    """
    index = turn.index
    state = turn.state.kill_state or _S.KILLED
    waiting = index.in_state(
        _S.CREATED, _S.RESTARTED, _S.SUBMITTED, _S.RETRYING, _S.PAUSED, _S.BREAKPOINT
    )
    interrupt(turn, waiting, state)
    while True:
        # the end of the innermost lets those around it end
        running = reversed(index.in_state(_S.RUNNING))
        idle = [run for run in running if not run.force_execution and not _is_busy(turn, run)]
        if not idle:
            break
        for run in idle:
            turn.emit(TaskRunEnded(id=run.id, state=state))
    if any(not run.force_execution for run in index.in_state(_S.RUNNING)):
        if KILL not in turn.state.timers:
            turn.wake_after(KILL, KILL_GRACE)
        return False
    turn.emit(ExecutionEnded(state=state))
    return True


def _is_busy(turn: Turn, run: TaskRun) -> bool:
    """Whether a running task run waits for the end of something else: a worker, its children."""
    task = turn.task_of(run)
    if task is None:
        return False
    if isinstance(task.task, t.PluginTask | t.WorkingDirectory):
        return True
    scope = turn.index.scopes.get(run.id)
    return scope is not None and any(not child.state.current.is_terminal for child in scope.runs())
