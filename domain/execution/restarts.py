"""Running again: restart, replay, forced states of task runs, retries of a whole flow.

Source: `kestra-features.md` 3.10b; `kestra-1.3-observed.md`, "Retry, restart, replay".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from domain.execution import commands as c
from domain.execution import rejections as r
from domain.execution import timers
from domain.execution.copying import taken_over
from domain.execution.ending import interrupt
from domain.execution.events import (
    CommandNoted,
    ExecutionReplayed,
    ExecutionRestarted,
    ExecutionStateForced,
    LabelsChanged,
    TaskRunBodyEnded,
    TaskRunReopened,
    TaskRunRestarted,
    TaskRunsRemoved,
    TaskRunStateForced,
    TimerEnded,
)
from domain.execution.lifecycle import FORCIBLE_RUN, TERMINAL, StateType
from domain.execution.state import MAIN_LANE, Label, Metadata, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.ids import derived
from domain.record.codec import tag_of

_S = StateType

RESTARTED: Final = "system.restarted"
REPLAYED: Final = "system.replayed"
REPLAY: Final = "system.replay"


def restart(turn: Turn, command: c.RestartExecution) -> None:
    """Run again what failed or waits, in the same execution; with a revision, in a new one."""
    state = turn.state
    current = state.state.current
    if (current not in TERMINAL and current is not _S.PAUSED) or current is _S.KILLED:
        turn.emit(r.reject(command, r.NOT_RESTARTABLE))
        return
    again = _to_restart(turn)
    if not again and state.task_runs:
        turn.emit(r.reject(command, r.NOTHING_TO_RESTART))
        return
    if command.flow_revision is not None and command.new_execution_id is not None:
        creation = _creation(turn, command.command_id, command.new_execution_id)
        creation.flow_revision = command.flow_revision
        creation.labels = _with_label(creation.labels, RESTARTED)
        creation.task_runs, creation.histories = taken_over(
            turn, command.new_execution_id, {run.id for run in again}
        )
        creation.variables = state.variables
        turn.emit(ExecutionReplayed(creation=creation))
        return
    _restart_here(turn, again)


def restart_subflow(turn: Turn, command: c.RestartSubflow) -> None:
    """The parent runs a failed child again; one that cannot be run tells its end once more."""
    if turn.state.state.current in (_S.FAILED, _S.PAUSED) and not turn.state.deleted:
        again = _to_restart(turn)
        if again or not turn.state.task_runs:
            _restart_here(turn, again)
            return
    turn.emit(CommandNoted(command=tag_of(command), issuer=command.issuer))


def _restart_here(turn: Turn, again: list[TaskRun]) -> None:
    _remove(turn, _beside(turn, again))
    for run in again:
        turn.emit(TaskRunRestarted(id=run.id))
        _reopen(turn, turn.ancestors(run))
    state = turn.state
    turn.emit(LabelsChanged(labels=_with_label(state.labels, RESTARTED)))
    _run_again(turn)


def _run_again(turn: Turn) -> None:
    """Say RESTARTED and end the step there, so that everyone sees it; a timer goes on at once."""
    for timer in list(turn.state.timers.values()):
        run = turn.state.task_runs.get(timer.task_run_id) if timer.task_run_id else None
        if run is None or run.state.current is _S.RESTARTED:
            turn.emit(TimerEnded(timer_id=timer.id))
    defaults = turn.plan.flow.defaults
    turn.emit(
        ExecutionRestarted(
            attempt_number=turn.state.metadata.attempt_number + 1,
            defaults=None if defaults == turn.state.defaults else defaults,
        )
    )
    turn.schedule(timers.CONTINUE, turn.now)


def _to_restart(turn: Turn) -> list[TaskRun]:
    """Return the task runs that failed or wait, flowables only where nothing inside them did."""
    found: list[TaskRun] = []
    for run in turn.state.task_runs.values():
        if run.state.current not in (_S.FAILED, _S.PAUSED) or _is_beside(turn, run):
            continue
        inside = turn.index.scopes.get(run.id)
        if inside is not None and not _is_directory(turn, run):
            below = [child for child in turn.descendants(run) if not _is_beside(turn, child)]
            if any(child.state.current in (_S.FAILED, _S.PAUSED) for child in below):
                continue
        if _in_directory(turn, run):
            continue
        found.append(run)
    return found


def _is_directory(turn: Turn, run: TaskRun) -> bool:
    task = turn.task_of(run)
    return task is not None and isinstance(task.task, t.WorkingDirectory)


def _in_directory(turn: Turn, run: TaskRun) -> bool:
    return any(_is_directory(turn, ancestor) for ancestor in turn.ancestors(run))


def _is_beside(turn: Turn, run: TaskRun) -> bool:
    """Whether a task run lies under `errors`, `finally`, `afterExecution` or the like."""
    return run.lane != MAIN_LANE or any(
        ancestor.lane != MAIN_LANE for ancestor in turn.ancestors(run)
    )


def _beside(turn: Turn, again: Iterable[TaskRun], *, forced: TaskRun | None = None) -> list[str]:
    """Return the ids of task runs that are taken out, for `again` or what follows `forced` to run.

    The blocks of a Loop's iteration stay where the iteration is over and nothing in it runs again.
    """
    moved = [*again] if forced is None else [forced]
    anew = {
        (place.parent_id, place.iteration)
        for run in moved
        for place in (run, *turn.ancestors(run))
        if place.isolated
    }

    def has_its_turn_again(run: TaskRun) -> bool:
        if run.lane == MAIN_LANE:
            return False
        if not run.isolated or (run.parent_id, run.iteration) in anew:
            return True
        return run.iteration not in turn.index.scope(run.parent_id).over

    ids = {
        run.id: None
        for run in turn.state.task_runs.values()
        if has_its_turn_again(run) or any(map(has_its_turn_again, turn.ancestors(run)))
    }
    for run in again:
        ids.update((child.id, None) for child in turn.descendants(run))
    return list(ids)


def _remove(turn: Turn, ids: list[str]) -> None:
    if ids:
        # afterExecution may still be under way
        interrupt(turn, (turn.state.task_runs[i] for i in ids), _S.KILLED, forced=True)
        turn.emit(TaskRunsRemoved(ids=ids))


def _reopen(turn: Turn, runs: Iterable[TaskRun]) -> None:
    for run in runs:
        if run.state.current is not _S.RUNNING:
            turn.emit(TaskRunReopened(id=run.id))


def change_task_run_state(turn: Turn, command: c.ChangeTaskRunState) -> None:
    """Force the state of a task run of an ended execution, and go on from there."""
    state = turn.state
    current = state.state.current
    run = state.task_runs.get(command.task_run_id)
    if run is None:
        turn.emit(r.reject(command, r.TASK_RUN_NOT_FOUND, id=command.task_run_id))
        return
    if current not in TERMINAL or current is _S.KILLED:
        turn.emit(r.reject(command, r.STATE_NOT_CHANGEABLE))
        return
    if command.state not in FORCIBLE_RUN:
        turn.emit(r.reject(command, r.STATE_NOT_ALLOWED, state=command.state.value))
        return
    if _is_beside(turn, run):
        # nothing follows from how errors, finally or afterExecution ended
        interrupt(turn, turn.descendants(run), _S.KILLED, forced=True)
        interrupt(turn, [run], command.state, forced=True)
        turn.emit(TaskRunStateForced(id=run.id, state=command.state))
        return
    _remove(turn, _beside(turn, (), forced=run))
    turn.emit(TaskRunStateForced(id=run.id, state=command.state))
    if command.state is _S.CANCELLED:
        for ancestor in turn.ancestors(run):
            turn.emit(TaskRunStateForced(id=ancestor.id, state=_S.CANCELLED))
        turn.emit(ExecutionStateForced(state=_S.CANCELLED))
        return
    directory = turn.parent_of(run)
    if directory is not None and _is_directory(turn, directory):
        _go_on_from(turn, directory)
        run = directory
    _reopen(turn, turn.ancestors(run))
    _run_again(turn)


def _go_on_from(turn: Turn, directory: TaskRun) -> None:
    """Let a WorkingDirectory go on from its tasks; with some that never ran it runs again."""
    task = turn.task_of(directory)
    assert task is not None
    states = {child.task_id: child.state.current for child in turn.scope(directory).runs()}
    failed = _S.FAILED in states.values()
    if failed or all(child.id in states for child in task.tasks("tasks")):
        _reopen(turn, [directory])
        turn.emit(TaskRunBodyEnded(id=directory.id, state=_S.FAILED if failed else _S.SUCCESS))
    else:
        _remove(turn, [child.id for child in turn.descendants(directory)])
        turn.emit(TaskRunRestarted(id=directory.id))


def replay(turn: Turn, command: c.ReplayExecution) -> None:
    """Begin a new execution from this one, from the start or from a task run."""
    state = turn.state
    new_id = command.new_execution_id
    creation = _creation(turn, command.command_id, new_id)
    if all(label.key != REPLAY for label in creation.labels):
        creation.labels = [*creation.labels, Label(REPLAY, "true")]
    creation.breakpoints = command.breakpoints
    if command.flow_revision is not None:
        creation.flow_revision = command.flow_revision
    if command.inputs is not None:
        creation.inputs = command.inputs
    if command.task_run_id is not None:
        run = state.task_runs.get(command.task_run_id)
        if run is None:
            turn.emit(r.reject(command, r.TASK_RUN_NOT_FOUND, id=command.task_run_id))
            return
        # a worker runs the tasks of a WorkingDirectory as one
        whole = [above for above in turn.ancestors(run) if _is_directory(turn, above)]
        first = whole[-1] if whole else run
        creation.task_runs, creation.histories = taken_over(turn, new_id, {first.id}, replay=True)
        creation.variables = state.variables
    turn.emit(LabelsChanged(labels=_with_label(state.labels, REPLAYED)))
    turn.emit(ExecutionReplayed(creation=creation))


def retry_of(execution_id: str) -> str:
    """Return the id of the execution that follows one whose flow is retried whole."""
    return derived("flow-retry", execution_id)


def retry_flow(turn: Turn) -> None:
    """Begin the next execution of a flow that is retried whole."""
    state = turn.state
    creation = _creation(turn, derived("flow-retry-command", state.id), retry_of(state.id))
    creation.wanted_outputs = state.wanted_outputs
    turn.emit(ExecutionReplayed(creation=creation))


def _creation(turn: Turn, command_id: str, new_id: str) -> c.CreateExecution:
    state = turn.state
    return c.CreateExecution(
        execution_id=new_id,
        command_id=f"{command_id}.create",
        issuer="executor",
        tenant=state.tenant,
        namespace=state.namespace,
        flow_id=state.flow_id,
        flow_revision=state.flow_revision,
        labels=list(state.labels),
        inputs=state.inputs,
        trigger=state.trigger,
        kind=state.kind,
        parent_id=state.id,
        original_id=state.original_id,
        metadata=Metadata(state.metadata.attempt_number + 1, state.metadata.original_created_date),
    )


def _with_label(labels: list[Label], key: str, value: Any = "true") -> list[Label]:
    return [label for label in labels if label.key != key] + [Label(key, value)]
