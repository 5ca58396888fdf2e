"""The pure functions.

Those that ask the world are declared in `impure`, those that render a template in `template`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.expression import calendar, data, ion
from domain.expression.errors import Fault
from domain.expression.operators import greater, less, stepped
from domain.expression.registry import FUNCTIONS, REQUIRED, function, variadic
from domain.expression.runtime import Run
from domain.expression.text import to_json
from domain.expression.values import class_name, is_number

__all__ = ["FUNCTIONS", "calendar"]


@function("range", start=REQUIRED, end=REQUIRED, increment=1)
def range_(run: Run, start: Any, end: Any, increment: Any) -> list[Any]:
    """Return numbers or letters from start to end, both included."""
    return stepped(start, end, increment, run.scope.limits)


@variadic("max")
def max_(run: Run, *values: Any) -> Any:
    """Return the largest number; nulls do not count, and one value alone may be anything."""
    return _extreme(values, lambda one, other: greater(one, other, run))


@variadic("min")
def min_(run: Run, *values: Any) -> Any:
    """Return the smallest number; nulls do not count, and one value alone may be anything."""
    return _extreme(values, lambda one, other: less(one, other, run))


def _extreme(values: tuple[Any, ...], is_better: Callable[[Any, Any], bool]) -> Any:
    known = [value for value in values if value is not None]
    if len(known) > 1 and not all(map(is_number, known)):
        wrong = next(value for value in known if not is_number(value))
        raise Fault(f"A number is expected, not {class_name(wrong)}")
    best = None
    for value in known:
        if best is None or is_better(value, best):
            best = value
    return best


@function("fromJson", "json", json=REQUIRED)
def from_json(run: Run, json: Any) -> Any:
    """Read a JSON text; null stays null."""
    del run
    if json is None:
        return None
    if not isinstance(json, str):
        raise Fault("The 'fromJson' function expects an argument 'json' with type string.")
    return data.read_json(json)


@function("fromIon", ion=REQUIRED, allRows=False)
def from_ion(run: Run, text: Any, all_rows: Any) -> Any:
    """Read an Ion text: its first value, or the list of all; null stays null."""
    del run
    if text is None:
        return None
    if not isinstance(text, str):
        raise Fault("The 'fromIon' function expects an argument 'ion' with type string.")
    rows = ion.read_ion(text)
    if all_rows is True:
        return rows
    return rows[0] if rows else None


@function("yaml", yaml=REQUIRED)
def yaml_(run: Run, yaml: Any) -> Any:
    """Read a YAML text."""
    del run
    if not isinstance(yaml, str):
        raise Fault("The 'yaml' function expects an argument 'yaml' with type string.")
    return data.read_yaml(yaml)


@function("printContext")
def print_context(run: Run) -> str:
    """Return the variables as JSON."""
    return to_json(fetch_context(run), run.scope.limits.output_characters)


@function("fetchContext")
def fetch_context(run: Run) -> Mapping[str, Any]:
    """Return the variables as a map."""
    return {str(name): value for name, value in run.variables.items()}


@function("tasksWithState", state=REQUIRED)
def tasks_with_state(run: Run, state: Any) -> list[dict[str, Any]]:
    """Return `{taskId, state, value?}` of every task in a state, whatever its case."""
    if not isinstance(state, str):
        raise Fault("The 'tasksWithState' function expects an argument 'state' with type string.")
    found: list[dict[str, Any]] = []
    for task, known in _map_of(run, "tasks").items():
        if not isinstance(known, Mapping):
            continue
        if isinstance(known.get("state"), str):
            _add_if(found, {"taskId": task, "state": known["state"]}, state)
            continue
        for value, inner in known.items():
            if isinstance(inner, Mapping) and isinstance(inner.get("state"), str):
                _add_if(found, {"taskId": task, "state": inner["state"], "value": value}, state)
    return found


def _add_if(found: list[dict[str, Any]], task: dict[str, Any], state: str) -> None:
    if task["state"].upper() == state.upper():
        found.append(task)


@function("currentEachOutput", outputs=REQUIRED)
def current_each_output(run: Run, outputs: Any) -> Any:
    """Return the output of a sibling task for the values of the loops around this one."""
    if not isinstance(outputs, Mapping):
        raise Fault("The 'currentEachOutput' function expects an argument 'outputs' with type map.")
    value = _loop_value(run)
    if value is None:
        raise Fault("The 'currentEachOutput' function can only be used inside a loop.")
    found: Any = outputs
    for outer in [*_outer_values(run), value]:
        if not isinstance(found, Mapping) or outer not in found:
            raise Fault(f"No output for the value '{outer}'.")
        found = found[outer]
    return found


@function("iterationOutput", taskId=None, iteration=None)
def iteration_output(run: Run, task: Any, iteration: Any) -> Any:
    """Return the `value` output of an iteration of a task, by default the one before."""
    taskrun = _map_of(run, "taskrun")
    current = taskrun.get("iteration")
    if not isinstance(current, int):
        raise Fault("The 'iterationOutput' function can only be used inside an iterative task.")
    wanted = current - 1 if iteration is None else iteration
    if isinstance(wanted, str) and wanted.isdecimal() and wanted.isascii():
        wanted = int(wanted)
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise Fault(f"Iteration {wanted} has no output yet.")
    name = _map_of(run, "task").get("id") if task is None else task
    found: Any = _map_of(run, "outputs").get(str(name))
    for outer in _outer_values(run):
        found = found.get(outer) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    if wanted >= len(found):
        raise Fault(f"Iteration {wanted} has no output yet.")
    # outputs have the values of the loop as keys, in the order in which they came
    output = list(found.values())[wanted]
    return output.get("value") if isinstance(output, Mapping) else None


@function("parentOutput", index=None)
def parent_output(run: Run, index: Any) -> Any:
    """Return the outputs of the flowable around, or of one counted from the outermost."""
    if index is None:
        return _map_of(run, "parent").get("outputs")
    parents = run.variables.get("parents")
    if not isinstance(parents, list) or not isinstance(index, int) or not 0 <= index < len(parents):
        raise Fault(f"There is no parent at index {index}.")
    outermost_first = list(reversed(parents))
    parent = outermost_first[index]
    return parent.get("outputs") if isinstance(parent, Mapping) else None


@function("loopOutputs", outputs=REQUIRED, name=REQUIRED)
def loop_outputs(run: Run, iterations: Any, name: Any) -> list[Any]:
    """Return one output of every iteration of a Loop, null where it is missing."""
    del run
    if not isinstance(iterations, (list, tuple)):
        raise Fault("The 'loopOutputs' function expects an argument 'outputs' with type list.")
    if not isinstance(name, str):
        raise Fault("The 'loopOutputs' function expects an argument 'name' with type string.")
    found: list[Any] = []
    for iteration in iterations:
        outputs = iteration.get("outputs") if isinstance(iteration, Mapping) else None
        found.append(outputs.get(name) if isinstance(outputs, Mapping) else None)
    return found


def _map_of(run: Run, name: str) -> Mapping[str, Any]:
    value = run.variables.get(name)
    return value if isinstance(value, Mapping) else {}


def _loop_value(run: Run) -> Any:
    return _map_of(run, "taskrun").get("value")


def _outer_values(run: Run) -> list[Any]:
    """Return the values of the loops around, outermost first."""
    parents = run.variables.get("parents")
    values: list[Any] = []
    for parent in parents if isinstance(parents, list) else []:
        taskrun = parent.get("taskrun") if isinstance(parent, Mapping) else None
        value = taskrun.get("value") if isinstance(taskrun, Mapping) else None
        if value is not None:
            values.append(value)
    return values[::-1]
