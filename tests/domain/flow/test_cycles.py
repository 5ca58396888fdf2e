from __future__ import annotations

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.cycles import cyclic
from domain.flow.reader import parse_flow
from domain.flow.reading import MOST_VIOLATIONS


def test_what_lies_on_a_cycle_is_named_in_order() -> None:
    assert cyclic({"c": ["b"], "a": ["b"], "b": ["a"], "d": [], "e": ["a", "d"]}) == ["a", "b"]
    assert cyclic({"a": ["a"]}) == ["a"]
    assert cyclic({"a": ["nobody"], "b": ["a"]}) == []


def test_long_chains_cost_little() -> None:
    chain = {f"n{index}": [f"n{index + 1}"] for index in range(50_000)}
    assert cyclic(chain) == []


def test_violations_are_capped() -> None:
    tasks = "".join("  - {id: t, type: a.B, x: 1}\n" for _ in range(2_000))
    reading = parse_flow(f"id: f\nnamespace: n\ntasks:\n{tasks}", catalogue=CORE_CATALOGUE)
    assert len(reading.violations) == MOST_VIOLATIONS
