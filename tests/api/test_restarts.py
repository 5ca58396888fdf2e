"""Restarts on another revision, and a flow whose name is the name of an action."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.execution.commands import CreateExecution, RestartExecution
from domain.execution.lifecycle import StateType
from tests.support.api_world import HELLO, World, client_of, world_in

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main/executions"
YAML = {"content-type": "application/x-yaml"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def begun(client: Any) -> str:
    await client.post("/api/v1/main/flows", content=HELLO, headers=YAML)
    return str((await client.post(f"{ROOT}/gold.team/hello")).json()["id"])


async def test_a_restart_that_names_a_revision_asks_for_another_execution(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        async with client_of(world) as client:
            execution_id = await begun(client)
            world.finish(execution_id, StateType.FAILED)
            missing = await client.post(f"{ROOT}/{execution_id}/restart?revision=7")
            assert missing.status_code == 404
            answers_as_another(world)
            answer = await client.post(f"{ROOT}/{execution_id}/restart?revision=1")
            command = next(c for c in world.commands if isinstance(c, RestartExecution))
            assert command.flow_revision == 1
            assert answer.json()["id"] == command.new_execution_id != execution_id


@pytest.mark.parametrize("path", ["restart", "replay", "replay-with-inputs"])
async def test_a_revision_that_the_flow_does_not_have_is_a_404(tmp_path: Path, path: str) -> None:
    with world_in(tmp_path) as world:
        async with client_of(world) as client:
            execution_id = await begun(client)
            world.finish(execution_id, StateType.FAILED)
            answer = await client.post(f"{ROOT}/{execution_id}/{path}?revision=7")
            assert (answer.status_code, answer.json()["message"]) == (
                404,
                "Not Found: Unable to find revision 7 on flow hello on namespace gold.team",
            )


def answers_as_another(world: World) -> None:
    """Have the executor begin the execution that a restart asks for."""
    step = world.step

    def both(world: World, command: Any) -> Any:
        if isinstance(command, RestartExecution) and command.new_execution_id is not None:
            creation = CreateExecution(
                execution_id=command.new_execution_id,
                command_id=f"{command.command_id}-new",
                tenant="main",
                namespace="gold.team",
                flow_id="hello",
                flow_revision=1,
            )
            world._record(
                creation.execution_id, 1, creation.command_id, "execution.create", -1,
                step(world, creation),
            )  # fmt: skip
        return step(world, command)

    world.step = both


async def test_a_form_begins_a_flow_that_is_called_state(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        async with client_of(world) as client:
            source = HELLO.replace("id: hello", "id: state")
            await client.post("/api/v1/main/flows", content=source, headers=YAML)
            answer = await client.post(f"{ROOT}/gold.team/state", files={"name": (None, "Ada")})
            assert answer.status_code == 200
            assert answer.json()["flowId"] == "state"
            assert answer.json()["inputs"] == {"name": "Ada"}
