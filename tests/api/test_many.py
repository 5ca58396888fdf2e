"""Requests that act on many things: what is deleted, and how many at once."""

from __future__ import annotations

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}


async def test_bulk_deletes_over_all_namespaces_only_when_told_to(
    client: ApiClient, world: World
) -> None:
    other = HELLO.replace("gold.team", "gold.other")
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    await client.post(f"{ROOT}/flows/bulk", content=other, headers=YAML)
    assert {flow.namespace for flow in world.flow_store.latest()} == {"gold.team", "gold.other"}
    await client.post(f"{ROOT}/flows/bulk?delete=true", content=other, headers=YAML)
    assert {flow.namespace for flow in world.flow_store.latest()} == {"gold.other"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "kill/by-ids"), ("DELETE", "by-ids"), ("POST", "restart/by-ids")],
)
async def test_more_executions_than_one_request_may_act_on_are_refused(
    client: ApiClient, method: str, path: str
) -> None:
    ids = [str(number) for number in range(100_001)]
    answer = await client.request(method, f"{ROOT}/executions/{path}", json=ids)
    assert answer.status_code == 422
    assert "100001 executions are more than the 100000" in answer.json()["message"]


async def test_actions_by_query_see_what_the_index_has_not_seen_yet(
    client: ApiClient, world: World
) -> None:
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    execution_id = (await client.post(f"{ROOT}/executions/gold.team/hello")).json()["id"]
    for flow, count in (("other", 0), ("hello", 1)):
        query = f"filters[flowId][EQUALS]={flow}"
        answer = await client.request("DELETE", f"{ROOT}/executions/kill/by-query?{query}")
        assert answer.json() == {"count": count}
    assert world.window.get(execution_id).state.current.value == "KILLED"  # type: ignore[union-attr]
