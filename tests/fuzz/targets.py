"""What is fed with anything at all: each target takes bytes and raises only on a fault of ours."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput
from domain.expression import ExpressionError, Limits, Scope, compile_template, is_truthy_text
from domain.expression.references import references
from domain.expression.registry import FILTERS, FUNCTIONS, TESTS, Signature
from domain.flow.convert import plan_of
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.graph import flow_graph
from domain.flow.input_types import INPUT_TYPES, Input
from domain.flow.inputs import resolve_inputs
from domain.flow.model import Flow
from domain.flow.reader import FlowReading, parse_flow
from domain.flow.report import report_of, written
from domain.flow.tasks import FLOWABLES, Task
from domain.flow.triggers import CONDITIONS, TRIGGERS
from domain.flow.violations import entity_errors
from domain.yaml.builder import DEFAULT_LIMITS
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import numbered_documents, read_yaml

Target = Callable[[bytes], None]

_ROOT: Final = Path(__file__).parents[2]
_SHARED: Final = _ROOT.parent / "shared"
_LIMITS: Final = Limits(output_characters=1_000_000, items=100_000, steps=100_000)
_TASKS: Final = "tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: x}]\n"


def yaml(data: bytes) -> None:
    """Any text is YAML with plain values and places, or refused with a place."""
    text = data.decode("utf-8", "replace")
    try:
        document = read_yaml(text)
    except YamlError as error:
        _check_place(error.line, error.column)
    else:
        assert _count(document.value) <= DEFAULT_LIMITS.values
        msgspec.to_builtins(document.value)
    assert all(line >= 1 for _, line in numbered_documents(text))


def flow(data: bytes) -> None:
    """Any text is a flow or has violations; either can be shown in every form."""
    text = data.decode("utf-8", "replace")
    reading = parse_flow(text, catalogue=CORE_CATALOGUE, hints=True)
    assert (reading.flow is None) is bool(reading.violations)
    _show(reading)
    if reading.flow is not None:
        again = parse_flow(text, catalogue=CORE_CATALOGUE)
        assert again.flow == reading.flow
        flow_graph(reading.flow)


def expression(data: bytes) -> None:
    """Any text is a template that gives a text, or an error with a place; the same every time."""
    text = data.decode("utf-8", "replace")
    references(text)
    results = []
    for _ in range(2):
        scope = Scope(_VARIABLES, limits=_LIMITS)
        try:
            template = compile_template(text)
            shown = template.render(scope)
            is_truthy_text(shown)
            template.render_typed(scope)
            results.append(shown)
        except ExpressionError as error:
            _check_place(error.line, error.column)
            results.append(type(error).__name__)
    if "Limit" not in "".join(results):
        assert results[0] == results[1]


def inputs(data: bytes) -> None:
    """A declaration, a line break, then JSON or a text: every value is read or refused."""
    head, _, tail = data.decode("utf-8", "replace").partition("\n")
    source = f"id: f\nnamespace: n\ninputs:\n  - {{id: i, {head}}}\n{_TASKS}"
    reading = parse_flow(source, catalogue=CORE_CATALOGUE, hints=True)
    if reading.flow is None:
        return
    raws: list[dict[str, Any]] = [{}, {"i": tail}]
    with contextlib.suppress(ValueError, RecursionError):
        raws.append({"i": json.loads(tail)})
    for raw in raws:
        result = resolve_inputs(reading.flow.inputs, raw, {}, encrypt=str.upper)
        try:
            values = result.checked()
        except InvalidInput:
            assert result.errors
            continue
        msgspec.json.encode(values)
        _again(reading.flow.inputs, values)


TARGETS: Final[dict[str, Target]] = {
    "yaml": yaml,
    "flow": flow,
    "expression": expression,
    "inputs": inputs,
}


def seeds(name: str) -> Iterator[bytes]:
    """Yield what a target begins with: examples, golden data, and the cases of conformance."""
    if name == "inputs":
        for line in _DECLARATIONS:
            yield line.encode()
        return
    if name == "expression":
        for file in sorted((_SHARED / "golden").glob("pebble.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                template = json.loads(line).get("template") or json.loads(line).get("expression")
                if isinstance(template, str):
                    yield template.encode()
        yield from (text.encode() for text in (*_TEMPLATES, *_one_of_each()))
        return
    if name == "yaml":
        yield from (text.encode() for text in _YAML)
    folders = [_ROOT / "docs" / "examples"]
    folders += [_SHARED / "conformance" / name for name in ("flows", "flows-13")]
    for folder in folders:
        for file in sorted(folder.rglob("*.y*ml")):
            yield file.read_bytes()


def _one_of_each() -> Iterator[str]:
    for signature in FILTERS.values():
        yield f"{{{{ [a, b, c, d, now] | {signature.name}({_arguments(signature)}) }}}}"
        yield f"{{{{ b | {signature.name} }}}}"
    for signature in FUNCTIONS.values():
        yield f"{{{{ {signature.name}({_arguments(signature)}) }}}}"
    for signature in TESTS.values():
        yield f"{{{{ a is {signature.name}({_arguments(signature)}) ? b : c }}}}"


def _arguments(signature: Signature) -> str:
    return ", ".join(f"{name}=a" for name, _ in signature.parameters)


def words(name: str) -> list[str]:
    """Return what a target's language is made of: a dictionary for those who mutate its texts."""
    if name == "expression":
        found = {*FILTERS, *FUNCTIONS, *TESTS, *_TAGS, *_VARIABLES}
    else:
        structs = {**FLOWABLES, **TRIGGERS, **CONDITIONS, **INPUT_TYPES}
        found = {*structs, *CORE_CATALOGUE.tasks, *CORE_CATALOGUE.triggers, "{{ a }}", "&a ", "*a"}
        for struct in (Flow, Task, *structs.values()):
            found.update(f"{name}: " for name in plan_of(struct).names)
        found.update(("- ", "<<: *a", "|\n", ">-\n", "!!str ", "\t", "\u2028"))
    return sorted(found)


def _show(reading: FlowReading) -> None:
    report = report_of("f.yaml", reading)
    for form in ("text", "json", "sarif", "github"):
        written([report], form)
    entity_errors(reading.violations)
    for violation in reading.violations:
        _check_place(violation.line, violation.column)


def _check_place(line: int, column: int) -> None:
    assert line >= 1
    assert column >= 1


def _again(declared: tuple[Input, ...], values: dict[str, Any]) -> None:
    """A value that was read is accepted again and stays as it is."""
    second = resolve_inputs(declared, values, {}, encrypt=str.upper)
    if not second.errors:
        assert msgspec.json.encode(second.values) == msgspec.json.encode(values)


def _count(value: Any) -> int:
    count = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        count += 1
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return count


_VARIABLES: Final[dict[str, Any]] = {
    "a": 1,
    "b": "text",
    "c": [1, "two", None, {"k": True}],
    "d": {"e": {"f": 1.5}, "g-h": "x"},
    "now": "2024-02-29T12:30:00Z",
    "inputs": {"n": 3, "s": "é😀"},
    "outputs": {"t": {"values": {"x": "y"}}},
}

_TAGS: Final = (
    *("{{", "}}", "{%", "%}", "{#", "#}", "{{-", "-%}", "??", "???", "..", " ~ ", " is not "),
    *("if", "elseif", "else", "endif", "for", "endfor", "set", "macro", "endmacro", "raw"),
    *("endraw", "block", "endblock", "filter", "endfilter", "verbatim", "contains", "loop.index"),
)

_DECLARATIONS: Final = (
    "type: STRING, validator: '^[A-Z]+$'\nABC",
    "type: INT, min: 1, max: 9, defaults: '{{ 1 + 2 }}'\n5",
    "type: FLOAT, min: 0.5\n1e3",
    "type: BOOL\ntrue",
    "type: BOOLEAN, required: false\nundefined",
    "type: DATETIME, after: '2020-01-01T00:00:00Z'\n2024-01-01T00:00:00.123456789+02:00",
    "type: DATE, before: '2030-01-01'\n2024-02-29",
    "type: TIME, after: '01:00'\n12:30:59.5",
    "type: DURATION, max: P1D\nPT1H",
    "type: FILE, allowedFileExtensions: [.csv]\nkestra:///a.csv",
    'type: JSON, jsonSchema: \'{"type": "object", "required": ["a"]}\'\n{"a": [1, null]}',
    "type: YAML\na: {b: [1, 2]}",
    "type: URI\nhttps://example.com/x?y#z",
    "type: EMAIL\na@example.com",
    "type: SECRET, validator: '.+'\nhush",
    'type: ARRAY, itemType: DATE\n["2024-01-01"]',
    "type: SELECT, values: [a, {value: b, label: B}], autoSelectFirst: true\nb",
    "type: SELECT, expression: '{{ [1, 2] }}', allowCustomValue: true\n3",
    'type: MULTISELECT, values: [a, b], itemType: STRING\n["a", "b"]',
    "type: ENUM, values: [A, B]\nA",
    "type: ION\n{a: 1}",
    'type: FORM, inputs: [{id: a, type: INT}, {id: b, type: STRING}]\n{"a": 1, "b": "x"}',
)
_TEMPLATES: Final = (
    "{{ a + 1 }} {{ b ~ 'x' | upper }} {{ c[1] }} {{ d['g-h'] ?? 'none' }}",
    "{% for i in 1..3 %}{{ loop.index }}{% else %}none{% endfor %}",
    "{% if a > 1 and b is not empty %}x{% elseif a == 1 %}y{% else %}z{% endif %}",
    "{% set x = {'k': [1, 2]} %}{{ x.k | first }}{# gone #}",
    "{% macro m(n, k='d') %}{{ n }}{{ k }}{% endmacro %}{{ m(1, k='z') }}",
    "{{ now | date('yyyy-MM-dd HH:mm', timeZone='Europe/Paris') }}",
    "{{ c | jq('.[] | select(. != null)') }} {{ '{\"x\":1}' | toJson }}",
    "{% raw %}{{ x }}{% endraw %}{{- ' trimmed ' -}}",
    "{{ b.matches('t.+') ? b[0] : null }} {{ [1,2] contains 1 }}",
)
_YAML: Final = (
    "a: &x [1, 2.5, yes, ~, 0x1F, 017, 1_000]\nb: *x\nc:\n  <<: {d: e}\n",
    "a: |\n  text\n  more\nb: >-\n  folded\n  text\n? k\n: v\n",
    "\ufeffa: 'it''s'\r\nb: \"\\u00e9\\x41\\n\"\r\n",
    "- !!str 1\n- !!binary aGVsbG8=\n- !x y\n- {a: [b, {c: d}]}\n--- \nsecond: 1\n",
)
