"""Flows, tasks and triggers as plain JSON values: what the source says, defaults left out.

The names of types are shown as the source wrote them. These are the forms that the API returns and
that task requests carry.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any, Final

import msgspec

from domain.duration import format_duration
from domain.flow.common import Concurrency
from domain.flow.input_types import Input, MultiselectInput, SelectInput
from domain.flow.model import Flow
from domain.flow.tasks import Task
from domain.flow.triggers import Trigger

_INNER: Final = frozenset({"spelling", "properties"})
_ALWAYS: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (Input, frozenset({"required"})),
    (SelectInput, frozenset({"allow_custom_value", "is_radio", "auto_select_first"})),
    (MultiselectInput, frozenset({"item_type", "allow_custom_value", "auto_select_first"})),
    (Flow, frozenset({"disabled", "deleted"})),
    (Concurrency, frozenset({"behavior"})),
)
"""Fields that are shown also where they hold their default."""

_FLOW_ORDER: Final = (
    "id",
    "namespace",
    "revision",
    "description",
    "inputs",
    "outputs",
    "disabled",
    "deleted",
    "labels",
    "variables",
    "workerGroup",
    "workerSelector",
    "tasks",
    "errors",
    "afterExecution",
    "triggers",
    "pluginDefaults",
    "concurrency",
    "retry",
    "sla",
    "checks",
    "quotas",
    "policyRefs",
    "finally",
)


def flow_json(flow: Flow) -> dict[str, Any]:
    """Return a flow as the API shows it, without `updated` and `source`."""
    found = _struct(flow)
    found.setdefault("tasks", [])
    found.pop("tenantId", None)
    return {name: found[name] for name in _FLOW_ORDER if name in found} | found


def task_json(task: Task) -> dict[str, Any]:
    """Return a task with its children."""
    return _struct(task)


def trigger_json(trigger: Trigger) -> dict[str, Any]:
    """Return a trigger with its conditions."""
    return _struct(trigger)


def to_json(value: Any) -> Any:
    """Return any value of the language as plain JSON: durations in ISO form, tuples as lists."""
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, timedelta):
        return format_duration(value)
    return value


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute, name, default, always in _shown(type(value)):
        item = getattr(value, attribute)
        if always or item != default:
            found[name] = to_json(item)
    spelling = getattr(value, "spelling", None)
    if spelling is not None:
        found["type"] = spelling
    properties = getattr(value, "properties", None)
    if properties:
        found.update(properties)
    return found


@cache
def _shown(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Any, bool], ...]:
    """Return attribute, wire name, default and whether always shown, for each visible field."""
    always: frozenset[str] = frozenset().union(
        *(names for kind, names in _ALWAYS if issubclass(struct, kind))
    )
    return tuple(
        (field.name, field.encode_name, _default(field), field.name in always)
        for field in msgspec.structs.fields(struct)
        if field.name not in _INNER
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
