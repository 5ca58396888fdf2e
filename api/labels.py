"""Labels that a caller gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from api.errors import ApiError, Detail, illegal_argument, illegal_state, invalid_entity
from domain.execution.state import Label
from domain.flow.common import Label as FlowLabel
from domain.flow.inputs import put_nested

SYSTEM_PREFIX = "system."
CORRELATION_ID = "system.correlationId"
FROM = "system.from"


class LabelBody(msgspec.Struct):
    """A label in a body."""

    key: str | None = None
    value: str | None = None


def checked_labels(body: Sequence[LabelBody], path: str) -> list[Label]:
    """Return labels of a body.

    Args:
        body: as sent.
        path: what errors call the list.

    Raises:
        ApiError: 422 an empty key or value, 409 a key given twice with different values.
    """
    details = []
    labels: dict[str, Label] = {}
    for index, label in enumerate(body):
        for name, text in (("key", label.key), ("value", label.value)):
            if not text:
                where = f"{path}[{index}].{name}"
                details.append(Detail("must not be empty", where))
        key, value = label.key or "", label.value or ""
        former = labels.get(key)
        if former is not None and not details:
            raise illegal_state(
                f"Duplicate key {key} (attempted merging values {former.value} and {value})"
            )
        labels[key] = Label(key, value)
    if details:
        text = ", ".join(f"{detail.path}: {detail.message}" for detail in details)
        raise invalid_entity(text, *details)
    return list(labels.values())


def check_system_labels(present: Iterable[Label], wanted: Iterable[Label]) -> None:
    """Raise ApiError 422 when a caller would set a system label, or change one that is there."""
    known = set(present)
    for label in wanted:
        if label.key.startswith(SYSTEM_PREFIX) and label not in known:
            raise _system_label(label.key, label.value)


def _system_label(key: str, value: str) -> ApiError:
    return illegal_argument(
        f"System labels can only be set by Kestra itself, offending label: {key}={value}."
    )


def creation_labels(
    flow: Iterable[FlowLabel], given: Iterable[tuple[str, str]], origin: str, execution_id: str
) -> list[Label]:
    """Return the labels of a new execution in their order: the flow's, the caller's, the system's.

    Raises:
        ApiError: 422 a system label that callers may not set, or a key given twice.
    """
    labels = {
        label.key: Label(label.key, label.value)
        for label in flow
        if not label.key.startswith(SYSTEM_PREFIX)
    }
    seen: set[str] = set()
    for key, value in given:
        if not key or not value:
            raise illegal_argument("The key and the value of a label must not be empty")
        if key in seen:
            raise illegal_argument(f"Duplicate key {key}")
        seen.add(key)
        if key.startswith(SYSTEM_PREFIX) and key not in {FROM, CORRELATION_ID}:
            raise _system_label(key, value)
        labels[key] = Label(key, value)
    labels.setdefault(FROM, Label(FROM, origin))
    labels.setdefault(CORRELATION_ID, Label(CORRELATION_ID, execution_id))
    return list(labels.values())


def nested(labels: Iterable[Label]) -> dict[str, Any]:
    """Return labels as expressions see them: dots of keys nest."""
    found: dict[str, Any] = {}
    for label in labels:
        put_nested(found, label.key, label.value)
    return found
