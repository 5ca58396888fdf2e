"""Drives a handler from a consumer of the log port: what the embedded engine has for Faust.

On Kafka it drives those that only read: they take many records at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from domain.ports.log import AT_ONCE, Log
from domain.record.envelope import Record
from streams.handler import CommandHandler
from streams.progress import Committer


class CommandLoop:
    """One member of a group that feeds one handler, on the consumer's thread."""

    def __init__(
        self,
        log: Log,
        group: str,
        handler: CommandHandler,
        *,
        member: str,
        commit_interval_seconds: float,
        failed: Callable[[Exception], None],
        gather: timedelta = AT_ONCE,
    ) -> None:
        self._handler = handler
        self._topic = handler.topic
        self._failed = failed
        self._consumer = log.consumer(group, [handler.topic], self, member, gather=gather)
        self._committer = Committer(self._commit, failed, commit_interval_seconds)

    def start(self) -> None:
        """Join and begin."""
        self._committer.start()
        self._consumer.start()

    def close(self) -> None:
        """Commit what is done and leave."""
        self._committer.close()
        self._consumer.close()

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Count and fold these partitions anew."""
        numbers = [number for _, number in partitions]
        for number in numbers:
            self._committer.assigned(number)
        self._handler.assigned(numbers)

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Forget these partitions."""
        numbers = [number for _, number in partitions]
        for number in numbers:
            self._committer.revoked(number)
        self._handler.revoked(numbers)

    def records(self, batch: Sequence[Record]) -> None:
        """Step a batch."""
        try:
            for record in batch:
                done = self._committer.begin(record.partition, record.offset)
                self._handler.process(record, done)
        except Exception as error:  # noqa: BLE001 - whatever escapes a handler must stop the process
            self._failed(error)

    def _commit(self, partition: int, next_offset: int) -> None:
        self._consumer.commit(self._topic, partition, next_offset)


class Asking:
    """Listens to nothing: for a consumer that is only asked what its group has committed."""

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Nothing is assigned to a member that never joins."""

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Nothing is taken from it."""

    def records(self, batch: Sequence[Record]) -> None:
        """Nothing arrives."""
