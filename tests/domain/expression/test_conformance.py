"""The published conformance expressions, evaluated without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from domain.expression import ExpressionError, Scope, compile_template
from infra.expression import JqPool, Place, RuntimeLookups
from infra.expression.files import Origin
from tests.support.expressions import SHARED, StubWorld

DELIBERATE: Final[Mapping[str, str]] = {
    "equals-list-variable": "numbers in lists are equal by value, whatever Java class they had",
}
"""Expressions of which this engine gives another result on purpose; see docs/expressions.md."""

_CONTEXT: Final = frozenset({"inputs", "labels", "variables"})


def entries() -> Iterator[Mapping[str, Any]]:
    for name in ("expressions.yaml", "expressions-1.3.yaml"):
        text = (SHARED / "conformance" / name).read_text(encoding="utf-8")
        for entry in yaml.safe_load(text)["expressions"]:
            unavailable = entry.get("skip") or entry.get("external") is False
            before = entry.get("tasks_before") or entry.get("actions_before")
            # only a server whose rendering is recursive gives what these expect
            if unavailable or before or entry.get("needs"):
                continue
            if entry["kind"] == "context" and not _CONTEXT & set(entry):
                continue
            yield entry


ENTRIES: Final = list(entries())


@pytest.fixture(scope="module")
def jq() -> Iterator[JqPool]:
    pool = JqPool()
    yield pool
    pool.close()


def scope_of(entry: Mapping[str, Any], jq: JqPool) -> Scope:
    world = StubWorld(jq=jq)
    origin = Origin("io.kestra.tests.expressions", "expr", "e1")
    inputs: dict[str, Any] = {}
    for name, known in (entry.get("inputs") or {}).items():
        if "file" in known:
            uri = f"kestra:///io/kestra/tests/expressions/expr/executions/e1/inputs/{name}"
            world.blobs[uri] = known["file"]["content"].encode()
            inputs[name] = uri
        else:
            inputs[name] = typed(known["type"], known["value"])
    flow = {"id": "expr", "namespace": origin.namespace}
    variables = {
        "vars": entry.get("variables") or {},
        "inputs": inputs,
        "labels": entry.get("labels") or {},
        "flow": flow,
        "execution": {"id": "e1"},
        "task": {"id": "out"},
        "taskrun": {"id": "t1"},
        "tasks": {},
    }
    place = Place(namespace=origin.namespace, origins=(origin,))
    return Scope(variables, RuntimeLookups(world.ports(), place))


def typed(kind: str, value: str) -> Any:
    match kind:
        case "YAML":
            return yaml.safe_load(value)
        case "MULTISELECT" | "JSON":
            return json.loads(value)
        case "BOOLEAN":
            return value == "true"
        case _:
            return value


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry["id"] not in DELIBERATE], ids=lambda e: e["id"]
)
def test_a_conformance_expression_gives_what_the_server_gave(
    entry: Mapping[str, Any], jq: JqPool
) -> None:
    scope = scope_of(entry, jq)
    if "error" in entry:
        with pytest.raises(ExpressionError) as caught:
            compile_template(entry["template"]).render(scope)
        if isinstance(entry["error"], str):
            assert entry["error"] in str(caught.value)
        return
    assert_expected(entry, compile_template(entry["template"]).render(scope))


def assert_expected(entry: Mapping[str, Any], result: str) -> None:
    if "expected" in entry:
        assert result == str(entry["expected"])
    elif "expected_regex" in entry:
        assert re.search(entry["expected_regex"], result)
    elif "expected_contains" in entry:
        wanted = entry["expected_contains"]
        for part in [wanted] if isinstance(wanted, str) else wanted:
            assert part in result
    elif "expected_json" in entry:
        assert json.loads(result) == entry["expected_json"]
    else:
        match = entry["expected_match"]
        assert result.startswith(match.get("starts", ""))
        assert result.endswith(match.get("ends", ""))
        for part in match.get("contains", []):
            assert part in result


@pytest.mark.parametrize("name", DELIBERATE)
def test_a_deliberate_difference_is_still_one(name: str, jq: JqPool) -> None:
    (entry,) = [entry for entry in ENTRIES if entry["id"] == name]
    result = compile_template(entry["template"]).render(scope_of(entry, jq))
    assert result != entry["expected"]


def test_most_of_the_published_expressions_are_evaluated_here() -> None:
    assert len(ENTRIES) > 200
