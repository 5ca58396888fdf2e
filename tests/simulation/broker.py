"""The log of a simulation: topics, groups and commits that outlive every process.

Nothing here has a thread or a clock: records land, acknowledgements arrive and consumers are fed
when the world says so. What a dead process had under way lands in part or is lost, as on a broker.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import msgspec

from domain.errors import LogUnavailable
from domain.ports.log import AT_ONCE, ConsumerEvents, Delivery, Failed
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import partition_of
from infra.large_records import LargeValues
from tests.support.memory_blobs import MemoryBlobs

if TYPE_CHECKING:
    from tests.simulation.process import Process

Place = tuple[str, int]
"""Topic and partition."""
START_MS = 1_767_225_600_000
"""The simulation begins on 1 January 2026."""


class Broker:
    """What is durable. The time is virtual."""

    def __init__(self, partitions: int, record_bytes: int = 1_000_000) -> None:
        self.partitions = partitions
        self.values = LargeValues(MemoryBlobs(), record_bytes)
        self.now_ms = START_MS
        self.logs: dict[Place, list[Record]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self.listeners: list[Callable[[Record], None]] = []

    def group(self, name: str) -> Group:
        """Return a group of consumers."""
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = Group(name)
        return found

    def partition(self, record: Outgoing) -> int:
        """Return where a record belongs."""
        if record.partition is not None:
            return record.partition
        return partition_of(record.key, self.partitions)

    def append(self, outgoing: Outgoing, place: Place, timestamp_ms: int) -> Record:
        """Make a record durable."""
        records = self.logs[place]
        stamp = timestamp_ms if outgoing.timestamp_ms is None else outgoing.timestamp_ms
        record = Record(
            place[0], place[1], len(records), outgoing.key, outgoing.value, stamp, outgoing.headers
        )
        records.append(record)
        whole = self.values.opened(record)
        for listener in self.listeners:
            listener(whole)
        return record

    def read(self, place: Place, start: int, stop: int | None = None) -> list[Record]:
        """Return records as a reader gets them."""
        found = self.logs[place][start:stop] if place in self.logs else []
        return [self.values.opened(record) for record in found]

    def all(self, topic: str) -> Iterator[Record]:
        """Yield every record of a topic, partition by partition."""
        for place in sorted(self.logs):
            if place[0] == topic:
                yield from self.read(place, 0)


class Group:
    """Members, who owns what, and what was committed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[Member] = []
        self.owners: dict[Place, Member] = {}
        self.committed: dict[Place, tuple[int, str]] = {}

    def balance(self, random: Random | None = None, *, quiet: Member | None = None) -> None:
        """Hand out all partitions anew.

        Args:
            random: shuffles who gets what; None: as even as can be, with few moves.
            quiet: a member that is not told what it loses: a zombie.
        """
        members = [member for member in self.members if member is not quiet]
        if not members:
            self.owners.clear()
            return
        places = members[0].wanted
        if random is not None:
            members = random.sample(members, len(members))
        wanted: dict[Place, Member] = {}
        for number, place in enumerate(places):
            wanted[place] = members[number % len(members)]
        for member in list(self.members):
            lost = [p for p in places if self.owners.get(p) is member and wanted[p] is not member]
            for place in lost:
                if member is quiet:
                    member.haunted.add(place)
            if lost and member is not quiet:
                member.lose(lost)
        gained: dict[Member, list[Place]] = {}
        for place, member in wanted.items():
            if self.owners.get(place) is not member:
                self.owners[place] = member
                gained.setdefault(member, []).append(place)
        for member, places_gained in gained.items():
            member.gain(places_gained)

    def leave(self, member: Member) -> None:
        """A member is gone, and its session with it; others may take over at the next balance."""
        if member in self.members:
            self.members.remove(member)
        for place in [place for place, owner in self.owners.items() if owner is member]:
            del self.owners[place]


class Member:
    """LogConsumer of one process: fed by the world."""

    def __init__(
        self, process: Process, group: Group, topics: Sequence[str], events: ConsumerEvents
    ) -> None:
        self.process = process
        self._group = group
        self.group_name = group.name
        self._events = events
        broker = process.broker
        self._broker = broker
        self.wanted: list[Place] = [
            (topic, number) for topic in topics for number in range(broker.partitions)
        ]
        self.next: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self.haunted: set[Place] = set()
        """Partitions that it believes to own, and does not."""

    def start(self) -> None:
        self._group.members.append(self)
        self._group.balance()

    def gain(self, places: list[Place]) -> None:
        """Begin where the group's commits say."""
        for place in places:
            self.haunted.discard(place)
            self.next[place] = self.committed(*place)[0] or 0
        self._events.assigned(places)

    def lose(self, places: list[Place]) -> None:
        """Be told that partitions are taken away."""
        held = [place for place in places if place in self.next]
        self._events.revoked(held)
        for place in held:
            self.next.pop(place, None)
            self._paused.discard(place)
            self.haunted.discard(place)

    @property
    def unread(self) -> list[Place]:
        """Partitions with something new."""
        logs = self._broker.logs
        return [
            place
            for place, start in self.next.items()
            if place in logs and start < len(logs[place]) and place not in self._paused
        ]

    def feed(self, place: Place, most: int) -> None:
        """Hand over the next records of a partition."""
        start = self.next[place]
        batch = self._broker.read(place, start, start + most)
        self.next[place] = start + len(batch)
        self._events.records(batch)

    def rewind(self) -> None:
        """Deliver again what is not committed, as after a lost session of one's own."""
        places = [place for place, owner in self._group.owners.items() if owner is self]
        self.lose(places)
        self.gain(places)

    def commit(self, topic: str, partition: int, next_offset: int, metadata: str = "") -> None:
        place = (topic, partition)
        if self._group.owners.get(place) is self:
            self._group.committed[place] = (next_offset, metadata)

    def committed(self, topic: str, partition: int) -> tuple[int | None, str]:
        return self._group.committed.get((topic, partition), (None, ""))

    def pause(self, topic: str, partition: int) -> None:
        self._paused.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        self._paused.discard((topic, partition))

    def close(self) -> None:
        self.lose(list(self.next))
        self._group.leave(self)


class Follower:
    """Tail of one process: fed by the world."""

    def __init__(
        self,
        broker: Broker,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
    ) -> None:
        self._broker = broker
        self._deliver = deliver
        self.next = {(topic, number): start for number, start in starts.items()}
        self.closed = False

    @property
    def unread(self) -> list[Place]:
        """Partitions with something new."""
        logs = self._broker.logs
        return [p for p, start in self.next.items() if p in logs and start < len(logs[p])]

    def feed(self, place: Place, most: int) -> None:
        """Hand over the next records of a partition."""
        start = self.next[place]
        batch = self._broker.read(place, start, start + most)
        self.next[place] = start + len(batch)
        self._deliver(batch)

    def close(self) -> None:
        self.closed = True


class _Flight(msgspec.Struct):
    outgoing: Outgoing
    timestamp_ms: int
    delivered: Delivery | None


class ProcessLog:
    """Log, writer and reader of one process.

    Attributes:
        flights: records on their way to the broker, by partition.
        reports: acknowledgements on their way back, by partition.
        instant: what is sent is durable and acknowledged at once, as on the embedded engine.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._broker = process.broker
        self.flights: dict[Place, deque[_Flight]] = {}
        self.reports: dict[Place, deque[Callable[[], None]]] = {}
        self.instant = process.instant
        self.followers: list[Follower] = []
        self.members: list[Member] = []
        self.sent = 0

    @property
    def writer(self) -> ProcessLog:
        return self

    @property
    def reader(self) -> ProcessLog:
        return self

    # --- writing

    def partitions(self, topic: str) -> int:
        del topic
        return self._broker.partitions

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        self._process.before_send()
        self.sent += 1
        place = (record.topic, self._broker.partition(record))
        record = self._broker.values.stored(record)
        flight = _Flight(record, self._process.clock.ms(), delivered)
        if self.instant:
            self._land(place, flight)()
            return
        waiting = self.flights.get(place)
        if waiting is None:
            waiting = self.flights[place] = deque()
        waiting.append(flight)

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        del timeout
        positions: list[Position] = []

        def delivered(position: Position | None, error: Exception | None) -> None:
            if error is not None or position is None:
                raise LogUnavailable(str(error))
            positions.append(position)

        for record in records:
            self.send(record, delivered)
        self.flush()
        return positions

    def flush(self, timeout: float = 30.0) -> None:
        del timeout
        for place in list(self.flights):
            self.land(place, len(self.flights[place]))
        for place in list(self.reports):
            while place in self.reports:
                self.report(place)

    def close(self) -> None:
        pass

    def land(self, place: Place, count: int) -> None:
        """Let the broker take the first records of a partition."""
        waiting = self.flights[place]
        reports = self.reports.setdefault(place, deque())
        for _ in range(count):
            reports.append(self._land(place, waiting.popleft()))
        if not waiting:
            del self.flights[place]

    def report(self, place: Place) -> None:
        """Let the acknowledgement of one record arrive."""
        reports = self.reports[place]
        report = reports.popleft()
        if not reports:
            del self.reports[place]
        report()

    def _land(self, place: Place, flight: _Flight) -> Callable[[], None]:
        fate = self._process.fate_of_send()
        delivered = flight.delivered
        if fate == "refused":
            return lambda: _tell(delivered, None, LogUnavailable("not written"))
        record = self._broker.append(flight.outgoing, place, flight.timestamp_ms)
        if fate == "twice":
            self._broker.append(flight.outgoing, place, flight.timestamp_ms)
        if fate == "unknown":
            return lambda: _tell(delivered, None, LogUnavailable("no acknowledgement came"))
        return lambda: _tell(delivered, record.position, None)

    def crash(self, random: Random) -> None:
        """The process is dead: of each partition's flight a part still lands, the rest is lost."""
        flights, self.flights, self.reports = self.flights, {}, {}
        for place, waiting in flights.items():
            for flight in list(waiting)[: random.randint(0, len(waiting))]:
                self._broker.append(flight.outgoing, place, flight.timestamp_ms)

    # --- reading

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, len(self._broker.logs.get((topic, partition), ()))

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        yield from self._broker.read((topic, partition), start, stop)

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        place = (topic, partition_of(key, self._broker.partitions))
        for record in self._broker.logs.get(place, [])[start:]:
            if record.key == key:
                yield self._broker.values.opened(record)

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> Follower:
        del failed, gather
        follower = Follower(self._broker, topic, starts, deliver)
        self.followers.append(follower)
        return follower

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> Member:
        del member, failed, gather
        made = Member(self._process, self._broker.group(group), topics, events)
        self.members.append(made)
        return made

    def ensure_topics(self, topics: Sequence[str]) -> None:
        del topics


def _tell(delivered: Delivery | None, position: Position | None, error: Exception | None) -> None:
    if delivered is not None:
        delivered(position, error)
