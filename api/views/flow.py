"""Flows as JSON: what the source says, with the members that clients rely on filled in."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum
from typing import Any, Final

import msgspec

from api.views.text import instant
from domain.duration import format_duration
from domain.flow.input_types import Input, MultiselectInput, SelectInput
from domain.flow.model import Flow
from domain.flow.tasks import Task
from domain.flow.triggers import Trigger
from domain.record.values import FlowRevision

View = dict[str, Any]

_UNWRITTEN: Final = frozenset({"spelling", "has_defaults", "tenant_id", "properties"})
_ALWAYS: Final[dict[type, frozenset[str]]] = {
    Input: frozenset({"required"}),
    SelectInput: frozenset({"allow_custom_value", "is_radio", "auto_select_first"}),
    MultiselectInput: frozenset({"item_type", "allow_custom_value", "auto_select_first"}),
    Flow: frozenset({"disabled", "deleted"}),
}
"""Fields that are shown also where they hold their default."""
_HIDDEN: Final[dict[type, frozenset[str]]] = {Flow: frozenset({"draft", "tasks"})}


def flow_view(flow: Flow) -> View:
    """Return a flow as the answer to a write shows it."""
    view: View = plain(flow)
    ordered: View = {key: view.pop(key) for key in _HEAD if key in view}
    ordered["disabled"], ordered["deleted"] = view.pop("disabled"), view.pop("deleted")
    ordered |= {key: view.pop(key) for key in ("labels", "variables") if key in view}
    ordered["tasks"] = [plain(task) for task in flow.tasks]
    return ordered | view


_HEAD: Final = ("id", "namespace", "revision", "description", "inputs", "outputs")


def saved_view(flow: Flow, source: str) -> View:
    """Return a flow that was just stored, with its source."""
    return flow_view(flow) | {"source": source}


def stored_view(
    flow: Flow | None, stored: FlowRevision, *, source: bool, exception: str | None = None
) -> View:
    """Return a flow as it is read back.

    Args:
        flow: the flow; None when its source cannot be read any more.
        stored: its revision.
        source: whether to show the source.
        exception: why it cannot be read.
    """
    if flow is None:
        view: View = {
            "id": stored.id,
            "namespace": stored.namespace,
            "revision": stored.revision,
            "updated": instant(stored.updated),
            "disabled": stored.disabled,
            "deleted": stored.deleted,
            "tasks": [],
            "exception": exception or "",
        }
    else:
        view = {}
        for key, value in flow_view(flow).items():
            view[key] = value
            if key == "revision" and not stored.deleted:
                view["updated"] = instant(stored.updated)
        view["deleted"] = stored.deleted
        view.setdefault("triggers", [])
    if source:
        view["source"] = stored.source
    return view


def light_view(flow: Flow) -> View:
    """Return a flow as its executions show it: tasks and triggers by id and type only."""
    view: View = {"id": flow.id, "namespace": flow.namespace, "revision": flow.revision}
    if flow.inputs:
        view["inputs"] = [plain(item) for item in flow.inputs]
    return view | {
        "disabled": flow.disabled,
        "deleted": flow.deleted,
        "tasks": [_light(task) for task in flow.tasks],
        "errors": [_light(task) for task in flow.errors],
        "afterExecution": [_light(task) for task in flow.after_execution],
        "triggers": [{"id": item.id, "type": item.type} for item in flow.triggers],
        "sla": [plain(item) for item in flow.sla],
        "finally": [_light(task) for task in flow.finally_],
    }


def task_view(task: Task) -> View:
    """Return one task."""
    view: View = plain(task)
    return view


def plain(value: Any) -> Any:
    """Return a value of the language as JSON: what holds its default is left out."""
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, timedelta):
        return format_duration(value)
    return value.value if isinstance(value, Enum) else value


def fragment(source: str, text: str | None) -> list[str]:
    """Return the lines around the first hit of a text's words, the hits marked."""
    words = [re.escape(word) for word in re.findall(r"\w+", text or "")]
    if not words:
        return []
    hit = re.compile(rf"\b({'|'.join(words)})", re.IGNORECASE)
    lines = source.splitlines()
    for index, line in enumerate(lines):
        if hit.search(line):
            around = lines[max(0, index - 1) : index + 3]
            return ["\n".join(hit.sub(r"[mark]\1[/mark]", part) for part in around)]
    return []


def _struct(value: msgspec.Struct) -> View:
    view: View = {}
    always = frozenset[str]().union(
        *(names for kind, names in _ALWAYS.items() if isinstance(value, kind))
    )
    hidden = _HIDDEN.get(type(value), frozenset())
    for field in msgspec.structs.fields(value):
        if field.name in _UNWRITTEN or field.name in hidden:
            continue
        item = getattr(value, field.name)
        if field.name not in always and item in (field.default, _made(field)):
            continue
        view[field.encode_name] = plain(item)
    if isinstance(value, Task | Trigger):
        view |= plain(getattr(value, "properties", {}))
    return view


def _made(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return None if factory is msgspec.NODEFAULT else factory()


def _light(task: Task) -> View:
    view: View = {"id": task.id, "type": task.type}
    for name, children in task.branches():
        if "." not in name and children:
            view[name] = [_light(child) for child in children]
    return view
