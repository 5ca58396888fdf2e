"""Snapshots of a process: on its own disk, so that they outlive its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class MemorySnapshots:
    """Snapshots port."""

    def __init__(self) -> None:
        self._offsets: dict[int, int] = {}
        self._states: dict[int, dict[str, tuple[bytes, bool]]] = {}

    def offset(self, partition: int) -> int | None:
        return self._offsets.get(partition)

    def load(self, partition: int, execution_id: str) -> bytes | None:
        found = self._states.get(partition, {}).get(execution_id)
        return None if found is None else found[0]

    def live(self, partition: int) -> Iterator[tuple[str, bytes]]:
        for execution_id, (state, ended) in list(self._states.get(partition, {}).items()):
            if not ended:
                yield execution_id, state

    def save(self, partition: int, offset: int, states: Iterable[tuple[str, bytes, bool]]) -> None:
        changed = {execution_id: (state, ended) for execution_id, state, ended in states}
        self._states.setdefault(partition, {}).update(changed)
        self._offsets[partition] = offset

    def forget(self, partition: int) -> None:
        self._states.pop(partition, None)
        self._offsets.pop(partition, None)

    def lose(self) -> None:
        """The disk is new."""
        self._states.clear()
        self._offsets.clear()

    def close(self) -> None:
        pass
