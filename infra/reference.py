"""Reference pages written from the code: configuration, metrics, topics, errors.

`python -m infra.reference` writes them into `docs/`; a test holds them against the code.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from domain import errors
from domain.duration import format_duration
from domain.ports.metrics import CATALOGUE as METRICS
from domain.record.topics import CATALOGUE as TOPICS
from infra.config import Config
from infra.settings import PREFIX

DOCS = Path(__file__).resolve().parents[1] / "docs"


@cache
def field_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the text under each field of a Struct's source."""
    source = textwrap.dedent(inspect.getsource(kind))
    [body] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    docs: dict[str, str] = {}
    field = ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            field = node.target.id
        elif (
            field
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docs[field] = " ".join(node.value.value.split())
            field = ""
        else:
            field = ""
    return docs


def configuration_page() -> str:
    """Return the page of every configuration key."""
    lines = [
        "# Configuration",
        "",
        "Every key, from the code. A key `port` of section `server` is `[server] port` in the",
        "TOML file that `TIDEWHEEL_CONFIG` names, and `TIDEWHEEL_SERVER_PORT` in the environment,",
        "which wins. Durations are ISO-8601 (`PT10S`) or seconds; lists, maps and records are JSON",
        "in the environment. An unknown key or a value that does not fit is told at the start, and",
        "nothing runs.",
        "",
    ]
    hints = get_type_hints(Config)
    lines += _table("", Config, lambda name: not _is_struct(hints[name]))
    for field in msgspec.structs.fields(Config):
        hint = hints[field.name]
        if _is_struct(hint):
            title = (inspect.getdoc(hint) or "").splitlines()[0]
            lines += [f"## {field.name}", "", title, ""]
            lines += _table(f"{field.name}_", hint, lambda _: True)
    return "\n".join(lines)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _table(prefix: str, kind: type[msgspec.Struct], keep: Callable[[str], bool]) -> Iterator[str]:
    docs = field_docs(kind)
    yield "| key | environment | default | meaning |"
    yield "|---|---|---|---|"
    for field in msgspec.structs.fields(kind):
        if keep(field.name):
            variable = f"{PREFIX}{prefix}{field.name}".upper()
            default = _shown(field)
            yield f"| `{field.name}` | `{variable}` | {default} | {docs.get(field.name, '')} |"
    yield ""


def _shown(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory() if callable(field.default_factory) else None
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, msgspec.Struct):
        docs = field_docs(type(value))
        inner = (
            f"`{part.name}` {getattr(value, part.name)}: {docs.get(part.name, '')}"
            for part in msgspec.structs.fields(value)
        )
        return "<br>".join(inner)
    if value in ("", None, {}, (), []):
        return "none"
    return f"`{value}`"


def metrics_page() -> str:
    """Return the page of every metric."""
    lines = [
        "# Metrics",
        "",
        "Shown at `/prometheus` on the management port of every process; a process fills the ones",
        "of its roles.",
        "",
        "| name | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, metric in METRICS.items():
        suffix = "_total" if metric.kind == "counter" else ""
        labels = ", ".join(metric.labels) or "none"
        lines.append(
            f"| `tidewheel_{name}{suffix}` | {metric.kind} | {labels} | {metric.description} |"
        )
    return "\n".join([*lines, ""])


def topics_page() -> str:
    """Return the page of every topic."""
    lines = [
        "# Topics",
        "",
        "The log is a public contract. On a broker every name has the configured prefix",
        "(`tidewheel.`). Values are JSON; unknown members are ignored, so that a reader may be",
        "older than a writer.",
        "",
        "A value that is over the size of a record stands in internal storage: the record then",
        "has the header `large` with the file's URI, and as its own value what is left when the",
        "file is gone. Records of executions, requests and triggers may be so",
        "([ADR 5](adr/0005-large-records.md)).",
        "",
        "| topic | key | value | written by | partitions | kept | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{t.name}` | {t.key} | `{t.value}` | {t.owner} | `{t.partitions}` |"
        f" {'compacted' if t.retention == 'none' else t.retention} | {t.description} |"
        for t in TOPICS
    ]
    return "\n".join([*lines, ""])


def errors_page() -> str:
    """Return the page of every error class with its code."""
    lines = ["# Errors", "", "| code | error | meaning |", "|---|---|---|"]
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.TidewheelError)
    ]
    for kind in sorted(kinds, key=lambda kind: kind.code):
        title = (inspect.getdoc(kind) or "").splitlines()[0]
        lines.append(f"| {kind.code} | `{kind.__name__}` | {title} |")
    return "\n".join([*lines, ""])


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration_page,
    "metrics.md": metrics_page,
    "topics.md": topics_page,
    "errors.md": errors_page,
}
"""File name in `docs/` to what writes it."""


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
