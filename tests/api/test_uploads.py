"""Files among the inputs: a part named by the input, or a part `files` named by its file name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ApiClient, World

pytestmark = pytest.mark.anyio

FLOW = """\
id: reader
namespace: gold.team
inputs:
  - id: first
    type: FILE
  - id: second
    type: FILE
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hi
"""


async def begin(client: ApiClient, files: list[tuple[str, tuple[str, bytes]]]) -> Any:
    await client.post(
        "/api/v1/main/flows", content=FLOW, headers={"content-type": "application/x-yaml"}
    )
    return await client.post("/api/v1/main/executions/gold.team/reader", files=files)


async def test_a_part_named_by_its_input_is_that_file(client: ApiClient, world: World) -> None:
    answer = await begin(client, [("first", ("a.txt", b"one")), ("second", ("b.txt", b"two"))])
    inputs = answer.json()["inputs"]
    assert inputs["first"].endswith("/inputs/first/a.txt")
    assert world.blobs.files[inputs["first"]] == b"one"
    assert world.blobs.files[inputs["second"]] == b"two"


async def test_parts_named_files_name_their_inputs_by_their_file_names(
    client: ApiClient, world: World
) -> None:
    answer = await begin(client, [("files", ("first", b"one")), ("files", ("second", b"two"))])
    inputs = answer.json()["inputs"]
    assert world.blobs.files[inputs["first"]] == b"one"
    assert world.blobs.files[inputs["second"]] == b"two"


async def test_a_file_that_no_input_asks_for_is_not_kept(client: ApiClient, world: World) -> None:
    answer = await begin(client, [("files", ("third", b"x")), ("first", ("a.txt", b"one"))])
    assert answer.status_code == 422
    assert "second" in answer.json()["message"]
    assert world.blobs.files == {}
