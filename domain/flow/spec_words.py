"""Short words for writing the specs of core types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domain.plugin import PropertySpec, Schema, TaskSpec

CORE: Final = "io.kestra.plugin.core."
OLD: Final = "io.kestra.core.tasks."

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
MAP: Final[Schema] = {"type": "object"}
ANY: Final[Schema] = {}
TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
LIST: Final[Schema] = {"type": "array"}
DURATION: Final[Schema] = {"type": "string", "format": "duration"}
INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
URI: Final[Schema] = {"type": "string", "format": "uri"}
TEXT_OR_TEXTS: Final[Schema] = {"anyOf": [TEXT, TEXTS]}
LEVEL: Final[Schema] = {"type": "string", "enum": ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]}
STATES: Final[Schema] = TEXTS


def required(schema: Schema, **more: Any) -> PropertySpec:
    """Return a property that must be there."""
    return PropertySpec(schema=schema, required=True, **more)


def optional(schema: Schema, default: Any = None, **more: Any) -> PropertySpec:
    """Return a property that may be left out."""
    return PropertySpec(schema=schema, default=default, **more)


def old(schema: Schema) -> PropertySpec:
    """Return a property that is out of date."""
    return PropertySpec(schema=schema, deprecated=True)


def task(
    name: str,
    title: str,
    properties: Mapping[str, PropertySpec] | None = None,
    outputs: Mapping[str, Schema] | None = None,
    *old: str,
    **more: Any,
) -> TaskSpec:
    """Return the spec of a core task; `old` are its older names, without their usual package."""
    aliases = tuple(alias if alias.startswith("io.") else OLD + alias for alias in old)
    return TaskSpec(
        type=CORE + name,
        title=title,
        properties=properties or {},
        outputs=outputs or {},
        aliases=aliases,
        **more,
    )
