"""Indices behind aliases: one alias per read model, one index per generation of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from domain.errors import BrokenInvariant
from infra.opensearch.options import OpenSearchOptions
from projections.store import ReadModel

_ANALYSIS = {
    "tokenizer": {"words": {"type": "pattern", "pattern": "[^\\p{L}\\p{N}]+"}},
    "filter": {"cut": {"type": "truncate", "length": 255}},
    "analyzer": {"words": {"type": "custom", "tokenizer": "words", "filter": ["lowercase", "cut"]}},
}
_BUILDING = "-building"
_SEARCHES_SECONDS = 1.0
"""How long searches may still read a generation that was replaced."""


class Indices:
    """Creates, switches and drops the indices of read models."""

    def __init__(self, client: OpenSearch, options: OpenSearchOptions) -> None:
        self._client = client
        self._options = options

    def alias(self, model: ReadModel) -> str:
        """Name under which a model is read and written."""
        return f"{self._options.prefix}{model.name}"

    def ensure(self, models: Sequence[ReadModel]) -> list[ReadModel]:
        """Create missing indices; return the models whose index is new or of another shape."""
        outdated: list[ReadModel] = []
        for model in models:
            live = self._behind(self.alias(model))
            if not live:
                self._create(model, self._name(model, 1), self.alias(model), complete=False)
                live = self._behind(self.alias(model))
            meta = next(iter(live.values()))["mappings"].get("_meta", {})
            if meta.get("signature") != signature(model):
                outdated.append(model)
        return outdated

    def building(self, model: ReadModel) -> str:
        """Name under which a model's new generation is written."""
        return self.alias(model) + _BUILDING

    def begin(self, model: ReadModel) -> None:
        """Create an empty generation beside the live one."""
        self.discard(model)
        latest = max(self._numbers(model), default=0)
        self._create(model, self._name(model, latest + 1), self.building(model), complete=True)

    def switch(self, models: Sequence[ReadModel]) -> None:
        """Point the aliases to the new generations in one step; drop the old ones after a while.

        Searches under way still read those: without the pause they would find no shard.
        """
        actions: list[dict[str, Any]] = []
        for model in models:
            alias, building = self.alias(model), self._behind(self.building(model))
            if not building:
                raise BrokenInvariant(f"{model} has no new generation to switch to")
            actions += [{"remove": {"index": name, "alias": alias}} for name in self._behind(alias)]
            for name in building:
                actions.append({"add": {"index": name, "alias": alias, "is_write_index": True}})
                actions.append({"remove": {"index": name, "alias": self.building(model)}})
        self._client.indices.update_aliases(body={"actions": actions})
        time.sleep(_SEARCHES_SECONDS)
        for model in models:
            self._drop_old(model)

    def _drop_old(self, model: ReadModel) -> None:
        """Drop every generation without an alias; also those that a crash has left."""
        for name, index in self._generations(model).items():
            if not index["aliases"]:
                self._client.indices.delete(index=name, ignore_unavailable=True)

    def adopt(self, model: ReadModel) -> None:
        """Declare the live generation complete as it is."""
        for name in self._behind(self.alias(model)):
            self._client.indices.put_mapping(
                index=name, body={"_meta": {"signature": signature(model)}}
            )

    def discard(self, model: ReadModel) -> None:
        """Drop the new generation, if there is one."""
        for name in self._behind(self.building(model)):
            self._client.indices.delete(index=name)

    def _create(self, model: ReadModel, name: str, alias: str, *, complete: bool) -> None:
        seconds = self._options.refresh_interval.total_seconds()
        body = {
            "settings": {
                "number_of_shards": self._options.shards,
                "auto_expand_replicas": self._options.replicas,
                "refresh_interval": f"{round(seconds * 1000)}ms",
                "analysis": _ANALYSIS,
            },
            "mappings": {
                **model.mapping,
                "_meta": {"signature": signature(model) if complete else ""},
            },
            "aliases": {alias: {"is_write_index": True}},
        }
        try:
            self._client.indices.create(index=name, body=body)
        except RequestError as error:
            # another process was faster
            if error.error != "resource_already_exists_exception":
                raise

    def _behind(self, alias: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.indices.get(index=alias + "*", expand_wildcards="open")
        return {name: index for name, index in found.items() if alias in index["aliases"]}

    def _numbers(self, model: ReadModel) -> list[int]:
        return [int(name.rpartition("-")[2]) for name in self._generations(model)]

    def _generations(self, model: ReadModel) -> dict[str, Any]:
        stem = f"{self.alias(model)}-"
        found = self._client.indices.get(index=f"{stem}*", expand_wildcards="open")
        return {name: at for name, at in found.items() if name.removeprefix(stem).isdecimal()}

    def _name(self, model: ReadModel, generation: int) -> str:
        return f"{self.alias(model)}-{generation:06}"


def signature(model: ReadModel) -> str:
    """Return a text that changes when a model's index or documents change."""
    described = json.dumps([model.mapping, _ANALYSIS, model.routing], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()
