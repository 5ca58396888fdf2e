"""A document writer in memory: versions as every read store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from projections.store import (
    Delete,
    DeleteWhere,
    Failure,
    Is,
    StoreUnavailable,
    Upsert,
    Write,
)


class MemoryStore:
    """DocumentWriter; `away` makes it refuse, `poison` names ids that it never takes."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], tuple[int, Any]] = {}
        self.away = False
        self.poison: set[str] = set()
        self.bulks: list[int] = []
        self.synced = 0

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        if self.away:
            raise StoreUnavailable("away")
        self.bulks.append(len(writes))
        failures: list[Failure] = []
        for write in writes:
            if isinstance(write, DeleteWhere):
                self._delete_where(write)
            elif write.id in self.poison:
                failures.append(Failure(write, "poison"))
            elif isinstance(write, Upsert):
                self._upsert(write)
            else:
                self._delete(write)
        return failures

    def _upsert(self, write: Upsert) -> None:
        place = (write.model.name, write.id)
        known = self.stored.get(place)
        if known is None or known[0] < write.version:
            # what was written must not change with the state it was made from
            self.stored[place] = (write.version, msgspec.to_builtins(write.document))

    def _delete(self, write: Delete) -> None:
        place = (write.model.name, write.id)
        known = self.stored.get(place)
        if known is not None and known[0] <= write.version:
            del self.stored[place]

    def _delete_where(self, write: DeleteWhere) -> None:
        assert isinstance(write.condition, Is)
        field, values = write.condition.field, write.condition.values
        for place in [place for place in self.stored if place[0] == write.model.name]:
            if self.stored[place][1].get(field) in values:
                del self.stored[place]

    def sync(self) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.synced += 1
