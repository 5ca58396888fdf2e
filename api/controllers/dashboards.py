"""Dashboards: stored word for word, and their charts drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Controller, delete, get, post, put

from api import reply
from api.body import read_json, read_text
from api.context import Context, context
from api.controllers.http import Http, Segment, in_both
from api.dashboards.drawing import ChartFilters, as_csv, draw
from api.dashboards.reading import (
    DEFAULT_SPAN,
    LONGEST_SPAN,
    Dashboard,
    read_chart,
    read_dashboard,
)
from api.edge import segment
from api.errors import (
    ApiError,
    Detail,
    illegal_argument,
    illegal_state,
    invalid_entity,
    missing_body,
    not_found,
)
from api.parameters import Parameters, read_page, read_sorts
from api.reply import Reply
from api.views.text import instant
from domain.ids import DEFAULT_TENANT
from domain.ports.kv import KvEntry
from projections.search import Found, InvalidSort

_SPACE = "dashboards"
_SORTS = ("id", "title", "description", "created", "updated")


class PreviewRequest(msgspec.Struct, rename="camel"):
    """A chart that is not stored, and what is asked of it."""

    chart: str
    global_filter: ChartFilters | None = None


class Dashboards(Controller):
    """Routes of dashboards."""

    path = "/api/v1/dashboards"
    tags = ["Dashboards"]  # noqa: RUF012 - Litestar's way

    @get("/", operation_id="searchDashboards", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the dashboards whose id or title holds a text."""
        own, parameters = context(request), Parameters.of(request)
        wanted, page = (parameters.text("q") or "").lower(), read_page(parameters)
        views = [_view(entry) for entry in own.ports.dashboards.entries(DEFAULT_TENANT, _SPACE)]
        found = [view for view in views if wanted in f"{view['id']} {view.get('title')}".lower()]
        for sort in reversed(read_sorts(parameters)):
            if sort.field not in _SORTS:
                raise InvalidSort(f"Invalid sort field: {sort.field}")
            found.sort(key=lambda view: str(view.get(sort.field, "")), reverse=sort.descending)
        return reply.page(found[page.start : page.start + page.size], len(found))

    @post("/", operation_id="createDashboard", status_code=200)
    async def create(self, request: Http) -> Reply:
        """Store a dashboard."""
        own = context(request)
        board = read_dashboard(await _source(request))
        if _stored(own, board.id) is not None:
            raise _entity_error("Dashboard id already exists")
        return reply.json(await _save(own, board))

    @get("/settings/default-dashboards", operation_id="getDefaultDashboards_1", status_code=200)
    async def defaults(self) -> Reply:
        """Return which dashboards stand in for the built-in ones: none does."""
        return reply.json({})

    @post("/validate", operation_id="validateDashboard", status_code=200)
    async def validate(self, request: Http) -> Reply:
        """Say what is wrong with a dashboard; nothing is stored."""
        source = await _source(request)
        return reply.json(_verdict(lambda: read_dashboard(source)))

    @post("/validate/chart", operation_id="validateChart", status_code=200)
    async def validate_chart(self, request: Http) -> Reply:
        """Say what is wrong with a chart."""
        source = await _source(request)
        return reply.json(_verdict(lambda: read_chart(source)))

    @post("/charts/preview", operation_id="previewChart", status_code=200)
    async def preview(self, request: Http) -> Reply:
        """Return the rows of a chart that is not stored."""
        body = await read_json(request, PreviewRequest, "previewRequest")
        asked = body.global_filter or ChartFilters()
        chart = read_chart(body.chart)
        found = await draw(context(request), chart, asked, DEFAULT_SPAN, LONGEST_SPAN)
        return reply.page(found.results, found.total)

    @post(
        ["/charts/export/to-csv", "/charts/export"],
        operation_id=in_both("exportChartToCsv", "to-csv", of_one=True),
        status_code=200,
    )
    async def export_preview(self, request: Http) -> Reply:
        """Return the rows of a chart that is not stored, as CSV."""
        _only_csv(request)
        body = await read_json(request, PreviewRequest, "previewRequest")
        asked = body.global_filter or ChartFilters()
        chart = read_chart(body.chart)
        found = await draw(context(request), chart, asked, DEFAULT_SPAN, LONGEST_SPAN)
        return _csv(f"{chart['id']}_export.csv", found.results)

    @get("/{dashboard_id:str}", operation_id="getDashboard", status_code=200)
    async def read(self, request: Http, dashboard_id: Segment) -> Reply:
        """Return a dashboard."""
        return reply.json(_view(_require(context(request), dashboard_id)))

    @put("/{dashboard_id:str}", operation_id="updateDashboard", status_code=200)
    async def update(self, request: Http, dashboard_id: Segment) -> Reply:
        """Store a dashboard anew."""
        own = context(request)
        _require(own, dashboard_id)
        board = read_dashboard(await _source(request))
        if board.id != segment(dashboard_id):
            raise _entity_error("Illegal dashboard id update")
        return reply.json(await _save(own, board))

    @delete("/{dashboard_id:str}", operation_id="deleteDashboard", status_code=200)
    async def remove(self, request: Http, dashboard_id: Segment) -> Reply:
        """Delete a dashboard."""
        own, name = context(request), segment(dashboard_id)
        if _stored(own, name) is None:
            raise illegal_state(f"Dashboard {name} doesn't exists")
        await asyncio.to_thread(own.ports.dashboards.delete, DEFAULT_TENANT, _SPACE, name)
        return reply.empty(204)

    @post(
        "/{dashboard_id:str}/charts/{chart_id:str}",
        operation_id="getDashboardChartData",
        status_code=200,
    )
    async def chart(self, request: Http, dashboard_id: Segment, chart_id: Segment) -> Reply:
        """Return the rows of a chart."""
        found = await _draw(request, dashboard_id, chart_id)
        return reply.page(found.results, found.total)

    @post(
        [
            "/{dashboard_id:str}/charts/{chart_id:str}/export/to-csv",
            "/{dashboard_id:str}/charts/{chart_id:str}/export",
        ],
        operation_id=in_both("exportDashboardChartDataToCSV", "to-csv", of_one=True),
        status_code=200,
    )
    async def export(self, request: Http, dashboard_id: Segment, chart_id: Segment) -> Reply:
        """Return the rows of a chart as CSV."""
        _only_csv(request)
        found = await _draw(request, dashboard_id, chart_id)
        return _csv(f"{segment(dashboard_id)}_{segment(chart_id)}_export.csv", found.results)


async def _source(request: Http) -> str:
    text = await read_text(request)
    if not text.strip():
        raise missing_body("dashboard")
    return text


def _stored(own: Context, name: str) -> KvEntry | None:
    return own.ports.dashboards.get(DEFAULT_TENANT, _SPACE, name)


def _require(own: Context, name: str) -> KvEntry:
    found = _stored(own, segment(name))
    if found is None:
        raise not_found()
    return found


async def _save(own: Context, board: Dashboard) -> dict[str, Any]:
    entry = await asyncio.to_thread(
        own.ports.dashboards.put, DEFAULT_TENANT, _SPACE, board.id, board.source
    )
    return _view(entry)


def _view(entry: KvEntry) -> dict[str, Any]:
    return {
        "tenantId": entry.tenant,
        **read_dashboard(entry.value).shown,
        "deleted": False,
        "created": instant(entry.created),
        "updated": instant(entry.updated),
        "sourceCode": entry.value,
    }


def _entity_error(message: str) -> ApiError:
    return invalid_entity(f"dashboard.id: {message}", Detail(message, "dashboard.id"))


def _verdict(read: Callable[[], object]) -> dict[str, Any]:
    view: dict[str, Any] = {"index": 0}
    try:
        read()
    except ApiError as error:
        view["constraints"] = error.message.removeprefix("Invalid entity: ")
    return view | {"outdated": False}


async def _draw(request: Http, dashboard_id: str, chart_id: str) -> Found[dict[str, Any]]:
    own = context(request)
    board = read_dashboard(_require(own, dashboard_id).value)
    chart = board.charts.get(segment(chart_id))
    if chart is None:
        raise not_found()
    asked = await read_json(request, ChartFilters, "globalFilter")
    return await draw(own, chart, asked, board.span, board.longest)


def _only_csv(request: Http) -> None:
    wanted = (Parameters.of(request).text("format") or "CSV").upper()
    if wanted != "CSV":
        raise illegal_argument(f"Charts are exported as CSV only, not as {wanted}")


def _csv(name: str, rows: list[dict[str, Any]]) -> Reply:
    headers = (
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", f'attachment; filename="{reply.plain_name(name)}"'.encode()),
    )
    return Reply(200, as_csv(rows), headers=headers)


ROUTES = [Dashboards]
