from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput, InvalidInputs
from domain.expression import Scope
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.input_types import INPUT_TYPES, SelectInput
from domain.flow.inputs import ResolvedInputs, resolve_inputs, resolve_outputs
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.yaml.reader import read_yaml
from tests.domain.flow.conformance import SHARED

_TASKS = "tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: x}]\n"


ION_VALUE = {"name": "Ada", "at": "2024-01-02T03:04:05Z", "gone": None}


class _Secrets:
    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del name, scope
        return {"value": "hush"} if arguments["full"] else "hush"


def _flow(inputs: str) -> Flow:
    source = f"id: f\nnamespace: n\ninputs:\n{inputs}\n{_TASKS}"
    return read_flow(source, catalogue=CORE_CATALOGUE)


def _seal(text: str) -> str:
    return text[::-1]


def _resolve(inputs: str, raw: dict[str, Any]) -> ResolvedInputs:
    return resolve_inputs(_flow(inputs).inputs, raw, {"vars": {"v": "7"}}, encrypt=_seal)


def _values(inputs: str, **raw: Any) -> dict[str, Any]:
    return _resolve(inputs, raw).checked()


def _error(inputs: str, **raw: Any) -> str:
    with pytest.raises(InvalidInputs) as caught:
        _resolve(inputs, raw).checked()
    return str(caught.value)


@pytest.mark.parametrize(
    ("type_", "given", "expected"),
    [
        ("STRING", "txt", "txt"),
        ("STRING", 5, "5"),
        ("INT", "42", 42),
        ("INT", "+5", 5),
        ("FLOAT", "1.5", 1.5),
        ("FLOAT", "42.42", 42.42),
        ("BOOL", "true", True),
        ("BOOL", "y", False),
        ("ION", '{name: "Ada", at: 2024-01-02T03:04:05Z, gone: null}', ION_VALUE),
        ("ION", '["one", 2.5]', ["one", 2.5]),
        ("ION", {"name": "Ada"}, {"name": "Ada"}),
        ("DATETIME", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("DATETIME", "2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.500000Z"),
        ("DATE", "2026-01-02", "2026-01-02"),
        ("TIME", "03:04:05", "03:04:05"),
        ("TIME", "03:04", "03:04:00"),
        ("DURATION", "PT5M", 300.0),
        ("DURATION", 300.0, 300.0),
        ("JSON", '{"a": [1, 2.5, null, "x"]}', {"a": [1, 2.5, None, "x"]}),
        ("YAML", "k: [1, two]", {"k": [1, "two"]}),
        ("URI", "https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("URI", "http:/bla", "http:/bla"),
        ("EMAIL", "a@example.com", "a@example.com"),
        ("FILE", "kestra:///a/b.csv", "kestra:///a/b.csv"),
    ],
)
def test_each_type_reads_text_and_its_own_values(type_: str, given: Any, expected: Any) -> None:
    declared = f"  - {{id: i, type: {type_}}}"
    first = _values(declared, i=given)["i"]
    assert first == expected
    assert type(first) is type(expected)
    assert _values(declared, i=first)["i"] == expected


@pytest.mark.parametrize(
    ("declared", "given", "cause"),
    [
        ("type: INT", "x", 'For input string: "x"'),
        ("type: INT", "3000000000", 'For input string: "3000000000"'),
        ("type: INT, min: 10", "9", "it must be more than `10`"),
        ("type: INT, max: 20", "21", "it must be less than `20`"),
        ("type: FLOAT, max: 0.5", "1.01", "it must be less than `0.5`"),
        ("type: STRING, validator: 'A\\d+'", "foo", "it must match the pattern `A\\d+`"),
        ("type: DATE, after: 2023-01-01", "2022-01-01", "it must be after `2023-01-01`"),
        (
            "type: DATETIME, before: '2023-12-31T23:59:59Z'",
            "2024-01-01T00:00:00Z",
            "it must be before `2023-12-31T23:59:59Z`",
        ),
        ("type: TIME, after: '01:00:00'", "00:30:00", "it must be after `01:00`"),
        ("type: DURATION, min: PT10S", "PT1S", "It must be more than `PT10S`"),
        ("type: DURATION, max: PT20S", "PT21S", "It must be less than `PT20S`"),
        ("type: ENUM, values: [A, B]", "C", "it must match the values `[A, B]`"),
        ("type: SELECT, values: [A, B]", "C", "it must match the values `[A, B]`"),
        ("type: EMAIL", "nope", "The input must be a valid email"),
        ("type: URI", "a b", "Illegal character in path at index 1: a b"),
    ],
)
def test_a_refused_value_is_told_in_the_words_clients_know(
    declared: str, given: str, cause: str
) -> None:
    message = _error(f"  - {{id: i, {declared}}}", i=given)
    assert message == f"Invalid value for input `i`. Cause: {cause}"


@pytest.mark.parametrize("type_", ["DATETIME", "DATE", "TIME", "DURATION", "JSON", "ARRAY"])
def test_the_parsers_words_stand_in_a_code_fence(type_: str) -> None:
    extra = ", itemType: INT" if type_ == "ARRAY" else ""
    message = _error(f"  - {{id: i, type: {type_}{extra}}}", i="nope {")
    assert message.startswith(f"Invalid value for input `i`. Cause: Expected `{type_}` but")
    assert message.count("```") == 2


def test_a_missing_input_is_named() -> None:
    assert _error("  - {id: i, type: STRING}") == "Missing required input:i"


def test_the_text_is_the_first_mistake_and_the_violations_are_all() -> None:
    declared = "  - {id: a, type: INT}\n  - {id: b, type: STRING}"
    with pytest.raises(InvalidInputs) as caught:
        _resolve(declared, {"a": "x"}).checked()
    assert str(caught.value) == 'Invalid value for input `a`. Cause: For input string: "x"'
    assert [violation.path for violation in caught.value.violations] == [
        "$.inputs.a",
        "$.inputs.b",
    ]


def test_an_optional_input_without_value_is_null() -> None:
    assert _values("  - {id: i, type: INT, required: false}") == {"i": None}


def test_undeclared_inputs_are_ignored() -> None:
    assert _values("  - {id: i, type: INT}", i=1, other=2) == {"i": 1}


def test_defaults_are_rendered_over_inputs_and_variables() -> None:
    declared = (
        "  - {id: a, type: INT}\n  - {id: b, type: INT, defaults: '{{ inputs.a }}{{ vars.v }}'}"
    )
    result = _resolve(declared, {"a": "1"})
    assert result.checked() == {"a": 1, "b": 17}
    assert [item.is_default for item in result.items] == [False, True]


def test_dotted_names_nest_and_may_be_given_nested() -> None:
    declared = "  - {id: x.a, type: INT}\n  - {id: x.b.c, type: STRING}"
    assert _values(declared, **{"x.a": "1", "x": {"b": {"c": "t"}}}) == {
        "x": {"a": 1, "b": {"c": "t"}}
    }


def test_a_form_groups_its_children() -> None:
    declared = (
        "  - id: e\n    type: FORM\n    inputs:\n"
        "      - {id: region, type: STRING}\n      - {id: zone, type: INT, defaults: 3}"
    )
    result = _resolve(declared, {"e.region": "EU"})
    assert result.checked() == {"e": {"region": "EU", "zone": 3}}
    assert [item.name for item in result.items] == ["e.region", "e.zone"]


def test_an_input_is_asked_for_only_when_its_condition_holds() -> None:
    declared = (
        "  - {id: kind, type: SELECT, values: [file, db]}\n"
        "  - {id: path, type: STRING, dependsOn: {inputs: [kind], "
        "condition: \"{{ inputs.kind == 'file' }}\"}}\n"
        "  - {id: table, type: STRING, dependsOn: {inputs: [kind], "
        "condition: \"{{ inputs.kind == 'db' }}\"}}"
    )
    result = _resolve(declared, {"kind": "db", "table": "t"})
    assert result.checked() == {"kind": "db", "table": "t"}
    assert [item.enabled for item in result.items] == [True, False, True]


def test_what_depends_on_an_input_that_is_switched_off_is_switched_off_too() -> None:
    inputs = (
        "  - {id: kind, type: STRING}\n"
        "  - {id: host, type: STRING, dependsOn: {inputs: [kind], condition: "
        "\"{{ inputs.kind == 'db' }}\"}}\n"
        "  - {id: table, type: STRING, dependsOn: {inputs: [host], condition: "
        "\"{{ inputs.host != '' }}\"}}\n"
        "  - {id: key, type: SECRET, dependsOn: {inputs: [table]}}"
    )
    resolved = _resolve(inputs, {"kind": "file", "host": "h", "table": "t", "key": "hush"})
    assert resolved.checked() == {"kind": "file"}
    seen = [(item.enabled, item.value, item.errors) for item in resolved.items]
    assert seen[1:] == [(False, "h", ()), (False, "t", ()), (False, None, ())]


def test_a_condition_that_cannot_be_rendered_switches_its_input_off_and_is_told() -> None:
    inputs = (
        "  - {id: a, type: STRING}\n"
        '  - {id: b, type: INT, dependsOn: {inputs: [a], condition: "{{ inputs.nobody }}"}}'
    )
    resolved = _resolve(inputs, {"a": "x", "b": "none"})
    assert resolved.checked() == {"a": "x"}
    assert not resolved.items[1].enabled
    assert "Invalid condition: Unable to find `nobody`" in resolved.items[1].errors[0]


@pytest.mark.parametrize("type_", ["INT", "FLOAT", "DATE", "DATETIME", "DURATION", "JSON", "ION"])
def test_an_empty_text_is_no_value_of_what_has_to_be_read(type_: str) -> None:
    assert _error(f"  - {{id: a, type: {type_}}}", a="") == "Missing required input:a"
    assert _values(f"  - {{id: a, type: {type_}, required: false}}", a="") == {"a": None}


def test_an_empty_number_takes_the_default_and_an_empty_address_is_one() -> None:
    assert _values("  - {id: a, type: INT, defaults: 42}", a="") == {"a": 42}
    assert _values("  - {id: a, type: EMAIL, required: false}", a="") == {"a": ""}


def test_secrets_in_defaults_are_hidden_from_who_only_looks_but_not_in_choices() -> None:
    flow = _flow(
        "  - {id: a, type: STRING, defaults: \"{{ secret('K') }}\"}\n"
        "  - {id: b, type: STRING, defaults: \"{{ secret('K', full=true).value }}\"}\n"
        "  - {id: c, type: MULTISELECT, expression: \"{{ [secret('K')] }}\", autoSelectFirst: true,"
        " required: false}"
    )

    def found(*, hides: bool) -> dict[str, Any]:
        return resolve_inputs(
            flow.inputs, {}, {}, lookups=_Secrets(), hides_secrets=hides
        ).checked()

    assert found(hides=True) == {"a": "******", "b": "******", "c": ["hush"]}
    assert found(hides=False) == {"a": "hush", "b": "hush", "c": ["hush"]}


def test_dependencies_come_first_whatever_the_order_of_declaration() -> None:
    declared = (
        "  - {id: b, type: STRING, defaults: '{{ inputs.a }}!', dependsOn: {inputs: [a]}}\n"
        "  - {id: a, type: STRING, defaults: x}"
    )
    assert _values(declared) == {"a": "x", "b": "x!"}


def test_a_select_may_take_its_values_from_an_expression() -> None:
    declared = (
        "  - {id: base, type: STRING, defaults: x}\n"
        "  - {id: pick, type: SELECT, expression: \"{{ ['a', inputs.base] }}\", "
        "dependsOn: {inputs: [base]}}"
    )
    assert _values(declared, base="zoo", pick="zoo")["pick"] == "zoo"
    assert "it must match the values `[a, x]`" in _error(declared, pick="b")


def test_values_of_an_expression_stand_in_its_place_for_who_shows_the_input() -> None:
    [item] = _resolve(
        "  - {id: s, type: SELECT, expression: "
        "\"{{ [vars.v, {'label': 'Eight', 'value': '8'}] }}\"}",
        {"s": "8"},
    ).items
    assert isinstance(item.input, SelectInput)
    assert item.input.values == ("7", {"label": "Eight", "value": "8"})
    assert item.input.expression is None
    assert item.value == "8"


def test_a_multiselect_takes_json_or_commas_and_tells_every_mistake() -> None:
    declared = "  - {id: m, type: MULTISELECT, values: [a, b]}"
    assert _values(declared, m='["a", "b"]') == {"m": ["a", "b"]}
    assert _values(declared, m="a,b") == {"m": ["a", "b"]}
    assert len(_resolve(declared, {"m": ["x", "y"]}).errors) == 2


def test_the_first_value_is_taken_when_the_flow_says_so() -> None:
    declared = (
        "  - {id: s, type: SELECT, values: [a, b], autoSelectFirst: true}\n"
        "  - {id: m, type: MULTISELECT, values: [a, b], autoSelectFirst: true}"
    )
    assert _values(declared) == {"s": "a", "m": ["a"]}


def test_options_with_labels_are_chosen_by_value() -> None:
    declared = "  - {id: s, type: SELECT, values: [{value: a, label: The A}]}"
    assert _values(declared, s="a") == {"s": "a"}


def test_array_items_are_read_by_their_type() -> None:
    declared = "  - {id: a, type: ARRAY, itemType: DATE, defaults: ['2024-01-02']}"
    assert _values(declared) == {"a": ["2024-01-02"]}
    assert _values("  - {id: a, type: ARRAY, itemType: INT}", a='["1", 2]') == {"a": [1, 2]}


def test_a_secret_is_checked_then_sealed_and_stays_sealed() -> None:
    declared = "  - {id: s, type: SECRET, validator: 'h.*'}"
    sealed = {"type": "io.kestra.datatype:aes_encrypted", "value": "hsuh"}
    assert _values(declared, s="hush") == {"s": sealed}
    assert _values(declared, s=sealed) == {"s": sealed}
    assert "it must match the pattern" in _error(declared, s="no")
    flow = _flow(declared)
    refused = resolve_inputs(flow.inputs, {"s": "hush"}, {})
    assert "encryption is not configured" in refused.errors[0]


def test_a_multiselect_names_each_value_that_is_none_of_its_own() -> None:
    declared = "  - {id: m, type: MULTISELECT, values: [a, b]}"
    assert _resolve(declared, {"m": ["x", "a", "y"]}).errors == tuple(
        f"Invalid value for input `m`. Cause: value `{value}` doesn't match the values `[a, b]`"
        for value in "xy"
    )


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("abc", "Invalid expression result. Expected a list of strings"),
        ("{{ nope }}", "Cannot render 'expression'. Cause: Unable to find `nope`"),
    ],
)
def test_an_expression_that_gives_no_values_is_told(expression: str, cause: str) -> None:
    declared = f"  - {{id: s, type: SELECT, expression: '{expression}'}}"
    assert _error(declared, s="a").startswith(f"Invalid value for input `s`. Cause: {cause}")


def test_nulls_among_the_values_of_an_expression_are_left_out() -> None:
    declared = "  - {id: s, type: SELECT, expression: '{{ [1, null, 2] }}'}"
    assert "it must match the values `[1, 2]`" in _error(declared, s="3")


def test_a_json_input_obeys_its_schema() -> None:
    schema = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
    declared = f"  - {{id: j, type: JSON, jsonSchema: '{schema}'}}"
    assert _values(declared, j='{"n": 1}') == {"j": {"n": 1}}
    cause = "it must match the json schema: $.n: string found, integer expected"
    assert _error(declared, j='{"n": "x"}') == f"Invalid value for input `j`. Cause: {cause}"
    blank = "  - {id: j, type: JSON, jsonSchema: ' '}"
    assert _values(blank, j="[1]") == {"j": [1]}


def test_a_file_of_another_kind_is_refused() -> None:
    declared = "  - {id: f, type: FILE, allowedFileExtensions: [.csv, .TXT]}"
    assert _values(declared, f="kestra:///a.txt") == {"f": "kestra:///a.txt"}
    cause = "File type not allowed. Accepted extensions: .csv, .txt"
    assert _error(declared, f="kestra:///a.pdf") == f"Invalid value for input `f`. Cause: {cause}"


def test_old_options_of_a_multiselect_are_its_values() -> None:
    assert _values("  - {id: m, type: MULTISELECT, options: [a]}", m="a") == {"m": ["a"]}


def test_every_input_of_the_conformance_flow_reads() -> None:
    source = (SHARED / "conformance" / "flows" / "valids" / "inputs.yaml").read_text()
    cases = read_yaml((SHARED / "conformance" / "cases.yaml").read_text()).value
    flow = read_flow(source, catalogue=CORE_CATALOGUE)
    given = {**cases["defaults"]["inputs_all"], "file": "kestra:///f"}
    values = resolve_inputs(flow.inputs, given, {}, encrypt=_seal).checked()
    assert values["instantDefaults"] == "2013-08-09T14:19:00.000000Z"
    assert values["empty"] == ""
    assert values["yaml"] == {"some": "property", "alist": ["of", "values"]}
    assert values["nested"] == {"string": "a string", "more": {"int": 123}, "bool": True}
    assert values["duration"] == 306.0


def _output(line: str) -> Flow:
    source = f"id: f\nnamespace: n\noutputs:\n  - {line}\n{_TASKS}"
    return read_flow(source, catalogue=CORE_CATALOGUE)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{id: o, type: STRING, value: '{{ vars.n }}'}", "3"),
        ("{id: o, type: INT, value: '{{ vars.n }}'}", 3),
        ("{id: o, type: JSON, value: '{\"n\": {{ vars.n }}}'}", {"n": 3}),
        ("{id: o, type: ARRAY, value: ['{{ vars.n }}', x]}", ["3", "x"]),
        ("{id: o, type: STRING, required: false, value: '{{ vars.none }}'}", None),
    ],
)
def test_outputs_are_typed_like_inputs(line: str, expected: Any) -> None:
    flow = _output(line)
    assert resolve_outputs(flow.outputs, {"vars": {"n": 3}}) == {"o": expected}


def test_an_output_that_its_type_refuses_is_an_error() -> None:
    flow = _output("{id: o, type: INT, value: nope}")
    with pytest.raises(InvalidInput, match="Invalid value for output `o`"):
        resolve_outputs(flow.outputs, {})


@settings(max_examples=300, deadline=None)
@given(
    type_=st.sampled_from(sorted(set(INPUT_TYPES) - {"FORM", "REUSABLE_INPUTS"})),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
def test_no_value_does_anything_but_be_read_or_refused(type_: str, value: Any) -> None:
    extra = {"ARRAY": ", itemType: INT"}.get(type_, "")
    extra = ", values: [a]" if type_ in ("ENUM", "SELECT", "MULTISELECT") else extra
    result = _resolve(f"  - {{id: i, type: {type_}{extra}}}", {"i": value})
    assert result.errors or result.values
