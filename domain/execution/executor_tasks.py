"""Tasks that the executor carries out: Fail, Exit, Assert, Labels, SetVariables, UnsetVariables.

Source: `kestra-features.md` 11.6, end; `kestra-1.3-observed.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.execution.ending import finish, interrupt
from domain.execution.events import (
    ExecutionEnded,
    LabelsChanged,
    TaskRunEnded,
    TaskRunOpened,
    VariablesChanged,
)
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import TaskPlan
from domain.execution.state import Label, TaskRun
from domain.execution.turn import Turn
from domain.expression import ExpressionError, is_truthy_text
from domain.expression.text import to_json
from domain.flow import tasks as t
from domain.log import Level

_S = StateType

_EXIT_STATES: Final = {
    "SUCCESS": _S.SUCCESS,
    "WARNING": _S.WARNING,
    "FAILED": _S.FAILED,
    "KILLED": _S.KILLED,
    "CANCELLED": _S.CANCELLED,
    "CANCELED": _S.CANCELLED,
}


class TaskFailure(Exception):
    """The task fails with this text."""


def carry_out(turn: Turn, task: TaskPlan, run: TaskRun) -> None:
    """Run a task of the executor.

    Raises:
        LookupNeeded: the outside world must be asked first; nothing was emitted.
    """
    assert isinstance(task.task, t.ExecutorTask)
    rule = _RULES[task.task.type]
    submitted = task.task.type in (t.FAIL, t.ASSERT)
    try:
        done = rule(turn, task, run, task.task.properties)
    except (TaskFailure, ExpressionError) as error:
        turn.record_answers()
        turn.emit(TaskRunOpened(id=run.id, submitted=submitted))
        turn.log(Level.ERROR, str(error), run)
        if submitted:
            turn.log(Level.TRACE, f"{task.task.type}: {error}\n    in task {run.task_id}", run)
        # those that change the execution are not retried: only what runs, and subflows
        finish(turn, task, run, _S.FAILED, retriable=submitted)
        return
    turn.record_answers()
    turn.emit(TaskRunOpened(id=run.id, submitted=submitted))
    done()


Done = Callable[[], None]


def _succeed(turn: Turn, task: TaskPlan, run: TaskRun) -> Done:
    return lambda: finish(turn, task, run, _S.SUCCESS)


def _fail(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    condition = properties.get("condition")
    if condition is not None and not turn.holds(condition, task, run):
        return _succeed(turn, task, run)
    text = properties.get("errorMessage")
    raise TaskFailure("Task failure" if text is None else turn.render(str(text), task, run))


def _assert(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    conditions = properties.get("conditions")
    if isinstance(conditions, str):
        conditions = turn.render_typed(conditions, task, run)
    if not isinstance(conditions, list | tuple):
        conditions = [] if conditions is None else [conditions]
    failures: list[str] = []
    for condition in conditions:
        try:
            if not turn.holds(condition, task, run):
                failures.append(f"Assertion `{condition}` failed")
        except ExpressionError as error:
            failures.append(f"Assertion `{condition}` failed, an error occurred: {error}")
    if not failures:
        return _succeed(turn, task, run)
    message = properties.get("errorMessage")
    text = "" if message is None else "\n" + turn.render(str(message), task, run)
    count = len(failures)
    plural = "assertion" if count == 1 else "assertions"
    raise TaskFailure(f"{count} {plural} failed.{text}\n" + "\n".join(failures))


def _exit(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    said = turn.render(str(properties.get("state", "SUCCESS")), task, run)
    state = _EXIT_STATES.get(said)
    if state is None:
        raise TaskFailure(f"'{said}' is no state to exit with")

    def leave() -> None:
        turn.emit(TaskRunEnded(id=run.id, state=state))
        ancestors = turn.ancestors(run)
        if state is _S.SUCCESS and not ancestors:
            return  # at the top it changes nothing: the flow goes on
        if task.forced:
            return  # afterExecution changes no state
        for ancestor in ancestors:
            interrupt(turn, turn.descendants(ancestor), state)
            turn.emit(TaskRunEnded(id=ancestor.id, state=state))
        if turn.state.state.current not in TERMINAL:
            interrupt(turn, turn.state.task_runs.values(), state)
            turn.emit(ExecutionEnded(state=state))

    return leave


def _labels(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    new = _rendered_labels(turn, task, run, properties.get("labels"))
    kept = [label for label in turn.state.labels if label.key not in new]
    labels = kept + [Label(key, value) for key, value in new.items()]

    def change() -> None:
        turn.emit(LabelsChanged(labels=labels))
        finish(turn, task, run, _S.SUCCESS)

    return change


def _rendered_labels(turn: Turn, task: TaskPlan, run: TaskRun, said: Any) -> dict[str, str]:
    if isinstance(said, str):
        try:
            said = msgspec.json.decode(turn.render(said, task, run))
        except msgspec.DecodeError as error:
            raise TaskFailure(f"The labels are no JSON: {error}") from error
    else:
        said = turn.render_deep(said, task, run)
    if isinstance(said, dict):
        pairs = list(said.items())
    elif isinstance(said, list):
        pairs = [(item.get("key"), item.get("value")) for item in said if isinstance(item, dict)]
    else:
        raise TaskFailure("Labels are a mapping, a list of key and value, or JSON of either")
    new: dict[str, str] = {}
    for key, given in pairs:
        value = to_json(given) if isinstance(given, dict) else given
        if not isinstance(key, str) or not isinstance(value, str):
            raise TaskFailure(f"Key and value of the label {key!r} must be texts")
        if key.startswith("system."):
            raise TaskFailure(
                f"System labels can only be set by Tidewheel itself, offending label: {key}={value}"
            )
        if not key or not value:
            raise TaskFailure("Key and value of a label must not be empty")
        new.pop(key, None)
        new[key] = value
    return new


def _set_variables(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    said = properties.get("variables")
    if isinstance(said, str):
        said = turn.render_typed(said, task, run)
    said = turn.render_deep(said, task, run)
    if not isinstance(said, dict):
        raise TaskFailure("`variables` must be a mapping")
    current = turn.state.variables
    if not _flag(turn, task, run, properties.get("overwrite", True)):
        clash = next((name for name in said if name in current), None)
        if clash is not None:
            raise TaskFailure(f"Variable '{clash}' exists already and `overwrite` is false")
    variables = _merged(current, said)

    def change() -> None:
        turn.emit(VariablesChanged(variables=variables))
        finish(turn, task, run, _S.SUCCESS)

    return change


def _unset_variables(turn: Turn, task: TaskPlan, run: TaskRun, properties: dict[str, Any]) -> Done:
    said = properties.get("variables")
    if isinstance(said, str):
        said = turn.render_typed(said, task, run)
    if not isinstance(said, list | tuple):
        raise TaskFailure("`variables` must be a list of names")
    names = [turn.render(str(name), task, run) for name in said]
    ignore = _flag(turn, task, run, properties.get("ignoreMissing", False))
    variables = dict(turn.state.variables)
    for name in names:
        variables = _without(variables, name.split("."), ignore=ignore)

    def change() -> None:
        turn.emit(VariablesChanged(variables=variables))
        finish(turn, task, run, _S.SUCCESS)

    return change


def _without(variables: dict[str, Any], path: list[str], *, ignore: bool) -> dict[str, Any]:
    """Return variables without what a path names. A missing leaf is no error."""
    head, *rest = path
    if not rest:
        return {name: value for name, value in variables.items() if name != head}
    inner = variables.get(head)
    if not isinstance(inner, dict):
        if ignore:
            return variables
        raise TaskFailure(f"There is no variable '{head}' to take '{'.'.join(rest)}' from")
    return {**variables, head: _without(inner, rest, ignore=ignore)}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _merged(old, value)
        else:
            merged[name] = value
    return merged


def _flag(turn: Turn, task: TaskPlan, run: TaskRun, value: Any) -> bool:
    if isinstance(value, str):
        return is_truthy_text(turn.render(value, task, run))
    return bool(value)


_RULES: Final[dict[str, Callable[[Turn, TaskPlan, TaskRun, dict[str, Any]], Done]]] = {
    t.FAIL: _fail,
    t.ASSERT: _assert,
    t.EXIT: _exit,
    t.LABELS: _labels,
    t.SET_VARIABLES: _set_variables,
    t.UNSET_VARIABLES: _unset_variables,
}
