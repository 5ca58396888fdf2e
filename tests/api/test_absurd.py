"""Absurd requests to every route: each is answered, none by a fault of the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import cast
from urllib.parse import quote

import pytest
from litestar.routes import HTTPRoute

from api.options import ApiOptions
from tests.support.api_world import HELLO, ApiClient, World, client_of

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}
JSON = {"content-type": "application/json"}
SECONDS = 20
DEEP = 5_000
VALUES = [
    "\r\nset-cookie: a=b",
    "../../etc/passwd",
    "{{ x }}",
    "99999999999999999999",
    "-1",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "😀",
    "a" * 2_000,
    "[(",
]
PARAMETERS = [
    *("page", "size", "sort", "startDate", "endDate", "revision", "labels", "path", "maxRows"),
    *("scheduleDate", "state", "status", "newStatus", "minLevel", "timeRange", "aggregation", "q"),
    *("subflows", "taskRunId", "field", "from", "attempt", "kind", "scope", "breakpoints"),
]
BODIES = [
    b"",
    b"null",
    b"[null]",
    b'{"a":',
    b"\xff\xfe",
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b'{"labels": 1, "running": "x", "namespace": [], "triggers": null, "keys": 1}',
    b"&a [*a]",
]


@pytest.fixture
async def client(world: World) -> AsyncIterator[ApiClient]:
    async with client_of(world, ApiOptions(submit_seconds=0.01)) as made:
        yield made


def routes(client: ApiClient) -> Iterator[tuple[str, str]]:
    for route in client.app.routes:
        if not route.path.startswith("/api/v1"):
            continue
        for method in sorted(cast("HTTPRoute", route).methods - {"OPTIONS"}):
            yield method, route.path


async def ask(client: ApiClient, method: str, path: str, **more: object) -> None:
    answer = await asyncio.wait_for(client.request(method, path, **more), SECONDS)  # type: ignore[arg-type]
    # 503: nobody steps triggers here
    assert answer.status_code < 500 or answer.status_code == 503, (
        method,
        path[:300],
        answer.text[:300],
    )


async def test_absurd_path_values_are_never_a_fault_of_the_server(client: ApiClient) -> None:
    for method, path in routes(client):
        for value in VALUES:
            filled = re.sub(r"\{[^}]*\}", lambda _, value=value: quote(value, safe=""), path)  # type: ignore[misc]
            await ask(client, method, filled)


async def test_absurd_parameters_are_never_a_fault_of_the_server(
    client: ApiClient, world: World
) -> None:
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    world.index()
    for method, path in routes(client):
        if method != "GET" or path.endswith("/follow"):
            continue
        filled = re.sub(r"\{[^}]*\}", "hello", path).replace("flows/hello/", "flows/gold.team/")
        for value in VALUES:
            query = "&".join(f"{name}={quote(value, safe='')}" for name in PARAMETERS)
            await ask(client, method, f"{filled}?{query}")
        for index, name in enumerate(PARAMETERS):
            value = VALUES[index % len(VALUES)]
            await ask(client, method, f"{filled}?{name}={quote(value, safe='')}")


async def test_absurd_bodies_are_never_a_fault_of_the_server(client: ApiClient) -> None:
    for method, path in routes(client):
        if method in {"GET", "HEAD"}:
            continue
        filled = re.sub(r"\{[^}]*\}", "hello", path)
        for body in BODIES:
            for headers in (JSON, YAML) if len(body) < DEEP else (JSON,):
                await ask(client, method, filled, content=body, headers=headers)
