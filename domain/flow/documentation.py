"""The documentation pages of types: what each property is, for people and for forms.

Unlike the language's schema it says what a value is and not all that is accepted for it: a text
is a string, though numbers will do, and templates are told by `$dynamic`.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.flow.aliases import CONDITION_ALIASES, TASK_ALIASES, TRIGGER_ALIASES
from domain.flow.convert import plan_of
from domain.flow.documentation_words import (
    DEFINITIONS,
    INPUT_WORDS,
    PLUGIN_DEFAULTS_REF,
    TASK_PROPERTIES,
    TASK_REQUIRED,
    ref,
)
from domain.flow.input_types import INPUT_TYPES
from domain.flow.tasks import FLOWABLES, Task
from domain.flow.triggers import CONDITIONS, TRIGGERS, Condition, Trigger
from domain.plugin import PropertySpec, TaskCatalogue, TypeSpec

DIALECT: Final = "https://json-schema.org/draft/2019-09/schema"
Json = dict[str, Any]
_INNER: Final = frozenset({"type", "properties", "spelling"})
_DEFAULTS: Final = {"INT": "integer", "FLOAT": "number", "BOOL": "boolean", "BOOLEAN": "boolean"}


def type_documentation(
    catalogue: TaskCatalogue, type_: str, *, shared: bool = False
) -> Json | None:
    """Return what the page of one type shows: properties, outputs, definitions.

    Args:
        catalogue: the types at hand.
        type_: name or older name.
        shared: whether to show the properties all tasks or triggers have, too.

    Returns:
        None when there is no such type.
    """
    canonical = TASK_ALIASES.get(type_) or TRIGGER_ALIASES.get(type_) or type_
    canonical = CONDITION_ALIASES.get(canonical, canonical)
    struct = FLOWABLES.get(canonical) or TRIGGERS.get(canonical) or CONDITIONS.get(canonical)
    spec = catalogue.task(canonical) or catalogue.trigger(canonical)
    base = _base(struct, spec)
    if base is None:
        return None
    writer = _Writer()
    own, required = writer.of_struct(struct, base) if struct is not None else writer.of_spec(spec)
    if base is Task:
        own["pluginDefaultsRef"] = PLUGIN_DEFAULTS_REF
    if shared:
        common, needed = writer.shared(base)
        own = {**common, **own}
        required = {*required, *needed}
    shown: Json = {"$schema": DIALECT, "properties": _marked(own, required)}
    if shared and required:
        shown["required"] = sorted(required)
    outputs: Json = {"$schema": DIALECT}
    if spec is not None:
        shown |= _about(spec)
        if spec.outputs:
            outputs["properties"] = _marked(_titled(spec), ())
    elif struct is not None:
        shown["title"] = (struct.__doc__ or "").partition("\n")[0]
    return {
        "properties": shown,
        "outputs": outputs,
        "definitions": writer.used(shown["properties"]),
    }


def input_documentation(type_: str) -> Json | None:
    """Return what the page of one input type shows; None when there is none such."""
    struct = INPUT_TYPES.get(type_)
    if struct is None:
        return None
    writer = _Writer()
    own, required = writer.of_struct(struct, msgspec.Struct)
    own["defaults"] = {"type": _DEFAULTS.get(type_, "string")}
    own["prefill"] = dict(own["defaults"])
    own["required"] = {"type": "boolean", "default": True}
    own["id"] = own["id"] | {"pattern": "^[a-zA-Z0-9][.a-zA-Z0-9_-]*"}
    for name, words in INPUT_WORDS.items():
        if name in own:
            own[name] = own[name] | words
    shown: Json = {"$schema": DIALECT, "properties": _marked(own, required)}
    shown["required"] = sorted({*required, "type"})
    return {"properties": shown, "definitions": writer.used(shown["properties"])}


def _base(
    struct: type[msgspec.Struct] | None, spec: TypeSpec | None
) -> type[msgspec.Struct] | None:
    if struct is not None:
        bases = (Task, Trigger, Condition)
        return next(base for base in bases if issubclass(struct, base))
    if spec is None:
        return None
    return Task if type(spec).__name__ == "TaskSpec" else Trigger


class _Writer:
    """Gathers definitions while it writes."""

    def __init__(self) -> None:
        self._definitions: Json = {}

    def of_struct(
        self, struct: type[msgspec.Struct], base: type[msgspec.Struct]
    ) -> tuple[Json, set[str]]:
        """Return the properties that a Struct has beyond its base, and those required."""
        plan = plan_of(struct)
        common: set[str] = set()
        if base is not msgspec.Struct:
            common = set(plan_of(base).names) | set(plan_of(base).aliases)
        hints = get_type_hints(struct)
        found: Json = {}
        required = set()
        for name, (attribute, _, needed) in plan.fields.items():
            if name in common or name in _INNER:
                continue
            found[name] = self._of(hints[attribute])
            if needed:
                required.add(name)
        for old, new in plan.aliases.items():
            if new in found:
                found[old] = {**found[new], "$deprecated": True}
                required.discard(old)
        return found, required

    def of_spec(self, spec: TypeSpec | None) -> tuple[Json, set[str]]:
        """Return the properties of a plugin type, and those required."""
        assert spec is not None
        found = {name: _property(known) for name, known in spec.properties.items()}
        for old, new in spec.property_aliases.items():
            found[old] = {**found[new], "$deprecated": True}
        return found, {name for name, known in spec.properties.items() if known.required}

    def shared(self, base: type[msgspec.Struct]) -> tuple[Json, tuple[str, ...]]:
        """Return the properties that all tasks or triggers have, and those required."""
        if base is Task:
            return dict(TASK_PROPERTIES), TASK_REQUIRED
        found, required = self.of_struct(base, msgspec.Struct)
        return found, (*sorted(required), "type")

    def used(self, properties: Json) -> Json:
        """Return the definitions that properties refer to, at any depth."""
        known = DEFINITIONS | self._definitions
        found: Json = {}
        waiting = list(_references(properties))
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found[name] = known[name]
                waiting.extend(_references(known[name]))
        return found

    def _of(self, annotation: Any) -> Json:
        simple = _SIMPLE.get(annotation)
        if simple is not None:
            return dict(simple)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin is Union or origin is types.UnionType:
            inner = [item for item in arguments if item is not type(None)]
            return self._of(inner[0]) if len(inner) == 1 else {}
        if origin is tuple:
            return {"type": "array", "items": self._of(arguments[0])}
        if origin is dict:
            return {"type": "object"}
        name = _NAMES.get(annotation.__name__, f"tidewheel.{annotation.__name__}")
        if name not in DEFINITIONS and name not in self._definitions and name not in _OPEN:
            self._definitions[name] = {}
            own, required = self.of_struct(annotation, msgspec.Struct)
            self._definitions[name] = {"type": "object", "properties": _marked(own, required)}
        return {"type": "object"} if name in _OPEN else ref(name)


_SIMPLE: Final[Mapping[Any, Json]] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    timedelta: {"type": "string", "format": "duration"},
}
_NAMES: Final = {
    "DependsOn": "io.kestra.core.models.flows.DependsOn",
    "Task": "io.kestra.core.models.tasks.Task",
    "Trigger": "io.kestra.core.models.triggers.AbstractTrigger",
    "Condition": "io.kestra.core.models.conditions.Condition",
    "Input": "io.kestra.core.models.flows.Input",
    "WorkerGroup": "io.kestra.core.models.tasks.WorkerGroup",
    "TaskCache": "io.kestra.core.models.tasks.Cache",
}
_OPEN: Final = frozenset(name for name in _NAMES.values() if name not in DEFINITIONS)
"""Unions of many types: each has a page of its own."""


def _property(known: PropertySpec) -> Json:
    schema = known.marked(known.schema)
    if known.description:
        schema["description"] = known.description
    return schema


def _about(spec: TypeSpec) -> Json:
    found: Json = {"title": spec.title}
    if spec.description:
        found["description"] = spec.description
    if spec.examples:
        found["$examples"] = [
            {"full": "\ntasks:" in code, "code": code, "lang": "yaml", "title": ""}
            for code in spec.examples
        ]
    if spec.metrics:
        found["$metrics"] = [
            {"name": name, "type": kind, "unit": "", "description": ""}
            for name, kind in spec.metrics.items()
        ]
    if spec.deprecated:
        found["$deprecated"] = True
    return found


def _titled(spec: TypeSpec) -> Json:
    return {
        name: {**schema, "title": spec.output_titles[name]}
        if name in spec.output_titles
        else dict(schema)
        for name, schema in spec.outputs.items()
    }


def _marked(properties: Json, required: Iterable[str]) -> Json:
    needed = set(required)
    return {
        name: {**schema, "$required": name in needed} for name, schema in sorted(properties.items())
    }


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield str(item).removeprefix("#/$defs/")
            else:
                yield from _references(item)
