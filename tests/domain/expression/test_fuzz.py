"""No text, however strange, does anything but render or raise an ExpressionError."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.expression import (
    ExpressionError,
    Limits,
    Scope,
    compile_template,
    member_tables,
    render_deep,
)
from domain.expression.checks import TESTS
from domain.expression.errors import Fault
from domain.expression.filters import FILTERS
from domain.expression.functions import FUNCTIONS
from domain.expression.impure import IMPURE_FUNCTIONS
from tests.support.expressions import golden_variables

VARIABLES = golden_variables()
LIMITS = Limits(output_characters=20_000, items=2_000, steps=20_000, regex_seconds=0.05)
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class _FixedLookups:
    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        if len(name) % 3 == 0:
            raise Fault(f"{name} fails")
        return {"value": [1, "x", None]}


def renders_or_is_refused(text: str, variables: Mapping[str, Any] = VARIABLES) -> None:
    scope = Scope(variables, _FixedLookups(), LIMITS)
    with contextlib.suppress(ExpressionError):
        assert isinstance(compile_template(text).render(scope), str)
    with contextlib.suppress(ExpressionError):
        compile_template(text).render_typed(scope)


_SIGNS = """
{{ }} {% %} {# #} - raw endraw verbatim endverbatim if else elseif endif for in endfor set macro
endmacro block endblock filter endfilter x m list name n loop block('b') ( ) [ ] { } , : ? = ' "
'a' "#{n}" #{ \\ | ~ .. ?? ??? + * / % == != < >= and or not is contains isIn null true 1 0 2.5
9223372036854775807 . é 😀 \x00 default('d') upper
"""
PIECES = [*_SIGNS.split(), " ", "\n", "is not"]

NAMES = st.sampled_from([*VARIABLES, "undefined", "loop", "a"])
LITERALS = st.one_of(
    st.integers(0, 2**63 - 1).map(str),
    st.sampled_from(
        ["0", "1", "2", "1.5", "0.0", "null", "true", "false", "[]", "{}", "''", "'a'"]
    ),
    st.text(alphabet="ab,.*+?()[]{}$^\\|:%dsyMHé😀 \n", max_size=8).map(
        lambda text: "'" + text.replace("\\", "").replace("'", "") + "'"
    ),
)
FILTER_NAMES = st.sampled_from([*FILTERS, "jq", "nope"])
FUNCTION_NAMES = st.sampled_from([*FUNCTIONS, *IMPURE_FUNCTIONS, "block", "nope"])
OPERATORS = st.sampled_from(
    [
        "+",
        "-",
        "*",
        "/",
        "%",
        "~",
        "..",
        "??",
        "???",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "and",
        "or",
        "contains",
        "in",
        "not in",
        "equals",
    ]
)
_TABLES = [
    table
    for name, table in vars(member_tables).items()
    if name.isupper() and isinstance(table, dict)
]
MEMBERS = st.sampled_from(
    [
        *sorted({key if isinstance(key, str) else key[0] for table in _TABLES for key in table}),
        *("a", "b", "toString", "getClass", "class", "__class__", "__init__", "getYear", "isZero"),
    ]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(inner, FILTER_NAMES, arguments).map(lambda p: f"({p[0]} | {p[1]}({p[2]}))"),
        st.tuples(FUNCTION_NAMES, arguments).map(lambda parts: "{}({})".format(*parts)),
        st.tuples(inner, MEMBERS, arguments).map(lambda p: f"({p[0]}).{p[1]}({p[2]})"),
        st.tuples(inner, MEMBERS).map(lambda parts: "({}).{}".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "({})[{}]".format(*parts)),
        st.tuples(inner, inner, inner).map(lambda parts: "({} ? {} : {})".format(*parts)),
        st.tuples(inner, st.sampled_from([*TESTS, "defined", "nope"])).map(
            lambda parts: "({} is {})".format(*parts)
        ),
        st.tuples(st.sampled_from(["not ", "-", "+"]), inner).map("".join),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(inner, inner).map(lambda parts: "{{{}: {}}}".format(*parts)),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, LITERALS), _grown, max_leaves=8)
TEMPLATES = st.one_of(
    EXPRESSIONS.map(lambda expression: f"{{{{ {expression} }}}}"),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(
        lambda p: f"{{% for a in {p[0]} %}}{{% set b = {p[1]} %}}{{{{ b }}}}{{% endfor %}}"
    ),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(
        lambda p: f"{{% macro f(a) %}}{{{{ {p[0]} }}}}{{% endmacro %}}{{{{ f({p[1]}) }}}}"
    ),
    EXPRESSIONS.map(lambda e: f"{{% if {e} %}}{{% filter upper %}}x{{% endfilter %}}{{% endif %}}"),
)


@FUZZ
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("{{{{{{{{{{")
@example("{% raw %}{% endraw" * 5)
def test_any_mix_of_signs_renders_or_is_refused(text: str) -> None:
    renders_or_is_refused(text)
    renders_or_is_refused("{{ " + text + " }}")


@FUZZ
@given(st.text(max_size=60))
def test_any_text_renders_or_is_refused(text: str) -> None:
    renders_or_is_refused(text)
    renders_or_is_refused("{{ '" + text + "' }}")
    renders_or_is_refused("{% " + text + " %}")


@FUZZ
@given(TEMPLATES)
def test_any_expression_is_evaluated_or_refused(text: str) -> None:
    renders_or_is_refused(text)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=10),
        st.binary(max_size=5),
        st.datetimes(timezones=st.sampled_from([None, UTC])),
        st.dates(),
        st.times(),
        st.timedeltas(),
        st.decimals(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@FUZZ
@given(VALUES, st.sampled_from([*FILTERS]), st.lists(LITERALS, max_size=2).map(", ".join))
def test_any_value_is_filtered_or_refused(value: Any, name: str, arguments: str) -> None:
    renders_or_is_refused(f"{{{{ v | {name}({arguments}) }}}}", {"v": value})


@FUZZ
@given(VALUES, MEMBERS, st.lists(LITERALS, max_size=2).map(", ".join))
def test_any_member_is_reached_or_refused(value: Any, name: str, arguments: str) -> None:
    renders_or_is_refused(f"{{{{ v.{name}({arguments}) }}}}{{{{ v.{name} }}}}", {"v": value})


@FUZZ
@given(
    st.text(alphabet="#0,.;'%‰¤-E x", max_size=12),
    st.one_of(st.integers(), st.floats(allow_nan=False), st.decimals(allow_nan=False)),
)
def test_any_pattern_writes_a_number_or_is_refused(pattern: str, number: Any) -> None:
    variables = {"p": pattern, "n": number}
    renders_or_is_refused("{{ n | numberFormat(p) }}", variables)


WRITTEN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(alphabet="ab:#-?,[]{}'\"|>&*!%@` \n~", max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(alphabet="ab:#- '~?", max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)


@FUZZ
@given(WRITTEN)
def test_what_is_written_as_yaml_reads_back_the_same(value: Any) -> None:
    scope = Scope({"v": {"top": value}})
    text = compile_template("{{ v | yaml }}").render(scope)
    assert yaml.safe_load(text) == {"top": value}


@FUZZ
@given(VALUES)
def test_any_value_is_rendered_deep_or_refused(value: Any) -> None:
    with contextlib.suppress(ExpressionError):
        render_deep(value, Scope(VARIABLES, _FixedLookups(), LIMITS))


@FUZZ
@given(
    st.sampled_from(["fromIon(t, true)", "fromJson(t)", "yaml(t)", "t | number", "t | date"]),
    st.text(alphabet="{}[]()<>:,'\"\\.-+_0123456789eEdDxTZ abnul/*$\n", max_size=40),
)
def test_any_text_is_read_or_refused(call: str, text: str) -> None:
    renders_or_is_refused(f"{{{{ {call} }}}}", {"t": text})
