"""kestrapy 1.3.1, the public client of the API, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kestrapy import KestraClient

from tests.support.rest import ENDED, until
from tests.support.running import PASSWORD, USERNAME, Running

pytestmark = pytest.mark.process

FLOW = """\
id: greets
namespace: kestrapy.tests
inputs:
  - id: name
    type: STRING
  - id: times
    type: INT
    defaults: 2
tasks:
  - id: greet
    type: io.kestra.plugin.core.debug.Return
    format: "Hello {{ inputs.name }}, {{ inputs.times }} times"
outputs:
  - id: greeting
    type: STRING
    value: "{{ outputs.greet.value }}"
"""


@pytest.fixture
def kestra(server: Running) -> Iterator[KestraClient]:
    client = KestraClient(  # type: ignore[no-untyped-call]
        host=server.url, username=USERNAME, password=PASSWORD, timeout=30
    )
    yield client
    client._session.close()


def test_it_creates_a_flow_runs_it_with_inputs_and_reads_the_result(kestra: KestraClient) -> None:
    flow = kestra.flows.create_flow("main", FLOW)
    assert (flow.namespace, flow.id, flow.revision) == ("kestrapy.tests", "greets", 1)
    assert kestra.flows.flow("kestrapy.tests", "greets", "main").id == "greets"

    begun = kestra.executions.create_execution(
        "main",
        "kestrapy.tests",
        "greets",
        labels=["origin:kestrapy"],
        inputs={"name": "Ada", "times": 3},
    )

    def ask() -> Any:
        found = kestra.executions.execution(begun.id, "main")
        return found if found.state.current.value in ENDED else None

    ended = until(ask, "the end of the execution")
    assert ended.state.current.value == "SUCCESS"
    assert ended.inputs == {"name": "Ada", "times": 3}
    assert ended.outputs == {"greeting": "Hello Ada, 3 times"}
    assert ended.task_run_list[0].outputs == {"value": "Hello Ada, 3 times"}
    assert {"origin"} <= {label.key for label in ended.labels}


def test_it_waits_for_the_result_when_asked_to(kestra: KestraClient) -> None:
    kestra.flows.create_flow("main", FLOW.replace("id: greets", "id: waits"))
    ended = kestra.executions.create_execution(
        "main", "kestrapy.tests", "waits", wait=True, inputs={"name": "Grace"}
    )
    assert ended.state.current.value == "SUCCESS"
    assert ended.outputs == {"greeting": "Hello Grace, 2 times"}
