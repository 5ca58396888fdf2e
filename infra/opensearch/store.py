"""The read store in OpenSearch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import msgspec
from opensearchpy.exceptions import NotFoundError

from infra.opensearch.bulk import Bulk
from infra.opensearch.claim import Claim
from infra.opensearch.client import connect, told
from infra.opensearch.dsl import Json, aggregations_of, query_of, rows_of, sort_of
from infra.opensearch.indices import Indices
from infra.opensearch.options import OpenSearchOptions
from projections.store import (
    Condition,
    DocumentWriter,
    Failure,
    Grouping,
    Hits,
    Order,
    ReadModel,
    Write,
)

_WINDOW = 10_000
"""Deepest hit that a plain search reaches."""
_SCAN_PAGE = 1_000
_KEEP_ALIVE = "2m"
_PRECISE = 40_000


class OpenSearchReadStore:
    """ReadStore and Generations. Thread-safe. Indices are created with the first use."""

    def __init__(self, options: OpenSearchOptions, models: Sequence[ReadModel]) -> None:
        """Prepare; nothing is sent before the first call.

        Args:
            options: where and how.
            models: every read model of the program.
        """
        self._client = connect(options)
        self._indices = Indices(self._client, options)
        self._claim = Claim(self._client, options.prefix)
        self._models = tuple(models)
        self._bulk = Bulk(self._client, options, self._indices.alias)
        self._lock = Lock()
        self._outdated: list[ReadModel] | None = None

    def outdated(self) -> list[ReadModel]:
        """Models whose index is new or of another shape: they must be rebuilt."""
        with self._lock, told():
            if self._outdated != []:  # another process may have rebuilt them
                self._outdated = self._indices.ensure(self._models)
            return list(self._outdated)

    def _ready(self) -> None:
        if self._outdated is None:
            self.outdated()

    # -- reading

    def search(
        self,
        model: ReadModel,
        condition: Condition,
        orders: Sequence[Order] = (),
        *,
        start: int = 0,
        size: int = 10,
        distinct: str | None = None,
    ) -> Hits:
        """The documents of a page and the number of all."""
        self._ready()
        body: Json = {
            "query": query_of(model, condition),
            "sort": sort_of(model, orders, total=False),
            "track_total_hits": True,
            "size": min(size, max(0, _WINDOW - start)),
            "from": min(start, _WINDOW),
        }
        if distinct is not None:
            body["collapse"] = {"field": distinct}
            count = {"field": distinct, "precision_threshold": _PRECISE}
            body["aggs"] = {"values": {"cardinality": count}}
        with told():
            answer = self._client.search(index=self._indices.alias(model), body=body)
        total = answer["hits"]["total"]["value"]
        if distinct is not None:
            total = answer["aggregations"]["values"]["value"]
        elif start + size > _WINDOW and total > _WINDOW:
            return Hits(self._deep(model, condition, orders, start, size), total)
        return Hits([_document(model, hit) for hit in answer["hits"]["hits"]], total)

    def _deep(
        self,
        model: ReadModel,
        condition: Condition,
        orders: Sequence[Order],
        start: int,
        size: int,
    ) -> list[Any]:
        """A page beyond the window: walk to it from the first hit, documents left out before it."""
        found: list[Any] = []
        left = start
        for hits in self._walk(model, condition, orders, skip=start):
            taken = hits[left:]
            left = max(0, left - len(hits))
            found += [_document(model, hit) for hit in taken[: size - len(found)]]
            if len(found) >= size:
                break
        return found

    def _walk(
        self, model: ReadModel, condition: Condition, orders: Sequence[Order], *, skip: int = 0
    ) -> Iterator[list[Json]]:
        """Pages of hits as of one moment; those wholly before `skip` come without documents."""
        with told():
            point = self._client.create_pit(
                index=self._indices.alias(model), params={"keep_alive": _KEEP_ALIVE}
            )["pit_id"]
        try:
            after: list[Any] | None = None
            while True:
                size = min(_WINDOW, skip) if skip > 0 else _SCAN_PAGE
                body: Json = {
                    "pit": {"id": point, "keep_alive": _KEEP_ALIVE},
                    "query": query_of(model, condition),
                    "sort": sort_of(model, orders, total=True),
                    "track_total_hits": False,
                    "_source": skip <= 0,
                    "size": size,
                }
                if after is not None:
                    body["search_after"] = after
                with told():
                    hits = self._client.search(body=body)["hits"]["hits"]
                yield hits
                if len(hits) < size:
                    return
                skip -= len(hits)
                after = hits[-1]["sort"]
        finally:
            with told():
                self._client.delete_pit(body={"pit_id": [point]})

    def get(self, model: ReadModel, document_id: str) -> Any | None:
        """The document as last written, refreshed or not."""
        self._ready()
        with told():
            try:
                hit = self._client.get(index=self._indices.alias(model), id=document_id)
            except NotFoundError as error:
                if isinstance(error.info, dict) and error.info.get("found") is False:
                    return None
                raise
        return _document(model, hit)

    def count(self, model: ReadModel, condition: Condition) -> int:
        """How many documents a condition holds for."""
        self._ready()
        with told():
            answer = self._client.count(
                index=self._indices.alias(model), body={"query": query_of(model, condition)}
            )
        return int(answer["count"])

    def aggregate(
        self, model: ReadModel, condition: Condition, grouping: Grouping
    ) -> list[dict[str, Any]]:
        """One row per group; the least and latest of dates are exact to the millisecond."""
        self._ready()
        body: Json = {"query": query_of(model, condition), "size": 0, "track_total_hits": True}
        if aggregations := aggregations_of(model, grouping):
            body["aggs"] = aggregations
        with told():
            answer = self._client.search(index=self._indices.alias(model), body=body)
        documents = answer["hits"]["total"]["value"]
        return rows_of(model, grouping, answer.get("aggregations", {}), documents)

    def scan(
        self, model: ReadModel, condition: Condition, orders: Sequence[Order] = ()
    ) -> Iterator[Any]:
        """Every document for which the condition holds, as of one moment."""
        self._ready()
        for hits in self._walk(model, condition, orders):
            for hit in hits:
                yield _document(model, hit)

    # -- writing

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        """Write all in order."""
        self._ready()
        return self._bulk.write(writes, {})

    def sync(self) -> None:
        """Nothing to do: every bulk request is answered when it is on the disk."""

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        self._ready()
        with told():
            names = [self._indices.alias(model) for model in self._models]
            self._client.indices.refresh(index=",".join(names))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- generations

    def claim(self, owner: str, seconds: float) -> bool:
        """Take or renew the right to change generations for so long; False: another has it."""
        with told():
            return self._claim.take(owner, seconds)

    def release(self, owner: str) -> None:
        """Give the right back, if this owner has it."""
        with told():
            self._claim.release(owner)

    def begin(self, models: Sequence[ReadModel]) -> DocumentWriter:
        """Make empty generations of these models; the returned writer fills them."""
        self._ready()
        with told():
            for model in models:
                self._indices.begin(model)
            building = {model.name: self._indices.building(model) for model in models}
        return _Building(self._bulk, building)

    def switch(self, models: Sequence[ReadModel]) -> None:
        """Make the new generations the live ones at once, and drop the old ones."""
        with self._lock, told():
            self._indices.switch(models)
            self._outdated = [model for model in self._outdated or () if model not in models]

    def adopt(self, models: Sequence[ReadModel]) -> None:
        """Declare the live generations complete as they are."""
        with self._lock, told():
            for model in models:
                self._indices.adopt(model)
            self._outdated = [model for model in self._outdated or () if model not in models]

    def discard(self, models: Sequence[ReadModel]) -> None:
        """Drop the new generations."""
        with told():
            for model in models:
                self._indices.discard(model)


class _Building:
    """Writes to new generations."""

    def __init__(self, bulk: Bulk, indices: dict[str, str]) -> None:
        self._bulk = bulk
        self._indices = indices

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        """Write all in order."""
        return self._bulk.write(writes, self._indices)

    def sync(self) -> None:
        """Nothing to do: every bulk request is answered when it is on the disk."""


def _document(model: ReadModel, hit: Json) -> Any:
    return msgspec.convert(hit["_source"], model.document)
