"""Task runs that a new execution takes over from another one, under ids of its own."""

from __future__ import annotations

from typing import Final

from domain.execution.evolve_runs import copy_of, count_running, without_iterations
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import AFTER, ERRORS, FINALLY, TaskPlan
from domain.execution.state import MAIN_LANE, Moment, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.ids import derived

_S = StateType
_LANES: Final = {MAIN_LANE: 0, ERRORS: 1, FINALLY: 2, AFTER: 3}
_BEHIND: Final = len(_LANES) - 1
_Place = tuple[str | None, int | None]


def taken_over(
    turn: Turn, new_id: str, again: set[str], *, replay: bool = False
) -> tuple[list[TaskRun], list[Moment]]:
    """Return the task runs and the histories with which a new execution begins.

    Args:
        turn: a step of the old execution, which stays as it is.
        new_id: id of the new execution.
        again: task runs that are run again: RESTARTED there, those around them RUNNING.
        replay: True takes out everything that follows them; False only what is below them.

    Returns:
        Copies in order of creation, and the states the old execution went through.
    """
    runs = turn.state.task_runs
    around = {above.id for run_id in again for above in turn.ancestors(runs[run_id])}
    gone: set[str] = set()
    for run_id in again:
        gone.update(child.id for child in turn.descendants(runs[run_id]))
        if replay:
            gone.update(_after(turn, runs[run_id]))
    places = _places(turn, again | around) if replay else {}
    again = set(again)
    for run in runs.values():
        if run.id in gone or run.parent_id in gone:
            gone.add(run.id)
        elif run.id in again or run.id in around:
            continue
        elif run.lane != MAIN_LANE and not (
            run.state.current in TERMINAL and _rank(run) <= places.get(_place(run), _BEHIND)
        ):
            gone.add(run.id)
        elif run.state.current not in TERMINAL:
            # what is under way runs again; a loop makes none of its iterations a second time
            if run.iteration is None:
                gone.add(run.id)
            else:
                again.add(run.id)
                gone.update(child.id for child in turn.descendants(run))
    names = {run_id: derived("copy", new_id, run_id) for run_id in runs if run_id not in gone}
    anew: dict[str | None, set[int]] = {}
    for run in (runs[run_id] for run_id in again | around):
        if run.isolated and run.iteration is not None:
            anew.setdefault(run.parent_id, set()).add(run.iteration)
    copies: list[TaskRun] = []
    for run in runs.values():
        if run.id in gone:
            continue
        copy = copy_of(run)
        copy.id = names[run.id]
        copy.parent_id = None if run.parent_id is None else names[run.parent_id]
        if run.id in again:
            copy.state.move(_S.RESTARTED, turn.now)
            copy.attempts = [x for x in copy.attempts if x.state.current in TERMINAL]
        elif run.id in around:
            copy.state.move(_S.RUNNING, turn.now)
        if run.id in anew:
            copy.outputs = without_iterations(run.outputs, anew[run.id])
        copies.append(copy)
    by_id = {copy.id: copy for copy in copies}
    for run_id in around:
        if run_id not in gone:
            count_running(by_id[names[run_id]], by_id)
    return copies, list(turn.state.state.histories)


def _rank(run: TaskRun) -> int:
    """Return when the lane of a task run has its turn among those of its parent."""
    return _LANES.get(run.lane, len(_LANES))


def _place(run: TaskRun) -> _Place:
    """Return where the blocks stand to which a task run belongs: an iteration of a Loop has own."""
    return run.parent_id, run.iteration if run.isolated else None


def _places(turn: Turn, path: set[str]) -> dict[_Place, int]:
    """Return for each place on a path the rank of the lane that the path takes there."""
    runs = (turn.state.task_runs[run_id] for run_id in path)
    return {_place(run): _rank(run) for run in runs}


def _after(turn: Turn, run: TaskRun) -> set[str]:
    """Return the task runs that follow a task run, at every level, with all below them."""
    found: set[str] = set()
    place: TaskRun | None = run
    while place is not None:
        parent = turn.parent_of(place)
        above = None if parent is None else turn.task_of(parent)
        for sibling in turn.scope(parent).lane(place.lane).runs.values():
            if sibling is not place and _follows(turn, above, place, sibling):
                found.add(sibling.id)
                found.update(child.id for child in turn.descendants(sibling))
        place = parent
    return found


def _follows(turn: Turn, above: TaskPlan | None, run: TaskRun, other: TaskRun) -> bool:
    """Tell whether `other` comes after `run` among the children of `above`."""
    if above is not None and isinstance(above.task, t.Parallel):
        return False
    if above is not None and isinstance(above.task, t.Dag):
        return other.task_id in _dependents(above.task, run.task_id)
    mine, theirs = turn.task_of(run), turn.task_of(other)
    later = mine is None or theirs is None or theirs.index > mine.index
    if run.iteration is None or other.iteration is None:
        return later
    if run.iteration == other.iteration:
        return later
    one_by_one = above is not None and (
        isinstance(above.task, t.EachSequential)
        or (isinstance(above.task, t.ForEach) and above.task.concurrency_limit == 1)
    )
    return one_by_one and other.iteration > run.iteration


def _dependents(dag: t.Dag, task_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [task_id]
    while waiting:
        current = waiting.pop()
        for entry in dag.tasks:
            if current in entry.depends_on and entry.task.id not in found:
                found.add(entry.task.id)
                waiting.append(entry.task.id)
    return found
