"""Inputs whose defaults and choices come from an execution of another flow."""

from __future__ import annotations

import httpx
import pytest

from tests.support.running import Running

pytestmark = pytest.mark.process

SOURCE = """\
id: regions
namespace: input.subflow
inputs: [{id: cloud, type: STRING, defaults: one}]
tasks: [{id: find, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.cloud }}"}]
outputs: [{id: names, type: JSON, value: "[\\"{{ outputs.find.value }}-east\\", \\"west\\"]"}]
"""
ASKING = """\
id: asking
namespace: input.subflow
inputs:
  - id: cloud
    type: STRING
    defaults: two
  - id: region
    type: SELECT
    expression: "{{ subflow('input.subflow', 'regions', {'cloud': inputs.cloud}).outputs.names }}"
    dependsOn: {inputs: [cloud]}
tasks: [{id: show, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.region }}"}]
"""
ENDLESS = """\
id: endless
namespace: input.subflow
inputs: [{id: a, type: STRING, defaults: "{{ subflow('input.subflow', 'endless').id }}"}]
tasks: [{id: show, type: io.kestra.plugin.core.debug.Return, format: x}]
"""


def test_choices_come_from_a_subflow_and_a_flow_that_calls_itself_is_refused(
    server: Running,
) -> None:
    for source in (SOURCE, ASKING, ENDLESS):
        server.rest.create_flow(source)

    def post(path: str, **inputs: str) -> httpx.Response:
        parts = {name: (None, value.encode()) for name, value in inputs.items()}
        return server.rest.client.post(
            f"/executions/input.subflow/{path}", files=parts or {"none": (None, b"")}
        )

    shown = post("asking/validate").json()["inputs"][1]
    assert shown["input"]["values"] == ["two-east", "west"]
    ended = post("asking?wait=true", region="two-east").json()
    assert ended["taskRunList"][0]["outputs"]["value"] == "two-east"
    refused = post("asking", region="north")
    assert refused.status_code == 422
    assert "it must match the values `[two-east, west]`" in refused.json()["message"]
    assert "maximum depth" in post("endless").json()["message"]
