"""Filters that are wrong are refused, whatever there is to be found."""

from __future__ import annotations

import pytest

from tests.support.api_world import ApiClient

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "executions/search"),
        ("GET", "executions/export/by-query/csv"),
        ("DELETE", "executions/by-query"),
        ("DELETE", "executions/kill/by-query"),
        ("GET", "flows/search"),
        ("GET", "flows/export/by-query"),
        ("GET", "flows/export/by-query/csv"),
        ("DELETE", "flows/delete/by-query"),
        ("POST", "flows/disable/by-query"),
        ("GET", "logs/search"),
        ("GET", "triggers/search"),
        ("POST", "triggers/unlock/by-query"),
        ("GET", "triggers/export/by-query/csv"),
        ("GET", "kv"),
        ("GET", "secrets"),
        ("GET", "namespaces/team/secrets"),
    ],
)
@pytest.mark.parametrize(
    ("filters", "status", "told"),
    [
        ("filters[nosuch][EQUALS]=x", 422, "Unsupported field 'nosuch'"),
        ("filters[namespace][LIKE]=x", 422, "Op.LIKE"),
        ("filters[q][REGEX]=x", 400, "not supported for field QUERY"),
        ("filters[username][EQUALS]=x", 400, "not supported for resource"),
    ],
)
async def test_wrong_filter_is_refused_also_where_nothing_is_stored(
    client: ApiClient, method: str, path: str, filters: str, status: int, told: str
) -> None:
    """Source: golden recordings 151, 153, 154, 222."""
    answer = await client.request(method, f"{ROOT}/{path}?{filters}")
    assert answer.status_code == status
    assert told in answer.json()["message"]
