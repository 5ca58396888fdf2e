"""The rows of charts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import InvalidQuery
from projections.charts.chart import Chart, Column, Window
from projections.charts.conditions import condition_of, document_field, where_of
from projections.labels import PAIR
from projections.search import Found, Page
from projections.store import (
    Condition,
    Every,
    Grouping,
    Interval,
    Key,
    Measure,
    MeasureKind,
    Order,
    ReadStore,
)

Row = dict[str, Any]

_WIDTHS = (
    (timedelta(days=365), Interval.MONTH),
    (timedelta(days=180), Interval.WEEK),
    (timedelta(days=1), Interval.DAY),
    (timedelta(hours=6), Interval.HOUR),
)
_MOST_ROWS = 10_000


class ChartQueries:
    """Answers from the index, near-real-time."""

    def __init__(self, store: ReadStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def rows(self, chart: Chart, window: Window, page: Page | None = None) -> Found[Row]:
        """Return the rows of a chart by column name; all of them, at most 10,000, without a page.

        Raises:
            InvalidQuery: the chart or a filter names what the data does not have.
        """
        condition = condition_of(chart, window, self._clock())
        if all(column.aggregation is None for column in chart.columns):
            return await asyncio.to_thread(self._documents, chart, condition, page)
        grouping = _grouping(chart, window)
        found = await asyncio.to_thread(
            self._store.aggregate, chart.source.model, condition, grouping
        )
        rows = [_shown(chart, row) for row in _sorted(chart, found)]
        part = rows if page is None else rows[page.start : page.start + page.size]
        return Found(part, len(rows))

    async def value(self, chart: Chart, window: Window, *, percentage: bool) -> float | None:
        """Return the single number of a chart.

        Args:
            chart: with one aggregated column.
            window: time and filters.
            percentage: hundredths of what `where` finds that the numerator finds, too.

        Raises:
            InvalidQuery: the chart or a filter names what the data does not have.
        """
        whole = condition_of(chart, window, self._clock())
        part = Every((whole, *(where_of(chart.source, where) for where in chart.numerator)))
        if not percentage:
            return await self._number(chart, part)
        of = await self._number(chart, whole)
        return 100 * (await self._number(chart, part) or 0.0) / of if of else 0.0

    async def _number(self, chart: Chart, condition: Condition) -> float | None:
        grouping = Grouping((), tuple(_measures(chart)))
        rows = await asyncio.to_thread(
            self._store.aggregate, chart.source.model, condition, grouping
        )
        [column] = chart.columns
        value = _shown(chart, rows[0]).get(column.name) if rows else None
        if value is None:
            return 0.0 if column.aggregation == "COUNT" else None
        return float(value)

    def _documents(self, chart: Chart, condition: Condition, page: Page | None) -> Found[Row]:
        source = chart.source
        columns = {
            column.name: document_field(source, column.field)
            for column in chart.columns
            if column.field is not None
        }
        orders = [
            Order(columns[name], descending) for name, descending in chart.order if name in columns
        ]
        orders += [order for order in source.order if order not in orders]
        hits = self._store.search(
            source.model,
            condition,
            orders,
            start=0 if page is None else page.start,
            size=_MOST_ROWS if page is None else page.size,
        )
        rows = [
            _shown(chart, {name: _member(document, field) for name, field in columns.items()})
            for document in hits.documents
        ]
        return Found(rows, hits.total)


def _member(document: Any, field: str) -> Any:
    return getattr(document, field)


def _grouping(chart: Chart, window: Window) -> Grouping:
    keys = []
    for column in chart.columns:
        if column.aggregation is not None:
            continue
        if column.field is None:
            raise InvalidQuery(f"The column {column.name} has neither a field nor an aggregation")
        if column.field in chart.source.texts:
            raise InvalidQuery(f"{chart.source.name} cannot be grouped by {column.field}")
        field = document_field(chart.source, column.field)
        is_time = column.name == chart.time_column
        interval = _width(window.end - window.start) if is_time else None
        prefix = "" if column.label_key is None else f"{column.label_key}{PAIR}"
        keys.append(Key(column.name, field, interval, prefix))
    return Grouping(tuple(keys), tuple(_measures(chart)), _MOST_ROWS)


def _measures(chart: Chart) -> Iterable[Measure]:
    for column in chart.columns:
        if column.aggregation is None:
            continue
        try:
            kind = MeasureKind(column.aggregation)
        except ValueError:
            raise InvalidQuery(f"There is no aggregation {column.aggregation}") from None
        field = None if column.field is None else document_field(chart.source, column.field)
        if field is None and kind is not MeasureKind.COUNT:
            raise InvalidQuery(f"The column {column.name} needs a field for {kind.value}")
        if kind is not MeasureKind.COUNT and column.field not in _MEASURABLE:
            raise InvalidQuery(f"{column.field} cannot be aggregated by {kind.value}")
        yield Measure(column.name, kind, field)


_MEASURABLE = frozenset({"DURATION", "VALUE", "FLOW_REVISION", "REVISION", "ATTEMPT_NUMBER"})


def _width(span: timedelta) -> Interval:
    return next((interval for least, interval in _WIDTHS if span > least), Interval.MINUTE)


def _sorted(chart: Chart, rows: list[Row]) -> list[Row]:
    """Order rows: as the chart says, else by time, else the greatest number first."""
    keys = [column.name for column in chart.columns if column.aggregation is None]
    rows.sort(key=lambda row: [_comparable(row.get(name)) for name in keys])
    order = list(chart.order)
    if not order and chart.time_column is not None:
        order = [(chart.time_column, False)]
    elif not order:
        order = [(column.name, True) for column in chart.columns if column.aggregation is not None]
    for name, descending in reversed(order):
        rows.sort(key=lambda row, name=name: _comparable(row.get(name)), reverse=descending)  # type: ignore[misc]
    return rows


def _comparable(value: Any) -> tuple[bool, Any]:
    if value is None:
        return False, 0
    if isinstance(value, datetime):
        return True, value.timestamp()
    return True, value if isinstance(value, int | float) else str(value)


def _shown(chart: Chart, row: Row) -> Row:
    return {
        column.name: _shown_value(chart, column, row.get(column.name))
        for column in chart.columns
        if row.get(column.name) is not None
    }


def _shown_value(chart: Chart, column: Column, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list):
        pairs = [str(item).partition(PAIR) for item in value]
        if column.label_key is not None:
            return next((text for key, _, text in pairs if key == column.label_key), None)
        return {key: text for key, _, text in pairs}
    if column.aggregation == "COUNT":
        return int(value)
    if column.field in chart.source.durations:
        return value / 1000
    if isinstance(value, str) and column.label_key is None and column.field == "LABELS":
        key, _, text = value.partition(PAIR)
        return f"{key}:{text}"
    return value
