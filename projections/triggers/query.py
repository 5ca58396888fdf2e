"""Questions about triggers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Any

from domain.trigger.state import Trigger, TriggerKey
from projections.fields import EQUALITY, MEMBERSHIP, Field, Resource, Use
from projections.meanings import date_field, free_text, scope, text_field, time_range
from projections.search import Filter, Found, Operation, Page, Query, Sort
from projections.store import Condition, Every, Grouping, Is, Not, Order, ReadStore, Some, Words
from projections.triggers.document import TRIGGERS, TriggerDocument
from projections.values import constant, words

WITHOUT_ROW = (
    "io.kestra.plugin.core.trigger.Flow",
    "io.kestra.plugin.core.trigger.Webhook",
)
"""Types that clients of the API do not see in lists of triggers."""


class _State(Enum):
    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


def _trigger_state() -> Use:
    def meaning(wanted: Filter, _now: datetime) -> Condition:
        state = constant(_State, wanted.value, "io.kestra.core.models.triggers.TriggerState")
        is_off = (state is _State.DISABLED) == (wanted.operation is Operation.EQUALS)
        disabled = Is("disabled", (True,))
        return disabled if is_off else Not(disabled)

    return Use(EQUALITY, meaning)


def _worker_id() -> Use:
    def meaning(wanted: Filter, _now: datetime) -> Condition:
        # no worker evaluates our triggers: none has a worker's id
        negative = wanted.operation in {Operation.NOT_EQUALS, Operation.NOT_IN}
        return Every() if negative else Some(())

    return Use(MEMBERSHIP, meaning)


RESOURCE = Resource(
    "TRIGGER",
    {
        Field.QUERY: free_text(),
        Field.SCOPE: scope(),
        Field.NAMESPACE: text_field("namespace"),
        Field.WORKER_ID: _worker_id(),
        Field.FLOW_ID: text_field("flow_id"),
        Field.START_DATE: date_field("next_date", "startDate"),
        Field.END_DATE: date_field("next_date", "endDate"),
        Field.TRIGGER_ID: text_field("trigger_id"),
        Field.TRIGGER_STATE: _trigger_state(),
    },
    {
        "id": "trigger_id",
        "triggerId": "trigger_id",
        "namespace": "namespace",
        "flowId": "flow_id",
        "date": "last_date",
        "nextExecutionDate": "next_date",
        "executionId": "execution_id",
        "updatedDate": "updated",
        "disabled": "disabled",
        "type": "kind",
    },
    (Order("namespace"), Order("flow_id"), Order("trigger_id"), Order("key")),
    also={Field.TIME_RANGE: time_range("next_date"), Field.TYPE: text_field("kind")},
)

_SEEN = Not(Is("kind", WITHOUT_ROW))


class TriggerQueries:
    """Answers from the index: near-real-time for lists, as last written for one trigger."""

    def __init__(self, store: ReadStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def search(self, query: Query) -> Found[Trigger]:
        """Return a page of triggers, flow and webhook triggers left out; raises InvalidQuery."""
        return await asyncio.to_thread(self._page, self._condition(query), query.sorts, query.page)

    async def of_flow(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        *,
        text: str | None = None,
        sorts: Iterable[Sort] = (),
        page: Page | None = None,
    ) -> Found[Trigger]:
        """Return a page of a flow's triggers; raises InvalidQuery."""
        conditions: list[Condition] = [
            Is("tenant", (tenant,)),
            Is("namespace", (namespace,)),
            Is("flow_id", (flow_id,)),
            _SEEN,
        ]
        if text:
            conditions.append(Words(words(text)))
        condition = Every(tuple(conditions))
        return await asyncio.to_thread(self._page, condition, tuple(sorts), page or Page())

    async def get(self, key: TriggerKey) -> Trigger | None:
        """Return one trigger of any type; None when no flow declares it."""
        document: TriggerDocument | None = await asyncio.to_thread(
            self._store.get, TRIGGERS, key.text
        )
        return None if document is None else document.body

    async def every(self, query: Query) -> list[Trigger]:
        """Return everything a query finds: for actions by query, exports."""
        condition = self._condition(query)

        def scan() -> list[Trigger]:
            found = self._store.scan(TRIGGERS, condition, RESOURCE.default_order)
            return [document.body for document in found]

        return await asyncio.to_thread(scan)

    async def aggregate(self, query: Query, grouping: Grouping) -> list[dict[str, Any]]:
        """Return one row per group of what a query finds, over the document's fields."""
        condition = self._condition(query)
        return await asyncio.to_thread(self._store.aggregate, TRIGGERS, condition, grouping)

    def _condition(self, query: Query) -> Condition:
        return Every((RESOURCE.condition(query, self._clock()), _SEEN))

    def _page(self, condition: Condition, sorts: Iterable[Sort], page: Page) -> Found[Trigger]:
        hits = self._store.search(
            TRIGGERS, condition, RESOURCE.orders(sorts), start=page.start, size=page.size
        )
        return Found([document.body for document in hits.documents], hits.total)
