"""What nested deeply or dated strangely: refused in no time."""

from __future__ import annotations

import asyncio
import io

import pytest

from api.errors import ApiError
from api.preview import preview
from tests.support.api_world import ApiClient

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"
YAML = {"content-type": "application/x-yaml"}


@pytest.mark.parametrize("path", ["dashboards", "dashboards/validate", "dashboards/validate/chart"])
async def test_deep_dashboard_source_is_refused_before_it_is_read_to_its_end(
    client: ApiClient, path: str
) -> None:
    """libyaml needs minutes for this, with the whole server standing still."""
    source = '{"a":' * 200_000
    answer = await asyncio.wait_for(
        client.post(f"{ROOT}/{path}", content=source, headers=YAML), timeout=10
    )
    assert "nested deeper than 100 levels" in answer.text


async def test_deep_json_is_no_fault_of_the_server(client: ApiClient) -> None:
    answer = await client.post(
        f"{ROOT}/namespaces/autocomplete",
        content='{"a":' * 5_000,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert "nested too deeply" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "endDate=0001-01-01T00:00:00Z",
        "startDate=0001-01-01T00:00:00%2B01:00&endDate=9999-12-31T23:59:59Z",
        "startDate=9999-12-31T00:00:00Z&endDate=9999-12-31T23:59:59Z",
    ],
)
async def test_metrics_over_the_ends_of_the_calendar_are_answered(
    client: ApiClient, query: str
) -> None:
    answer = await client.get(f"{ROOT}/metrics/aggregates/team/flow/rows?{query}")
    assert answer.status_code in {200, 422}


async def test_name_of_a_downloaded_file_cannot_break_the_headers(client: ApiClient) -> None:
    answer = await client.get(f"{ROOT}/namespaces/a%0D%0Ab/files/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="a__b_files.zip"'


def test_encoding_that_is_no_name_is_refused() -> None:
    with pytest.raises(ApiError, match="Unable to preview"):
        preview(io.BytesIO(b"a"), "csv", 1, "\0")
