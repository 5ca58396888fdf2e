"""What expressions see of an execution: its variables, made as far as they can be reached.

Source: the context of Kestra's expressions, `kestra-features.md` 12.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.execution.context import Settings
from domain.execution.index import Index
from domain.execution.plan import FlowPlan, TaskPlan
from domain.execution.state import Execution, Label, TaskRun
from domain.expression.references import HERE, Path, References

Fetch = Callable[[str], dict[str, Any]]

BY_REFERENCE: Final = "kestra:outputs"
"""The only key of outputs that are too large for the log; its value is the URI of their JSON file.
Whoever renders with them reads the file first."""


def instant_text(moment: datetime) -> str:
    """Return an instant as expressions print it: six digits of the second, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nested_labels(labels: Iterable[Label]) -> dict[str, Any]:
    """Return labels as a map in which dots of keys nest."""
    nested: dict[str, Any] = {}
    for label in labels:
        place = nested
        *outer, last = label.key.split(".")
        for part in outer:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = label.value
    return nested


class Variables:
    """Makes the variables of one execution for its expressions."""

    __slots__ = ("_fetch", "_index", "_plan", "_settings", "_state")

    def __init__(
        self,
        state: Execution,
        index: Index,
        plan: FlowPlan,
        settings: Settings,
        fetch: Fetch | None = None,
    ) -> None:
        """Hold what variables are made of.

        Args:
            state: the execution.
            index: the index beside it.
            plan: its flow.
            settings: what the server's configuration says.
            fetch: reads outputs by reference from their URI; None: left to who renders.
        """
        self._fetch = fetch
        self._state = state
        self._index = index
        self._plan = plan
        self._settings = settings

    def of(
        self, references: References, task: TaskPlan | None, run: TaskRun | None
    ) -> dict[str, Any]:
        """Return the variables that some templates can reach.

        Args:
            references: what they can reach.
            task: the task whose templates they are; None: the flow's own.
            run: its task run, where there is one already.
        """
        names = None if references.everything else references.names()
        made: dict[str, Any] = {}
        for name, maker in _MAKERS.items():
            if names is None or name in names:
                value = maker(self, references, task, run)
                if value is not None:
                    made[name] = value
        return made

    def _flow(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._plan.base

    def _execution(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        state = self._state
        made: dict[str, Any] = {
            "id": state.id,
            "startDate": instant_text(state.state.start_date),
            "state": state.state.current.value,
            "originalId": state.original_id,
        }
        if state.outputs is not None:
            made["outputs"] = state.outputs
        return made

    def _task(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, run
        return None if task is None else {"id": task.id, "type": task.task.type}

    def _taskrun(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task
        return None if run is None else taskrun_variable(run)

    def _parents(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task
        found: list[dict[str, Any]] = []
        while run is not None and run.parent_id is not None:
            run = self._state.task_runs.get(run.parent_id)
            if run is None:
                break
            made: dict[str, Any] = {}
            if run.value is not None:
                made["taskrun"] = {"value": run.value}
            if run.outputs is not None:
                made["outputs"] = run.outputs
            if made:
                found.append(made)
        return found or None

    def _parent(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        parents = self._parents(references, task, run)
        return parents[0] if parents else None

    def _inputs(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._state.inputs

    def _labels(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return nested_labels(self._state.labels)

    def _trigger(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del task, run
        trigger = self._state.trigger
        if trigger is None or references.everything:
            return None if trigger is None else trigger.variables
        paths = [path for path in references.paths if path[0] == "trigger"]
        if ("trigger",) in paths:
            return trigger.variables
        named = {path[1] for path in paths}
        return {key: value for key, value in trigger.variables.items() if key in named}

    def _vars(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._state.variables

    def _envs(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._settings.envs

    def _globals(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._settings.globals

    def _kestra(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task, run
        return self._settings.kestra

    def _outputs(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del task
        return self._nested("outputs", references, run, self._outputs_of)

    def _tasks(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del task
        return self._nested("tasks", references, run, _state_of)

    def _item(self, references: References, task: TaskPlan | None, run: TaskRun | None) -> Any:
        del references, task
        items: list[dict[str, Any]] = []
        while run is not None:
            parent = self._state.task_runs.get(run.parent_id) if run.parent_id else None
            if run.isolated and parent is not None:
                items.append(item_variable(parent, run))
            run = parent
        if not items:
            return None
        item = dict(items[0])
        if len(items) > 1:
            item["parent"] = items[1]
            item["parents"] = items[:0:-1]
        return item

    def _outputs_of(self, run: TaskRun) -> dict[str, Any] | None:
        if run.outputs is None and run.outputs_uri is not None:
            if self._fetch is not None:
                return self._fetch(run.outputs_uri)
            return {BY_REFERENCE: run.outputs_uri}
        return run.outputs

    def _nested(
        self,
        name: str,
        references: References,
        run: TaskRun | None,
        leaf: Callable[[TaskRun], dict[str, Any] | None],
    ) -> dict[str, Any]:
        """Return `name.<task>[.<value>...].<leaf>` for all task runs that can be reached."""
        made: dict[str, Any] = {}
        # in one order on every machine: sets have none
        paths = sorted((path for path in references.paths if path[0] == name), key=str)
        run_id = None if run is None else run.id
        houses = self._index.houses_around(run_id)
        if references.everything or any(len(path) == 1 for path in paths):
            for task_id, runs in self._index.by_task.items():
                self._put(made, task_id, self._seen(runs.values(), houses), leaf)
            return made
        here = self._index.path(run_id)
        for path in paths:
            task_id = str(path[1])
            self._put(made, task_id, self._reached(task_id, path, here, houses), leaf)
        return made

    def _seen(self, runs: Iterable[TaskRun], houses: list[str]) -> Iterable[TaskRun]:
        """Leave out what lies in iterations of Loops that are closed to the looker."""
        index = self._index
        return [run for run in runs if index.house(run.id) in houses] if index.houses else runs

    def _reached(
        self, task_id: str, path: Path, here: tuple[str, ...], houses: list[str]
    ) -> Iterable[TaskRun]:
        """Return the runs of a task that a path can reach."""
        runs = self._index.by_task.get(task_id)
        if not runs:
            return ()
        if len(runs) == 1:
            return self._seen(runs.values(), houses)
        depth = len(self._index.path(next(iter(runs))))
        keys = _resolved(path[2:], here)
        if keys is not None and len(keys) >= depth:
            for house in houses:
                found = self._index.by_path.get((house, task_id, keys[:depth]))
                if found is not None:
                    return (found,)
            return ()
        return self._seen(runs.values(), houses)

    def _put(
        self,
        made: dict[str, Any],
        task_id: str,
        runs: Iterable[TaskRun],
        leaf: Callable[[TaskRun], dict[str, Any] | None],
    ) -> None:
        for run in runs:
            value = leaf(run)
            if value is None:
                continue
            path = self._index.path(run.id)
            if not path:
                # the outputs of the state itself, never to be changed here
                made[task_id] = {**made[task_id], **value} if task_id in made else value
                continue
            place = made.setdefault(task_id, {})
            for key in path:
                inner = place.get(key)
                if not isinstance(inner, dict):
                    inner = place[key] = {}
                place = inner
            place.update(value)


def taskrun_variable(run: TaskRun) -> dict[str, Any]:
    """Return the variable `taskrun`."""
    made: dict[str, Any] = {
        "id": run.id,
        "startDate": instant_text(run.state.start_date),
        "attemptsCount": len(run.attempts),
    }
    if run.parent_id is not None:
        made["parentId"] = run.parent_id
    if run.value is not None:
        made["value"] = run.value
    if run.iteration is not None:
        made["iteration"] = run.iteration
    if run.items is not None:
        made["items"] = run.items
    return made


def item_variable(loop: TaskRun, run: TaskRun) -> dict[str, Any]:
    """Return the variable `item` of the iteration of a Loop to which a task run belongs."""
    iteration = run.iteration or 0
    item: dict[str, Any] = {"index": iteration, "value": run.value}
    if loop.keys is not None:
        item["key"] = loop.keys[iteration]
    return item


def _state_of(run: TaskRun) -> dict[str, Any]:
    return {"state": run.state.current.value}


def _resolved(keys: Path, here: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return keys with the numbers of loops replaced by their values; None: one has no value."""
    found: list[str] = []
    for key in keys:
        if isinstance(key, str):
            found.append(key)
        elif key == HERE:
            found.extend(here)
        elif key < len(here):
            found.append(here[len(here) - 1 - key])
        else:
            return None
    return tuple(found)


_Maker = Callable[[Variables, References, TaskPlan | None, TaskRun | None], Any]

_MAKERS: Final[Mapping[str, _Maker]] = {
    "flow": Variables._flow,  # noqa: SLF001 - one module
    "execution": Variables._execution,  # noqa: SLF001
    "task": Variables._task,  # noqa: SLF001
    "taskrun": Variables._taskrun,  # noqa: SLF001
    "parent": Variables._parent,  # noqa: SLF001
    "parents": Variables._parents,  # noqa: SLF001
    "item": Variables._item,  # noqa: SLF001
    "inputs": Variables._inputs,  # noqa: SLF001
    "labels": Variables._labels,  # noqa: SLF001
    "trigger": Variables._trigger,  # noqa: SLF001
    "vars": Variables._vars,  # noqa: SLF001
    "envs": Variables._envs,  # noqa: SLF001
    "globals": Variables._globals,  # noqa: SLF001
    "kestra": Variables._kestra,  # noqa: SLF001
    "outputs": Variables._outputs,  # noqa: SLF001
    "tasks": Variables._tasks,  # noqa: SLF001
}
"""How each variable is made; also the order in which they are printed."""
