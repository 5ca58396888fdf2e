"""Flows as the API shows them: stored, just saved, or as their executions see them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from api.views.text import instant
from domain.flow.input_types import Input
from domain.flow.model import Flow
from domain.flow.render_json import flow_json, task_json, to_json
from domain.flow.tasks import Task
from domain.record.values import FlowRevision

View = dict[str, Any]

_INPUT_LISTS = frozenset({"inputs", "onResume"})
_AS_TEXT = {
    "io.kestra.plugin.core.metric.Publish": ("metrics",),
    "io.kestra.plugin.core.execution.Assert": ("conditions",),
    "io.kestra.plugin.core.execution.SetVariables": ("variables",),
    "io.kestra.plugin.core.execution.UnsetVariables": ("variables",),
    "io.kestra.plugin.core.http.Request": ("headers", "params", "formData"),
    "io.kestra.plugin.core.http.Download": ("headers", "params", "formData"),
    "io.kestra.plugin.core.http.Trigger": ("headers", "params", "formData"),
}
"""Lists and maps that are templates as a whole: shown as their JSON text, as 1.x does."""


def saved_view(flow: Flow, source: str) -> View:
    """Return a flow that was just stored, with its source."""
    return shown_flow(flow) | {"source": source}


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
        for key, value in shown_flow(flow).items():
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
        view["inputs"] = shown_inputs(flow.inputs)
    return view | {
        "disabled": flow.disabled,
        "deleted": flow.deleted,
        "tasks": [_light(task) for task in flow.tasks],
        "errors": [_light(task) for task in flow.errors],
        "afterExecution": [_light(task) for task in flow.after_execution],
        "triggers": [{"id": item.id, "type": item.type} for item in flow.triggers],
        "sla": [to_json(item) for item in flow.sla],
        "finally": [_light(task) for task in flow.finally_],
    }


def fragment(source: str, text: str | None) -> list[str]:
    """Return the lines around the first hit of a text's words, marked; without words the first."""
    words = [re.escape(word) for word in re.findall(r"\w+", text or "")]
    if not words:
        return ["\n".join(source.splitlines()[:4])]
    hit = re.compile(rf"\b({'|'.join(words)})", re.IGNORECASE)
    lines = source.splitlines()
    for index, line in enumerate(lines):
        if hit.search(line):
            around = lines[max(0, index - 1) : index + 3]
            return ["\n".join(hit.sub(r"[mark]\1[/mark]", part) for part in around)]
    return []


def _light(task: Task) -> View:
    view: View = {"id": task.id, "type": task.type}
    for name, children in task.branches():
        if "." not in name and children:
            view[name] = [_light(child) for child in children]
    return view


def shown_flow(flow: Flow) -> View:
    """Return a flow as the API shows it, without `updated` and `source`."""
    view = flow_json(flow)
    _defaults_as_text(view)
    _templates_as_text(view)
    return view


def shown_task(task: Task) -> View:
    """Return one task as the API shows it."""
    view = task_json(task)
    _defaults_as_text(view)
    _templates_as_text(view)
    return view


def shown_inputs(inputs: Iterable[Input]) -> list[View]:
    """Return inputs as the API shows them."""
    views: list[View] = [to_json(item) for item in inputs]
    _defaults_as_text({"inputs": views})
    return views


def _defaults_as_text(value: Any) -> None:
    """Make the defaults of inputs texts, at any depth: clients read them as templates."""
    if isinstance(value, list):
        for item in value:
            _defaults_as_text(item)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name in _INPUT_LISTS and isinstance(member, list):
                for item in member:
                    _as_text(item)
            _defaults_as_text(member)


def _templates_as_text(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _templates_as_text(item)
    elif isinstance(value, dict):
        for name in _AS_TEXT.get(str(value.get("type")), ()):
            if isinstance(value.get(name), list | dict):
                value[name] = msgspec.json.encode(value[name], order="sorted").decode()
        for member in value.values():
            _templates_as_text(member)


def _as_text(declared: Any) -> None:
    if isinstance(declared, dict):
        for name in ("defaults", "prefill"):
            if name in declared and not isinstance(declared[name], str):
                declared[name] = msgspec.json.encode(declared[name]).decode()
