"""CSV exports: the head, the cells, what is in them."""

from __future__ import annotations

import csv
import io

import pytest

from api.export import columns, line
from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}


def test_head_has_the_members_of_all_records_each_where_it_stood() -> None:
    assert columns([["a", "c"], ["a", "b", "c"], ["z", "a"]]) == ["z", "a", "b", "c"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("a b", b"a b\n"), ("a,b", b'"a,b"\n'), ('say "x"', b'"say ""x"""\n'), ("a\nb", b'"a\nb"\n')],
)
def test_cells_are_quoted_only_where_they_must_be(cell: str, written: bytes) -> None:
    assert line([cell]) == written


async def test_executions_are_exported_with_their_task_runs(
    client: ApiClient, world: World
) -> None:
    """Source: golden recording 386."""
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    made = (await client.post(f"{ROOT}/executions/gold.team/hello")).json()
    world.finish(made["id"])
    world.index()

    answer = await client.get(f"{ROOT}/executions/export/by-query/csv")

    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == "attachment; filename=executions.csv"
    head, row = csv.reader(io.StringIO(answer.text))
    assert head[:6] == ["id", "namespace", "flowId", "flowRevision", "taskRunList", "inputs"]
    cells = dict(zip(head, row, strict=True))
    assert cells["id"] == made["id"]
    assert cells["inputs"] == "{name=World}"
    assert cells["taskRunList"].startswith("[{id=")
    assert cells["deleted"] == "false"


@pytest.mark.parametrize("resource", ["executions", "flows", "triggers"])
async def test_export_of_nothing_is_empty(client: ApiClient, resource: str) -> None:
    answer = await client.get(
        f"{ROOT}/{resource}/export/by-query/csv?filters[namespace][EQUALS]=none"
    )
    assert answer.status_code == 200
    assert answer.content == b""


async def test_flows_are_exported_revision_by_revision(client: ApiClient, world: World) -> None:
    await client.post(f"{ROOT}/flows", content=HELLO, headers=YAML)
    changed = HELLO.replace("A first flow", "A flow")
    await client.put(f"{ROOT}/flows/gold.team/hello", content=changed, headers=YAML)
    world.index()

    answer = await client.get(f"{ROOT}/flows/export/by-query/csv")

    head, *rows = csv.reader(io.StringIO(answer.text))
    described = [dict(zip(head, row, strict=True))["description"] for row in rows]
    assert described == ["A first flow", "A flow"]
