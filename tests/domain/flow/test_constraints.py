"""Every rule of the language broken once: the message is the one clients know, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.reader import parse_flow

_CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("constraints.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: str(case["name"]))
def test_a_broken_rule_is_told_with_its_place_and_remedy(case: dict[str, str]) -> None:
    reading = parse_flow(case["flow"], catalogue=CORE_CATALOGUE)
    assert reading.flow is None
    told = (reading.constraints or "") + "".join(one.detail for one in reading.violations)
    assert case["says"] in told
    for violation in reading.violations:
        assert violation.remedy
        assert violation.path.startswith("$")
        assert (violation.line, violation.column) > (0, 0)


def test_all_broken_rules_are_told_at_once() -> None:
    source = (
        "id: pause\nnamespace: A\nlabels: {system.x: y}\nconcurrency: {limit: 0}\n"
        "inputs:\n  - {id: a, type: INT, min: 2, max: 1}\n  - {id: a, type: NOPE}\n"
        "tasks:\n  - {id: t, type: io.kestra.plugin.core.log.Log, mesage: x}\n"
        "  - {id: t, type: io.kestra.plugin.core.log.Lag}\n"
    )
    reading = parse_flow(source, catalogue=CORE_CATALOGUE)
    assert {(violation.path, violation.line) for violation in reading.violations} == {
        ("$.id", 1),
        ("$.namespace", 2),
        ("$.labels", 3),
        ("$.concurrency.limit", 4),
        ("$.inputs[0]", 6),
        ("$.inputs[1]", 7),
        ("$.tasks[0].mesage", 9),
        ("$.tasks[0].message", 9),
        ("$.tasks[1]", 10),
        ("$", 10),
    }
