"""Key-value entries and namespaces over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.values import read_value
from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main/namespaces"
KV = f"{ROOT}/gold.team/kv"


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ('{"a": 1, "b": null}', {"a": 1}, None),
        ("12", 12, None),
        ('"word"', "word", None),
        ("word", "word", "STRING"),
        ("two words", "two", "STRING"),
        ("2026-01-02", "2026-01-02", "DATE"),
        ("2026-13-02", "2026-13-02", "STRING"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "DATETIME"),
        ("PT5M", "PT5M", "DURATION"),
        ("P", "P", "STRING"),
        ("{broken", "{broken", "STRING"),
        ("[" * 100_000, "[" * 100_000, "STRING"),
    ],
)
async def test_a_text_means_json_or_a_date_or_itself(
    text: str, value: Any, kind: str | None
) -> None:
    assert read_value(text) == (value, kind)


async def test_a_value_is_set_read_listed_and_deleted(client: ApiClient) -> None:
    headers = {"content-type": "text/plain", "description": "how many"}
    assert (await client.put(f"{KV}/count", content="3", headers=headers)).content == b""
    await client.put(f"{KV}/count", content="4", headers=headers)
    answer = (await client.get(f"{KV}/count")).json()
    assert list(answer) == ["type", "value", "revision", "updated"]
    assert (answer["type"], answer["value"], answer["revision"]) == ("NUMBER", 4, 2)
    [entry] = (await client.get(KV)).json()
    assert list(entry) == [
        "namespace",
        "key",
        "version",
        "description",
        "creationDate",
        "updateDate",
    ]
    assert (await client.delete(f"{KV}/count")).json() is True
    assert (await client.delete(f"{KV}/count")).json() is False
    answer = await client.get(f"{KV}/count")
    assert answer.status_code == 404
    assert answer.json()["message"] == (
        "Not Found: No value found for key 'count' in namespace 'gold.team'"
    )


async def test_a_value_without_body_or_with_a_broken_ttl_is_refused(client: ApiClient) -> None:
    assert (await client.put(f"{KV}/a", content="")).status_code == 422
    answer = await client.put(f"{KV}/a", content="1", headers={"ttl": "soon"})
    assert answer.status_code == 422
    assert (await client.get(KV)).json() == []


async def test_a_value_that_has_expired_is_gone(client: ApiClient, world: World) -> None:
    await client.put(f"{KV}/a", content="1", headers={"ttl": "PT1H"})
    assert (await client.get(f"{KV}/a")).status_code == 200
    world.now += timedelta(hours=1, seconds=1)
    answer = await client.get(f"{KV}/a")
    assert answer.status_code == 410
    assert (await client.get(KV)).json() == []


async def test_an_escaped_slash_is_part_of_the_key_and_keys_have_none(client: ApiClient) -> None:
    assert (await client.put(f"{KV}/a%2Fb", content="1")).status_code == 422
    answer = await client.get(f"{KV}/a%2Fb")
    assert answer.status_code == 404
    assert "key 'a/b'" in answer.json()["message"]


async def test_deleting_many_names_those_that_were_there(client: ApiClient) -> None:
    await client.put(f"{KV}/a", content="1")
    answer = await client.request("DELETE", KV, json={"keys": ["a", "b"]})
    assert answer.json() == {"keys": ["a"]}


async def test_a_namespace_sees_keys_of_its_parents(client: ApiClient) -> None:
    await client.put(f"{ROOT}/gold/kv/shared", content="1")
    await client.put(f"{KV}/own", content="1")
    inherited = (await client.get(f"{KV}/inheritance")).json()
    assert [(entry["namespace"], entry["key"]) for entry in inherited] == [("gold", "shared")]


async def test_keys_of_all_namespaces_are_found_by_filters(client: ApiClient) -> None:
    await client.put(f"{ROOT}/gold/kv/shared", content="1")
    await client.put(f"{KV}/own", content="1")
    every = (await client.get("/api/v1/main/kv?sort=key:desc")).json()
    assert every["total"] == 2
    assert [entry["key"] for entry in every["results"]] == ["shared", "own"]
    found = (await client.get("/api/v1/main/kv?filters[namespace][EQUALS]=gold")).json()
    assert [entry["key"] for entry in found["results"]] == ["shared"]


async def test_namespaces_are_those_of_flows_and_their_parents(
    client: ApiClient, world: World
) -> None:
    await client.post(
        "/api/v1/main/flows", content=HELLO, headers={"content-type": "application/x-yaml"}
    )
    world.index()
    answer = (await client.get(f"{ROOT}/search?page=1&size=10&q=gold")).json()
    assert answer == {"results": [{"id": "gold"}, {"id": "gold.team"}], "total": 2}
    assert (await client.get(f"{ROOT}/anything")).json() == {"id": "anything"}
    answer = await client.post(f"{ROOT}/autocomplete", json={"q": "team", "ids": ["other"]})
    assert answer.json() == ["gold.team", "other"]


async def test_secrets_are_told_by_name_only(client: ApiClient) -> None:
    answer = (await client.get(f"{ROOT}/gold.team/inherited-secrets")).json()
    assert answer == {"gold.team": []}
