"""Questions about flows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from threading import Event, Lock
from time import monotonic
from typing import Any, TypeVar

from domain.ids import flow_key
from domain.record.values import FlowRevision
from projections.fields import Field, Resource
from projections.flows.document import FLOWS, FlowDocument
from projections.labels import labels
from projections.meanings import free_text, scope, text_field
from projections.search import Found, Page, Query, Sort
from projections.store import (
    Condition,
    Every,
    Grouping,
    Is,
    Key,
    Not,
    Order,
    ReadStore,
    Some,
    StartsWith,
    Words,
)
from projections.values import words

RESOURCE = Resource(
    "FLOW",
    {
        Field.LABELS: labels(),
        Field.NAMESPACE: text_field("namespace"),
        Field.QUERY: free_text(),
        Field.SCOPE: scope(),
        Field.FLOW_ID: text_field("id"),
    },
    {
        "id": "id",
        "namespace": "namespace",
        "revision": "revision",
        "updated": "updated",
        "disabled": "disabled",
        "flowId": "id",
    },
    (Order("namespace"), Order("id"), Order("key")),
)

T = TypeVar("T")
_YOUNG = timedelta(seconds=10)
"""How long a revision may take to the index and still be waited for."""
_PATIENCE = 2.0
"""Seconds that one answer waits at most."""
_ASK_EVERY = 0.005
_pause = Event()

_NOT_DELETED = Not(Is("deleted", (True,)))


def revision_of(document: FlowDocument) -> FlowRevision:
    """Return the revision that a document stores; its writer is not kept."""
    return FlowRevision(
        tenant=document.tenant,
        namespace=document.namespace,
        id=document.id,
        revision=document.revision,
        source=document.source,
        updated=document.updated,
        writer="",
        deleted=document.deleted,
        disabled=document.disabled,
    )


class FlowQueries:
    """Answers from the index: the latest revisions, those just written included."""

    def __init__(self, store: ReadStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._expected: dict[str, int] = {}
        """Revisions that may not be in the index yet, by key."""
        self._lock = Lock()

    def expect(self, revision: FlowRevision) -> None:
        """Have answers wait for a revision that was just written; a listener of the flows."""
        if self._clock() - revision.updated < _YOUNG:
            with self._lock:
                self._expected[flow_key(revision.tenant, revision.namespace, revision.id)] = (
                    revision.revision
                )

    async def search(self, query: Query) -> Found[FlowRevision]:
        """Return a page of flows that are not deleted; raises InvalidQuery."""
        condition = self._condition(query)
        return await self._ask(lambda: self._page(condition, query.sorts, query.page))

    async def search_source(
        self,
        tenant: str,
        text: str | None,
        *,
        namespace: str | None = None,
        sorts: Iterable[Sort] = (),
        page: Page | None = None,
    ) -> Found[FlowRevision]:
        """Return a page of flows whose source has every word of a text (the beginning of it)."""
        conditions: list[Condition] = [Is("tenant", (tenant,)), _NOT_DELETED]
        if text:
            conditions.append(Words(words(text), "source"))
        if namespace:
            conditions.append(in_namespace(namespace))
        condition = Every(tuple(conditions))
        return await self._ask(lambda: self._page(condition, tuple(sorts), page or Page()))

    async def every(self, query: Query) -> list[FlowRevision]:
        """Return everything a query finds by namespace and id: for actions by query, exports."""
        condition = self._condition(query)

        def scan() -> list[FlowRevision]:
            found = self._store.scan(FLOWS, condition, RESOURCE.default_order)
            return [revision_of(document) for document in found]

        return await self._ask(scan)

    async def namespaces(
        self, tenant: str, *, prefix: str = "", deleted: bool = False
    ) -> list[str]:
        """Return the namespaces that have flows, sorted.

        Args:
            tenant: whose.
            prefix: what the namespace begins with.
            deleted: also those whose flows are all deleted.
        """
        conditions: list[Condition] = [Is("tenant", (tenant,))]
        if not deleted:
            conditions.append(_NOT_DELETED)
        if prefix:
            conditions.append(StartsWith("namespace", prefix))
        grouping = Grouping((Key("namespace", "namespace"),), ())
        condition = Every(tuple(conditions))
        rows = await self._ask(lambda: self._store.aggregate(FLOWS, condition, grouping))
        return sorted(row["namespace"] for row in rows)

    async def count(self, query: Query) -> int:
        """Return how many flows a query finds."""
        condition = self._condition(query)
        return await self._ask(lambda: self._store.count(FLOWS, condition))

    async def aggregate(self, query: Query, grouping: Grouping) -> list[dict[str, Any]]:
        """Return one row per group of what a query finds, over the document's fields."""
        condition = self._condition(query)
        return await self._ask(lambda: self._store.aggregate(FLOWS, condition, grouping))

    async def _ask(self, question: Callable[[], T]) -> T:
        def answer() -> T:
            self._catch_up()
            return question()

        return await asyncio.to_thread(answer)

    def _catch_up(self) -> None:
        """Wait, not for long, until searches see what was just written."""
        with self._lock:
            expected, self._expected = self._expected, {}
        deadline = monotonic() + _PATIENCE
        for key, revision in expected.items():
            while not self._has(key, revision) and monotonic() < deadline:
                _pause.wait(_ASK_EVERY)
        if expected:
            self._store.refresh()

    def _has(self, key: str, revision: int) -> bool:
        document = self._store.get(FLOWS, key)
        return document is not None and document.revision >= revision

    def _condition(self, query: Query) -> Condition:
        return Every((RESOURCE.condition(query, self._clock()), _NOT_DELETED))

    def _page(self, condition: Condition, sorts: Iterable[Sort], page: Page) -> Found[FlowRevision]:
        hits = self._store.search(
            FLOWS, condition, RESOURCE.orders(sorts), start=page.start, size=page.size
        )
        return Found([revision_of(document) for document in hits.documents], hits.total)


def in_namespace(namespace: str) -> Condition:
    """Return the condition: in this namespace or a child of it."""
    return Some((Is("namespace", (namespace,)), StartsWith("namespace", f"{namespace}.")))
