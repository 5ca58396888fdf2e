"""Questions about task runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.execution.state import TaskRun
from projections.search import Found, Page
from projections.store import Condition, Every, Is, Order, ReadStore
from projections.taskruns.document import TASK_RUNS, TaskRunDocument

_ORDER = (Order("execution_id"), Order("position"))


class TaskRunQueries:
    """Answers from the index."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    def of(self, execution_ids: Sequence[str]) -> dict[str, list[TaskRunDocument]]:
        """Return the task runs of some executions by execution, in order. Blocks."""
        found: dict[str, list[TaskRunDocument]] = {}
        if execution_ids:
            condition = Is("execution_id", tuple(execution_ids))
            for document in self._store.scan(TASK_RUNS, condition, _ORDER):
                found.setdefault(document.execution_id, []).append(document)
        return found

    async def page(
        self, tenant: str, execution_id: str, page: Page, state: str | None = None
    ) -> Found[TaskRun]:
        """Return a page of one execution's task runs in order, of one state where given."""
        conditions: list[Condition] = [Is("tenant", (tenant,)), Is("execution_id", (execution_id,))]
        if state is not None:
            conditions.append(Is("state", (state,)))
        hits = await asyncio.to_thread(
            lambda: self._store.search(
                TASK_RUNS, Every(tuple(conditions)), _ORDER, start=page.start, size=page.size
            )
        )
        return Found([document.body for document in hits.documents], hits.total)
