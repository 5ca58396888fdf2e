"""Keys with dashes: `inputs.a-b` means `inputs.a` less `b`, which is never what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from domain.flow.model import Flow
from domain.flow.reading import Path, Reading
from domain.flow.tasks import DagTask, Task

_MOST_KEYS: Final = 500
"""More keys with dashes are not looked for."""


def check_dashed_keys(flow: Flow, tasks: Iterable[tuple[Task, Path]], reading: Reading) -> None:
    """Report expressions that name an input or a task with a dash after a dot.

    Args:
        flow: as read.
        tasks: all of its tasks with their paths.
        reading: where violations go.
    """
    found = list(tasks)
    inputs = _any((one.id for one in flow.inputs), r"\{\{\s*inputs\.(?:%s)\s*\}\}")
    outputs = _any((task.id for task, _ in found), r"\{\{\s*outputs\.(?:%s)\.[^}]+\}\}")
    for pattern, what in ((inputs, "input"), (outputs, "output")):
        if pattern is None:
            continue
        offending = [(task.id, path) for task, path in found if _names(task, pattern)]
        _report(offending, what, "tasks", reading)
        if what == "output":
            named: list[tuple[str, Path]] = [
                (output.id, ("outputs", index))
                for index, output in enumerate(flow.outputs)
                if _holds(output.value, pattern)
            ]
            _report(named, what, "outputs", reading)


def _any(keys: Iterable[Any], form: str) -> re.Pattern[str] | None:
    dashed = [re.escape(key) for key in keys if isinstance(key, str) and "-" in key]
    return re.compile(form % "|".join(dashed[:_MOST_KEYS])) if dashed else None


def _report(offending: list[tuple[str, Path]], what: str, where: str, reading: Reading) -> None:
    if offending:
        names = ", ".join(str(name) for name, _ in offending)
        reading.rule(
            (),
            f"Invalid Flow: Invalid {what} reference: use {what}s[key-name] instead of "
            f"{what}s.key-name — keys with dashes require bracket notation, offending {where}: "
            f"[{names}]",
            f"Write {what}s['key-name'].",
            at=offending[0][1],
        )


def _names(task: Task, pattern: re.Pattern[str]) -> bool:
    """Tell whether a task's own properties, not those of its children, hold such an expression."""
    return any(
        _holds(getattr(task, field.name), pattern)
        for field in msgspec.structs.fields(task)
        if field.name not in ("id", "type", "description", "spelling")
    )


def _holds(value: Any, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(text) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "{{" in item:
                yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, msgspec.Struct) and not isinstance(item, Task | DagTask):
            waiting += [getattr(item, name) for name in item.__struct_fields__]
