"""What the step looks up about an execution without walking through it.

An index stands beside a state in memory, is kept by `evolve`, and is built anew from the state when
it was not there: it is never stored. It makes the cost of a step independent of the size of the
execution: `advance` looks only at what the step's events touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, cast

from domain.execution.lifecycle import STARTABLE, TERMINAL, StateType
from domain.execution.state import MAIN_LANE, Execution, TaskRun

ROOT = ""
"""Key of the scope of the execution itself."""


class Lane:
    """The task runs of one branch of a scope, in order, and how many stand in each state."""

    __slots__ = ("counts", "ended", "runs")

    def __init__(self) -> None:
        self.runs: dict[str, TaskRun] = {}
        self.counts: dict[StateType, int] = {}
        self.ended = 0

    def add(self, run: TaskRun) -> None:
        """Take in a run."""
        self.runs[run.id] = run
        state = run.state.current
        self.counts[state] = self.counts.get(state, 0) + 1
        if state in TERMINAL:
            self.ended += 1

    def remove(self, run: TaskRun) -> None:
        """Forget a run."""
        del self.runs[run.id]
        state = run.state.current
        self.counts[state] -= 1
        if state in TERMINAL:
            self.ended -= 1

    def moved(self, old: StateType, new: StateType) -> None:
        """Note that one of the runs changed its state."""
        counts = self.counts
        counts[old] -= 1
        counts[new] = counts.get(new, 0) + 1
        if old in TERMINAL:
            self.ended -= 1
        if new in TERMINAL:
            self.ended += 1

    def count(self, *states: StateType) -> int:
        """Number of runs in these states."""
        counts = self.counts
        return sum(counts.get(state, 0) for state in states)

    @property
    def last(self) -> TaskRun | None:
        """The latest run; None when there is none."""
        return next(reversed(self.runs.values()), None) if self.runs else None

    @property
    def active(self) -> int:
        """Number of runs that have not ended."""
        return len(self.runs) - self.ended


class Iteration:
    """The children of a loop in one iteration: the main lane, and blocks of a Loop's own."""

    __slots__ = ("_blocks", "main")

    def __init__(self) -> None:
        self.main = Lane()
        self._blocks: dict[str, Lane] | None = None  # most iterations have none

    def lane(self, name: str) -> Lane:
        """Return a lane, empty when nothing is in it yet."""
        if name == MAIN_LANE:
            return self.main
        if self._blocks is None:
            self._blocks = {}
        found = self._blocks.get(name)
        if found is None:
            found = self._blocks[name] = Lane()
        return found

    def found(self, name: str) -> Lane | None:
        """Return a lane, None when nothing was ever in it."""
        if name == MAIN_LANE:
            return self.main
        return None if self._blocks is None else self._blocks.get(name)

    def lanes(self) -> Iterator[Lane]:
        """Yield the lanes, the main one first."""
        yield self.main
        if self._blocks is not None:
            for name in sorted(self._blocks):
                yield self._blocks[name]

    def runs(self) -> list[TaskRun]:
        """All children, lane by lane."""
        return [run for lane in self.lanes() for run in lane.runs.values()]


class Scope:
    """The children of one task run, or of the execution itself."""

    __slots__ = ("_waiting", "changed", "iterations", "key", "lanes", "open_iterations", "over")

    def __init__(self, key: str) -> None:
        self.key = key
        self.lanes: dict[str, Lane] = {}
        self.iterations: dict[int, Iteration] = {}
        """Loops: the children per iteration."""
        self.open_iterations: set[int] = set()
        """Iterations that the loop has begun and not seen to their end."""
        self.over: set[int] = set()
        """Loop: iterations whose end is recorded in its outputs."""
        self.changed: dict[int, None] = {}
        """Iterations touched since the scope was last looked at, in order."""
        self._waiting: list[int] = []
        """A heap of changed iterations that are being looked at."""

    def lane(self, name: str) -> Lane:
        """Return a lane, empty when nothing is in it yet."""
        found = self.lanes.get(name)
        if found is None:
            found = self.lanes[name] = Lane()
        return found

    def found(self, name: str) -> Lane | None:
        """Return a lane, None when nothing was ever in it."""
        return self.lanes.get(name)

    def iteration(self, number: int) -> Iteration:
        """Return an iteration, begun now if it was not."""
        found = self.iterations.get(number)
        if found is None:
            found = self.iterations[number] = Iteration()
        return found

    def touch(self, number: int) -> None:
        """Have an iteration looked at."""
        self.open_iterations.add(number)
        self.changed[number] = None

    def changes(self) -> Iterator[int]:
        """Yield the changed iterations, lowest first, those that change meanwhile included.

        The order does not depend on which other iterations are looked at in vain. Who leaves in
        the midst of one, because the outside world must be asked, gets it again.
        """
        heap = self._waiting
        while heap or self.changed:
            for number in self.changed:
                heappush(heap, number)
            self.changed.clear()
            number = heap[0]
            if number in self.iterations:
                yield number
            while heap and heap[0] == number:
                heappop(heap)

    def runs(self) -> list[TaskRun]:
        """All children, lane by lane; in one order however the index came to be."""
        return [run for name in sorted(self.lanes) for run in self.lanes[name].runs.values()]


class Index:
    """Scopes, task runs by state and by task, and what is still to be looked at in this step."""

    __slots__ = (
        "_numbers",
        "by_path",
        "by_state",
        "by_task",
        "houses",
        "order",
        "paths",
        "scopes",
        "startable",
        "touched",
    )

    def __init__(self, runs: Iterable[TaskRun] = ()) -> None:
        self._numbers = count()
        self.scopes: dict[str, Scope] = {}
        self.by_state: dict[StateType, dict[str, TaskRun]] = {}
        """Task runs that have not ended, by their state."""
        self.by_task: dict[str, dict[str, TaskRun]] = {}
        self.order: dict[str, int] = {}
        """Task runs in order of creation: how long ago one moved must not show in any event."""
        self.paths: dict[str, tuple[str, ...]] = {}
        """Values of the loops around a task run, outermost first, its own last."""
        self.houses: dict[str, str] = {}
        """Iteration of a Loop in which a task run lies; those outside of any: ""."""
        self.by_path: dict[tuple[str, str, tuple[str, ...]], TaskRun] = {}
        """Latest task run by house, task and path."""
        self.touched: dict[str, None] = {}
        """Scopes to be looked at, in order."""
        self.startable: deque[TaskRun] = deque()
        """Task runs that were created or restarted."""
        for run in runs:
            self.add(run)
            for entry in (run.outputs or {}).get("outputs", ()) if run.loops else ():
                # a Loop recorded the ends of its iterations in its outputs
                self.scope(run.id).over.add(entry["item"]["iteration"])
        self.startable.clear()
        self.touched.clear()

    def path(self, run_id: str | None) -> tuple[str, ...]:
        """Return the values of the loops around a task run, outermost first, its own last."""
        return self.paths.get(run_id, ()) if run_id else ()

    def house(self, run_id: str | None) -> str:
        """Return the iteration of a Loop in which a task run lies; "" for none."""
        return self.houses.get(run_id, ROOT) if run_id else ROOT

    def houses_around(self, run_id: str | None) -> list[str]:
        """Return the iterations of Loops that a task run sees, innermost first, then ""."""
        found: list[str] = []
        while house := self.house(run_id):
            found.append(house)
            run_id = house.partition(":")[0]
        return [*found, ROOT]

    def scope(self, key: str | None) -> Scope:
        """Return the scope of a task run; None is the execution itself."""
        name = key or ROOT
        found = self.scopes.get(name)
        if found is None:
            found = self.scopes[name] = Scope(name)
        return found

    def add(self, run: TaskRun) -> None:
        """Take in a task run."""
        scope = self.scope(run.parent_id)
        scope.lane(run.lane).add(run)
        if run.iteration is not None:
            if run.iteration not in scope.iterations:
                scope.open_iterations.add(run.iteration)
            scope.iteration(run.iteration).lane(run.lane).add(run)
            scope.changed[run.iteration] = None
        of_task = self.by_task.get(run.task_id)
        if of_task is None:
            of_task = self.by_task[run.task_id] = {}
        of_task[run.id] = run
        path = self.path(run.parent_id)
        house = self.house(run.parent_id)
        if run.isolated:
            house, path = f"{run.parent_id}:{run.iteration}", ()
        elif run.value is not None:
            path = (*path, run.value)
        if path:
            self.paths[run.id] = path
        if house:
            self.houses[run.id] = house
        self.by_path[house, run.task_id, path] = run
        self.order[run.id] = next(self._numbers)
        state = run.state.current
        if state not in TERMINAL:
            self._in(state)[run.id] = run
        if state in STARTABLE:
            self.startable.append(run)
        self.touched[scope.key] = None

    def remove(self, run: TaskRun) -> None:
        """Forget a task run and the scope of its children."""
        scope = self.scopes.get(run.parent_id or ROOT)
        if scope is not None:  # else its parent went first, and the scope with it
            scope.lane(run.lane).remove(run)
            if run.iteration is not None:
                iteration = scope.iterations[run.iteration]
                iteration.lane(run.lane).remove(run)
                if any(lane.runs for lane in iteration.lanes()):
                    scope.touch(run.iteration)  # a block that was taken out may have its turn again
                else:
                    del scope.iterations[run.iteration]
                    scope.open_iterations.discard(run.iteration)
            self.touched[scope.key] = None
        self.by_task[run.task_id].pop(run.id, None)
        place = (self.houses.pop(run.id, ROOT), run.task_id, self.paths.pop(run.id, ()))
        if self.by_path.get(place) is run:
            del self.by_path[place]
            for other in self.by_task[run.task_id].values():
                if (self.house(other.id), self.path(other.id)) == (place[0], place[2]):
                    self.by_path[place] = other
        self.order.pop(run.id, None)
        self._in(run.state.current).pop(run.id, None)
        self.scopes.pop(run.id, None)
        self.touched.pop(run.id, None)

    def moved(self, run: TaskRun, old: StateType, new: StateType) -> None:
        """Note a change of state."""
        scope = self.scope(run.parent_id)
        scope.lane(run.lane).moved(old, new)
        if run.iteration is not None:
            scope.iterations[run.iteration].lane(run.lane).moved(old, new)
            scope.touch(run.iteration)
        if old not in TERMINAL:
            self._in(old).pop(run.id, None)
        if new not in TERMINAL:
            self._in(new)[run.id] = run
            if new is StateType.RUNNING:
                self.touched[run.id] = None
            elif new in STARTABLE:
                self.startable.append(run)
        self.touched[scope.key] = None

    def _in(self, state: StateType) -> dict[str, TaskRun]:
        found = self.by_state.get(state)
        if found is None:
            found = self.by_state[state] = {}
        return found

    def in_state(self, *states: StateType) -> list[TaskRun]:
        """Task runs in states that are not terminal, in order of creation."""
        found = [run for state in states for run in self._in(state).values()]
        found.sort(key=lambda run: self.order[run.id])
        return found

    def count(self, *states: StateType) -> int:
        """Number of task runs in states that are not terminal."""
        return sum(len(self._in(state)) for state in states)

    def touch(self, key: str | None) -> None:
        """Have a scope looked at."""
        self.touched[key or ROOT] = None

    def wake(self) -> None:
        """Have everything that has not ended looked at: after a time when nothing could start."""
        self.touched[ROOT] = None
        for run in self.in_state(StateType.RUNNING):
            self.touched[run.id] = None
            scope = self.scopes.get(run.id)
            if scope is not None:
                scope.changed.update(dict.fromkeys(sorted(scope.open_iterations)))
        self.startable.clear()
        self.startable.extend(self.in_state(StateType.CREATED, StateType.RESTARTED))

    def rest(self) -> None:
        """Forget what was to be looked at: nothing can start now."""
        self.touched.clear()
        self.startable.clear()

    @property
    def is_quiet(self) -> bool:
        """True when nothing is left to be looked at."""
        return not self.touched and not self.startable


_KEY = "index"


def index_of(state: Execution) -> Index:
    """Return the index beside a state, built now if there is none."""
    found = cast("Index | None", vars(state).get(_KEY))
    if found is None:
        found = Index(state.task_runs.values())
        vars(state)[_KEY] = found
    return found


def index_beside(state: Execution) -> Index | None:
    """Return the index beside a state, None when nobody has asked for one."""
    return cast("Index | None", vars(state).get(_KEY))


def drop_index(state: Execution) -> None:
    """Take the index away: the next `index_of` builds it anew."""
    held: dict[str, Any] = vars(state)
    held.pop(_KEY, None)
