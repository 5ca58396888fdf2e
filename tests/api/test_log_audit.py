"""The log over HTTP: verified, exported, and an execution as of any of its events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from domain.errors import UnreadableRecord
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, FLOWS
from infra.archive import ArchivedLog
from tests.support.api_world import HELLO, ApiClient, World, client_of

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"


async def begun(client: ApiClient, world: World) -> str:
    """Return an execution that has ended: seven events, by no real executor."""
    headers = {"content-type": "application/x-yaml"}
    assert (await client.post(f"{ROOT}/flows", content=HELLO, headers=headers)).is_success
    answer = await client.post(f"{ROOT}/executions/gold.team/hello")
    execution_id: str = answer.json()["id"]
    world.finish(execution_id)
    return execution_id


def lines(text: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in text.splitlines()]


async def test_an_execution_is_shown_as_of_an_event(client: ApiClient, world: World) -> None:
    execution_id = await begun(client, world)
    seen = []
    for at in range(1, 8):
        then = (await client.get(f"{ROOT}/executions/{execution_id}?at={at}")).json()
        seen.append((then["state"]["current"], len(then.get("taskRunList") or [])))
    assert seen[:2] == [("CREATED", 0), ("RUNNING", 0)]
    assert seen[2] == ("RUNNING", 1)
    assert seen[-1] == ("SUCCESS", 1)
    now = (await client.get(f"{ROOT}/executions/{execution_id}")).json()
    assert now == (await client.get(f"{ROOT}/executions/{execution_id}?at=7")).json()


@pytest.mark.parametrize("at", ["0", "8", "-1", "x"])
async def test_an_event_that_is_not_there_is_a_422(
    client: ApiClient, world: World, at: str
) -> None:
    execution_id = await begun(client, world)
    answer = await client.get(f"{ROOT}/executions/{execution_id}?at={at}")
    assert answer.status_code == 422
    assert "at" in answer.json()["message"]


async def test_the_past_of_no_execution_is_a_404(client: ApiClient) -> None:
    for path in ("executions/none?at=1", "log/verify?executionId=none"):
        assert (await client.get(f"{ROOT}/{path}")).status_code == 404


async def test_a_verification_tells_line_by_line_what_no_command_leads_to(
    client: ApiClient, world: World
) -> None:
    execution_id = await begun(client, world)
    answer = await client.get(f"{ROOT}/log/verify")
    assert answer.headers["content-type"] == "application/x-ndjson"
    *found, summary = lines(answer.text)
    assert [line["type"] for line in found] == ["divergence", "partition"]
    assert found[0]["executionId"] == execution_id
    assert (summary["verified"], summary["divergences"]) == (False, 1)

    counted = lines((await client.get(f"{ROOT}/log/verify?most=0")).text)
    assert [line["type"] for line in counted] == ["partition", "summary"]
    assert counted[-1]["divergences"] == 1


async def test_an_empty_log_is_verified(client: ApiClient) -> None:
    assert lines((await client.get(f"{ROOT}/log/verify")).text)[-1]["verified"] is True


async def test_a_second_verification_at_once_is_a_409(world: World) -> None:
    asked, go_on = Event(), Event()

    class Slow:
        """The log, whose readers wait to be let go on."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

        def partitions(self, topic: str) -> int:
            if topic == EXECUTION_EVENTS:
                asked.set()
                assert go_on.wait(30)
            return world.log.partitions(topic)

    async with client_of(world, log=Slow()) as client:
        first = asyncio.ensure_future(client.get(f"{ROOT}/log/verify"))
        assert await asyncio.to_thread(asked.wait, 30)
        second = await client.get(f"{ROOT}/log/verify")
        go_on.set()
        assert second.status_code == 409
        assert lines((await first).text)[-1]["verified"] is True
        assert (await client.get(f"{ROOT}/log/verify")).status_code == 200


async def test_an_exported_log_reads_as_the_log_itself(
    client: ApiClient, world: World, tmp_path: Path
) -> None:
    await begun(client, world)
    answer = await client.get(f"{ROOT}/log/export")
    assert answer.headers["content-type"] == "application/zip"
    assert "log.zip" in answer.headers["content-disposition"]
    path = tmp_path / "log.zip"
    path.write_bytes(answer.content)
    with ArchivedLog(path) as archive:
        for topic in (EXECUTION_COMMANDS, EXECUTION_EVENTS, FLOWS):
            kept = world.log.all(topic)
            assert list(archive.read(topic, 0, 0, 1_000)) == kept
            assert archive.bounds(topic, 0) == (0, len(kept))
            assert list(archive.read(topic, 0, 0, 1)) == kept[:1]
        key = world.log.all(EXECUTION_EVENTS)[0].key
        assert list(archive.by_key(EXECUTION_EVENTS, key)) == world.log.all(EXECUTION_EVENTS)


async def test_one_execution_is_exported_alone_with_all_flows(
    client: ApiClient, world: World, tmp_path: Path
) -> None:
    one = await begun(client, world)
    other = (await client.post(f"{ROOT}/executions/gold.team/hello")).json()["id"]
    path = tmp_path / "one.zip"
    answer = await client.get(f"{ROOT}/log/export?executionId={one}")
    path.write_bytes(answer.content)
    with ArchivedLog(path) as archive:
        assert archive.manifest.execution_id == one
        assert list(archive.by_key(EXECUTION_EVENTS, other)) == []
        assert len(list(archive.by_key(EXECUTION_EVENTS, one))) == 3
        assert len(list(archive.read(FLOWS, 0, 0, 10))) == 1


async def test_a_damaged_archive_says_where(
    client: ApiClient, world: World, tmp_path: Path
) -> None:
    from zipfile import ZipFile

    await begun(client, world)
    whole, broken = tmp_path / "log.zip", tmp_path / "broken.zip"
    whole.write_bytes((await client.get(f"{ROOT}/log/export")).content)
    with ZipFile(whole) as source, ZipFile(broken, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[: len(data) // 2] if "events" in name else data)
    with (
        ArchivedLog(broken) as archive,
        pytest.raises(UnreadableRecord, match=r"execution\.events/0\.jsonl, line \d+"),
    ):
        list(archive.read(EXECUTION_EVENTS, 0, 0, 1_000))
    broken.write_bytes(whole.read_bytes()[:500])
    with pytest.raises(UnreadableRecord, match="not an exported log"):
        ArchivedLog(broken)
