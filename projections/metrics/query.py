"""Questions about measurements."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from domain.errors import InvalidQuery
from domain.metric import MetricEntry
from projections.metrics.document import METRICS, MetricDocument
from projections.search import Found, InvalidSort, Page, Sort
from projections.store import (
    Between,
    Condition,
    Every,
    Exists,
    Grouping,
    Interval,
    Is,
    Key,
    Measure,
    MeasureKind,
    Not,
    Order,
    ReadStore,
)

_SORTS = {
    "name": "name",
    "type": "type",
    "timestamp": "timestamp",
    "value": "value",
    "taskId": "task_id",
    "taskRunId": "task_run_id",
    "namespace": "namespace",
    "flowId": "flow_id",
    "executionId": "execution_id",
}
_IN_TIME = (Order("timestamp"), Order("offset"), Order("line"), Order("id"))
_ORDINARY = Not(Exists("execution_kind"))
_AGGREGATIONS = {
    "sum": MeasureKind.SUM,
    "avg": MeasureKind.AVG,
    "min": MeasureKind.MIN,
    "max": MeasureKind.MAX,
}
_SPAN = timedelta(days=30)
_EARLIEST = datetime(1, 2, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Within these, a bucket can begin before an instant and end after it."""


class Bucket(msgspec.Struct, frozen=True):
    """One value of a curve."""

    name: str | None
    """None: nothing was measured, the value is 0."""
    value: float
    date: datetime


class Curve(msgspec.Struct, frozen=True):
    """An aggregated metric over time, without gaps: 0 where nothing was measured."""

    group_by: Interval
    buckets: list[Bucket]


def entry_of(document: MetricDocument) -> MetricEntry:
    """Return the measurement that a document stores."""
    return MetricEntry(
        id=document.id,
        tenant=document.tenant,
        namespace=document.namespace,
        flow_id=document.flow_id,
        type=document.type,
        name=document.name,
        value=document.value,
        timestamp=document.timestamp,
        execution_id=document.execution_id,
        task_id=document.task_id,
        task_run_id=document.task_run_id,
        trigger_id=document.trigger_id,
        tags=document.tags,
        execution_kind=document.execution_kind,
    )


class MetricQueries:
    """Answers from the index, near-real-time."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    async def of_execution(
        self,
        tenant: str,
        execution_id: str,
        *,
        task_id: str | None = None,
        task_run_id: str | None = None,
        sorts: Sequence[Sort] = (),
        page: Page | None = None,
    ) -> Found[MetricEntry]:
        """Return a page of an execution's measurements, in time order by default.

        Raises:
            InvalidSort: not a sortable column.
        """
        conditions: list[Condition] = [Is("tenant", (tenant,)), Is("execution_id", (execution_id,))]
        if task_id is not None:
            conditions.append(Is("task_id", (task_id,)))
        if task_run_id is not None:
            conditions.append(Is("task_run_id", (task_run_id,)))
        orders = _orders(sorts)
        wanted = page or Page()
        hits = await asyncio.to_thread(
            lambda: self._store.search(
                METRICS, Every(tuple(conditions)), orders, start=wanted.start, size=wanted.size
            )
        )
        return Found([entry_of(document) for document in hits.documents], hits.total)

    async def names(
        self, tenant: str, namespace: str, flow_id: str, task_id: str | None = None
    ) -> list[str]:
        """Return the names of the metrics of a flow, or of one task of it, sorted."""
        return await self._values("name", _of_flow(tenant, namespace, flow_id, task_id))

    async def tasks(self, tenant: str, namespace: str, flow_id: str) -> list[str]:
        """Return the tasks of a flow that measured something, sorted."""
        return await self._values("task_id", _of_flow(tenant, namespace, flow_id, None))

    async def curve(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        name: str,
        *,
        now: datetime,
        task_id: str | None = None,
        aggregation: str = "sum",
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Curve:
        """Return a metric over time, in buckets as wide as the span asks for.

        Args:
            tenant: whose.
            namespace: of the flow.
            flow_id: of the flow.
            name: of the metric.
            now: the end of the span where none is given.
            task_id: only of this task.
            aggregation: sum, avg, min or max.
            start: of the span; by default 30 days before its end.
            end: of the span.

        Raises:
            InvalidQuery: another aggregation, or a start after the end.
        """
        kind = _AGGREGATIONS.get(aggregation.lower())
        if kind is None:
            raise InvalidQuery(f"Invalid aggregation: {aggregation}")
        end = max(end or now, _EARLIEST + _SPAN)
        start = end - _SPAN if start is None else max(start, _EARLIEST)
        if start > end:
            raise InvalidQuery("Start date must be before End Date")
        interval = interval_of(end - start)
        condition = Every(
            (
                _of_flow(tenant, namespace, flow_id, task_id),
                Is("name", (name,)),
                Between("timestamp", at_least=start, at_most=end),
            )
        )
        grouping = Grouping(
            (Key("date", "timestamp", interval),), (Measure("value", kind, "value"),)
        )
        rows = await asyncio.to_thread(self._store.aggregate, METRICS, condition, grouping)
        values = {row["date"]: float(row["value"] or 0) for row in rows}
        dates = instants(start, end, interval)
        buckets: list[Bucket] = []
        for date in dates:
            value = values.get(floor(date, interval))
            measured = value is not None
            buckets.append(Bucket(name if measured else None, value or 0.0, date))
        return Curve(interval, buckets)

    async def aggregate(
        self, tenant: str, condition: Condition, grouping: Grouping
    ) -> list[dict[str, Any]]:
        """Return one row per group of a tenant's measurements, over the document's fields."""
        wanted = Every((Is("tenant", (tenant,)), _ORDINARY, condition))
        return await asyncio.to_thread(self._store.aggregate, METRICS, wanted, grouping)

    async def _values(self, field: str, condition: Condition) -> list[str]:
        grouping = Grouping((Key("value", field),), ())
        rows = await asyncio.to_thread(self._store.aggregate, METRICS, condition, grouping)
        return sorted(row["value"] for row in rows)


def _of_flow(tenant: str, namespace: str, flow_id: str, task_id: str | None) -> Condition:
    conditions: list[Condition] = [
        Is("tenant", (tenant,)),
        Is("namespace", (namespace,)),
        Is("flow_id", (flow_id,)),
        _ORDINARY,
    ]
    if task_id is not None:
        conditions.append(Is("task_id", (task_id,)))
    return Every(tuple(conditions))


def _orders(sorts: Sequence[Sort]) -> tuple[Order, ...]:
    for sort in sorts:
        if sort.field not in _SORTS:
            raise InvalidSort(f"Invalid sort field: {sort.field}")
    return (*(Order(_SORTS[sort.field], sort.descending) for sort in sorts), *_IN_TIME)


# -- buckets ----------------------------------------------------------------------------------


def interval_of(span: timedelta) -> Interval:
    """Return the width of buckets for a span of time."""
    if span > timedelta(days=365):
        return Interval.MONTH
    if span > timedelta(days=180):
        return Interval.WEEK
    if span > timedelta(days=1):
        return Interval.DAY
    if span > timedelta(hours=6):
        return Interval.HOUR
    return Interval.MINUTE


def floor(date: datetime, interval: Interval) -> datetime:
    """Return the beginning of the bucket in which an instant (UTC) lies."""
    minute = date.replace(second=0, microsecond=0)
    if interval is Interval.MINUTE:
        return minute
    if interval is Interval.HOUR:
        return minute.replace(minute=0)
    day = minute.replace(hour=0, minute=0)
    if interval is Interval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is Interval.MONTH else day


_STEPS = {
    Interval.MINUTE: timedelta(minutes=1),
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
    Interval.WEEK: timedelta(weeks=1),
}


def instants(start: datetime, end: datetime, interval: Interval) -> list[datetime]:
    """Return start, and every instant one interval further, up to the end."""
    found: list[datetime] = []
    date = start
    last = min(end, _LATEST)
    while date <= last and len(found) < 10_000:
        found.append(date)
        if interval is Interval.MONTH:
            years, month = divmod(date.month, 12)
            first = date.replace(year=date.year + years, month=month + 1, day=1)
            date = first.replace(day=min(start.day, 28))
        else:
            date += _STEPS[interval]
    return found
