from __future__ import annotations

from pathlib import Path

import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.reader import parse_flow
from domain.flow.report import report_of
from tests.domain.flow.conformance import SHARED

LOG = "io.kestra.plugin.core.log.Log"
TASK = f"tasks: [{{id: t, type: {LOG}, message: x}}]\n"


def _told(source: str) -> list[str]:
    reading = parse_flow(source, catalogue=CORE_CATALOGUE, hints=True)
    assert reading.flow is not None, reading.constraints
    return [f"{hint.path}: {hint.message}" for hint in reading.hints]


def _flow(more: str = "", task: str = "message: x") -> str:
    return f"id: f\nnamespace: n\n{more}\ntasks:\n  - {{id: t, type: {LOG}, {task}}}\n"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (_flow(task="message: '{{ a b }}'"), "tasks[0].message: the expression cannot be read"),
        (_flow(task="message: x, runIf: '{{ 1 + }}'"), "tasks[0].runIf: the expression cannot"),
        (_flow(task="message: '{{ inputs.a }}'"), "tasks[0].message: the flow has no input `a`"),
        (_flow(task="message: '{{ outputs.a.b }}'"), "tasks[0].message: the flow has no task `a`"),
        (_flow(task="message: x, level: LOUD"), "tasks[0].level: 'LOUD' is none of ERROR, WARN"),
        (_flow(task="message: x, timeout: soon"), "tasks[0].timeout: 'soon' is not a duration"),
        (
            _flow(task="message: x, assets: {inputs: [{id: a}]}"),
            "tasks[0].assets: `assets` is understood and has no effect here",
        ),
        (
            _flow("quotas: [{duration: PT1H, limit: 1}]"),
            "quotas: `quotas` is understood and has no effect here",
        ),
        (
            _flow("inputs: [{id: a, type: INT, defaults: abc}]"),
            'inputs[0].defaults: the default of input `a` is refused: For input string: "abc"',
        ),
        (
            _flow("inputs: [{id: a, type: INT, min: 3, defaults: 2}]"),
            "inputs[0].defaults: the default of input `a` is refused: it must be more than `3`",
        ),
        (
            _flow("inputs: [{id: a, type: SELECT, values: [x, y], defaults: z}]"),
            "inputs[0].defaults: the default of input `a` is refused: it must match the values",
        ),
        (
            _flow(
                "inputs: [{id: a, type: INT}]\ntriggers: [{id: s, "
                "type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'}]"
            ),
            "triggers[0]: required inputs without a value: `a`; executions start without them",
        ),
        (
            _flow(
                "inputs: [{id: a, type: INT}]\ntriggers: [{id: s, inputs: {a: x}, "
                "type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'}]"
            ),
            "triggers[0].inputs: the value for input `a` is refused",
        ),
        (_flow("labels: [{key: a, value: b}, {key: a, value: c}]"), "labels: `a` is there more"),
        (
            _flow("", "message: '{{ flow.id | uper }}'"),
            "tasks[0].message: there is no filter `uper`: `upper`?",
        ),
        (
            _flow("", "message: '{% filter nope %}x{% endfilter %}'"),
            "tasks[0].message: there is no filter `nope`",
        ),
        (
            _flow("", "message: '{{ secrets(1) }}'"),
            "tasks[0].message: there is no function `secrets`: `secret`?",
        ),
        (
            _flow("", "message: '{{ 1 is odder }}'"),
            "tasks[0].message: there is no test `odder`",
        ),
    ],
)
def test_what_will_fail_when_it_runs_is_told_and_not_refused(source: str, told: str) -> None:
    assert [hint for hint in _told(source) if hint.startswith(told)], _told(source)


def test_a_hint_has_its_place() -> None:
    source = (
        f"id: f\nnamespace: n\ntasks:\n  - id: t\n    type: {LOG}\n    message: '{{{{ a b }}}}'\n"
    )
    reading = parse_flow(source, catalogue=CORE_CATALOGUE, hints=True)
    [finding] = report_of("f.yaml", reading, first_line=11).findings
    assert (finding.level, finding.path) == ("warning", "$.tasks[0].message")
    assert (finding.line, finding.column) == (16, 14)


def test_what_may_be_meant_is_not_told() -> None:
    source = _flow(
        "inputs: [{id: a.b, type: INT, defaults: '{{ 1 }}'}, {id: s, type: SELECT, values: [x],"
        " autoSelectFirst: true}]\ntriggers: [{id: s, "
        "type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'}]",
        "message: '{{ inputs.a.b }} {{ outputs.t }} {{ outputs[x] }} {# a b #}"
        " {% macro m(a) %}{{ a | jq(1) | upper }}{% endmacro %}{{ m(1) }} {{ 1 is defined }}',"
        " level: '{{ l }}',"
        " description: '{{ a b }}'",
    )
    assert _told(source) == []


def test_examples_have_no_hints() -> None:
    for file in sorted(Path("docs/examples").glob("*.yaml")):
        assert _told(file.read_text(encoding="utf-8")) == [], file.name


def test_few_flows_of_the_conformance_suite_have_hints() -> None:
    folder = SHARED / "conformance" / "flows" / "valids"
    hinted = 0
    for file in sorted(folder.glob("*.y*ml")):
        reading = parse_flow(file.read_text(), catalogue=CORE_CATALOGUE, hints=True)
        hinted += bool(reading.hints)
    assert 0 < hinted <= 6
