"""`taskCache`: outputs of an earlier run of the same task with the same rendered properties."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.duration import parse_duration
from domain.errors import NotFound
from domain.record.codec import encode
from streams.worker.context import RunContext, slug


class _Kept(msgspec.Struct):
    at: datetime
    outputs: dict[str, Any]


_DECODER = msgspec.json.Decoder(_Kept)


class TaskCache:
    """The cache entry of one task with one set of properties; a file of internal storage."""

    def __init__(self, context: RunContext, uri: str, ttl: timedelta | None) -> None:
        self._context = context
        self._uri = uri
        self._ttl = ttl

    @classmethod
    def of(
        cls, task: Mapping[str, Any], properties: msgspec.Struct, context: RunContext
    ) -> TaskCache | None:
        """Return a task's entry; None when it wants none or its properties cannot be hashed."""
        wanted = task.get("taskCache")
        if not isinstance(wanted, Mapping) or not wanted.get("enabled"):
            return None
        try:
            value = context.variables.get("taskrun", {}).get("value")
            said = encode([task["type"], properties, value])
        except TypeError:
            return None
        ttl = wanted.get("ttl")
        name = f"{slug(context.task_id)}/{hashlib.sha256(said).hexdigest()}.json"
        uri = f"{context.flow_uri}/_cache/{name}"
        return cls(context, uri, parse_duration(ttl) if ttl is not None else None)

    def find(self) -> dict[str, Any] | None:
        """Return the outputs kept; None when there are none or they are too old."""
        services = self._context.services
        try:
            with services.blobs.open(self._uri) as file:
                kept = _DECODER.decode(file.read())
        except NotFound:
            return None
        except (msgspec.MsgspecError, OSError) as error:
            self._context.out.warn(f"The task cache could not be read, the task runs: {error}")
            return None
        if self._ttl is not None and kept.at + self._ttl <= services.clock.now():
            return None
        self._context.out.info("Outputs are taken from the task cache.")
        return kept.outputs

    def save(self, outputs: dict[str, Any]) -> None:
        """Keep outputs."""
        services = self._context.services
        services.blobs.put(self._uri, encode(_Kept(services.clock.now(), outputs)))
