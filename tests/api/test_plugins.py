"""The types that flows may use, over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.api_world import ApiClient

pytestmark = pytest.mark.anyio

PATH = "/api/v1/plugins"
LOG = "io.kestra.plugin.core.log.Log"


async def read(client: ApiClient, path: str = "") -> Any:
    answer = await client.get(f"{PATH}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_type_is_listed_once_with_what_it_does(client: ApiClient) -> None:
    [group] = await read(client)
    names = [item["cls"] for item in (*group["tasks"], *group["triggers"], *group["conditions"])]
    assert len(names) == len(set(names))
    assert {LOG, "io.kestra.plugin.core.flow.ForEach"} <= set(names)
    for item in (*group["tasks"], *group["triggers"], *group["conditions"]):
        assert item["title"], item["cls"]
        assert item["description"], item["cls"]
        assert (await client.get(f"{PATH}/{item['cls']}")).status_code == 200


async def test_a_page_is_answered_where_one_is_asked_for(client: ApiClient) -> None:
    found = await read(client, "?page=1&size=10")
    assert found["total"] == len(found["results"]) == 1


async def test_subgroups_share_the_types_out_among_them(client: ApiClient) -> None:
    whole, *parts = await read(client, "/groups/subgroups")
    assert sorted(item["cls"] for part in parts for item in part["tasks"]) == [
        item["cls"] for item in whole["tasks"]
    ]
    assert all(item["cls"].startswith(part["subGroup"]) for part in parts for item in part["tasks"])


async def test_every_type_has_an_icon(client: ApiClient) -> None:
    icons = await read(client, "/icons")
    assert base64.b64decode(icons[LOG]["icon"]).startswith(b"<svg")
    assert icons["io.kestra.plugin.core.flow.ForEach"]["flowable"] is True
    assert (await read(client, f"/icons/{LOG}"))["icon"] == icons[LOG]
    assert (await read(client, "/icons/none"))["icon"] is None
    picture = await client.get(f"{PATH}/icons/{LOG}/icon.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert (await client.get(f"{PATH}/icons/none/icon.svg")).status_code == 404
    assert "io.kestra.plugin.core.log" in await read(client, "/icons/groups")


async def test_a_type_is_documented_under_its_older_name_too(client: ApiClient) -> None:
    shown = await read(client, "/io.kestra.core.tasks.debugs.Return")
    assert list(shown["schema"]["properties"]["properties"]) == ["format", "pluginDefaultsRef"]
    assert "io.kestra.plugin.core.debug.Return" in shown["markdown"]
    whole = await read(client, f"/{LOG}?all=true")
    assert {"id", "message"} <= set(whole["schema"]["properties"]["properties"])
    assert await read(client, f"/{LOG}/versions") == {"type": LOG, "versions": []}
    assert (await client.get(f"{PATH}/{LOG}/versions/9.9")).status_code == 404
    missing = await client.get(f"{PATH}/triggers")
    assert missing.json()["message"] == "Not Found: Class 'triggers' doesn't exists "


async def test_input_types_are_listed_and_documented(client: ApiClient) -> None:
    for item in await read(client, "/inputs"):
        shown = await read(client, f"/inputs/{item['type']}")
        assert "id" in shown["schema"]["properties"]["properties"]
    assert (await client.get(f"{PATH}/inputs/NOPE")).status_code == 422


async def test_properties_of_a_kind_of_document_are_told(client: ApiClient) -> None:
    assert "tasks" in (await read(client, "/properties/FLOW"))["properties"]
    assert (await client.get(f"{PATH}/properties/NOPE")).status_code == 422
