"""Bulk requests: versions, sizes, and what each item's answer means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from infra.opensearch.client import told
from infra.opensearch.dsl import query_of
from infra.opensearch.options import OpenSearchOptions
from projections.store import (
    Delete,
    DeleteWhere,
    Failure,
    ReadModel,
    StoreUnavailable,
    Upsert,
    Write,
)

_ANSWER = "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
_STALE = 409
_MISSING = 404
_TOO_LARGE = 413
_LATER = frozenset({401, 403, 408, 429, 500, 502, 503, 504})


class Bulk:
    """Writes documents with external versions. Thread-safe."""

    def __init__(
        self, client: OpenSearch, options: OpenSearchOptions, alias: Callable[[ReadModel], str]
    ) -> None:
        self._client = client
        self._limit = options.bulk_bytes
        self._alias = alias

    def write(self, writes: Sequence[Write], indices: Mapping[str, str]) -> list[Failure]:
        """Write all in order; `indices`: by model, the alias where it is not the live one."""
        failures: list[Failure] = []
        lines: list[bytes] = []
        part: list[Write] = []
        size = 0
        for write in writes:
            if isinstance(write, DeleteWhere):
                failures += self._send(part, lines)
                lines, part, size = [], [], 0
                self._delete_where(write, indices.get(write.model.name))
                continue
            line = self._line(write, indices.get(write.model.name))
            if part and size + len(line) > self._limit:
                failures += self._send(part, lines)
                lines, part, size = [], [], 0
            lines.append(line)
            part.append(write)
            size += len(line)
        failures += self._send(part, lines)
        return failures

    def _line(self, write: Upsert | Delete, index: str | None) -> bytes:
        model = write.model
        action: dict[str, Any] = {
            "_index": index or self._alias(model),
            "_id": write.id,
            "version": write.version,
            "require_alias": True,  # never make an index without its mapping
        }
        if isinstance(write, Delete):
            action["version_type"] = "external_gte"
            if write.routing is not None:
                action["routing"] = write.routing
            return msgspec.json.encode({"delete": action}) + b"\n"
        action["version_type"] = "external"
        if model.routing is not None:
            action["routing"] = getattr(write.document, model.routing)
        source = msgspec.json.encode(write.document)
        return msgspec.json.encode({"index": action}) + b"\n" + source + b"\n"

    def _send(self, part: Sequence[Write], lines: Sequence[bytes]) -> list[Failure]:
        if not part:
            return []
        try:
            with told():
                answer = self._request(lines)
        except _TooLargeError as error:
            if len(part) == 1:
                return [Failure(part[0], str(error))]
            half = len(part) // 2
            return self._send(part[:half], lines[:half]) + self._send(part[half:], lines[half:])
        failures: list[Failure] = []
        for write, item in zip(part, answer["items"], strict=True):
            failure = _judged(write, next(iter(item.values())))
            if failure is not None:
                failures.append(failure)
        return failures

    def _request(self, lines: Sequence[bytes]) -> Any:
        try:
            return self._client.bulk(body=b"".join(lines), params={"filter_path": _ANSWER})
        except TransportError as error:
            if error.status_code == _TOO_LARGE:
                raise _TooLargeError("the document is larger than OpenSearch accepts") from error
            raise

    def _delete_where(self, write: DeleteWhere, index: str | None) -> None:
        name = index or self._alias(write.model)
        with told():
            # it finds only what searches see
            self._client.indices.refresh(index=name)
            self._client.delete_by_query(
                index=name,
                body={"query": query_of(write.model, write.condition)},
                params={"conflicts": "proceed"},
            )


class _TooLargeError(Exception):
    """The request is larger than the server takes."""


def _judged(write: Write, item: Any) -> Failure | None:
    status = item["status"]
    if status < 300 or status == _STALE or (status == _MISSING and isinstance(write, Delete)):
        return None
    error = item.get("error", {})
    reason = f"{error.get('type')}: {error.get('reason')}"
    cause = error.get("caused_by", {}).get("reason")
    if cause:
        reason += f" ({cause})"
    if status in _LATER or status == _MISSING:
        raise StoreUnavailable(f"OpenSearch did not write: {status} {reason}")
    return Failure(write, reason)
