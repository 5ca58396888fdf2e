"""Old revisions of flows: listed, read, withdrawn."""

from __future__ import annotations

import pytest

from tests.support.api_world import ApiClient, World

pytestmark = pytest.mark.anyio

FLOW = "/api/v1/main/flows/a.b/f"


async def store(client: ApiClient, texts: str) -> None:
    for number, text in enumerate(texts):
        source = (
            "id: f\nnamespace: a.b\ntasks:\n"
            f"  - {{id: t, type: io.kestra.plugin.core.debug.Return, format: {text}}}\n"
        )
        headers = {"content-type": "application/x-yaml"}
        if number:
            answer = await client.put(FLOW, content=source, headers=headers)
        else:
            answer = await client.post(FLOW.removesuffix("/a.b/f"), content=source, headers=headers)
        assert answer.status_code == 200


async def numbers(client: ApiClient) -> list[int]:
    answer = await client.get(f"{FLOW}/revisions")
    return [flow["revision"] for flow in answer.json()]


async def test_withdrawn_revisions_are_shown_no_more(client: ApiClient) -> None:
    await store(client, "abcd")
    answer = await client.delete(f"{FLOW}/revisions?revisions=1&revisions=3")
    assert answer.status_code == 204
    assert await numbers(client) == [2, 4]
    assert (await client.get(f"{FLOW}?revision=3")).status_code == 404
    started = await client.post("/api/v1/main/executions/a.b/f?revision=3")
    assert started.status_code == 404


async def test_the_latest_revision_cannot_be_withdrawn_nor_others_with_it(
    client: ApiClient,
) -> None:
    await store(client, "ab")
    assert (await client.delete(f"{FLOW}/revisions?revisions=1,2")).status_code == 422
    assert await numbers(client) == [1, 2]


async def test_withdrawing_says_which_revisions_and_of_what(client: ApiClient) -> None:
    await store(client, "ab")
    assert (await client.delete(f"{FLOW}/revisions")).status_code == 400
    assert (await client.delete(f"{FLOW}/revisions?revisions=x")).status_code == 422
    missing = await client.delete(f"{FLOW}x/revisions?revisions=1")
    assert missing.status_code == 404


async def test_a_withdrawn_revision_still_runs_what_is_pinned_to_it(
    client: ApiClient, world: World
) -> None:
    await store(client, "ab")
    await client.delete(f"{FLOW}/revisions?revisions=1")
    assert world.flow_store.get("main", "a.b", "f", 1) is not None
    answer = await client.put(
        FLOW,
        content=(
            "id: f\nnamespace: a.b\ntasks:\n"
            "  - {id: t, type: io.kestra.plugin.core.debug.Return, format: c}\n"
        ),
        headers={"content-type": "application/x-yaml"},
    )
    assert answer.json()["revision"] == 3
