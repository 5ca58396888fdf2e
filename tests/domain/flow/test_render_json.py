from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.model import Flow
from domain.flow.reader import parse_flow, read_flow
from domain.flow.render_json import flow_json, task_json, to_json
from tests.domain.flow.conformance import SHARED, flow_files

API = SHARED / "golden" / "api"


def _recorded() -> list[Any]:
    found = []
    for path in sorted(API.glob("*-flows-*.json")):
        recorded = json.loads(path.read_text())
        body = recorded["response"].get("body")
        if isinstance(body, dict) and "source" in body and "namespace" in body:
            found.append(recorded)
    return found


@pytest.mark.parametrize("recorded", _recorded(), ids=lambda item: item["name"])
def test_flows_are_shown_as_recorded(recorded: dict[str, Any]) -> None:
    body = recorded["response"]["body"]
    flow = read_flow(body["source"], catalogue=CORE_CATALOGUE, revision=body["revision"])
    expected = {
        key: value for key, value in body.items() if key not in ("source", "updated", "deleted")
    }
    found = flow_json(flow)
    found.pop("deleted")
    if expected.get("triggers") == []:
        found.setdefault("triggers", [])
    assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_what_is_shown_reads_back_as_the_same_flow() -> None:
    for folder in ("flows/valids", "flows-13/valids"):
        for path in flow_files(folder):
            flow = parse_flow(path.read_text(), catalogue=CORE_CATALOGUE).flow
            if flow is None:
                continue
            shown = json.dumps(flow_json(flow), ensure_ascii=False)
            again = parse_flow(shown, catalogue=CORE_CATALOGUE)
            assert again.constraints is None, path.name
            assert again.flow is not None
            assert to_json(flow) == to_json(again.flow), path.name
            assert _same_content(flow, again.flow), path.name


def test_older_names_are_shown_as_written_and_durations_in_iso_form() -> None:
    source = (
        "id: f\nnamespace: n\ntasks:\n  - id: t\n    type: io.kestra.core.tasks.log.Log\n"
        "    message: x\n    retry: {type: constant, interval: 90, maxAttempt: 2}\n"
    )
    flow = read_flow(source, catalogue=CORE_CATALOGUE)
    assert task_json(flow.tasks[0]) == {
        "id": "t",
        "type": "io.kestra.core.tasks.log.Log",
        "message": "x",
        "retry": {"type": "constant", "interval": "PT1M30S", "maxAttempts": 2},
    }
    assert to_json((1, {"a": None})) == [1, {"a": None}]


def test_comments_and_order_make_no_difference_to_the_content() -> None:
    one = "id: f\nnamespace: n\ntasks: [{id: t, type: io.kestra.plugin.core.debug.Return}]\n"
    other = "# hi\n" + one.replace("id: f\nnamespace: n", "namespace: n\nid: f")
    first = read_flow(one, catalogue=CORE_CATALOGUE, revision=1)
    second = read_flow(other, catalogue=CORE_CATALOGUE, revision=2)
    assert _same_content(first, second)
    third = read_flow(one + "description: x\n", catalogue=CORE_CATALOGUE, revision=1)
    assert not _same_content(first, third)


def _same_content(one: Flow, other: Flow) -> bool:
    """Tell whether two flows say the same, whatever their revisions and sources look like."""
    plain = [msgspec.structs.replace(flow, revision=None, deleted=False) for flow in (one, other)]
    return plain[0] == plain[1]
