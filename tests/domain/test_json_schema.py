from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.json_schema import InvalidSchema, schema_faults

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 150}},
    "additionalProperties": False,
}


def test_every_fault_is_told_with_its_place() -> None:
    assert schema_faults({"age": 200, "nick": "x"}, PERSON) == [
        "$: required property 'name' not found",
        "$.age: must have a maximum value of 150",
        "$: property 'nick' is not defined in the schema",
    ]
    items = {"type": "array", "items": PERSON}
    assert schema_faults([{"name": "a"}, {"name": 1}], items) == [
        "$[1].name: integer found, string expected"
    ]


def test_references_inside_the_schema_are_followed() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {"properties": {"kids": {"items": {"$ref": "#/$defs/node"}}, "n": False}}
        },
    }
    assert schema_faults({"kids": [{"kids": []}]}, tree) == []
    assert schema_faults({"kids": [{"n": 1}]}, tree) == ["$.kids[0].n: nothing is allowed here"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/nowhere"},
        {"type": "text"},
        {"pattern": "["},
        {"pattern": "(a+)+$"},
        {"required": 3},
        {"properties": []},
        "text",
    ],
)
def test_a_schema_that_cannot_be_applied_is_told(schema: Any) -> None:
    value = {"a": 1} if "pattern" not in schema else "a" * 4_000 + "b"
    with pytest.raises(InvalidSchema):
        schema_faults(value, schema)


def test_a_large_value_is_not_too_much_work() -> None:
    assert schema_faults([{"name": "a"}] * 20_000, {"items": PERSON}) == []


def test_work_is_bounded() -> None:
    schema: Any = {"type": "object"}
    for _ in range(40):
        schema = {"anyOf": [schema, schema, schema]}
    with pytest.raises(InvalidSchema):
        schema_faults(1, schema)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0, "", "a", "ab"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
_KINDS = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_SIZES = st.integers(0, 3)
_NAMES = st.lists(st.sampled_from("abc"), unique=True, max_size=2)
_LEAVES = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": _KINDS | st.lists(_KINDS, min_size=1, max_size=2, unique=True),
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "const": _VALUES,
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(-2, 2),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": _SIZES,
        "maxLength": _SIZES,
        "pattern": st.sampled_from(["^a", "b$", "."]),
        "minItems": _SIZES,
        "maxItems": _SIZES,
        "required": _NAMES,
        "minProperties": _SIZES,
        "dependentRequired": st.dictionaries(st.sampled_from("abc"), _NAMES, max_size=2),
    },
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b"]), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, _VALUES)
def test_it_agrees_with_the_reference_validator(schema: Any, value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (schema_faults(value, schema) == []) is expected
