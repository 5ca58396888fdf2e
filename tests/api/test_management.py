"""The management port."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.management import Application, Probe, create_management_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Text:
    """A fixed exposition."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def render(self) -> bytes:
        return b"tidewheel_up 1.0\n"


def broken() -> bool:
    raise RuntimeError("no disk")


async def ask(app: Application, path: str, method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://management") as client:
        return await client.request(method, path)


def managed(**readiness: Probe) -> Application:
    return create_management_app(
        Text(),
        liveness={"loop": lambda: True},
        readiness=readiness,
        information={"version": "1.3.13"},
        details={"worker": lambda: {"runningCount": 1}},
    )


async def test_a_process_that_works_is_up() -> None:
    answer = await ask(managed(log=lambda: True), "/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "tidewheel",
        "status": "UP",
        "details": {
            "loop": {"name": "tidewheel", "status": "UP"},
            "log": {"name": "tidewheel", "status": "UP"},
        },
    }


@pytest.mark.parametrize("probe", [lambda: False, broken], ids=["says no", "fails"])
async def test_a_process_that_is_not_ready_is_still_alive(probe: Probe) -> None:
    app = managed(log=probe)
    answer = await ask(app, "/health/readiness")
    assert (answer.status_code, answer.json()["status"]) == (503, "DOWN")
    assert (await ask(app, "/health")).status_code == 503
    assert (await ask(app, "/health/liveness")).status_code == 200


async def test_metrics_are_text_and_their_names_json() -> None:
    answer = await ask(managed(), "/prometheus")
    assert (answer.content, answer.headers["content-type"]) == (
        b"tidewheel_up 1.0\n",
        Text.content_type,
    )
    names: Any = (await ask(managed(), "/metrics")).json()["names"]
    assert names
    assert all(name.startswith("tidewheel.") for name in names)


async def test_information_and_log_levels_are_shown() -> None:
    assert (await ask(managed(), "/info")).json() == {}
    assert (await ask(managed(), "/about")).json() == {"version": "1.3.13"}
    answer = (await ask(managed(), "/loggers")).json()
    assert "ROOT" in answer["loggers"]
    assert "WARN" in answer["levels"]


async def test_one_log_level_is_shown_and_an_unknown_one_refused() -> None:
    one = (await ask(managed(), "/loggers/ROOT")).json()
    assert one.keys() == {"configuredLevel", "effectiveLevel"}
    assert (await ask(managed(), "/loggers/no.such")).status_code == 404


async def test_parts_of_the_process_tell_what_they_do() -> None:
    assert (await ask(managed(), "/worker")).json() == {"runningCount": 1}
    assert (await ask(managed(), "/scheduler")).status_code == 404


async def test_other_paths_and_methods_are_refused() -> None:
    assert (await ask(managed(), "/")).status_code == 404
    assert (await ask(managed(), "/health", "POST")).status_code == 405
    head = await ask(managed(), "/health", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
