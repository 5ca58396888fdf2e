"""The reference page of task types, written from the code.

`python -m infra.plugins.reference` writes `docs/tasks.md`; a test holds it against the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from domain.flow.core_specs import CORE_CATALOGUE
from domain.plugin import TaskSpec
from infra.plugins.catalogue import core_plugins

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
_PACKAGE = "io.kestra.plugin.core."

_HEAD = """# Task types

What a task may be besides the flowables of [the flow language](flow-language.md). Written from the
code by `python -m infra.plugins.reference`. Every type begins with `io.kestra.plugin.core.`; older
names are understood. Every property may be a template unless it says otherwise, and a text in the
place of a number, a truth value, a list or a map is read as one.

**Worker** types run on a worker, in a slot, with `timeout`, `retry`, `logLevel`, `logToFile` and
`taskCache`. **Executor** types are carried out by the executor itself, between two events. Types
marked *not yet* are understood by the language, and a task of such a type fails when it is run.

Files are given and taken as URIs: `kestra:///...` in internal storage, `nsfile:///path` or
`nsfile://namespace/path` of a namespace. A task may read the files of its own namespace and of the
execution that started its own; anything else, and any `..`, is refused.
"""


def page() -> str:
    """Return the page."""
    have = {plugin.name for plugin in core_plugins()}
    specs = sorted(CORE_CATALOGUE.tasks.values(), key=lambda spec: spec.type)
    sections = [_section(spec, is_there=spec.type in have or not spec.runnable) for spec in specs]
    return "\n".join([_HEAD, *sections])


def _section(spec: TaskSpec, *, is_there: bool) -> str:
    marks = ["worker" if spec.runnable else "executor"]
    marks += [] if is_there else ["*not yet*"]
    marks += ["deprecated"] if spec.deprecated else []
    lines = [f"## {spec.type.removeprefix(_PACKAGE)}", "", f"{spec.title} ({', '.join(marks)})", ""]
    if spec.properties:
        lines += ["| property | type | default |", "|---|---|---|"]
        for name, one in spec.properties.items():
            default = "required" if one.required else _value(one.default)
            fixed = "" if one.dynamic else ", no template"
            lines.append(f"| `{name}` | {_kind(one.schema)}{fixed} | {default} |")
        lines.append("")
    if spec.outputs:
        outputs = ", ".join(f"`{name}` ({_kind(kind)})" for name, kind in spec.outputs.items())
        lines += [f"Outputs: {outputs}.", ""]
    return "\n".join(lines)


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "format" in schema:
        return {"date-time": "instant", "uri": "URI"}.get(schema["format"], str(schema["format"]))
    names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    kind = schema.get("type")
    if kind == "array":
        return "list of texts" if schema.get("items", {}).get("type") == "string" else "list"
    return "any" if kind is None else names.get(str(kind), {"object": "map"}.get(kind, str(kind)))


def _value(value: Any) -> str:
    return "" if value is None else f"`{msgspec.json.encode(value).decode()}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
