"""ForEach, EachSequential, EachParallel: the tasks once per value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from domain.execution import timers
from domain.execution.events import TaskRunOpened
from domain.execution.flowables.contract import FlowableRule, advance_sequence
from domain.execution.index import Scope
from domain.execution.plan import TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.expression import to_text
from domain.flow import tasks as t

BATCH: Final = 500
"""Iterations that one step begins at most: the record of a step stays small. A timer that is due at
once goes on with the rest."""


MOST: Final = 100_000
"""Values that a loop may have at most."""


class NotValues(Exception):
    """What was to be looped over is no list of values."""


def values_of(turn: Turn, task: TaskPlan, run: TaskRun, source: Any) -> list[str]:
    """Return the values of a loop as text, each once; an entry of a map is its key and value.

    Args:
        turn: the step.
        task: the loop.
        run: its task run.
        source: a list, a mapping, or a template that gives either, maybe as JSON text.

    Raises:
        NotValues: it is neither.
        ExpressionError: it cannot be rendered.
    """
    found = rendered_values(turn, task, run, source)
    if isinstance(found, dict):
        found = [{"key": key, "value": value} for key, value in found.items()]
    return distinct(found)


def rendered_values(
    turn: Turn, task: TaskPlan, run: TaskRun, source: Any
) -> list[Any] | dict[str, Any]:
    """Return what is looped over with its templates rendered: see `values_of`."""
    if isinstance(source, str):
        return read_values(turn.render(source, task, run))
    return _list_or_map(turn.render_deep(source, task, run))


def read_values(text: str) -> list[Any] | dict[str, Any]:
    """Return what is looped over from its JSON text.

    Raises:
        NotValues: it is neither a list nor a map.
    """
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise NotValues(f"Unable to read the values as JSON: {error}") from error
    return _list_or_map(found)


def _list_or_map(found: Any) -> list[Any] | dict[str, Any]:
    if isinstance(found, tuple):
        found = list(found)
    if not isinstance(found, list | dict):
        raise NotValues(f"The values are neither a list nor a map: {to_text(found)[:200]}")
    return found


_NULLS: Final = "Found '{missing}' null values on Each, with values=[{shown}]"


def distinct(values: Iterable[Any], nulls: str = _NULLS) -> list[str]:
    """Return values as text, each once: task runs and outputs are told apart by it.

    Args:
        values: in order.
        nulls: what to say of values that are null: `missing` is their number, `shown` all values.

    Raises:
        NotValues: one is null, or there are too many.
    """
    found = list(values)
    missing = sum(1 for value in found if value is None)
    if missing:
        shown = ", ".join(map(_as_java_prints, found))
        raise NotValues(nulls.format(missing=missing, shown=shown[:1_000]))
    texts = list(dict.fromkeys(x if isinstance(x, str) else to_text(x) for x in found))
    if len(texts) > MOST:
        raise NotValues(
            f"The loop has {len(texts)} values, at most {MOST} are allowed: put several into one"
            " value, or loop over batches (ForEachItem)"
        )
    return texts


def _as_java_prints(value: Any) -> str:
    """Return a value as Kestra's message shows it: `{key=value}`, `[a, b]`."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        pairs = (f"{key}={_as_java_prints(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_java_prints, value)) + "]"
    return value if isinstance(value, str) else to_text(value)


class EachRule(FlowableRule):
    """Each iteration is a sequence of its own; up to a limit run side by side."""

    def source(self, task: t.Task) -> Any:
        """Return what is to be looped over."""
        return task.values if isinstance(task, t.ForEach) else task.value  # type: ignore[attr-defined]

    def limit(self, task: t.Task) -> int:
        """Return how many iterations may run at once; 0: any number."""
        if isinstance(task, t.ForEach):
            return task.concurrency_limit
        return task.concurrent if isinstance(task, t.EachParallel) else 1

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Render the values, once."""
        try:
            values = values_of(turn, task, run, self.source(task.task))
        except NotValues as error:
            turn.emit(TaskRunOpened(id=run.id))
            self.fail(turn, task, run, str(error))
            return
        turn.emit(TaskRunOpened(id=run.id, values=values))

    def advance_main(self, turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope) -> bool:
        """Go on in the iterations that changed, then begin new ones."""
        branch = task.tasks("tasks")
        values = run.values or []
        if not branch or not values:
            return True
        for iteration in scope.changes():
            over = advance_sequence(
                turn,
                run,
                scope.iterations[iteration].main,
                branch,
                value=values[iteration],
                iteration=iteration,
            )
            if over:
                scope.open_iterations.discard(iteration)
        return begin_iterations(turn, branch[0], run, scope, self.limit(task.task))


Take = Callable[[int], Sequence[str]]
"""Returns the values of the iterations that begin next: at most so many, one at least."""


def begin_iterations(
    turn: Turn,
    first: TaskPlan,
    run: TaskRun,
    scope: Scope,
    limit: int,
    *,
    isolated: bool = False,
    total: int | None = None,
    take: Take | None = None,
) -> bool:
    """Begin iterations that were not begun yet, and tell whether all are over.

    Args:
        turn: the step.
        first: the first task of each.
        run: the loop's task run.
        scope: its children.
        limit: how many may run at once; 0: any number.
        isolated: what they hand out is seen inside only.
        total: how many values there are; None: as many as the task run has.
        take: returns values; None: the task run has them.
    """
    if turn.waits_for(timers.CONTINUE, run):
        return False
    values = run.values or []
    total = len(values) if total is None else total
    begun = len(scope.iterations)
    room = min(total - begun, BATCH)
    if limit > 0:
        room = min(room, limit - len(scope.open_iterations))
    if room > 0:
        for value in values[begun : begun + room] if take is None else take(room):
            turn.create(first, run, value, begun, isolated=isolated)
            begun += 1
        if begun < total and (limit <= 0 or len(scope.open_iterations) < limit):
            turn.schedule(timers.CONTINUE, turn.now, run)
    return begun == total and not scope.open_iterations
