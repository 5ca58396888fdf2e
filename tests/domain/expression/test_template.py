from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest

from domain.expression import (
    ExpressionError,
    Fault,
    Scope,
    TemplateSyntaxError,
    UndefinedVariable,
    compile_template,
    is_truthy_text,
    render_deep,
    to_text,
)

VARIABLES: Mapping[str, Any] = {
    "name": "World",
    "n": 5,
    "m": {"a": 1, "b": {"c": "deep"}, "nul": None},
    "list": [3, 1, 2],
    "vars": {"first": "1", "second": "{{ vars.first }}", "third": "{{ vars.second }}"},
}


def render(text: str, variables: Mapping[str, Any] = VARIABLES) -> str:
    return compile_template(text).render(Scope(variables))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ 5 isIn ['5'] }}{{ '5' isIn [5] }}{{ 5.0 isIn [5] }}", "truetruefalse"),
        ("{{ 'key' isIn pairs }}{{ 'worth' isIn pairs }}{{ 'other' isIn pairs }}", "truetruefalse"),
        ("{{ 'a' isIn 'abc' }}{{ null isIn [null] }}{{ 'x' isIn [null, 'x'] }}", "falsefalsetrue"),
        ("{{ [1, 2] isIn ['[1, 2]'] }}{{ 'a' not isIn ['a'] }}", "truefalse"),
    ],
)
def test_is_in_compares_texts_with_elements_keys_and_values(text: str, result: str) -> None:
    assert render(text, {"pairs": {"key": "worth"}}) == result


def test_a_whole_minute_is_printed_without_seconds_but_in_data_and_in_utc() -> None:
    there = timezone(timedelta(hours=2))
    variables = {
        "there": datetime(2024, 2, 29, 13, 5, tzinfo=there),
        "local": datetime(2024, 2, 29, 13, 5, tzinfo=UTC).replace(tzinfo=None),
        "utc": datetime(2024, 2, 29, 13, 5, tzinfo=UTC),
        "clock": time(13, 5),
    }
    assert render("{{ there }} {{ local }} {{ clock }}", variables) == (
        "2024-02-29T13:05+02:00 2024-02-29T13:05 13:05"
    )
    assert render("{{ utc }}", variables) == "2024-02-29T13:05:00Z"
    assert render("{{ [there, clock] }}", variables) == '["2024-02-29T13:05:00+02:00","13:05:00"]'
    assert render("{{ there | yaml }}", variables) == "2024-02-29T13:05:00+02:00\n"


def test_a_text_without_braces_is_itself() -> None:
    template = compile_template("no braces, but }} and %}")
    assert template.is_static
    assert template.render(Scope({})) == "no braces, but }} and %}"
    assert not compile_template("{{ 1 }}").is_static
    assert not compile_template("a{# b #}").is_static
    assert compile_template("{ name }").is_static


def test_equal_texts_are_compiled_once() -> None:
    assert compile_template("{{ name }}!") is compile_template("{{ name }}!")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ n }}", 5),
        ("{{ list }}", [3, 1, 2]),
        ("{{ m.nul }}", None),
        ("{% set x = list %}{{ x }}", [3, 1, 2]),
        ("{{ n }}{{ n }}", "55"),
        (" {{ n }}", " 5"),
        ("{{ m }}{{ m.nul }}", {"a": 1, "b": {"c": "deep"}, "nul": None}),
        ("{{ 'a' }}{# no #}", "a"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_a_single_printed_expression_keeps_its_type(text: str, value: Any) -> None:
    assert compile_template(text).render_typed(Scope(VARIABLES)) == value


def test_everything_inside_a_value_is_rendered_keys_too() -> None:
    value = {"{{ name }}": ["{{ n }}", 7, {"x": "{{ m.b }}"}], "World": "second", "k": None}
    rendered = {"World": ["5", 7, {"x": '{"c":"deep"}'}], "k": None}
    assert render_deep(value, Scope(VARIABLES)) == rendered


@pytest.mark.parametrize("text", ["x", "False", " ", "null", "[]", "0.0", "00", "no"])
def test_any_text_but_four_is_true(text: str) -> None:
    assert is_truthy_text(text)


@pytest.mark.parametrize("text", ["", "false", "0", "-0"])
def test_exactly_four_texts_are_false(text: str) -> None:
    assert not is_truthy_text(text)


def test_variables_are_read_on_demand_and_never_copied() -> None:
    class Lazy(Mapping[str, Any]):
        asked: list[str]

        def __init__(self) -> None:
            self.asked = []

        def __getitem__(self, key: str) -> Any:
            self.asked.append(key)
            if key == "missing":
                raise KeyError(key)
            return {"value": key}

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("the variables were walked through")

        def __len__(self) -> int:
            return 1_000_000

    outputs = Lazy()
    assert render("{{ outputs.a.value }}", {"outputs": outputs}) == "a"
    assert render("{{ outputs['b'].value }}", {"outputs": outputs}) == "b"
    assert render("{{ outputs.missing ?? 'x' }}", {"outputs": outputs}) == "x"
    assert outputs.asked == ["a", "b", "missing"]
    with pytest.raises(UndefinedVariable):
        render("{{ missing }}", outputs)


class Needed(Exception):
    pass


class Lookups:
    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._error = error

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        self.asked.append((name, dict(arguments)))
        if self._error:
            raise self._error
        return "answer"


def test_an_impure_function_asks_its_lookups_with_every_parameter() -> None:
    lookups = Lookups()
    text = "{{ secret('k', subkey='s') }}{{ 'in' | jq('.a') }}"
    assert compile_template(text).render(Scope({}, lookups)) == "answeranswer"
    assert lookups.asked == [
        ("secret", {"key": "k", "namespace": None, "subkey": "s", "full": False}),
        ("jq", {"input": "in", "expression": ".a"}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{ secret('k') }}",
        "{{ secret('k') ?? 'x' }}",
        "{{ secret('k') ??? 'x' }}",
        "{{ secret('k') | default('x') }}",
        "{{ secret('k') is defined }}",
        "{{ (secret('k') | upper) ?? 'x' }}",
        "{% for x in secret('k') %}{% endfor %}",
        "{% macro f(x) %}{{ secret(x) }}{% endmacro %}{{ f('k') }}",
        "{{ render('{{ secret(1) }}') }}",
        "{{ '{}' | jq(secret('k')) }}",
    ],
)
def test_what_lookups_raise_passes_through_unchanged(text: str) -> None:
    error = Needed()
    with pytest.raises(Needed) as caught:
        compile_template(text).render(Scope({}, Lookups(error)))
    assert caught.value is error


def test_a_fault_of_a_lookup_is_an_error_at_its_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("a\n{{ kv('k') }}").render(Scope({}, Lookups(Fault("no such key"))))
    assert (caught.value.reason, caught.value.line, caught.value.column) == ("no such key", 2, 4)


def test_without_lookups_impure_functions_are_refused() -> None:
    with pytest.raises(ExpressionError, match=r"Function \[now\] is not available here"):
        render("{{ now() }}")


def test_a_missing_name_is_told_with_expression_and_line() -> None:
    with pytest.raises(UndefinedVariable) as caught:
        render("a\nb {{ m.x }}")
    error = caught.value
    assert str(error) == "Unable to find `x` used in the expression `a\nb {{ m.x }}` at line 2"
    assert (error.name, error.line, error.column) == ("x", 2, 8)


def test_a_dashed_name_without_brackets_gets_a_hint() -> None:
    with pytest.raises(UndefinedVariable, match=r"did you mean `\['my-task'\]`\?"):
        render("{{ m.my-task.value }}")
    with pytest.raises(UndefinedVariable) as caught:
        render("{{ m.my - task.value }}")
    assert caught.value.hint == ""


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("{{ a b }}", 1, 6), ("x\n{{ 'a }}", 2, 4), ("\n\n{% nope %}", 3, 4), ("{{ a", 1, 5)],
)
def test_a_syntax_error_has_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_template(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_fault_of_an_operator_has_a_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("{{ name }}\n  {{ null + 1 }}")
    assert (caught.value.reason, caught.value.line) == ("Could not perform addition", 2)


def test_rendering_goes_one_round_unless_asked_for_more() -> None:
    assert render("{{ vars.third }}") == "{{ vars.second }}"
    assert render("{{ render(vars.third) }}") == "1"
    assert render("{{ renderOnce(vars.third) }}") == "{{ vars.first }}"
    assert render("{{ render(vars, recursive=false).third }}") == "{{ vars.first }}"
    assert render("{{ render([vars.third, 1]) }}") == '["1",1]'
    assert render("{{ render(n) + 1 }}") == "6"


def test_a_rendering_inside_sees_names_of_the_one_around() -> None:
    assert render("{% set x = 'in' %}{{ render('{{ x }}') }}") == "in"
    assert render("{% for i in [1, 2] %}{{ render('{{ i }}{{ n }}') }}{% endfor %}") == "1525"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("a {%- raw -%} {{ x }} {%- endraw -%} b", "a  {{ x }}  b"),
        ("{% raw %}a{% endraw %}{{ n }}{% raw %}{{b}}{% endraw %}", "a5{{b}}"),
        ("{{ render('{% raw %}{{ x }}{% endraw %}{{ n }}') }}", "{{ x }}5"),
        ("{{ '{% raw %}{{ x }}{% endraw %}' }}", "{{ x }}"),
        ("{% verbatim %}{{ name }}\n{% endverbatim %}", "{{ name }}\n"),
    ],
)
def test_raw_text_is_protected_in_every_round(text: str, result: str) -> None:
    assert render(text) == result


def test_raw_does_not_reach_over_lines() -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_template("{% raw %}\n{{ name }}{% endraw %}")


def test_nothing_of_python_can_be_reached() -> None:
    for text in (
        "{{ name.__class__ }}",
        "{{ name['__class__'] }}",
        "{{ m.__class__ }}",
        "{{ list.append }}",
        "{{ m.items() }}",
        "{{ name.format('a') }}",
        "{{ n.real }}",
        "{{ render.__globals__ }}",
        "{{ (1).__add__(2) }}",
    ):
        with pytest.raises(ExpressionError):
            render(text)


def test_variables_stay_as_they_were() -> None:
    variables = {"list": [3, 1, 2], "m": {"a": [1]}}
    text = "{% set list = list + [9] %}{{ list | sort }}{% set m = m | merge({'b': 1}) %}"
    assert render(text, variables) == "[1,2,3,9]"
    assert variables == {"list": [3, 1, 2], "m": {"a": [1]}}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{% set x = 1 %}{% for i in list %}{% set x = x + i %}{% endfor %}{{ x }}", "7"),
        ("{% set n = 1 %}{% if true %}{% set n = 2 %}{% endif %}{{ n }}", "2"),
        ("{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(b=3, a=0) }}", "1203"),
        ("{% macro f() %}{{ list }}{% endmacro %}{{ f() ?? 'not seen' }}", "not seen"),
        ("{{ f(1) }}{% macro f(a) %}<{{ a }}>{% endmacro %}", "<1>"),
        ("{% for e in m.b %}{{ e.key }}={{ e.value }}{% endfor %}", "c=deep"),
        (
            "{% for x in null %}a{% else %}b{% endfor %}|{% for x in [] %}a{% else %}b{% endfor %}",
            "|b",
        ),
        ("{% if n > 5 %}a{% elseif n == 5 %}b{% else %}c{% endif %}", "b"),
        ("{% filter upper %}{{ m.b }}{% endfilter %}", "{C=DEEP}"),
        (
            "{{ n in list }}{{ 'a' isIn m }}{{ 'or' in name }}{{ 3 not in list }}",
            "falsetruetruefalse",
        ),
        ("{{ '2' * 5 }} {{ '7' - 2 }} {{ '9' / '2' }} {{ '5.5' % 2 }}", "10 5 4 1.5"),
        ("{{ 7 / 0.0 }} {{ -7 / 0.0 }} {{ 0.0 / 0 }}", "Infinity -Infinity NaN"),
        (
            "{{ 5 == 5.0 }}{{ [1] == [1.0] }}{{ {'a': 1} == {'a': 1.0} }}{{ 5 == '5' }}",
            "truetruetruefalse",
        ),
        ("{{ '2024-01-01' < '2024-02-01T00:00:00Z' }}", "true"),
        ("{{ 10000000.0 }} {{ 0.0001 }} {{ 123456.75 }}", "1.0E7 1.0E-4 123456.75"),
    ],
)
def test_the_language(text: str, result: str) -> None:
    assert render(text) == result


def test_values_that_expressions_do_not_know_are_not_shown() -> None:
    with pytest.raises(ExpressionError, match="cannot be shown"):
        render("{{ x }}", {"x": object()})
    assert to_text({"a": None, "b": [None, True, 1.0]}) == '{"b":[null,true,1.0]}'
