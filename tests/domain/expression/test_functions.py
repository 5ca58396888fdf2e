from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from domain.expression import ExpressionError, Scope, compile_template

LOOP: Mapping[str, Any] = {
    "outputs": {"t": {"x": {"1": {"value": "deep"}}}, "it": {"0": {"value": "first"}}},
    "taskrun": {"value": "1", "iteration": 1},
    "task": {"id": "it"},
    "parent": {"outputs": {"p": 1}},
    "parents": [{"taskrun": {"value": "x"}, "outputs": {"q": 2}}, {"outputs": {"r": 3}}],
    "tasks": {
        "a": {"state": "SUCCESS"},
        "b": {"v1": {"state": "FAILED"}, "v2": {"state": "SUCCESS"}},
        "c": "odd",
    },
}


def render(text: str, variables: Mapping[str, Any] = LOOP) -> str:
    return compile_template(text).render(Scope(variables))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (
            "{{ tasksWithState('success') }}",
            '[{"taskId":"a","state":"SUCCESS"},{"taskId":"b","state":"SUCCESS","value":"v2"}]',
        ),
        ("{{ tasksWithState('KILLED') }}", "[]"),
        ("{{ currentEachOutput(outputs.t).value }}", "deep"),
        ("{{ parentOutput() }}{{ parentOutput(0) }}{{ parentOutput(1) }}", '{"p":1}{"r":3}{"q":2}'),
        (
            "{{ loopOutputs([{'item': {'value': 'x'}, 'outputs': {'a': 1}}, {'a': 2}, 3], 'a') }}",
            "[1,null,null]",
        ),
        ("{{ loopOutputs(outputs=[], name='a') }}", "[]"),
        ("{{ max(1, 2.5, 2) }}{{ min(3, 1) }}{{ max() ?? 'none' }}", "2.51none"),
        (
            "{{ range('a', 'e', 2) }}{{ range(3, 1, -1) }}{{ range(1, 3, -1) }}",
            '["a","c","e"][3,2,1][]',
        ),
        ("{{ fromJson('[1, 2.0, null]') }}{{ json('{}') }}{{ fromJson(null) }}", "[1,2.0,null]{}"),
        ("{{ fromJson('\"\\ud83d\\ude00\\ud83d\"') }}", "😀\ufffd"),
        ("{{ yaml('a: [1, yes, 2024-01-01, 12:30]') }}", '{"a":[1,true,"2024-01-01","12:30"]}'),
        ("{{ fromIon('{a: 1} {a: 2}', allRows=true) }}", '[{"a":1},{"a":2}]'),
        ("{{ fromIon('') ?? 'none' }}", "none"),
        ("{{ fetchContext() | keys | length }}", "6"),
        ("{{ dayOfWeek('2024-02-29') }}{{ dayOfMonth('2024-02-29') }}", "THURSDAY29"),
        ("{{ monthOfYear('2024-02-29') }}{{ hourOfDay('2024-02-29T13:05:09+02:00') }}", "213"),
        ("{{ isWeekend('2024-03-02') }}{{ isWeekend('2024-03-01') }}", "truefalse"),
        ("{{ isDayWeekInMonth('2024-02-29', 'THURSDAY', 'LAST') }}", "true"),
        ("{{ isDayWeekInMonth('2024-02-08', 'thursday', 'SECOND') }}", "true"),
        ("{{ isLastWorkingDay('2024-03-29') }}{{ isLastWorkingDay('2024-03-31') }}", "truefalse"),
        ("{{ isLastWorkingDay('2024-03-31', ['SUNDAY']) }}", "true"),
        ("{{ isLastWorkingDay('2024-03-28', 'monday, THURSDAY') }}", "true"),
        ("{{ isLastWorkingDay('2024-03-29', 'MONDAY,THURSDAY') }}", "false"),
        ("{{ isDateBefore('2024-01-01', '2024-01-02') }}", "true"),
        ("{{ isDateBetween('2024-01-02', '2024-01-01', '2024-01-03') }}", "true"),
        ("{{ isDateAfter('2024-01-01', '2024-01-01') }}", "false"),
    ],
)
def test_a_function_gives_its_value(text: str, result: str) -> None:
    assert render(text) == result


def test_the_iteration_before_is_the_default() -> None:
    variables = {**LOOP, "parents": []}
    assert (
        render("{{ iterationOutput() }}{{ iterationOutput('it', 0) }}", variables) == "firstfirst"
    )
    assert render("{{ iterationOutput('other') ?? 'none' }}", variables) == "none"


def test_an_iteration_is_told_by_its_place_whatever_its_value() -> None:
    outputs = {"it": {"north": {"value": "N"}, "south": {"value": "S"}}}
    variables = {**LOOP, "outputs": outputs, "parents": [], "taskrun": {"iteration": 2}}
    assert render("{{ iterationOutput() }}{{ iterationOutput('it', '0') }}", variables) == "SN"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ hourOfDay('2024-02-29') }}", "expects a date with a time"),
        ("{{ isLastWorkingDay('2024-03-31', 'MONDAY,ANYDAY') }}", "must be one of MONDAY"),
        ("{{ loopOutputs({}, 'a') }}", "expects an argument 'outputs' with type list"),
        ("{{ loopOutputs([], null) }}", "expects an argument 'name' with type string"),
        ("{{ nope() }}", "Function or Macro [nope] does not exist."),
        ("{{ iterationOutput('it', -1) }}", "Iteration -1 has no output yet"),
        ("{{ currentEachOutput({}) }}", "No output for the value 'x'"),
        ("{{ fromJson('{') }}", "Invalid json"),
        ("{{ fromJson(1) }}", "expects an argument 'json' with type string"),
        ("{{ yaml('a: [') }}", "Invalid yaml"),
        ("{{ fromIon('{a') }}", "Invalid Ion"),
        ("{{ range(1) }}", "expects an argument 'end'"),
        ("{{ range(1, 2, 0) }}", "must be different than 0"),
        ("{{ range(1, 'b') }}", "Arguments of range function must be"),
        ("{{ max(1, 'b') }}", "A number is expected"),
        ("{{ isDayWeekInMonth('2024-02-08', 'X', 'FIRST') }}", "must be one of MONDAY"),
        ("{{ dayOfWeek('soon') }}", "could not be parsed as a date"),
        ("{{ parentOutput(7) }}", "no parent at index 7"),
    ],
)
def test_a_function_says_what_it_cannot_take(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text)
    assert reason in str(caught.value)


def test_outside_a_loop_there_is_no_output_of_each() -> None:
    with pytest.raises(ExpressionError, match="only be used inside a loop"):
        render("{{ currentEachOutput({}) }}", {})
