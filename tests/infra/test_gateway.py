from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.execution import commands as c
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.record import EventRecord
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_EVENTS
from infra.gateway import LogGateway
from projections.window import Window
from tests.support.api_world import World, world_in


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as made:
        yield made


def create(world: World) -> c.CreateExecution:
    return c.CreateExecution(
        execution_id="e1",
        command_id="e1",
        issuer="me",
        tenant="main",
        namespace="n",
        flow_id="f",
        flow_revision=1,
    )


async def test_an_execution_older_than_this_process_is_answered_with(world: World) -> None:
    await LogGateway(world.log, world.window).submit(create(world))
    window = Window(world.log)  # as after a restart: it follows from the log's present end
    window.start()
    assert window.get("e1") is None
    pause = c.PauseExecution(execution_id="e1", command_id="p1", issuer="me")
    outcome = await LogGateway(world.log, window).submit(pause)
    assert outcome.accepted
    assert outcome.execution is not None
    assert outcome.execution.state.current is StateType.PAUSED
    assert window.get("e1") is outcome.execution
    window.close()


async def test_a_record_that_lost_its_race_answers_nobody(world: World) -> None:
    gateway = LogGateway(world.log, world.window)
    await gateway.submit(create(world))
    world.window.expect("k1")
    kill = EventRecord(
        execution_id="e1",
        sequence=1,  # a zombie that never saw the stream
        command_id="k1",
        command_offset=7,
        timestamp_ms=0,
        events=[e.ExecutionEnded(state=StateType.KILLED)],
        writer="zombie",
    )
    world.log.append([Outgoing(EXECUTION_EVENTS, "e1", encode(kill))])
    answer = asyncio.ensure_future(world.window.outcome("k1", 5))
    await asyncio.sleep(0)
    assert not answer.done()
    world.append("e1", e.ExecutionPaused(held=True))
    winner = world.window.get("e1")
    assert winner is not None
    kill.sequence = winner.sequence + 1
    world.log.append([Outgoing(EXECUTION_EVENTS, "e1", encode(kill))])
    assert (await answer).accepted


async def test_an_action_answers_as_of_its_own_step(world: World) -> None:
    gateway = LogGateway(world.log, world.window)
    await gateway.submit(create(world))
    pause = c.PauseExecution(execution_id="e1", command_id="p1", issuer="me")
    outcome = await gateway.submit(pause)
    world.append("e1", e.ExecutionEnded(state=StateType.KILLED))
    assert outcome.execution is not None
    assert outcome.execution.state.current is StateType.PAUSED
    now = world.window.get("e1")
    assert now is not None
    assert now.state.current is StateType.KILLED


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio
