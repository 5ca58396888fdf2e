"""Regular expressions of filters: what they find, what they refuse, what they cost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidQuery
from projections.regex.automaton import matcher
from projections.regex.lucene import to_lucene
from projections.regex.syntax import MAX_LENGTH, parse

_ATOMS = st.sampled_from(
    ["a", "b", ".", r"\.", "[ab]", "[^a]", "[a-c.]", r"\d", r"\w", r"\W", r"[\d_-]", "-", "_"]
)
_MARKS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])
_PATTERNS = st.recursive(
    st.tuples(_ATOMS, _MARKS).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, _MARKS).map(lambda two: f"(?:{two[0]}){two[1]}"),
    ),
    max_leaves=6,
)
_ANCHORED = st.tuples(st.sampled_from(["", "^"]), _PATTERNS, st.sampled_from(["", "$"])).map(
    "".join
)


@given(_ANCHORED, st.text("abc.-_1", max_size=8))
def test_a_pattern_finds_what_python_finds(pattern: str, text: str) -> None:
    expected = re.search(pattern, text, re.ASCII | re.DOTALL) is not None
    assert matcher(pattern)(text) == expected


@given(_ANCHORED, st.text("abc.-_1", max_size=8))
def test_the_lucene_form_spans_what_the_pattern_finds(pattern: str, text: str) -> None:
    spans = re.fullmatch(to_lucene(pattern), text, re.ASCII | re.DOTALL) is not None
    assert spans == matcher(pattern)(text)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("", "", True),
        ("", "a", True),
        ("^$", "", True),
        ("^$", "a", False),
        ("^a|b$", "ax", True),
        ("^a|b$", "xb", True),
        ("^a|b$", "xax", False),
        (r"gold\.(ops|none)", "gold.ops", True),
        (r"gold\.(ops|none)", "goldxops", False),
        ("^ho.*d$", "hooked", True),
        ("^ho.*d$", "hook-cond2", False),
        ("(?i)HeLLo", "say hello", True),
        ("(?i)[a-c]Ä", "Bä", True),
        ("(?i)[^A-C]", "b", False),
        ("[]a]", "]", True),
        ("a++b", "aab", True),
        ("ö+", "möö", True),
    ],
)
def test_examples(pattern: str, text: str, found: bool) -> None:
    assert matcher(pattern)(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "[", "[a", "*a", "a{", "a{2", "a{3,2}", "a{1000}", "(?=a)", "(?P<n>a)",
        "(a)\\1", "\\", "\\q", "[z-a]", "[[a]]", "^*", "a" * (MAX_LENGTH + 1), "(" * 60 + ")" * 60,
        "((a{100}){100}){100}",
    ],
    ids=lambda pattern: pattern[:12],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(InvalidQuery, match="Invalid regular expression"):
        parse(pattern)


def test_lucene_cannot_say_an_anchor_in_the_middle() -> None:
    with pytest.raises(InvalidQuery, match="only at the ends"):
        to_lucene("(a|^b)c")


@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a|a)*b", "(.*)(.*)(.*)(.*)(.*)x", "(a?){100}a{100}"]
)
def test_no_pattern_is_slow(pattern: str) -> None:
    """A backtracking engine would not come back from these."""
    found = matcher(pattern)
    for _ in range(20):
        assert found("a" * 150) in {True, False}
