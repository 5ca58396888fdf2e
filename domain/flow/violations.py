"""Broken rules of a flow, with all their names: JSON path, place, and the words clients know.

Three kinds, as clients tell them apart: `source` (not YAML), `shape` (unknown types and properties,
values of the wrong form) and `rule` (everything else).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from domain.errors import Violation
from domain.yaml.document import Segment

Kind = Literal["source", "shape", "rule"]

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class FlowViolation(Violation, frozen=True):
    """One broken rule of a flow."""

    kind: Kind = "rule"
    field_path: str = ""
    """The path as the API shows it: `tasks[0].id`; empty for the flow itself."""
    subject: str = ""
    """The same path with the innermost element by its id: `my-task.id`."""
    reference: str = ""
    """shape only: the chain of types and properties that old clients print."""
    detail: str = ""
    """shape only: the reader's longer message, a second error of the API's list; or empty."""


def json_path(path: Sequence[Segment]) -> str:
    """Return `$.tasks[0].id` for ("tasks", 0, "id"); unusual keys stand in brackets and quotes."""
    parts = ["$"]
    for segment in path:
        if isinstance(segment, int):
            parts.append(f"[{segment}]")
        elif _PLAIN_KEY.fullmatch(segment):
            parts.append(f".{segment}")
        else:
            parts.append(f'["{segment}"]')
    return "".join(parts)


def field_path(path: Sequence[Segment]) -> str:
    """Return `tasks[0].id` for ("tasks", 0, "id")."""
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        else:
            text += f".{segment}" if text else segment
    return text


def subject(path: Sequence[Segment], root: Any) -> str:
    """Return the path from the innermost list element that has an id, under that id."""
    value = root
    label: str | None = None
    rest: list[Segment] = []
    for position, segment in enumerate(path):
        value = _member(value, segment)
        rest.append(segment)
        is_last = position == len(path) - 1
        if isinstance(segment, int) and not is_last and isinstance(value, Mapping):
            name = value.get("id")
            if name is not None and not isinstance(name, dict | list):
                label, rest = as_text(name), []
    if label is None:
        return field_path(path)
    tail = field_path(rest)
    return f"{label}.{tail}" if tail else label


def reference(path: Sequence[Segment], root: Any, root_class: str) -> str:
    """Return the chain of classes and properties that leads to a path, in Jackson's notation."""
    parts: list[str] = []
    value = root
    name = root_class
    for segment in path:
        if isinstance(segment, int):
            parts.append(f"java.util.ArrayList[{segment}]")
        else:
            parts.append(f'{name}["{segment}"]')
        value = _member(value, segment)
        written = value.get("type") if isinstance(value, Mapping) else None
        name = written if isinstance(written, str) and "." in written else "java.util.LinkedHashMap"
    return "->".join(parts)


def known_properties(names: Iterable[str]) -> str:
    """Return property names quoted and joined, in the order in which Jackson lists them.

    Source: the order of Jackson's `BeanPropertyMap`: a table of a power of two, hashed by
    `String.hashCode`, with one overflow row of half its size and then a spill.
    """
    names = list(names)
    size = len(names)
    needed = size + (size >> 2)
    table = 8 if size <= 5 else 16
    if size > 12:
        table = 32
        while table < needed:
            table <<= 1
    slots: dict[int, str] = {}
    spilled: list[str] = []
    for name in names:
        first = _java_hash(name) & (table - 1)
        second = table + (first >> 1)
        slot = next((slot for slot in (first, second) if slot not in slots), None)
        if slot is None:
            spilled.append(name)
        else:
            slots[slot] = name
    ordered = [name for _, name in sorted(slots.items())] + spilled
    return ", ".join(f'"{name}"' for name in ordered)


def constraints(violations: Iterable[FlowViolation]) -> str | None:
    """Return the text of the `constraints` member of a validation answer; None when all is well.

    Rules come as `subject: message`, a line each with its end; the other kinds as bare messages,
    and then they come first.
    """
    found = list(violations)
    if not found:
        return None
    bare = [violation.message for violation in found if violation.kind != "rule"]
    lines = "".join(
        f"{violation.subject}: {violation.message}\n"
        for violation in found
        if violation.kind == "rule"
    )
    return "\n".join([*bare, lines] if bare and lines else bare or [lines])


def entity_errors(violations: Iterable[FlowViolation]) -> list[tuple[str, str]]:
    """Return message and path of each entry of the API's error list for an invalid flow."""
    errors: list[tuple[str, str]] = []
    for violation in violations:
        if violation.kind == "source":
            errors.append((violation.message, "yaml"))
        elif violation.kind == "shape":
            errors.append((violation.message, violation.reference))
            if violation.detail:
                errors.append((violation.detail, violation.reference))
        else:
            errors.append((violation.message, violation.field_path))
    return errors


def as_text(value: Any) -> str:
    """Return a scalar as Java prints it: `true`, `1`, `1.5`; null is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _member(value: Any, segment: Segment) -> Any:
    try:
        return value[segment]
    except (KeyError, IndexError, TypeError):
        return None


def _java_hash(text: str) -> int:
    found = 0
    units = text.encode("utf-16-be")
    for index in range(0, len(units), 2):
        found = (found * 31 + (units[index] << 8 | units[index + 1])) & 0xFFFFFFFF
    return found
