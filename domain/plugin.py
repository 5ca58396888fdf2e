"""What the language knows of task and trigger types, without running any of them.

A `TaskCatalogue` is a plain value: the reader checks a flow against it, the schema is written from
it, and the worker's registry must offer an implementation for each of its runnable types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Self

import msgspec

Schema = Mapping[str, Any]
"""A fragment of JSON Schema."""

StructType = type[msgspec.Struct]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class PropertySpec(msgspec.Struct, frozen=True, kw_only=True):
    """One property of a type."""

    schema: Schema
    """What a value written out must look like."""
    required: bool = False
    dynamic: bool = True
    """May be a template, so any text will do until it is rendered."""
    deprecated: bool = False
    default: Any = None
    """What holds when it is left out; None: nothing."""
    title: str = ""
    description: str = ""
    """Markdown."""

    def marked(self, schema: Schema) -> dict[str, Any]:
        """Return a schema with what forms and editors want to know of the property, too."""
        marks: dict[str, Any] = {"$dynamic": self.dynamic}
        if self.title:
            marks["title"] = self.title
        if self.default is not None:
            marks["default"] = self.default
        if self.deprecated:
            marks["$deprecated"] = True
        return {**schema, **marks}


class TypeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What all kinds of types share."""

    type: str
    """Canonical name."""
    title: str = ""
    """One line."""
    description: str = ""
    """Markdown."""
    properties: Mapping[str, PropertySpec] = _NOTHING
    """Own properties by the name a flow gives them, without those all tasks or triggers share."""
    outputs: Mapping[str, Schema] = _NOTHING
    """What a run gives, by name."""
    aliases: tuple[str, ...] = ()
    """Older names, still understood."""
    deprecated: bool = False
    output_titles: Mapping[str, str] = _NOTHING
    """What each output is, in one line."""
    metrics: Mapping[str, str] = _NOTHING
    """What a run measures: names, with `counter`, `timer` or `gauge`."""
    examples: tuple[str, ...] = ()
    """YAML: whole flows, or a task alone."""
    property_aliases: Mapping[str, str] = _NOTHING
    """Older names of properties, with the present ones."""

    @classmethod
    def of(
        cls,
        type_: str,
        properties: StructType,
        outputs: StructType | None = None,
        **more: Any,
    ) -> Self:
        """Return the spec of a type whose properties (and outputs) are Structs.

        Args:
            type_: canonical name.
            properties: its fields by their wire names; a field without default is required.
            outputs: the same for what a run gives.
            **more: the other fields of the spec.
        """
        schemas = _schemas(properties)
        specs = {
            field.encode_name: PropertySpec(
                schema=schemas.get(field.encode_name, {}),
                required=field.required,
                default=None if field.default is msgspec.NODEFAULT else field.default,
            )
            for field in msgspec.structs.fields(properties)
        }
        return cls(
            type=type_,
            properties=specs,
            outputs=_schemas(outputs) if outputs is not None else {},
            **more,
        )


class TaskSpec(TypeSpec, frozen=True, kw_only=True):
    """A type of task."""

    runnable: bool = True
    """A worker runs it; False: the executor does."""


class TriggerSpec(TypeSpec, frozen=True, kw_only=True):
    """A type of trigger that a worker evaluates."""

    realtime: bool = False
    """Listens all the time, instead of looking now and then."""


class TaskCatalogue:
    """The types at hand, found by name or by older name. Never changes once made."""

    def __init__(
        self, tasks: Iterable[TaskSpec] = (), triggers: Iterable[TriggerSpec] = ()
    ) -> None:
        self.tasks: Mapping[str, TaskSpec] = MappingProxyType({spec.type: spec for spec in tasks})
        """By canonical name."""
        self.triggers: Mapping[str, TriggerSpec] = MappingProxyType(
            {spec.type: spec for spec in triggers}
        )
        """By canonical name."""
        self._task_aliases = _aliases(self.tasks.values())
        self._trigger_aliases = _aliases(self.triggers.values())

    def task(self, type_: str) -> TaskSpec | None:
        """Return the task type of this name or older name."""
        return self.tasks.get(self._task_aliases.get(type_, type_))

    def trigger(self, type_: str) -> TriggerSpec | None:
        """Return the trigger type of this name or older name."""
        return self.triggers.get(self._trigger_aliases.get(type_, type_))

    def with_types(
        self, tasks: Iterable[TaskSpec] = (), triggers: Iterable[TriggerSpec] = ()
    ) -> TaskCatalogue:
        """Return a catalogue that knows these types too; they win over types of the same name."""
        return TaskCatalogue((*self.tasks.values(), *tasks), (*self.triggers.values(), *triggers))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that someone who wrote this one may have meant, or None.

    Args:
        name: what was written; only its first 200 letters are looked at.
        known: what could have been written.
    """
    name = name[:200]
    by_last: dict[str, list[str]] = {}
    for candidate in known:
        by_last.setdefault(candidate.rpartition(".")[2].lower(), []).append(candidate)
    # the package is alike for all types: only the last part says what is meant
    close = get_close_matches(name.rpartition(".")[2].lower(), by_last, n=1, cutoff=0.66)
    if not close:
        return None
    return get_close_matches(name, by_last[close[0]], n=1, cutoff=0.0)[0]


def _aliases(specs: Iterable[TypeSpec]) -> dict[str, str]:
    return {alias: spec.type for spec in specs for alias in spec.aliases}


def _schemas(struct: type[msgspec.Struct]) -> dict[str, Schema]:
    """Return the schema of each field of a Struct by its wire name."""
    (root,), components = msgspec.json.schema_components([struct])
    reference = root.get("$ref", "").rpartition("/")[2]
    properties: dict[str, Schema] = components.get(reference, root).get("properties", {})
    return properties
