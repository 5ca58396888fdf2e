from __future__ import annotations

import pytest

from domain.expression import (
    ExpressionError,
    LimitExceeded,
    Limits,
    Scope,
    TemplateSyntaxError,
    compile_template,
)

LONG = "x" * 1_000
VARIABLES = {
    "long": LONG,
    "many": list(range(1_000)),
    "self": "{{ render(self) }}",
    "twice": "{{ render(once) }}{{ render(once) }}",
    "once": "{{ render(twice) }}",
    "grows": "{{ grows }}{{ grows }}",
    "evil": "a" * 60 + "!",
}


TIGHT = Limits(output_characters=1_000_000, items=100_000, steps=50_000, regex_seconds=0.1)
"""The bounds of these tests: what stops here stops with the defaults, later."""

EQUAL_TWINS = (
    "{% set a = [1] %}{% set b = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}"
    "{% set b = [b, b] %}{% endfor %}{{ a == b }}"
)
FORKING_MACRO = (
    "{% macro f(x) %}{% if x < 30 %}{{ f(x + 1) }}{{ f(x + 1) }}{% endif %}{% endmacro %}{{ f(0) }}"
)


def refused(template: str, limits: Limits | None = None) -> LimitExceeded:
    scope = Scope(VARIABLES, limits=limits or Limits())
    with pytest.raises(LimitExceeded) as caught:
        compile_template(template).render(scope)
    return caught.value


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = long %}{% for i in 1..100 %}{% set a = a ~ a %}{% endfor %}",
        "{% set a = long %}{% for i in 1..100 %}{% set a = a + a %}{% endfor %}",
        "{% set a = [1] %}{% for i in 1..100 %}{% set a = a + a %}{% endfor %}",
        "{% set a = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}{{ a }}",
        "{% set a = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}{{ a ~ '' }}",
        "{% set a = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}{{ a | toIon }}",
        "{% set a = [1] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}{{ a | yaml }}",
        EQUAL_TWINS,
        "{% set a = [[1]] %}{% for i in 1..60 %}{% set a = [a, a] | flatten %}{% endfor %}",
        "{% for i in 1..2000 %}{% for j in 1..2000 %}{% endfor %}{% endfor %}",
        "{% for i in 1..1000 %}{{ long | replace({'x': long}) | length }}{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        FORKING_MACRO,
        "{% block a %}{{ block('a') }}{% endblock %}",
        "{{ 1..9999999999 }}",
        "{{ range(0, 9999999) }}",
        "{{ 'x' | indent(999999999) ~ ('\n' | indent(999999999)) }}",
        "{{ '%999999s' | format(1) | replace({' ': long}) }}",
        "{{ many | join(long | replace({'x': long})) }}",
        "{{ render(self) }}",
        "{{ render(twice) }}",
        "{{ long.repeat(999999999) }}",
        "{{ evil | regexMatch('^(a|a)*$|^(a|aa)+$') }}",
        "{{ evil.matches('(a*)*b') }}{{ evil | regexReplace('(a|aa)+$', '') }}",
    ],
)
def test_what_would_never_end_or_fill_the_memory_is_refused(template: str) -> None:
    error = refused(template, TIGHT)
    assert error.expression
    assert error.line >= 1


def test_output_items_steps_and_depth_have_their_own_limits() -> None:
    assert "longer" in refused("{{ long }}{{ long }}", Limits(output_characters=1_500)).reason
    assert "longer" in refused("{{ long | upper }}", Limits(output_characters=900)).reason
    assert "larger" in refused("{{ 1..11 }}", Limits(items=10)).reason
    assert "steps" in refused("{% for i in many %}{% endfor %}", Limits(steps=999)).reason
    depth = Limits(depth=2)
    assert "nested" in refused("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", depth).reason


def test_a_deadline_ends_a_loop_and_is_asked_now_and_then() -> None:
    asked: list[None] = []

    def is_past() -> bool:
        asked.append(None)
        return len(asked) == 3

    limits = Limits(is_past_deadline=is_past)
    assert "too long" in refused("{% for i in many %}{{ i }}{% endfor %}", limits).reason
    assert len(asked) == 3


def test_the_default_limits_stop_a_loop_that_doubles_a_text() -> None:
    refused("{% set a = long %}{% for i in 1..100 %}{% set a = a ~ a %}{% endfor %}")


def test_a_limit_is_not_caught_by_null_coalescing() -> None:
    refused("{{ (1..9999999999) ?? 'x' }}")
    refused("{{ (1..9999999999) | default('x') }}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ " + "[" * 500 + "]" * 500 + " }}",
        "{{ " + "-" * 500 + "1 }}",
        "{{ " + "not " * 500 + "true }}",
        "{{ a" + ".b" * 5_000 + " }}",
        "{{ a" + "[0]" * 5_000 + " }}",
        "{{ 1" + " + 1" * 5_000 + " }}",
        "{{ 1" + " ?? 1" * 5_000 + " }}",
        "{{ a" + " | upper" * 5_000 + " }}",
        "{{ " + "a ? " * 500 + "1" + " : 2" * 500 + " }}",
        "{{ " + '"#{' * 50 + "1" + '}"' * 50 + " }}",
        "{% if true %}" * 500 + "{% endif %}" * 500,
        "{{ f(" * 1 + "f(" * 500 + ")" * 501 + " }}",
        "{{ a }}" * 300_000,
    ],
    ids=lambda text: text[:20],
)
def test_templates_nested_too_deeply_or_too_long_are_refused(template: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_template(template)


def test_a_text_that_grows_with_every_rendering_is_refused() -> None:
    with pytest.raises(ExpressionError):
        compile_template("{{ render(grows) }}").render(Scope(VARIABLES, limits=TIGHT))


def test_a_long_chain_of_tildes_is_fine() -> None:
    template = "{{ 'a'" + " ~ 'a'" * 5_000 + " }}"
    assert compile_template(template).render(Scope({})) == "a" * 5_001


def test_deep_data_is_refused_where_it_would_overflow() -> None:
    for call in ("fromJson(t)", "fromIon(t)", "yaml(t)"):
        with pytest.raises(ExpressionError):
            compile_template(f"{{{{ {call} }}}}").render(Scope({"t": "[" * 100_000}))


@pytest.mark.parametrize("tag", ["{% raw %}", "{% verbatim %}", "{#", "{{ '", "{%- ", "{{- a -}} "])
def test_unclosed_openings_are_read_in_linear_time(tag: str) -> None:
    """Twenty thousand of them are done within the test's own time limit."""
    for text in (tag * 20_000, tag * 20_000 + "endraw", tag * 20_000 + "\n{% endraw %}"):
        with pytest.raises(ExpressionError):
            compile_template(text + "{{").render(Scope({"a": 1}))
