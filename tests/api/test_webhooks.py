"""Executions begun by webhooks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from domain.execution.commands import CreateExecution
from tests.support.api_world import PASSWORD, USER, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main/executions/webhook/gold.team/hooked"
FLOW = """\
id: hooked
namespace: gold.team
labels:
  team: gold
inputs:
  - id: amount
    type: INT
    defaults: 1
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hi
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: s3cret
    inputs:
      amount: "{{ trigger.body.amount ?? 1 }}"
  - id: off
    type: io.kestra.plugin.core.trigger.Webhook
    key: closed
    disabled: true
  - id: picky
    type: io.kestra.plugin.core.trigger.Webhook
    key: picky
    conditions:
      - type: io.kestra.plugin.core.condition.Expression
        expression: "{{ trigger.body.go == true }}"
"""


@pytest.fixture(autouse=True)
async def flow(client: ApiClient) -> None:
    answer = await client.post(
        "/api/v1/main/flows", content=FLOW, headers={"content-type": "application/x-yaml"}
    )
    assert answer.status_code == 200, answer.text
    client.auth = httpx.Auth()  # sends nothing


async def store(client: ApiClient, flow: str) -> None:
    answer = await client.put(
        "/api/v1/main/flows/gold.team/hooked",
        content=flow,
        headers={"content-type": "application/x-yaml"},
        auth=(USER, PASSWORD),
    )
    assert answer.status_code == 200, answer.text


def begun(world: World) -> CreateExecution:
    [command] = world.commands
    assert isinstance(command, CreateExecution)
    return command


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_the_key_is_the_credential(client: ApiClient, world: World, method: str) -> None:
    answer = await client.request(method, f"{ROOT}/s3cret?a=1&a=2")
    assert answer.status_code == 200
    body = answer.json()
    assert body["id"] == begun(world).execution_id
    assert body["trigger"]["variables"]["parameters"] == {"a": ["1", "2"]}


async def test_a_body_is_seen_by_inputs_and_labels_say_where_it_came_from(
    client: ApiClient, world: World
) -> None:
    await client.post(f"{ROOT}/s3cret", json={"amount": 7})
    command = begun(world)
    assert command.inputs == {"amount": 7}
    assert command.trigger is not None
    assert command.trigger.variables["body"] == {"amount": 7}
    labels = {label.key: label.value for label in command.labels}
    assert labels == {
        "system.from": "trigger",
        "team": "gold",
        "system.correlationId": command.execution_id,
    }


async def test_credentials_of_the_caller_are_not_kept(client: ApiClient, world: World) -> None:
    headers = {"authorization": "Bearer abc", "cookie": "a=b", "x-own": "kept"}
    await client.post(f"{ROOT}/s3cret", headers=headers)
    trigger = begun(world).trigger
    assert trigger is not None
    kept: Any = trigger.variables["headers"]
    assert (kept["Authorization"], kept["Cookie"]) == (["******"], ["******"])
    assert kept["X-Own"] == ["kept"]


@pytest.mark.parametrize("path", [f"{ROOT}/wrong", f"{ROOT}/closed", f"{ROOT[:-1]}/s3cret"])
async def test_a_wrong_key_begins_nothing(client: ApiClient, world: World, path: str) -> None:
    assert (await client.post(path)).status_code == 404
    assert world.commands == []


async def test_conditions_that_do_not_hold_are_a_409_without_body(
    client: ApiClient, world: World
) -> None:
    answer = await client.post(f"{ROOT}/picky", json={"go": False})
    assert (answer.status_code, answer.content) == (409, b"")
    assert world.commands == []
    assert (await client.post(f"{ROOT}/picky", json={"go": True})).status_code == 200


async def test_inputs_that_cannot_be_made_are_a_422_and_an_execution_that_tells(
    client: ApiClient, world: World
) -> None:
    answer = await client.post(f"{ROOT}/s3cret", json={"amount": "many"})
    assert answer.status_code == 422
    assert begun(world).error is not None


@pytest.mark.parametrize(
    ("behavior", "status", "error"),
    [
        ("BLOCK_EXECUTION", 422, None),
        ("FAIL_EXECUTION", 200, "Failed checks: too few"),
        ("CREATE_EXECUTION", 200, None),
    ],
)
async def test_checks_of_the_flow_guard_webhooks_as_they_guard_the_api(
    client: ApiClient, world: World, behavior: str, status: int, error: str | None
) -> None:
    check = f'{{condition: "{{{{ inputs.amount > 5 }}}}", message: too few, behavior: {behavior}}}'
    await store(client, FLOW + f"checks: [{check}]\n")
    answer = await client.post(f"{ROOT}/s3cret", json={"amount": 3})
    assert answer.status_code == status
    if status == 422:
        assert "Failed checks: too few" in answer.json()["message"]
        assert world.commands == []
    else:
        assert begun(world).error == error


@pytest.mark.parametrize(
    ("body", "seen"),
    [(b"plain", "plain"), (b"{broken", "{broken"), (b"\xff\xfe", "//4="), (b"[1]", [1])],
)
async def test_any_body_is_taken(client: ApiClient, world: World, body: bytes, seen: Any) -> None:
    await client.post(f"{ROOT}/picky", content=body, headers={"content-type": "text/plain"})
    await client.post(f"{ROOT}/s3cret", content=body, headers={"content-type": "text/plain"})
    if world.commands:
        trigger = begun(world).trigger
        assert trigger is not None
        assert trigger.variables["body"] == seen
