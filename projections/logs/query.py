"""Questions about log lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.log import Level, LogEntry
from projections.fields import EQUALITY as _EQUALITY
from projections.fields import Field, Resource, Use
from projections.logs.document import LOGS, LogDocument
from projections.meanings import date_field, levels_from, min_level, scope, text_field, time_range
from projections.search import Filter, Found, Operation, Query
from projections.store import Condition, Every, Grouping, Is, Not, Order, ReadStore, Some, Words
from projections.values import words

_IDS = ("execution_id", "flow_id", "task_id", "trigger_id", "namespace")


def _free_text() -> Use:
    def meaning(wanted: Filter, _now: datetime) -> Condition:
        text = str(wanted.value)
        whole = tuple(Is(field, (text.strip(),)) for field in _IDS)
        condition = Some((Words(words(text), "message"), *whole))
        return Not(condition) if wanted.operation is Operation.NOT_EQUALS else condition

    return Use(_EQUALITY, meaning)


RESOURCE = Resource(
    "LOG",
    {
        Field.QUERY: _free_text(),
        Field.SCOPE: scope(),
        Field.NAMESPACE: text_field("namespace"),
        Field.START_DATE: date_field("timestamp", "startDate"),
        Field.END_DATE: date_field("timestamp", "endDate"),
        Field.FLOW_ID: text_field("flow_id"),
        Field.TRIGGER_ID: text_field("trigger_id"),
        Field.MIN_LEVEL: min_level(),
        Field.EXECUTION_ID: text_field("execution_id"),
    },
    {
        "timestamp": "timestamp",
        "level": "level",
        "namespace": "namespace",
        "flowId": "flow_id",
        "taskId": "task_id",
        "executionId": "execution_id",
        "taskRunId": "task_run_id",
        "attemptNumber": "attempt",
        "triggerId": "trigger_id",
        "thread": "thread",
    },
    (
        Order("timestamp", descending=True),
        Order("offset", descending=True),
        Order("line", descending=True),
        Order("id"),
    ),
    also={
        Field.TIME_RANGE: time_range("timestamp"),
        Field.TASK_ID: text_field("task_id"),
        Field.TASK_RUN_ID: text_field("task_run_id"),
    },
)

IN_TIME = (Order("timestamp"), Order("offset"), Order("line"))


def entry_of(document: LogDocument) -> LogEntry:
    """Return the line that a document stores."""
    return LogEntry(
        id=document.id,
        tenant=document.tenant,
        namespace=document.namespace,
        flow_id=document.flow_id,
        level=Level(document.level),
        message=document.message,
        timestamp=document.timestamp,
        execution_id=document.execution_id,
        task_id=document.task_id,
        task_run_id=document.task_run_id,
        attempt=document.attempt,
        trigger_id=document.trigger_id,
        thread=document.thread,
        execution_kind=document.execution_kind,
    )


class LogQueries:
    """Answers from the index, near-real-time."""

    def __init__(self, store: ReadStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def search(self, query: Query) -> Found[LogEntry]:
        """Return a page of lines, latest first by default; raises InvalidQuery."""
        condition = RESOURCE.condition(query, self._clock())
        orders, page = RESOURCE.orders(query.sorts), query.page
        hits = await asyncio.to_thread(
            lambda: self._store.search(LOGS, condition, orders, start=page.start, size=page.size)
        )
        return Found([entry_of(document) for document in hits.documents], hits.total)

    async def of_execution(
        self,
        tenant: str,
        execution_id: str,
        *,
        min_level: Level | None = None,
        task_id: str | None = None,
        task_run_id: str | None = None,
        attempt: int | None = None,
    ) -> list[LogEntry]:
        """Return the lines of an execution in time order.

        `task_id` goes before `task_run_id` where both are given; `attempt` counts from 0 and only
        with a task run.
        """
        conditions: list[Condition] = [Is("tenant", (tenant,)), Is("execution_id", (execution_id,))]
        if min_level is not None:
            conditions.append(Is("level", levels_from(min_level)))
        if task_id is not None:
            conditions.append(Is("task_id", (task_id,)))
        elif task_run_id is not None:
            conditions.append(Is("task_run_id", (task_run_id,)))
            if attempt is not None:
                conditions.append(Is("attempt", (attempt,)))
        return await asyncio.to_thread(self._every, Every(tuple(conditions)))

    async def of_trigger(
        self, tenant: str, namespace: str, flow_id: str, trigger_id: str
    ) -> list[LogEntry]:
        """Return the lines of a trigger in time order."""
        condition = Every(
            (
                Is("tenant", (tenant,)),
                Is("namespace", (namespace,)),
                Is("flow_id", (flow_id,)),
                Is("trigger_id", (trigger_id,)),
            )
        )
        return await asyncio.to_thread(self._every, condition)

    async def every(self, query: Query) -> list[LogEntry]:
        """Return everything a query finds in time order: for exports."""
        condition = RESOURCE.condition(query, self._clock())
        return await asyncio.to_thread(self._every, condition)

    async def aggregate(self, query: Query, grouping: Grouping) -> list[dict[str, Any]]:
        """Return one row per group of what a query finds, over the document's fields."""
        condition = RESOURCE.condition(query, self._clock())
        return await asyncio.to_thread(self._store.aggregate, LOGS, condition, grouping)

    def _every(self, condition: Condition) -> list[LogEntry]:
        return [entry_of(document) for document in self._store.scan(LOGS, condition, IN_TIME)]
