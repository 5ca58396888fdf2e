"""JSON Schema of the language, for editors: written from the Structs and the catalogue.

It says what may stand where; rules that look at several places are the checker's. Types are told
apart by `if`/`then` on their name, so that validators look into one alternative only.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.flow.aliases import CONDITION_ALIASES, TASK_ALIASES, TRIGGER_ALIASES
from domain.flow.common import Label
from domain.flow.convert import plan_of
from domain.flow.documentation_words import HTTP_AUTH, HTTP_DEFINITIONS
from domain.flow.input_types import INPUT_TYPES, Input
from domain.flow.model import Flow
from domain.flow.schema_rules import field_rules, struct_rules
from domain.flow.tasks import FLOWABLES, Task
from domain.flow.triggers import CONDITIONS, TRIGGERS, Condition, Trigger
from domain.plugin import PropertySpec, TaskCatalogue, TypeSpec

DIALECT: Final = "http://json-schema.org/draft-07/schema#"

SchemaKind = Literal["FLOW", "TASK", "TRIGGER", "PLUGINDEFAULT"]

_ROOTS: Final[dict[SchemaKind, str]] = {
    "FLOW": "io.kestra.core.models.flows.Flow",
    "TASK": "io.kestra.core.models.tasks.Task",
    "TRIGGER": "io.kestra.core.models.triggers.AbstractTrigger",
    "PLUGINDEFAULT": "io.kestra.core.models.flows.PluginDefault",
}
_NAMES: Final[dict[type, str]] = {
    Flow: _ROOTS["FLOW"],
    Task: _ROOTS["TASK"],
    Trigger: _ROOTS["TRIGGER"],
    Condition: "io.kestra.core.models.conditions.Condition",
    Input: "io.kestra.core.models.flows.Input",
}
_SCALAR: Final = ["string", "number", "boolean"]
_PATTERNS: Final[dict[tuple[type, str], dict[str, Any]]] = {
    (Flow, "id"): {"pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]*$", "maxLength": 100},
    (Flow, "namespace"): {"pattern": "^[a-z0-9][a-z0-9._-]*$", "maxLength": 150},
    (Task, "id"): {"pattern": "^[a-zA-Z0-9][a-zA-Z0-9_-]*$", "maxLength": 256},
    (Trigger, "id"): {"pattern": "^[a-zA-Z0-9][a-zA-Z0-9_-]*$", "maxLength": 256},
    (Input, "id"): {"pattern": "^[a-zA-Z0-9][.a-zA-Z0-9_-]*$"},
}
_FLOW_EXTRAS: Final = ("revision", "deleted", "updated", "source", "listeners", "extend")

Json = dict[str, Any]


def language_schema(
    catalogue: TaskCatalogue, kind: SchemaKind = "FLOW", *, array_of: bool = False
) -> Json:
    """Return the schema of a flow, a task, a trigger or a plugin default.

    Args:
        catalogue: the types at hand.
        kind: what the document is.
        array_of: whether it is a list of those.
    """
    writer = _Writer(catalogue)
    root = writer.root(kind)
    schema: Json = {"$schema": DIALECT, "$ref": root}
    if array_of:
        name = f"{_ROOTS[kind]}[]"
        writer.definitions[name] = {"type": "array", "items": {"$ref": root}}
        schema |= {"$ref": f"#/definitions/{name}", "type": "array"}
    return schema | {"definitions": writer.definitions}


class _Writer:
    """Gathers definitions while it writes."""

    def __init__(self, catalogue: TaskCatalogue) -> None:
        self.catalogue = catalogue
        self.definitions: Json = {}

    def root(self, kind: SchemaKind) -> str:
        """Return the reference to a kind's definition, which is written."""
        if kind == "TASK":
            return self._reference(Task)
        if kind == "TRIGGER":
            return self._reference(Trigger)
        self._reference(Flow)
        if kind == "PLUGINDEFAULT":
            self.definitions[_ROOTS[kind]] = self.definitions["tidewheel.PluginDefault"]
        return f"#/definitions/{_ROOTS[kind]}"

    def struct_schema(self, struct: type[msgspec.Struct]) -> Json:
        """Return the schema of a Struct's fields."""
        plan = plan_of(struct)
        hints = get_type_hints(struct)
        properties: Json = {}
        for name, (attribute, _, _) in plan.fields.items():
            schema = self._of(hints[attribute])
            for (owner, field), more in _PATTERNS.items():
                if field == attribute and issubclass(struct, owner):
                    schema = {**schema, **more}
            properties[name] = {**schema, **field_rules(struct, name)}
        for old, new in plan.aliases.items():
            properties[old] = {**properties[new], "$deprecated": True}
        required = [name for name, (_, _, needed) in plan.fields.items() if needed]
        found: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        title = (struct.__doc__ or "").partition("\n")[0]
        if title:
            found["title"] = title
        renamed: dict[str, list[str]] = {}
        for old, new in plan.aliases.items():
            renamed.setdefault(new, [new]).append(old)
        if required:
            found["required"] = [name for name in required if name not in renamed]
        rules = [
            {"anyOf": [{"required": [spelling]} for spelling in renamed[name]]}
            for name in required
            if name in renamed
        ]
        rules += struct_rules(struct)
        if rules:
            found["allOf"] = rules
        if struct is Flow:
            properties |= {name: {} for name in _FLOW_EXTRAS}
        return found

    def spec_schema(self, spec: TypeSpec, base: type[msgspec.Struct]) -> Json:
        """Return the schema of a plugin type, shared properties included."""
        found = self.struct_schema(base)
        properties = found["properties"]
        for name, known in spec.properties.items():
            properties[name] = _property(known)
        for old, new in spec.property_aliases.items():
            properties[old] = {**properties[new], "$deprecated": True}
        if spec.type.startswith("io.kestra.plugin.core.http.") and "options" in properties:
            self.definitions |= HTTP_DEFINITIONS
            properties["options"] = {**properties["options"], "properties": {"auth": HTTP_AUTH}}
        found["required"] = [
            *found.get("required", ()),
            *(name for name, known in spec.properties.items() if known.required),
        ]
        found["title"] = spec.title
        if spec.description:
            found["markdownDescription"] = spec.description
        if spec.examples:
            found["$examples"] = list(spec.examples)
        if spec.deprecated:
            found["$deprecated"] = True
        return found

    def _of(self, annotation: Any) -> Json:
        if annotation is Any:
            return {"$dynamic": True}
        if annotation is str:
            return {"type": _SCALAR}
        if annotation is bool:
            return {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}
        if annotation is int:
            return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[+-]?[0-9]+$"}]}
        if annotation is float:
            return {"type": ["number", "string"]}
        if annotation is timedelta:
            return {"type": ["string", "number"], "format": "duration"}
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is Union or origin is types.UnionType:
            inner = [item for item in arguments if item is not type(None)]
            return self._of(inner[0]) if len(inner) == 1 else {}
        if origin is tuple:
            return _LABELS if arguments[0] is Label else self._list(arguments[0])
        if origin is dict:
            return {"type": "object", "additionalProperties": self._of(arguments[1])}
        return {"$ref": self._reference(annotation)}

    def _list(self, item: Any) -> Json:
        return {"type": "array", "items": self._of(item)}

    def _reference(self, struct: type[msgspec.Struct]) -> str:
        name = _NAMES.get(struct, f"tidewheel.{struct.__name__}")
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._definition(struct)
        return f"#/definitions/{name}"

    def _definition(self, struct: type[msgspec.Struct]) -> Json:
        if struct is Task:
            return self._union(FLOWABLES, TASK_ALIASES, self.catalogue.tasks, Task)
        if struct is Trigger:
            return self._union(TRIGGERS, TRIGGER_ALIASES, self.catalogue.triggers, Trigger)
        if struct is Condition:
            return self._union(CONDITIONS, CONDITION_ALIASES, {}, Condition)
        if struct is Input:
            return self._union(INPUT_TYPES, {}, {}, Input)
        return self.struct_schema(struct)

    def _union(
        self,
        structs: Mapping[str, type[msgspec.Struct]],
        aliases: Mapping[str, str],
        specs: Mapping[str, TypeSpec],
        base: type[msgspec.Struct],
    ) -> Json:
        names: dict[str, list[str]] = {name: [name] for name in (*structs, *specs)}
        for alias, canonical in aliases.items():
            names[canonical].append(alias)
        for spec in specs.values():
            names[spec.type].extend(spec.aliases)
        alternatives = []
        for canonical, spellings in names.items():
            struct = structs.get(canonical)
            written = (
                self.struct_schema(struct)
                if struct is not None
                else self.spec_schema(specs[canonical], base)
            )
            written["properties"]["type"] = {"enum": spellings}
            name = canonical if "." in canonical else f"{_NAMES[base]}.{canonical}"
            self.definitions[name] = written
            condition = {"properties": {"type": {"enum": spellings}}, "required": ["type"]}
            alternatives.append({"if": condition, "then": {"$ref": f"#/definitions/{name}"}})
        every = [spelling for spellings in names.values() for spelling in spellings]
        return {
            "type": "object",
            "properties": {"type": {"enum": every}},
            "required": ["type"],
            "allOf": alternatives,
        }


_LABELS: Final[Json] = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": [*_SCALAR, "null"]}},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"key": {"type": _SCALAR}, "value": {"type": [*_SCALAR, "null"]}},
                "required": ["key"],
                "additionalProperties": False,
            },
        },
    ]
}


def _property(known: PropertySpec) -> Json:
    schema: Json = dict(known.schema)
    if schema.get("type") == "string" and "enum" not in schema:
        schema["type"] = _SCALAR
    if known.dynamic and schema and not _takes_text(schema):
        schema = {"anyOf": [schema, {"type": _SCALAR}]}
    return known.marked(schema)


def _takes_text(schema: Json) -> bool:
    return schema.get("type") is _SCALAR
