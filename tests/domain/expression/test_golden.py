"""Every observation of the real engine, and the few where this one differs on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from domain.expression import ExpressionError, Scope, TemplateSyntaxError, UndefinedVariable
from domain.expression.template import Template
from domain.expression.text import java_text
from tests.support.expressions import golden_lines, golden_variables

DELIBERATE: Final[Mapping[str, tuple[str, str]]] = {
    "{{ list contains 3 }}": ("true", "numbers are equal by value, whatever Java class they had"),
    "{{ list contains [3,1] }}": ("true", "numbers are equal by value"),
    "{{ list - [1] }}": ("[3,2]", "numbers are equal by value"),
    "{{ epoch | date }}": ("2024-02-29T13:05:09.000000Z", "any whole number is epoch seconds"),
    "{{ {'k' : name, \"n\": n + 1} | toJson }}": (
        '{"k":"World","n":6}',
        "maps keep the order they were written in",
    ),
    "{{ n not in [5] }}": ("false", "`in` and `not in` are operators of 2.0"),
}
"""Template -> what ours gives, and why. Each stands in docs/expressions.md."""

SUPERSEDED: Final[Mapping[str, tuple[str, str]]] = {
    "{{ list | chunk(one) }}": ("[[3],[1],[2]]", "1.3 takes an Integer; 0.21 refused it"),
    "{{ date | dateAdd(one, 'DAYS') }}": (
        "2024-03-01T13:05:09.000000Z",
        "1.3 takes an Integer; 0.21 refused it",
    ),
    "{{ date | timestampMicro }}": ("1709211909000000", "1.3 gives microseconds; 0.21 nanoseconds"),
}
"""Lines observed on 0.21 where a live 1.3 is known to answer as we do: no difference of ours."""

OTHERWISE: Final = {**DELIBERATE, **SUPERSEDED}

LINES: Final = golden_lines("pebble.jsonl")
_SYNTAX: Final = "ParserException"
_UNDEFINED: Final = frozenset({"RootAttributeNotFoundException", "AttributeNotFoundException"})


def scope() -> Scope:
    return Scope(golden_variables())


def template(line: Mapping[str, Any]) -> Template:
    # the observations were made below the layer that protects `{% raw %}`
    return Template(line["template"], raw=False)


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line["template"] not in OTHERWISE],
    ids=lambda x: x["template"],
)
def test_a_template_renders_to_what_the_real_engine_was_seen_to_render(
    line: Mapping[str, Any],
) -> None:
    if "error" not in line:
        assert template(line).render(scope()) == line["string"]
        return
    with pytest.raises(ExpressionError) as caught:
        template(line).render(scope())
    if line["error"] == _SYNTAX:
        assert isinstance(caught.value, TemplateSyntaxError)
    if line["error"] in _UNDEFINED:
        assert isinstance(caught.value, UndefinedVariable)


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if "typed" in line and line["template"] not in OTHERWISE],
    ids=lambda x: x["template"],
)
def test_a_typed_rendering_has_the_value_that_was_seen(line: Mapping[str, Any]) -> None:
    value = template(line).render_typed(scope())
    if "toString" in line["typed"]:
        assert java_text(value) == line["typed"]["toString"]
    expected = _PYTHON_TYPES.get(line["typed"]["javaType"])
    assert expected is None or type(value).__name__ in expected


_PYTHON_TYPES: Final = {
    "String": {"str"},
    "SafeString": {"str"},
    "Character": {"str"},
    "Integer": {"int"},
    "Long": {"int"},
    "Double": {"float"},
    "Float": {"Float32"},
    "BigDecimal": {"Decimal"},
    "Boolean": {"bool"},
    "null": {"NoneType"},
    "ArrayList": {"list"},
    "HashMap": {"dict"},
    "LinkedHashMap": {"dict"},
    "Duration": {"timedelta"},
    "ZonedDateTime": {"datetime"},
}


@pytest.mark.parametrize("text", OTHERWISE)
def test_a_deliberate_difference_gives_the_documented_result(text: str) -> None:
    line = next(line for line in LINES if line["template"] == text)
    ours, _reason = OTHERWISE[text]
    assert Template(text).render(scope()) == ours
    assert line.get("string") != ours


def test_deliberate_differences_stay_fewer_than_ten() -> None:
    assert len(DELIBERATE) < 10
