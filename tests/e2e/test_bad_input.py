"""Bad input through a real server: a clear refusal in the API's shape, and nothing is stored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.rest import YAML, Rest
from tests.support.running import Running

pytestmark = pytest.mark.process

NAMESPACE = "bad.input"
GOOD = f"""\
id: good
namespace: {NAMESPACE}
inputs:
  - id: count
    type: INT
  - id: name
    type: STRING
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hi
"""


def flow(body: str) -> str:
    return f"id: bad\nnamespace: {NAMESPACE}\n{body}"


REFUSED_FLOWS = {
    "invalid YAML": (flow("tasks: [{id: a"), "line"),
    "unknown task type": (flow("tasks:\n  - id: a\n    type: io.example.Nothing\n"), "io.example"),
    "unknown property": (
        flow(
            "tasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n"
            "    message: hi\n    mesage: ho\n"
        ),
        "mesage",
    ),
    "duplicate ids": (
        flow(
            "tasks:\n"
            + "  - id: twice\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n" * 2
        ),
        "twice",
    ),
    "no tasks": (flow("description: nothing to do\n"), "tasks"),
    "a list instead of a flow": ("- a\n- b\n", ""),
    "an empty body": ("", ""),
    "an illegal id": ("id: 'no good'\nnamespace: bad.input\ntasks: []\n", "id"),
    "a flow of another shape": ("just words", ""),
    "binary": ("\x00\x01\x02", ""),
}


def refusal(answer: httpx.Response, status: int) -> str:
    """Check the contract's error shape; return the message."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"message", "logref", "path", "_links", "_embedded"}
    assert body["message"]
    return str(body["message"])


@pytest.mark.parametrize("name", REFUSED_FLOWS)
def test_a_bad_flow_is_refused_and_not_stored(rest: Rest, name: str) -> None:
    source, mentioned = REFUSED_FLOWS[name]
    answer = rest.client.post("/flows", content=source, headers=YAML)
    message = refusal(answer, 422 if answer.status_code == 422 else 400)
    assert mentioned in message
    assert rest.client.get(f"/flows/{NAMESPACE}/bad").status_code == 404
    assert rest.call("GET", "/flows/search", params={"q": "bad.input.bad"})["total"] == 0


def test_validation_tells_where_the_mistake_is(rest: Rest) -> None:
    source, _ = REFUSED_FLOWS["unknown property"]
    [found] = rest.call("POST", "/flows/validate", content=source, headers=YAML)
    assert "mesage" in found["constraints"]


@pytest.mark.parametrize(
    ("inputs", "mentioned"),
    [
        ({"count": "many", "name": "x"}, "count"),
        ({"name": "x"}, "count"),
        ({}, "count"),
        ({"count": "1.5", "name": "x"}, "count"),
    ],
    ids=["a wrong type", "a missing one", "none at all", "a fraction for an integer"],
)
def test_bad_inputs_are_refused_and_nothing_runs(
    server: Running, inputs: dict[str, str], mentioned: str
) -> None:
    rest = server.rest
    rest.client.put(f"/flows/{NAMESPACE}/good", content=GOOD, headers=YAML)
    rest.client.post("/flows", content=GOOD, headers=YAML)
    files = {name: (None, value) for name, value in inputs.items()}
    answer = rest.client.post(f"/executions/{NAMESPACE}/good", files=files or None)
    assert mentioned in refusal(answer, 422)
    assert rest.executions(namespace=NAMESPACE, flowId="good") == []


def test_an_unknown_flow_execution_and_tenant_are_not_found(server: Running) -> None:
    rest = server.rest
    assert refusal(rest.client.post(f"/executions/{NAMESPACE}/nobody"), 404)
    assert refusal(rest.client.get("/executions/nobody"), 404)
    outside = f"{server.url}/api/v1/elsewhere/flows/{NAMESPACE}/good"
    assert "main" in refusal(rest.client.get(outside), 400)


def test_a_wrong_content_type_is_refused_and_nothing_stored(rest: Rest) -> None:
    answer = rest.client.post("/flows", content=GOOD, headers={"content-type": "image/png"})
    assert "flow" in refusal(answer, 422)
    answer = rest.client.post(
        f"/executions/{NAMESPACE}/good",
        content=b"{}",
        headers={"content-type": "application/json"},
    )
    assert "application/json" in refusal(answer, 415)
    assert rest.executions(namespace=NAMESPACE) == []


def test_an_oversized_flow_is_refused(rest: Rest) -> None:
    source = flow("description: " + "x" * (17 << 20) + "\ntasks: []\n")
    answer = rest.client.post("/flows", content=source, headers=YAML)
    assert refusal(answer, 413)
    assert rest.client.get(f"/flows/{NAMESPACE}/bad").status_code == 404


def test_wrong_credentials_learn_nothing(server: Running) -> None:
    for auth in (("root@root.com", "wrong"), ("nobody", "Root!1234")):
        answer = httpx.get(f"{server.url}/api/v1/main/flows/search", auth=auth, trust_env=False)
        assert answer.status_code == 401
        assert answer.content == b""
