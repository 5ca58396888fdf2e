"""One document that says who may change generations."""

from __future__ import annotations

from time import time
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError

_ID = "rebuild"


class Claim:
    """A right with an end, kept in an index of its own."""

    def __init__(self, client: OpenSearch, prefix: str) -> None:
        self._client = client
        self._index = f"{prefix}claims"

    def take(self, owner: str, seconds: float) -> bool:
        """Take or renew it; False: another has it."""
        self._ensure()
        held = self._held()
        now = time()
        if (
            held is not None
            and held["_source"]["owner"] != owner
            and held["_source"]["until"] > now
        ):
            return False
        condition = {"op_type": "create"} if held is None else _unchanged(held)
        body = {"owner": owner, "until": now + seconds}
        try:
            self._client.index(index=self._index, id=_ID, body=body, params=condition)
        except ConflictError:
            return False  # another was faster
        return True

    def release(self, owner: str) -> None:
        """Give it back, if this owner has it."""
        held = self._held()
        if held is None or held["_source"]["owner"] != owner:
            return
        try:
            self._client.delete(index=self._index, id=_ID, params=_unchanged(held))
        except (ConflictError, NotFoundError):
            return  # it had ended, and another has it

    def _held(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get(index=self._index, id=_ID)
        except NotFoundError:
            return None
        return found

    def _ensure(self) -> None:
        if self._client.indices.exists(index=self._index):
            return
        mapping = {"owner": {"type": "keyword"}, "until": {"type": "double"}}
        body = {
            "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1"},
            "mappings": {"dynamic": "strict", "properties": mapping},
        }
        try:
            self._client.indices.create(index=self._index, body=body)
        except RequestError as error:
            if error.error != "resource_already_exists_exception":
                raise


def _unchanged(held: dict[str, Any]) -> dict[str, Any]:
    return {"if_seq_no": held["_seq_no"], "if_primary_term": held["_primary_term"]}
