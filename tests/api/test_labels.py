"""Labels of executions that have ended: what callers may set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
OFFENDED = "Illegal argument: System labels can only be set by Kestra itself, offending label: "


async def ended(client: ApiClient, world: World) -> str:
    yaml = {"content-type": "application/x-yaml"}
    await client.post(f"{ROOT}/flows", content=HELLO, headers=yaml)
    answer = await client.post(f"{ROOT}/executions/gold.team/hello")
    execution_id: str = answer.json()["id"]
    world.finish(execution_id)
    return execution_id


async def labels_of(client: ApiClient, execution_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{ROOT}/executions/{execution_id}")).json()[
        "labels"
    ]
    return found


async def test_a_system_label_is_neither_set_nor_changed_by_a_caller(
    client: ApiClient, world: World
) -> None:
    execution_id = await ended(client, world)
    before = await labels_of(client, execution_id)
    url = f"{ROOT}/executions/{execution_id}/labels"
    for key in ("system.z", "system.from"):
        answer = await client.post(
            url, json=[{"key": "x", "value": "y"}, {"key": key, "value": "1"}]
        )
        assert (answer.status_code, answer.json()["message"]) == (422, f"{OFFENDED}{key}=1.")
    assert await labels_of(client, execution_id) == before


async def test_all_labels_may_be_sent_back_with_those_of_the_system(
    client: ApiClient, world: World
) -> None:
    execution_id = await ended(client, world)
    body = [*await labels_of(client, execution_id), {"key": "x", "value": "y"}]
    answer = await client.post(f"{ROOT}/executions/{execution_id}/labels", json=body)
    assert answer.status_code == 200


async def test_one_execution_whose_system_label_would_change_and_none_is_changed(
    client: ApiClient, world: World
) -> None:
    one, other = await ended(client, world), await ended(client, world)
    before = await labels_of(client, one)
    own = next(label for label in before if label["key"] == "system.correlationId")
    answer = await client.post(
        f"{ROOT}/executions/labels/by-ids",
        json={"executionsId": [one, other], "executionLabels": [own, {"key": "x", "value": "y"}]},
    )
    assert answer.status_code == 422
    assert await labels_of(client, one) == before
