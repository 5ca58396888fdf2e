"""What is wrong with sources, as the validation routes tell it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from api import flows
from api.context import Context
from api.errors import Detail, invalid_entity, violation_views
from domain.flow.checker import walk
from domain.flow.hints import Hint
from domain.flow.reader import FlowReading, parse_task, parse_trigger
from domain.flow.reading import is_template
from domain.flow.tasks import ForEachItem, Subflow
from domain.flow.violations import FlowViolation, constraints
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml

View = dict[str, Any]


def validate_documents(own: Context, text: str, *, in_full: bool = False) -> list[View]:
    """Return one verdict per document of a text; an empty text is one document.

    Args:
        own: the application's context.
        text: YAML documents.
        in_full: list the broken rules with place and remedy, too.
    """
    documents = flows.split(text) or [text]
    readings = [flows.parse(own, document) for document in documents]
    together = {(reading.namespace, reading.id) for reading in readings}
    views = [_verdict(own, index, reading, together) for index, reading in enumerate(readings)]
    if in_full:
        for view, reading in zip(views, readings, strict=True):
            view["violations"] = violation_views(reading.violations)
    return views


def check_json(own: Context, documents: Sequence[str]) -> None:
    """Raise ApiError 422 when a flow that was sent as JSON breaks a rule, as 1.x does."""
    details = [
        Detail(
            violation.message,
            f"updateFlowsInNamespaceFromJson.flows[{index}].{violation.field_path}",
        )
        for index, document in enumerate(documents)
        for violation in flows.parse(own, document).violations
    ]
    if details:
        text = ", ".join(f"{detail.path}: {detail.message}" for detail in details)
        raise invalid_entity(text, *details)


def validate_part(own: Context, text: str, *, trigger: bool) -> View:
    """Return the verdict on one task or trigger."""
    view: View = {"index": 0}
    try:
        content = read_yaml(text).value
    except YamlError as error:
        return view | {"constraints": error.message, "outdated": False}
    if not isinstance(content, dict):
        return view | {"constraints": "A mapping is expected", "outdated": False}
    violations: tuple[FlowViolation, ...]
    if trigger:
        _, violations = parse_trigger(content, catalogue=own.ports.catalogue)
    else:
        _, violations = parse_task(content, catalogue=own.ports.catalogue)
    found = constraints(violations)
    if found is not None:
        view["constraints"] = found
    return view | {"outdated": False}


def _verdict(
    own: Context, index: int, reading: FlowReading, together: Container[tuple[str | None, ...]]
) -> View:
    view: View = {"index": index}
    if reading.is_readable:
        if reading.namespace is not None:
            view["namespace"] = reading.namespace
        if reading.id is not None:
            view["flow"] = reading.id
    found = reading.constraints
    if found is not None:
        source = any(violation.kind == "source" for violation in reading.violations)
        prefix = "Illegal Flow source: " if source else ""
        view["constraints"] = f"Validation error: {prefix}{found}"
    if not reading.is_readable:
        return view | {"outdated": False}
    return view | {
        "outdated": reading.is_outdated(_last_revision(own, reading)),
        "deprecationPaths": list(reading.deprecations),
        "warnings": [
            *_lost_subflows(own, reading, together),
            *reading.warnings,
            *map(_hint, reading.hints),
        ],
        "infos": list(reading.infos),
    }


def _lost_subflows(
    own: Context, reading: FlowReading, together: Container[tuple[str | None, ...]]
) -> Iterator[str]:
    """Tell which flows are called that are not there, or disabled; those sent along are there."""
    tasks = () if reading.flow is None else [task for task, _ in walk(reading.flow)]
    for task in tasks:
        if not isinstance(task, Subflow | ForEachItem):
            continue
        namespace, flow_id = task.namespace, task.flow_id
        if is_template(namespace) or is_template(flow_id) or (namespace, flow_id) in together:
            continue
        stored = flows.latest(own, namespace, flow_id)
        if stored is None:
            yield f"The subflow '{flow_id}' not found in namespace '{namespace}'."
        elif stored.disabled:
            yield f"The subflow '{flow_id}' is disabled in namespace '{namespace}'."


def _hint(hint: Hint) -> str:
    return f"{hint.path}: {hint.message}" if hint.path else hint.message


def _last_revision(own: Context, reading: FlowReading) -> int | None:
    if reading.namespace is None or reading.id is None:
        return None
    stored = flows.latest(own, reading.namespace, reading.id)
    return None if stored is None else stored.revision
