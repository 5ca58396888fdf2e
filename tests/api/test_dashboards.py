"""Dashboards over HTTP: stored word for word, their charts drawn from the read models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

PATH = "/api/v1/main/dashboards"
YAML = {"content-type": "application/x-yaml"}
CHARTS = "io.kestra.plugin.core.dashboard.chart"
DATA = "io.kestra.plugin.core.dashboard.data"
BOARD = f"""id: board
title: Board
charts:
  - id: by_state
    type: {CHARTS}.Table
    chartOptions: {{displayName: By state}}
    data:
      type: {DATA}.Executions
      columns:
        flow: {{field: FLOW_ID}}
        total: {{agg: COUNT}}
      where: [{{field: NAMESPACE, type: EQUAL_TO, value: gold.team}}]
  - id: over_time
    type: {CHARTS}.TimeSeries
    chartOptions: {{displayName: Over time, column: day}}
    data:
      type: {DATA}.Executions
      columns:
        day: {{field: START_DATE}}
        total: {{agg: COUNT}}
        mean: {{field: DURATION, agg: AVG}}
  - id: failed
    type: {CHARTS}.KPI
    chartOptions: {{displayName: Done, numberType: PERCENTAGE}}
    data:
      type: {DATA}.ExecutionsKPI
      columns: {{agg: COUNT}}
      numerator: [{{field: STATE, type: EQUAL_TO, value: SUCCESS}}]
  - id: list
    type: {CHARTS}.Table
    data:
      type: {DATA}.Executions
      columns: {{id: {{field: ID}}, team: {{field: LABELS, labelKey: team}}}}
      orderBy: [{{column: id, order: DESC}}]
  - id: words
    type: {CHARTS}.Markdown
    content: Read this.
"""


async def store(client: ApiClient, source: str = BOARD) -> Any:
    answer = await client.post(PATH, content=source, headers=YAML)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ran(client: ApiClient, world: World, count: int) -> None:
    await client.post("/api/v1/main/flows", content=HELLO, headers=YAML)
    for _ in range(count):
        await client.post("/api/v1/main/executions/gold.team/hello")
    world.index()


async def rows(client: ApiClient, chart: str, **asked: Any) -> Any:
    answer = await client.post(f"{PATH}/board/charts/{chart}", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_dashboard_is_kept_word_for_word_with_its_defaults(client: ApiClient) -> None:
    made = await store(client)
    assert made["sourceCode"] == BOARD
    assert made["timeWindow"] == {"max": "PT8784H", "default": "PT720H"}
    assert made["charts"][0]["chartOptions"] == {
        "width": 6,
        "header": {"enabled": True},
        "pagination": {"enabled": True},
        "displayName": "By state",
    }
    assert (await client.get(f"{PATH}/board")).json() == made
    found = (await client.get(f"{PATH}?q=BOA")).json()
    assert (found["results"], found["total"]) == ([made], 1)
    assert (await client.get(f"{PATH}?q=other")).json() == {"results": [], "total": 0}


async def test_a_dashboard_is_changed_and_deleted_under_its_own_id_only(client: ApiClient) -> None:
    await store(client)
    again = await client.post(PATH, content=BOARD, headers=YAML)
    assert again.status_code == 422
    other = await client.put(f"{PATH}/board", content="id: x\ntitle: y", headers=YAML)
    assert other.json()["message"] == "Invalid entity: dashboard.id: Illegal dashboard id update"
    missing = await client.put(f"{PATH}/none", content="id: none\ntitle: y", headers=YAML)
    assert missing.status_code == 404
    changed = await client.put(f"{PATH}/board", content="id: board\ntitle: New", headers=YAML)
    assert changed.json()["title"] == "New"
    assert (await client.delete(f"{PATH}/board")).status_code == 204
    assert (await client.delete(f"{PATH}/board")).status_code == 409
    assert (await client.get(f"{PATH}/board")).status_code == 404


async def test_a_table_groups_executions_and_pages_the_groups(
    client: ApiClient, world: World
) -> None:
    await store(client)
    await ran(client, world, 3)
    assert await rows(client, "by_state") == {
        "results": [{"total": 3, "flow": "hello"}],
        "total": 1,
    }
    none = await rows(client, "by_state", namespace="gold.other")
    assert none == {"results": [], "total": 0}
    page = await rows(client, "list", pageSize=2, pageNumber=1)
    assert page["total"] == 3
    assert [row["id"] for row in page["results"]] == sorted(
        (row["id"] for row in page["results"]), reverse=True
    )
    assert page["results"][0]["team"] == "gold"


async def test_a_series_has_one_row_per_bucket_of_time(client: ApiClient, world: World) -> None:
    await store(client)
    await ran(client, world, 2)
    found = await rows(client, "over_time")
    assert [(row["day"], row["total"]) for row in found["results"]] == [("2026-11-23T00:00:00Z", 2)]


async def test_a_kpi_is_one_number(client: ApiClient, world: World) -> None:
    await store(client)
    assert (await rows(client, "failed"))["results"] == [{"value": 0.0}]
    await ran(client, world, 2)
    value = (await rows(client, "failed"))["results"][0]["value"]
    assert 0 <= value <= 100


async def test_markdown_has_no_rows(client: ApiClient) -> None:
    await store(client)
    assert await rows(client, "words") == {"results": [], "total": 0}


async def test_filters_of_the_dashboard_narrow_every_chart(client: ApiClient, world: World) -> None:
    await store(client)
    await ran(client, world, 1)
    named = [{"field": "flowId", "operation": "EQUALS", "value": "other"}]
    assert (await rows(client, "by_state", filters=named))["results"] == []
    unknown = [{"field": "FLOW_ID", "operation": "EQUALS", "value": "x"}]
    answer = await client.post(f"{PATH}/board/charts/by_state", json={"filters": unknown})
    assert (answer.status_code, answer.json()["message"]) == (422, "Invalid json mapping")


@pytest.mark.parametrize(
    "asked",
    [
        {"startDate": "yesterday"},
        {"startDate": "2026-11-24T00:00:00Z", "endDate": "2026-11-23T00:00:00Z"},
        {"startDate": "2020-01-01T00:00:00Z", "endDate": "2026-01-01T00:00:00Z"},
    ],
)
async def test_a_window_of_time_must_be_readable_and_within_the_maximum(
    client: ApiClient, asked: dict[str, str]
) -> None:
    await store(client)
    answer = await client.post(f"{PATH}/board/charts/by_state", json=asked)
    assert answer.status_code == 422


async def test_a_chart_is_exported_as_csv(client: ApiClient, world: World) -> None:
    await store(client)
    await ran(client, world, 1)
    answer = await client.post(f"{PATH}/board/charts/by_state/export/to-csv", json={})
    assert answer.content == b"total,flow\r\n1,hello\r\n"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="board_by_state_export.csv"'
    )
    other = await client.post(f"{PATH}/board/charts/by_state/export?format=ION", json={})
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("title: t", "id: must not be null"),
        ("id: a b\ntitle: t", 'id: must match "^[a-zA-Z0-9][a-zA-Z0-9_-]*"'),
        (f"id: a\ntitle: t\ncharts: [{{id: c, type: {CHARTS}.Nope}}]", "Invalid type: "),
        (f"id: a\ntitle: t\ncharts: [{{id: c, type: {CHARTS}.Pie}}]", "charts[0].data: "),
        ("id: a\ntitle: t\ntimeWindow: {default: soon}", "timeWindow.default: "),
        ("- a", "Illegal dashboard source: YAML parsing error: a mapping is expected"),
        ("id: [", "Illegal dashboard source: YAML parsing error: Cannot deserialize value of"),
    ],
)
async def test_what_is_wrong_with_a_dashboard_is_told_and_nothing_stored(
    client: ApiClient, source: str, message: str
) -> None:
    answer = await client.post(PATH, content=source, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"Invalid entity: {message}")
    verdict = (await client.post(f"{PATH}/validate", content=source, headers=YAML)).json()
    assert verdict["constraints"].startswith(message)
    assert (await client.get(PATH)).json()["total"] == 0


async def test_a_chart_is_previewed_without_being_stored(client: ApiClient, world: World) -> None:
    await ran(client, world, 1)
    chart = (
        f"id: c\ntype: {CHARTS}.Bar\nchartOptions: {{displayName: X, column: f}}\n"
        f"data:\n  type: {DATA}.Flows\n  columns: {{f: {{field: ID}}, n: {{agg: COUNT}}}}\n"
    )
    answer = await client.post(f"{PATH}/charts/preview", json={"chart": chart, "globalFilter": {}})
    assert answer.json() == {"results": [{"f": "hello", "n": 1}], "total": 1}
    bad = await client.post(f"{PATH}/charts/preview", json={"chart": "id: x"})
    assert bad.json()["message"] == "Invalid entity: Invalid type: <null>"


@pytest.mark.parametrize(
    "where",
    [
        "{field: NOPE, type: EQUAL_TO, value: x}",
        "{field: STATE, type: NOPE, value: x}",
        "{field: START_DATE, type: GREATER_THAN, value: soon}",
        "{field: FLOW_REVISION, type: LESS_THAN, value: many}",
    ],
)
async def test_a_condition_that_cannot_hold_is_refused_when_drawn(
    client: ApiClient, where: str
) -> None:
    chart = (
        f"id: c\ntype: {CHARTS}.Table\ndata:\n  type: {DATA}.Executions\n"
        f"  columns: {{n: {{agg: COUNT}}}}\n  where: [{where}]\n"
    )
    answer = await client.post(f"{PATH}/charts/preview", json={"chart": chart})
    assert answer.status_code == 422


async def test_conditions_can_be_joined_by_or(client: ApiClient, world: World) -> None:
    await ran(client, world, 2)
    either = (
        "{field: FLOW_ID, type: OR, values: [{type: EQUAL_TO, value: a},"
        " {type: STARTS_WITH, value: hel}]}"
    )
    chart = (
        f"id: c\ntype: {CHARTS}.Table\ndata:\n  type: {DATA}.Executions\n"
        f"  columns: {{n: {{agg: COUNT}}}}\n  where: [{either}, "
        "{field: LABELS, labelKey: team, type: EQUAL_TO, value: gold}]\n"
    )
    answer = await client.post(f"{PATH}/charts/preview", json={"chart": chart})
    assert answer.json()["results"] == [{"n": 2}]
