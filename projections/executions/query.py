"""Questions about executions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from domain.execution.state import Execution
from projections.executions.document import EXECUTIONS, ExecutionDocument
from projections.fields import MEMBERSHIP, Field, Resource, Use
from projections.kinds import Kind
from projections.labels import labels
from projections.meanings import (
    child_filter,
    date_field,
    free_text,
    scope,
    state_field,
    text_field,
    time_range,
)
from projections.search import Filter, Found, Operation, Page, Query, Sort
from projections.store import (
    Condition,
    Every,
    Exists,
    Grouping,
    Is,
    Key,
    Not,
    Order,
    ReadStore,
    Some,
)
from projections.taskruns.query import TaskRunQueries
from projections.values import constant, items

_KIND = "io.kestra.core.models.executions.ExecutionKind"
ORDINARY = Not(Exists("kind"))
"""Executions that are neither tests nor playground runs: they have no kind stored."""


def _kind() -> Use:
    def meaning(wanted: Filter, _now: datetime) -> Condition:
        kinds = [constant(Kind, item, _KIND) for item in items(wanted.value)]
        parts: list[Condition] = [ORDINARY] if Kind.NORMAL in kinds else []
        special = tuple(kind.value for kind in kinds if kind is not Kind.NORMAL)
        if special:
            parts.append(Is("kind", special))
        condition = parts[0] if len(parts) == 1 else Some(tuple(parts))
        negative = wanted.operation in {Operation.NOT_EQUALS, Operation.NOT_IN}
        return Not(condition) if negative else condition

    return Use(MEMBERSHIP, meaning)


RESOURCE = Resource(
    "EXECUTION",
    {
        Field.QUERY: free_text(),
        Field.SCOPE: scope(),
        Field.FLOW_ID: text_field("flow_id"),
        Field.START_DATE: date_field("start_date", "startDate"),
        Field.END_DATE: date_field("end_date", "endDate"),
        Field.TIME_RANGE: time_range("start_date"),
        Field.STATE: state_field(),
        Field.LABELS: labels(),
        Field.TRIGGER_EXECUTION_ID: text_field("trigger_execution_id"),
        Field.CHILD_FILTER: child_filter("trigger_execution_id"),
        Field.NAMESPACE: text_field("namespace"),
        Field.KIND: _kind(),
    },
    {
        "id": "id",
        "namespace": "namespace",
        "flowId": "flow_id",
        "flowRevision": "flow_revision",
        "state.current": "state",
        "state.startDate": "start_date",
        "state.endDate": "end_date",
        "state.duration": "duration",
        "startDate": "start_date",
        "endDate": "end_date",
        "duration": "duration",
        "state": "state",
        "kind": "kind",
        "trigger.id": "trigger_id",
        "parentId": "parent_id",
        "originalId": "original_id",
    },
    (Order("start_date", descending=True), Order("id")),
    also={Field.ID: text_field("id"), Field.TRIGGER_ID: text_field("trigger_id")},
)

_FIELDS_OF_VALUES = {"namespace": "namespace", "flowId": "flow_id", "state": "state"}
_TASK_RUNS_EACH = 1_000
_TASK_RUNS_IN_ALL = 50_000
_READS = 5


class ExecutionQueries:
    """Answers from the index: near-real-time for lists, as last written for one execution."""

    def __init__(self, store: ReadStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._task_runs = TaskRunQueries(store)

    def condition(self, query: Query) -> Condition:
        """Return what a query means; executions of special kinds only where a filter asks.

        Raises:
            InvalidQuery: a filter is wrong.
        """
        condition = RESOURCE.condition(query, self._clock())
        if RESOURCE.mentions(query.filters, Field.KIND):
            return condition
        return Every((condition, ORDINARY))

    async def search(self, query: Query, *, task_runs: bool = False) -> Found[Execution]:
        """Return a page of executions.

        Args:
            query: filters, sorts (default: latest start first), page.
            task_runs: fill in the task runs, of executions with up to 1,000 of them and 50,000 in
                all; the others come without.

        Raises:
            InvalidQuery: a filter or sort is wrong.
            StoreUnavailable: no answer.
        """
        condition, orders = self.condition(query), RESOURCE.orders(query.sorts)
        return await asyncio.to_thread(self._search, condition, orders, query.page, task_runs)

    async def get(self, tenant: str, execution_id: str) -> Execution | None:
        """Return the whole execution with its task runs in order; None when not in the index."""
        return await asyncio.to_thread(self._get, tenant, execution_id)

    async def by_flow(
        self, tenant: str, namespace: str, flow_id: str, page: Page, *, task_runs: bool = False
    ) -> Found[Execution]:
        """Return the executions of one flow, latest first."""
        condition = Every(
            (Is("tenant", (tenant,)), Is("flow_key", (flow_key(namespace, flow_id),)), ORDINARY)
        )
        return await asyncio.to_thread(
            self._search, condition, RESOURCE.default_order, page, task_runs
        )

    async def latest(self, tenant: str, flows: Sequence[tuple[str, str]]) -> list[Execution]:
        """Return the last execution of each flow (namespace, id), in the order of the flows.

        No flows means all flows, by namespace and id.
        """
        return await asyncio.to_thread(self._latest, tenant, flows)

    async def count(self, query: Query) -> int:
        """Return how many executions a query finds."""
        condition = self.condition(query)
        return await asyncio.to_thread(self._store.count, EXECUTIONS, condition)

    async def ids(self, query: Query) -> list[str]:
        """Return the ids of everything a query finds, oldest first: for actions by query."""
        condition = self.condition(query)

        def scan() -> list[str]:
            return [document.id for document in self._scan(condition)]

        return await asyncio.to_thread(scan)

    async def every(self, query: Query) -> list[Execution]:
        """Return everything a query finds, without task runs, oldest first: for exports."""
        condition = self.condition(query)

        def scan() -> list[Execution]:
            return [document.body for document in self._scan(condition)]

        return await asyncio.to_thread(scan)

    async def with_task_runs(self, executions: Sequence[Execution]) -> Sequence[Execution]:
        """Fill in the task runs of executions that came without; returns the same executions."""
        found = await asyncio.to_thread(self._task_runs.of, [each.id for each in executions])
        for execution in executions:
            runs = found.get(execution.id, [])
            execution.task_runs = {run.id: run.body for run in runs}
        return executions

    async def distinct(self, query: Query, field: str, size: int = 100) -> list[str]:
        """Return the values of `namespace`, `flowId` or `state` among what a query finds.

        Raises:
            KeyError: another field.
        """
        grouping = Grouping((Key("value", _FIELDS_OF_VALUES[field]),), (), limit=size)
        rows = await self.aggregate(query, grouping)
        return sorted(row["value"] for row in rows)

    async def aggregate(self, query: Query, grouping: Grouping) -> list[dict[str, Any]]:
        """Return one row per group of what a query finds, over the document's fields."""
        condition = self.condition(query)
        return await asyncio.to_thread(self._store.aggregate, EXECUTIONS, condition, grouping)

    def _search(
        self, condition: Condition, orders: Sequence[Order], page: Page, task_runs: bool
    ) -> Found[Execution]:
        hits = self._store.search(EXECUTIONS, condition, orders, start=page.start, size=page.size)
        documents: list[ExecutionDocument] = hits.documents
        if task_runs:
            self._fill(documents)
        return Found([document.body for document in documents], hits.total)

    def _fill(self, documents: Iterable[ExecutionDocument]) -> None:
        left = _TASK_RUNS_IN_ALL
        wanted: dict[str, Execution] = {}
        for document in documents:
            if document.task_run_count <= min(_TASK_RUNS_EACH, left):
                left -= document.task_run_count
                wanted[document.id] = document.body
        found = self._task_runs.of([key for key in wanted if wanted[key] is not None])
        for execution_id, runs in found.items():
            wanted[execution_id].task_runs = {run.id: run.body for run in runs}

    def _get(self, tenant: str, execution_id: str) -> Execution | None:
        execution: Execution | None = None
        for attempt in range(_READS):
            document: ExecutionDocument | None = self._store.get(EXECUTIONS, execution_id)
            if document is None or document.tenant != tenant:
                return None
            execution = document.body
            if document.task_run_count == 0:
                return execution
            if attempt:
                self._store.refresh()
            runs = self._task_runs.of([execution_id]).get(execution_id, [])
            execution.task_runs = {run.id: run.body for run in runs}
            changed = max((run.sequence for run in runs), default=0)
            if (len(runs), changed) == (document.task_run_count, document.task_sequence):
                break
        return execution

    def _latest(self, tenant: str, flows: Sequence[tuple[str, str]]) -> list[Execution]:
        keys = [flow_key(namespace, flow) for namespace, flow in flows]
        wanted: list[Condition] = [Is("tenant", (tenant,)), ORDINARY]
        if keys:
            wanted.append(Is("flow_key", tuple(dict.fromkeys(keys))))
        hits = self._store.search(
            EXECUTIONS,
            Every(tuple(wanted)),
            RESOURCE.default_order,
            size=10_000,
            distinct="flow_key",
        )
        found: dict[str, Execution] = {
            document.flow_key: document.body for document in hits.documents
        }
        order = dict.fromkeys(keys) if keys else sorted(found, key=lambda key: key.split("/"))
        return [found[key] for key in order if key in found]

    def _scan(self, condition: Condition) -> Iterator[ExecutionDocument]:
        return self._store.scan(EXECUTIONS, condition, (Order("start_date"), Order("id")))


def flow_key(namespace: str, flow_id: str) -> str:
    """Return the text by which documents of a flow's executions are grouped."""
    return f"{namespace}/{flow_id}"


def parse_sorts(texts: Iterable[str]) -> tuple[Sort, ...]:
    """Read `field:direction` texts; raises InvalidSort."""
    return tuple(Sort.parse(text) for text in texts)
