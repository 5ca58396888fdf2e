"""What an engine drives: handlers of commands, one partition's commands in order, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from domain.record.envelope import Record


class CommandHandler(Protocol):
    """Steps commands; owns no thread and no offsets."""

    topic: str
    """Logical topic of the commands."""

    def assigned(self, partitions: Sequence[int]) -> None:
        """These partitions are ours now; what was known of them may be old."""
        ...

    def revoked(self, partitions: Sequence[int]) -> None:
        """These are no longer ours."""
        ...

    def process(self, record: Record, done: Callable[[], None]) -> None:
        """Step one command; `done` is called, on any thread, when all it caused is durable."""
        ...
