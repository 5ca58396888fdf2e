"""What a chart shows: its rows, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.context import Context
from api.dashboards.reading import CHART, DATA
from api.errors import illegal_argument, invalid_json
from api.parameters import read_moment
from api.views.text import instant
from domain.ids import DEFAULT_TENANT
from domain.map_order import in_map_order
from projections.charts.chart import Chart, Column, Where, Window
from projections.charts.sources import SOURCES
from projections.fields import Field
from projections.search import Clause, Filter, Found, Operation, Page

Row = dict[str, Any]
_FIELDS = {field.value for field in Field}


class ChartFilter(msgspec.Struct):
    """A filter of a whole dashboard."""

    field: str
    operation: str
    value: Any = None


class ChartFilters(msgspec.Struct, rename="camel"):
    """What a client asks of a chart."""

    start_date: str | None = None
    end_date: str | None = None
    page_size: int | None = None
    page_number: int | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    filters: list[ChartFilter] | None = None


async def draw(
    own: Context, chart: Mapping[str, Any], asked: ChartFilters, span: timedelta, longest: timedelta
) -> Found[Row]:
    """Return the rows of a chart.

    Args:
        own: the context.
        chart: as the dashboard shows it.
        asked: window of time, page and filters.
        span: how far back to look where no start is given.
        longest: how long the window may be.

    Raises:
        ApiError: 422 an unreadable date, a window that is too long or upside down, a bad filter.
        InvalidQuery: the chart names what its data does not have.
    """
    kind = str(chart["type"]).removeprefix(CHART)
    if kind == "Markdown":
        return Found([], 0)
    window = _window(own, asked, span, longest)
    data: Mapping[str, Any] = chart["data"]
    queries = own.ports.queries.charts
    if kind == "KPI":
        options = chart.get("chartOptions") or {}
        percentage = options.get("numberType") == "PERCENTAGE"
        value = await queries.value(_kpi(data), window, percentage=percentage)
        return Found([{} if value is None else {"value": value}], 1)
    options = chart.get("chartOptions") or {}
    time_column = str(options.get("column")) if kind == "TimeSeries" else None
    found = await queries.rows(_chart(data, time_column), window, _page(asked))
    return Found([_ordered(row) for row in found.results], found.total)


def as_csv(rows: list[Row]) -> bytes:
    """Return rows as CSV with a head; of no rows nothing."""
    names = in_map_order(list(dict.fromkeys(name for row in rows for name in row)))
    out = io.StringIO()
    writer = csv.writer(out)
    if names:
        writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return instant(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _ordered(row: Row) -> Row:
    return {name: row[name] for name in in_map_order(list(row))}


def _window(own: Context, asked: ChartFilters, span: timedelta, longest: timedelta) -> Window:
    end = _date(asked.end_date, "endDate") or own.ports.now()
    start = _date(asked.start_date, "startDate")
    if start is None:
        try:
            start = end - span
        except OverflowError:
            start = datetime.min.replace(tzinfo=UTC)
    if start > end:
        raise illegal_argument("Time window is invalid. End date must be after start date.")
    if end - start > longest:
        raise illegal_argument("Time window is larger than the dashboard's maximum.")
    return Window(tenant=DEFAULT_TENANT, start=start, end=end, filters=tuple(_filters(asked)))


def _date(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    found = read_moment(text)
    if found is None:
        raise illegal_argument(f"Invalid date for '{name}': Text '{text}' could not be parsed")
    return found.astimezone(UTC)


def _filters(asked: ChartFilters) -> list[Clause]:
    found: list[Clause] = []
    for index, given in enumerate(asked.filters or ()):
        if given.field not in _FIELDS:
            known = ", ".join(field.value for field in Field)
            java = "io.kestra.webserver.models.ChartFiltersOverrides"
            path = (
                f'{java}["filters"] > java.util.ArrayList[{index}] > '
                'io.kestra.core.models.QueryFilter["field"]'
            )
            why = f"Unsupported field '{given.field}'. Expected one of: [{known}]"
            raise invalid_json("globalFilter", why, path)
        operation = Operation.parse(given.operation)
        if isinstance(given.value, dict):
            found += [
                Filter(given.field, operation, value, str(key))
                for key, value in given.value.items()
            ]
        else:
            found.append(Filter(given.field, operation, given.value))
    if asked.namespace:
        found.append(Filter("namespace", Operation.PREFIX, asked.namespace))
    for key, value in (asked.labels or {}).items():
        found.append(Filter("labels", Operation.EQUALS, value, key))
    return found


def _page(asked: ChartFilters) -> Page | None:
    if asked.page_size is None:
        return None
    return Page(1 if asked.page_number is None else asked.page_number, asked.page_size)


def _chart(data: Mapping[str, Any], time_column: str | None) -> Chart:
    columns = tuple(_column(name, column) for name, column in data["columns"].items())
    return Chart(
        source=_source(data),
        columns=columns,
        where=_conditions(data.get("where")),
        order=tuple(
            (str(item["column"]), str(item.get("order", "ASC")).upper() == "DESC")
            for item in data.get("orderBy") or ()
            if isinstance(item, dict) and item.get("column") is not None
        ),
        time_column=time_column,
    )


def _kpi(data: Mapping[str, Any]) -> Chart:
    return Chart(
        source=_source(data),
        columns=(_column("value", data["columns"]),),
        where=_conditions(data.get("where")),
        numerator=_conditions(data.get("numerator")),
    )


def _source(data: Mapping[str, Any]) -> Any:
    return SOURCES[str(data["type"]).removeprefix(DATA).removesuffix("KPI")]


def _column(name: str, column: Mapping[str, Any]) -> Column:
    return Column(
        name=name,
        field=_text(column.get("field")),
        aggregation=_text(column.get("agg")),
        label_key=_text(column.get("labelKey")),
    )


def _conditions(given: Any) -> tuple[Where, ...]:
    listed = given if isinstance(given, list) else []
    return tuple(_condition(item) for item in listed if isinstance(item, dict))


def _condition(given: Mapping[str, Any]) -> Where:
    kind = str(given.get("type"))
    if kind == "OR":
        field = _text(given.get("field"))
        members = [
            _condition({"field": field, **member})
            for member in given.get("values") or ()
            if isinstance(member, dict)
        ]
        return Where(type=kind, field=field or "", members=tuple(members))
    values = given.get("values", given.get("value"))
    listed = values if isinstance(values, list) else [] if values is None else [values]
    return Where(
        type=kind,
        field=str(given.get("field")),
        values=tuple(listed),
        label_key=_text(given.get("labelKey")),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
