"""Plugin defaults: values that a flow gives to every task of a type.

Source: `kestra-features.md` 11.5: the task wins over a default, a forced default over the task;
maps are merged in depth, lists replaced; nested plugins (`taskRunner`) get their defaults too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from domain.flow.common import PluginDefault
from domain.flow.tasks import ExecutorTask, PluginTask, Task

_NEVER: Final = frozenset({"id", "type", "properties", "spelling"})


def with_defaults(task: Task, defaults: Iterable[PluginDefault]) -> Task:
    """Return the task with the defaults of its type; those it cannot take are left out."""
    fitting = list(defaults)
    if not fitting:
        return task
    changes: dict[str, Any] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(type(task))}
    is_raw = isinstance(task, PluginTask | ExecutorTask)
    for default in fitting:
        if not task.type.startswith(default.type):
            continue
        for name, value in default.values.items():
            field = fields.get(name)
            if field is None or name in _NEVER:
                continue
            said = getattr(task, field.name) != field.default
            if said and not default.forced:
                continue
            try:
                changes[field.name] = msgspec.convert(value, field.type, strict=False)
            except msgspec.ValidationError:
                continue
    if is_raw:
        assert isinstance(task, PluginTask | ExecutorTask)
        own = {
            name: value
            for default in fitting
            if task.type.startswith(default.type)
            for name, value in default.values.items()
            if name not in fields
        }
        forced = {
            name: value
            for default in fitting
            if default.forced and task.type.startswith(default.type)
            for name, value in default.values.items()
            if name not in fields
        }
        merged = _merged(_merged(own, task.properties), forced)
        changes["properties"] = {name: _nested(value, fitting) for name, value in merged.items()}
    return msgspec.structs.replace(task, **changes) if changes else task


def _nested(value: Any, defaults: list[PluginDefault]) -> Any:
    """Give nested plugins their defaults."""
    if not isinstance(value, dict):
        return value
    inner = {name: _nested(item, defaults) for name, item in value.items()}
    type_ = inner.get("type")
    if not isinstance(type_, str):
        return inner
    for default in defaults:
        if "." in type_ and type_.startswith(default.type):
            below, above = (inner, default.values) if default.forced else (default.values, inner)
            inner = _merged(below, above)
    return inner


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
