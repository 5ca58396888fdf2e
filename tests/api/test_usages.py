"""What the server says of its use. Source: golden recording 836."""

from __future__ import annotations

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}


async def test_usage_counts_types_of_flows_and_executions_by_hour(
    client: ApiClient, world: World
) -> None:
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    made = (await client.post(f"{ROOT}/executions/gold.team/hello")).json()
    world.finish(made["id"])
    await client.post(f"{ROOT}/executions/gold.team/hello")
    world.index()

    found = (await client.get(f"{ROOT}/usages/all")).json()

    assert found["flows"] == {
        "count": 1,
        "namespacesCount": 1,
        "taskTypeCount": {"io.kestra.plugin.core.log.Log": 1},
        "triggerTypeCount": {},
        "taskRunnerTypeCount": {},
    }
    hours = found["executions"]["dailyExecutionsCount"]
    assert len(hours) == 25
    assert hours[0]["duration"] == {"count": 0}
    last = hours[-1]
    assert last["startDate"] == "2026-11-23T12:00:00Z"
    assert last["executionCounts"]["SUCCESS"] == 1
    assert last["duration"]["count"] == 2
