"""Values that no record of the log could hold pass through a running Tidewheel."""

from __future__ import annotations

import pytest

from tests.support.running import Running

pytestmark = pytest.mark.process

CHILD = """\
id: child
namespace: large
inputs: [{id: text, type: STRING}]
tasks:
  - id: twice
    type: io.kestra.plugin.core.debug.Return
    format: "{{ inputs.text }}{{ inputs.text }}"
outputs:
  - {id: twice, type: STRING, value: "{{ outputs.twice.value }}"}
"""
PARENT = """\
id: parent
namespace: large
inputs: [{id: text, type: STRING}]
tasks:
  - id: set
    type: io.kestra.plugin.core.execution.SetVariables
    variables: {kept: "{{ inputs.text }}"}
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: large
    flowId: child
    wait: true
    transmitFailed: true
    inputs: {text: "{{ vars.kept }}"}
  - id: length
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.call.outputs.twice | length }}"
outputs:
  - {id: all, type: STRING, value: "{{ outputs.call.outputs.twice }}"}
"""


def test_inputs_variables_subflows_and_outputs_may_be_larger_than_a_record(server: Running) -> None:
    rest = server.rest
    rest.create_flow(CHILD)
    rest.create_flow(PARENT)
    text = "x" * 1_500_000
    before = server.supervisor.pids

    ended = rest.run("large", "parent", {"text": text}, wait=True)

    assert ended["state"]["current"] == "SUCCESS", [run["state"] for run in ended["taskRunList"]]
    assert ended["outputs"]["all"] == text * 2
    assert ended["inputs"]["text"] == text
    runs = {run["taskId"]: run for run in ended["taskRunList"]}
    assert runs["length"]["outputs"] == {"value": str(len(text) * 2)}
    child = rest.execution(runs["call"]["outputs"]["executionId"])
    assert child["taskRunList"][0]["outputs"] == {"value": text * 2}
    assert server.supervisor.pids == before
