"""Consumer groups of the embedded log: several members of one process, incremental rebalancing."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from domain.ports.log import METADATA_BYTES, ConsumerEvents, Failed
from infra.embedded.log_feed import Feed
from infra.embedded.log_journal import Journal
from infra.embedded.log_shelf import Partition


class Group:
    """Who of a group has which partitions. A partition is given only after its owner let it go."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._members: list[EmbeddedConsumer] = []
        self._owners: dict[Partition, EmbeddedConsumer] = {}
        self.version = 0
        """Grows with every change: members compare it with the one they have acted on."""

    def join(self, member: EmbeddedConsumer) -> None:
        """Take part from now on."""
        with self._lock:
            self._members.append(member)
            self._changed()

    def leave(self, member: EmbeddedConsumer) -> None:
        """Give everything back."""
        with self._lock:
            self._members.remove(member)
            self._owners = {
                partition: owner for partition, owner in self._owners.items() if owner is not member
            }
            self._changed()

    def release(self, member: EmbeddedConsumer, partitions: Sequence[Partition]) -> None:
        """Let partitions go."""
        with self._lock:
            for partition in partitions:
                if self._owners.get(partition) is member:
                    del self._owners[partition]
            self._changed()

    def wanted(self, member: EmbeddedConsumer, topics: Sequence[list[Partition]]) -> set[Partition]:
        """Return the share of a member: every n-th partition number, the same for all topics."""
        with self._lock:
            if member not in self._members:
                return set()
            place, count = self._members.index(member), len(self._members)
            return {
                partition
                for partitions in topics
                for partition in partitions
                if partition.number % count == place
            }

    def claim(self, member: EmbeddedConsumer, wanted: set[Partition]) -> list[Partition]:
        """Take those wanted that nobody has; return the ones gained."""
        with self._lock:
            gained = [partition for partition in wanted if partition not in self._owners]
            for partition in gained:
                self._owners[partition] = member
            return sorted(gained, key=_place)

    def owns(self, member: EmbeddedConsumer, partition: Partition) -> bool:
        """Tell whether a partition is a member's."""
        return self._owners.get(partition) is member

    def _changed(self) -> None:
        self.version += 1
        for member in self._members:
            member.wake()


class EmbeddedConsumer(Feed):
    """A member of a group in this process."""

    def __init__(
        self,
        journal: Journal,
        group: tuple[str, Group],
        topics: Sequence[str],
        events: ConsumerEvents,
        failed: Failed | None,
    ) -> None:
        self._group_name, self._group = group
        super().__init__(journal, f"log-consumer-{self._group_name}", events.records, failed)
        self._topics = [journal.partitions(topic) for topic in topics]
        self._events = events
        self._version = -1

    def start(self) -> None:
        """Join the group and begin to deliver."""
        self._group.join(self)
        super().start()

    def commit(self, topic: str, partition: int, next_offset: int, metadata: str = "") -> None:
        """Record the next offset wanted, if the partition is ours."""
        if len(metadata.encode()) > METADATA_BYTES:
            raise ValueError(f"commit metadata is limited to {METADATA_BYTES} bytes")
        place = self._journal.partitions(topic)[partition]
        if self._group.owns(self, place):
            self._journal.commit(self._group_name, place, next_offset, metadata)

    def committed(self, topic: str, partition: int) -> tuple[int | None, str]:
        """Return the committed next offset (None: nothing yet) and its metadata."""
        pid = self._journal.partitions(topic)[partition].pid
        return self._journal.commits.get((self._group_name, pid), (None, ""))

    def pause(self, topic: str, partition: int) -> None:
        """Deliver nothing more of a partition until `resume`."""
        self._paused.add(self._journal.partitions(topic)[partition])

    def resume(self, topic: str, partition: int) -> None:
        """Undo `pause`."""
        self._paused.discard(self._journal.partitions(topic)[partition])
        self.wake()

    def _has_news(self) -> bool:
        return self._version != self._group.version

    def _prepare(self) -> None:
        if not self._has_news():
            return
        version = self._group.version
        wanted = self._group.wanted(self, self._topics)
        self._revoke([partition for partition in self._positions if partition not in wanted])
        gained = self._group.claim(self, wanted)
        for partition in gained:
            committed, _ = self.committed(partition.topic, partition.number)
            self._positions[partition] = partition.start if committed is None else committed
        self._journal.listen(self, list(self._positions))
        if gained:
            self._events.assigned([_place(partition) for partition in gained])
        self._version = version

    def _revoke(self, partitions: list[Partition]) -> None:
        if not partitions:
            return
        partitions.sort(key=_place)
        for partition in partitions:
            del self._positions[partition]
            self._paused.discard(partition)
        try:
            self._events.revoked([_place(partition) for partition in partitions])
        finally:
            self._group.release(self, partitions)

    def _leave(self) -> None:
        super()._leave()
        try:
            self._revoke(list(self._positions))
        finally:
            self._group.leave(self)


def _place(partition: Partition) -> tuple[str, int]:
    return partition.topic, partition.number
