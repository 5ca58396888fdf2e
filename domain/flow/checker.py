"""Rules that a readable flow must obey. Every rule reports into the Reading; none stops another.

A required field that could not be read is None here, whatever its annotation says: the mistake is
already reported, and rules pass over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.flow.common import Concurrency, Label, PluginDefault, Sla
from domain.flow.cycles import cyclic
from domain.flow.input_checker import check_inputs
from domain.flow.input_types import INPUT_TYPES
from domain.flow.model import Flow
from domain.flow.reading import Path, Reading
from domain.flow.reference_checker import check_dashed_keys
from domain.flow.retry_checker import check_retry
from domain.flow.tasks import (
    ASSERT,
    CHILD_FAILURE,
    FAIL,
    Approval,
    Dag,
    EachParallel,
    ExecutorTask,
    Flowable,
    ForEachItem,
    If,
    Loop,
    Parallel,
    Pause,
    PluginTask,
    Subflow,
    Switch,
    Task,
    TaskList,
    WorkingDirectory,
)
from domain.flow.trigger_checker import check_trigger

__all__ = ["check_flow", "check_task", "check_trigger"]

RESERVED_IDS: Final = (
    "pause",
    "resume",
    "force-run",
    "change-status",
    "kill",
    "executions",
    "search",
    "source",
    "disable",
    "enable",
)
"""Words that stand in the API's paths where a flow's id may stand."""

_FLOW_ID: Final = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*"
_NAMESPACE: Final = r"^[a-z0-9][a-z0-9._-]*"
_TASK_ID: Final = r"^[a-zA-Z0-9][a-zA-Z0-9_-]*"
_SYSTEM: Final = "system."
_OPEN_SYSTEM_LABELS: Final = frozenset({"system.readOnly", "system.correlationId"})
"""System labels that a flow may set."""


def check_flow(flow: Flow, reading: Reading, listeners: Sequence[Task] = ()) -> None:
    """Report every rule that a flow breaks.

    Args:
        flow: as read; required fields may be None where reading failed.
        reading: where violations go.
        listeners: tasks of 1.x listeners, whose ids must be unique too.
    """
    _check_identity(flow, reading)
    if not flow.tasks and not reading.is_reported(("tasks",)):
        reading.rule(("tasks",), "must not be empty", "Add at least one task.")
    _check_labels(flow.labels, ("labels",), reading)
    for task, place in walk(flow):
        _check_one(task, place, reading)
    _check_unique_tasks(flow, reading, listeners)
    _check_recursion(flow, reading)
    for index, trigger in enumerate(flow.triggers):
        path: Path = ("triggers", index)
        _check_id(trigger.id, (*path, "id"), _TASK_ID, 256, reading)
        check_trigger(trigger, path, reading)
    _check_unique_triggers(flow, reading)
    check_inputs(flow.inputs, ("inputs",), reading)
    _check_outputs(flow, reading)
    if flow.retry is not None:
        check_retry(flow.retry, ("retry",), reading)
    if flow.concurrency is not None:
        _check_concurrency(flow.concurrency, reading)
    _check_sla(flow.sla, reading)
    _check_quotas(flow, reading)
    for index, default in enumerate(flow.plugin_defaults):
        _check_default(default, ("pluginDefaults", index), reading)
    check_dashed_keys(flow, walk(flow), reading)


def check_task(task: Task, path: Path, reading: Reading) -> None:
    """Report every rule that a task breaks, its children included."""
    for found, place in _walk_task(task, path):
        _check_one(found, place, reading)


def walk(flow: Flow) -> Iterator[tuple[Task, Path]]:
    """Yield every task at any depth with its path in the source, in order of reading."""
    for block, tasks in flow.blocks():
        for index, task in enumerate(tasks):
            yield from _walk_task(task, (block, index))


def _walk_task(task: Task, path: Path) -> Iterator[tuple[Task, Path]]:
    yield task, path
    for name, children in task.branches():
        branch: Path = tuple(name.split(".", 1))
        for index, child in enumerate(children):
            place: Path = (*path, *branch, index)
            if isinstance(task, Dag) and name == "tasks":
                place = (*place, "task")
            elif name == "onPause":
                place = (*path, name)
            if isinstance(child, Task):  # None where it is missing, which is reported already
                yield from _walk_task(child, place)


def _check_identity(flow: Flow, reading: Reading) -> None:
    _check_id(flow.id, ("id",), _FLOW_ID, 100, reading)
    _check_id(flow.namespace, ("namespace",), _NAMESPACE, 150, reading)
    if flow.id in RESERVED_IDS:
        reading.rule(
            ("id",),
            f"Flow id is a reserved keyword: {flow.id}. List of reserved keywords: "
            f"{', '.join(RESERVED_IDS)}",
            "Choose another id.",
        )


def _check_id(value: Any, path: Path, pattern: str, longest: int, reading: Reading) -> None:
    if not isinstance(value, str):
        return
    if not 1 <= len(value) <= longest:
        reading.rule(path, f"size must be between 1 and {longest}", "Choose another id.", value)
    if not re.fullmatch(pattern, value, re.ASCII):
        letters = "letters" if "A-Z" in pattern else "small letters"
        dots = " dots," if "." in pattern else ""
        reading.rule(
            path,
            f'must match "{pattern}"',
            f"Use {letters}, digits,{dots} dashes and underscores, and begin with a letter or"
            " digit.",
            value,
        )


def _check_labels(labels: Sequence[Label], path: Path, reading: Reading) -> None:
    for label in labels:
        if label.key.startswith(_SYSTEM) and label.key not in _OPEN_SYSTEM_LABELS:
            reading.rule(
                path,
                "System labels can only be set by Kestra itself, offending label: "
                f"{label.key}={label.value}",
                f"Choose a key that does not start with `{_SYSTEM}`.",
                at=(*path, label.key),
            )
        if not label.key.strip():
            reading.rule(path, "a label's key must not be empty", "Write a key.")


def _check_one(task: Task, path: Path, reading: Reading) -> None:
    _check_id(task.id, (*path, "id"), _TASK_ID, 256, reading)
    if task.retry is not None:
        check_retry(task.retry, (*path, "retry"), reading)
    if isinstance(task, WorkingDirectory):
        _check_working_directory(task, path, reading)
    elif isinstance(task, Dag):
        _check_dag(task, path, reading)
    elif isinstance(task, Switch):
        if not any(task.cases.values()) and not task.defaults:
            reading.rule(
                path,
                "No task defined, neither cases or default have any tasks",
                "Add a case or `defaults`.",
            )
    elif isinstance(task, If):
        _must_have(task.then, (*path, "then"), reading)
    elif isinstance(task, TaskList):
        _must_have(task.tasks, (*path, "tasks"), reading)
    if isinstance(task, Parallel | Dag | EachParallel):
        _at_least(task.concurrent, 0, (*path, "concurrent"), reading)
    if isinstance(task, Parallel | Dag):
        _check_child_failure(task.on_child_failure, (*path, "onChildFailure"), reading)
    if isinstance(task, Pause):
        check_inputs(task.on_resume, (*path, "onResume"), reading)
    if isinstance(task, Approval):
        check_inputs(task.inputs, (*path, "inputs"), reading)
    if isinstance(task, ForEachItem) and isinstance(task.batch.rows, int):
        _at_least(task.batch.rows, 1, (*path, "batch", "rows"), reading)
    limit = getattr(task, "concurrency_limit", None)
    if isinstance(limit, int):
        _at_least(limit, 0, (*path, "concurrencyLimit"), reading)
    if isinstance(task, Loop):
        _check_output_types(task.outputs, (*path, "outputs"), reading)
    if isinstance(task, Subflow | ForEachItem) and task.revision is not None:
        _at_least(task.revision, 1, (*path, "revision"), reading)
    _warn_of_what_only_workers_use(task, reading)


def _warn_of_what_only_workers_use(task: Task, reading: Reading) -> None:
    # a folder is a worker's, and a wait has a timeout of its own
    runs_nothing = isinstance(task, Flowable | Subflow) and not isinstance(task, WorkingDirectory)
    if not runs_nothing:
        return
    for name, value in (
        ("timeout", None if isinstance(task, Pause | Approval) else task.timeout),
        ("taskCache", task.task_cache),
    ):
        if value is not None:
            reading.warn(
                f"The task '{task.id}' cannot use the '{name}' property as it's only relevant "
                "for runnable tasks."
            )


def _check_child_failure(said: str | None, path: Path, reading: Reading) -> None:
    if said is not None and said.upper() not in CHILD_FAILURE:
        reading.rule(
            path,
            f"'{said}' is not one of the values accepted: [FAIL, CANCEL, CONTINUE]",
            "Write FAIL, CANCEL or CONTINUE.",
        )


def _must_have(tasks: Sequence[Task], path: Path, reading: Reading) -> None:
    if not tasks and not reading.is_reported(path):
        reading.rule(path, "must not be empty", "Add at least one task.")


def _at_least(value: Any, least: int, path: Path, reading: Reading) -> None:
    if isinstance(value, int) and value < least:
        reading.rule(path, f"must be greater than or equal to {least}", "Mend the number.", value)


def _check_working_directory(task: WorkingDirectory, path: Path, reading: Reading) -> None:
    if not task.tasks:
        reading.rule(path, "The 'tasks' property cannot be empty", "Add at least one task.")
    for index, child in enumerate(task.tasks):
        place = (*path, "tasks", index)
        runs = isinstance(child, PluginTask) or (
            isinstance(child, ExecutorTask) and child.type in (ASSERT, FAIL)
        )
        if not runs:
            reading.rule(
                path,
                "Only runnable tasks are allowed as children of a WorkingDirectory task",
                f"Move `{child.id}` out of `{task.id}`.",
                at=place,
            )
        if child.worker_group is not None or child.worker_selector is not None:
            reading.rule(
                path,
                "Cannot set a Worker Group in any WorkingDirectory sub-tasks, it is only supported "
                "at the WorkingDirectory level",
                f"Move it to `{task.id}`.",
                at=place,
            )


def _check_dag(dag: Dag, path: Path, reading: Reading) -> None:
    if not dag.tasks and not reading.is_reported((*path, "tasks")):
        reading.rule(path, "No task defined", "Add at least one task.", at=(*path, "tasks"))
    depends = {
        entry.task.id: entry.depends_on
        for entry in dag.tasks
        if isinstance(entry.task, Task) and isinstance(entry.task.id, str)
    }
    for index, entry in enumerate(dag.tasks):
        unknown = [name for name in entry.depends_on if name not in depends]
        if unknown:
            reading.rule(
                path,
                f"Not existing task id in dependency: {', '.join(unknown)}",
                "Name tasks of the same Dag.",
                at=(*path, "tasks", index, "dependsOn"),
            )
    found = cyclic(depends)
    if found:
        reading.rule(
            path,
            f"Cyclic dependency detected: {', '.join(found)}",
            "Remove one of the dependencies.",
        )


def _check_default(default: PluginDefault, path: Path, reading: Reading) -> None:
    if isinstance(default.type, str) and not default.type.strip():
        reading.rule((*path, "type"), "must not be empty", "Name a type.")
    if not default.values and not reading.is_reported((*path, "values")):
        reading.rule(
            path, "Invalid Plugin Default: No 'values' provided", "Add `values`, a mapping."
        )
    for key, value in default.values.items():
        if value is None:
            reading.rule(
                path,
                f"Invalid Plugin Default: No value provided for key '{key}'",
                f"Write a value for `{key}`, or remove it.",
                at=(*path, "values", key),
            )


def _check_concurrency(concurrency: Concurrency, reading: Reading) -> None:
    _at_least(concurrency.limit, 1, ("concurrency", "limit"), reading)


def _check_sla(slas: Sequence[Sla], reading: Reading) -> None:
    for index, sla in enumerate(slas):
        path: Path = ("sla", index)
        if sla.type == "MAX_DURATION" and sla.duration is None:
            reading.rule((*path, "duration"), "must not be null", "Add the `duration`.")
        if sla.type == "EXECUTION_ASSERTION" and sla.assert_ is None:
            reading.rule((*path, "assert"), "must not be null", "Add the expression `assert`.")
        _check_labels(sla.labels, (*path, "labels"), reading)


def _check_quotas(flow: Flow, reading: Reading) -> None:
    seen: set[timedelta] = set()
    for index, quota in enumerate(flow.quotas):
        path: Path = ("quotas", index)
        _at_least(quota.limit, 1, (*path, "limit"), reading)
        if not isinstance(quota.duration, timedelta):
            continue
        if quota.duration < timedelta(minutes=1):
            reading.rule((*path, "duration"), "must be at least PT1M", "Write a longer span.")
        if quota.duration in seen:
            reading.rule((*path, "duration"), "must be unique", "Keep one quota per span.")
        seen.add(quota.duration)


def _check_outputs(flow: Flow, reading: Reading) -> None:
    _check_output_types(flow.outputs, ("outputs",), reading)
    _unique([output.id for output in flow.outputs], "output", "outputs", reading)


def _check_output_types(outputs: Sequence[Any], path: Path, reading: Reading) -> None:
    for index, output in enumerate(outputs):
        if output.type is not None and output.type not in INPUT_TYPES:
            reading.shape(
                (*path, index, "type"),
                f"Invalid type: {output.type}",
                f"Write one of {', '.join(INPUT_TYPES)}.",
            )


def _check_unique_tasks(flow: Flow, reading: Reading, listeners: Sequence[Task]) -> None:
    places: dict[str, Path] = {}
    repeated: dict[str, Path] = {}
    for task, path in walk(flow):
        if not isinstance(task.id, str):
            continue
        if task.id in places:
            repeated.setdefault(task.id, path)
        places.setdefault(task.id, path)
    for task in listeners:
        if isinstance(task.id, str) and task.id in places:
            repeated.setdefault(task.id, places[task.id])
    _report_repeated(repeated, "task", reading)


def _check_unique_triggers(flow: Flow, reading: Reading) -> None:
    _unique([trigger.id for trigger in flow.triggers], "trigger", "triggers", reading)
    seen: dict[str, Path] = {}
    repeated: dict[str, Path] = {}
    for index, trigger in enumerate(flow.triggers):
        preconditions = getattr(trigger, "preconditions", None)
        name = preconditions.id if preconditions is not None else None
        if isinstance(name, str):
            if name in seen:
                repeated.setdefault(name, ("triggers", index, "preconditions"))
            seen[name] = ("triggers", index)
    _report_repeated(repeated, "preconditions", reading)


def _unique(ids: Iterable[Any], what: str, where: str, reading: Reading) -> None:
    seen: set[str] = set()
    repeated: dict[str, Path] = {}
    for index, name in enumerate(ids):
        if isinstance(name, str):
            if name in seen:
                repeated.setdefault(name, (where, index))
            seen.add(name)
    _report_repeated(repeated, what, reading)


def _report_repeated(repeated: dict[str, Path], what: str, reading: Reading) -> None:
    if repeated:
        named = {
            "task": "task id with name",
            "trigger": "trigger id with name",
            "preconditions": "preconditions with id",
        }.get(what, f"{what} with name")
        reading.rule(
            (),
            f"Invalid Flow: Duplicate {named} [{', '.join(repeated)}]",
            "Give each its own id.",
            at=(*next(iter(repeated.values())), "id"),
        )


def _check_recursion(flow: Flow, reading: Reading) -> None:
    for task, path in walk(flow):
        if (
            isinstance(task, Subflow | ForEachItem)
            and task.flow_id is not None
            and task.flow_id == flow.id
            and task.namespace == flow.namespace
        ):
            reading.rule(
                (),
                f"Invalid Flow: Recursive call to flow [{flow.namespace}.{flow.id}]",
                f"Let `{task.id}` call another flow.",
                at=path,
            )
