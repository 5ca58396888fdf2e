"""Concurrency limits over the API."""

from __future__ import annotations

import pytest

from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.slots import TakeSlot, slot_record_key
from domain.record.topics import FLOW_SLOTS
from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}
LIMITED = HELLO.replace("tasks:", "concurrency: {limit: 2}\ntasks:")
FLOW = "main/gold.team/hello"
VIEW = {"tenantId": "main", "namespace": "gold.team", "flowId": "hello"}


def take(world: World, *executions: str) -> None:
    wishes = [TakeSlot(execution_id=who, flow_key=FLOW, limit=2) for who in executions]
    world.log.append(
        [
            Outgoing(FLOW_SLOTS, slot_record_key(FLOW, wish.execution_id), encode(wish))
            for wish in wishes
        ]
    )


async def test_flows_with_a_limit_are_listed_with_how_many_run(
    client: ApiClient, world: World
) -> None:
    """Source: golden recording 598."""
    assert (await client.get(f"{ROOT}/concurrency-limit/search")).json() == {
        "results": [],
        "total": 0,
    }
    await client.post(f"{ROOT}/flows", content=LIMITED, headers=YAML)
    take(world, "a", "b", "c")
    found = (await client.get(f"{ROOT}/concurrency-limit/search")).json()
    assert found == {"results": [VIEW | {"running": 2}], "total": 1}


async def test_running_count_is_set_through_the_log_with_the_name_of_who_did(
    client: ApiClient, world: World
) -> None:
    """Source: golden recording 615."""
    await client.post(f"{ROOT}/flows", content=LIMITED, headers=YAML)
    take(world, "a", "b")
    body = VIEW | {"running": 1}
    answer = await client.put(f"{ROOT}/concurrency-limit/gold.team/hello", json=body)
    assert answer.json() == body
    found = (await client.get(f"{ROOT}/concurrency-limit/search")).json()
    assert found["results"] == [body]
    last = world.log.all(FLOW_SLOTS)[-1]
    assert (last.key, last.value) == (f"{FLOW}/a", None)
    assert last.headers["issuer"] == "root@root.com"


@pytest.mark.parametrize(("flow", "running", "status"), [("other", 1, 404), ("hello", -1, 422)])
async def test_running_count_of_no_limited_flow_or_below_zero_is_refused(
    client: ApiClient, flow: str, running: int, status: int
) -> None:
    await client.post(f"{ROOT}/flows", content=LIMITED, headers=YAML)
    body = {"running": running}
    answer = await client.put(f"{ROOT}/concurrency-limit/gold.team/{flow}", json=body)
    assert answer.status_code == status
