"""A world and a client for every test of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.api_world import ApiClient, World, client_of, world_in


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as made:
        yield made


@pytest.fixture
async def client(world: World) -> AsyncIterator[ApiClient]:
    async with client_of(world) as made:
        yield made
