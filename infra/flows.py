"""The flows in force: a fold of the topic `flows`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Condition, RLock
from typing import Protocol

from domain.errors import LogUnavailable, UnreadableRecord
from domain.flow.defaults import NO_DEFAULTS, ScopedDefaults
from domain.flow.model import Flow
from domain.flow.reader import parse_flow
from domain.ids import flow_key
from domain.plugin import TaskCatalogue
from domain.ports.log import Log, Tail
from domain.record.codec import Codec
from domain.record.envelope import Position, Record
from domain.record.topics import FLOWS
from domain.record.values import FlowRevision

_CODEC: Codec[FlowRevision] = Codec(FlowRevision)
_SEEN_TIMEOUT = 30.0

Listener = Callable[[FlowRevision], None]
"""Called for every revision that took its number, in log order, on the tail's thread."""


class _History:
    """The revisions of one flow: the latest whole, the others by their place in the log."""

    __slots__ = ("latest", "places")

    def __init__(self) -> None:
        self.places: dict[int, Position] = {}
        self.latest: FlowRevision | None = None


class DefaultSets(Protocol):
    """The sets of plugin defaults by which flows are read."""

    @property
    def number(self) -> int:
        """Of the set in force; 0: there never was one."""
        ...

    def get(self, number: int | None = None) -> ScopedDefaults | None:
        """Return a set, by default the one in force; None: it is not known here (yet)."""
        ...

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a listener called whenever another set is in force."""
        ...

    def catch_up(self, timeout: float) -> None:
        """Wait until everything that is durable now is known; raises LogUnavailable."""
        ...


class FlowStore:
    """Flows port over the log: old sources stay in the log, parsed flows are a bounded cache."""

    def __init__(
        self,
        log: Log,
        catalogue: TaskCatalogue,
        plugin_defaults: DefaultSets | None = None,
        *,
        parsed: int = 2_000,
    ) -> None:
        self._log = log
        self._plugin_defaults = plugin_defaults
        self.catalogue = catalogue
        self._parsed_limit = parsed
        self._histories: dict[str, _History] = {}
        self._parsed: OrderedDict[tuple[str, int, int], Flow | None] = OrderedDict()
        self._next: dict[int, int] = {}
        self._lock = RLock()
        self._moved = Condition(self._lock)
        self._listeners: list[Listener] = []
        self._tail: Tail | None = None
        if plugin_defaults is not None:
            plugin_defaults.listen(self._tell_all)

    def start(self) -> None:
        """Fold what is there, then follow. Returns when everything written so far is in force.

        The plugin defaults must have been started before.
        """
        partitions = self._log.reader.partitions(FLOWS)
        starts = {
            partition: self._log.reader.bounds(FLOWS, partition)[0]
            for partition in range(partitions)
        }
        self._next = dict(starts)
        self._tail = self._log.reader.tail(FLOWS, starts, self._deliver)
        self.catch_up()

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    def listen(self, listener: Listener) -> None:
        """Tell a listener the latest revision of each flow, then every one from now on.

        All of them are told again when other plugin defaults are in force.
        """
        with self._lock:
            for history in self._histories.values():
                if history.latest is not None:
                    listener(history.latest)
            self._listeners.append(listener)

    def _tell_all(self) -> None:
        with self._lock:
            for history in self._histories.values():
                if history.latest is not None:
                    for listener in self._listeners:
                        listener(history.latest)

    @property
    def defaults(self) -> int:
        """Number of the set of plugin defaults in force."""
        return 0 if self._plugin_defaults is None else self._plugin_defaults.number

    @property
    def plugin_defaults(self) -> ScopedDefaults:
        """The plugin defaults in force."""
        return self._scoped(None) or NO_DEFAULTS

    def _scoped(self, number: int | None) -> ScopedDefaults | None:
        if self._plugin_defaults is None:
            return None if number else NO_DEFAULTS
        return self._plugin_defaults.get(number)

    def catch_up(self, timeout: float = _SEEN_TIMEOUT) -> None:
        """Wait until everything that is durable now has been folded; raises LogUnavailable."""
        if self._plugin_defaults is not None:
            self._plugin_defaults.catch_up(timeout)
        for partition in list(self._next):
            self.wait_for(partition, self._log.reader.bounds(FLOWS, partition)[1], timeout)

    def wait_for(self, partition: int, next_offset: int, timeout: float = _SEEN_TIMEOUT) -> None:
        """Wait until the fold has passed an offset; raises LogUnavailable."""
        with self._moved:
            if not self._moved.wait_for(lambda: self._next[partition] >= next_offset, timeout):
                raise LogUnavailable(f"flows/{partition} was not read up to {next_offset} in time")

    def get(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        """The parsed flow, by default the latest; None when missing, deleted or unreadable.

        Read with a set of plugin defaults by its number, by default the one in force.
        """
        key = flow_key(tenant, namespace, flow_id)
        scoped = self._scoped(defaults)
        if scoped is None:
            return None
        with self._lock:
            history = self._histories.get(key)
            if history is None or history.latest is None:
                return None
            if revision is None:
                if history.latest.deleted:
                    return None
                revision = history.latest.revision
            place = (key, revision, scoped.number)
            cached = self._parsed.get(place)
            if cached is not None:
                self._parsed.move_to_end(place)
                return cached
        stored = self.revision(tenant, namespace, flow_id, revision)
        if stored is None:
            return None
        flow = parse_flow(
            stored.source,
            tenant_id=tenant,
            revision=revision,
            catalogue=self.catalogue,
            defaults=scoped,
        ).flow
        with self._lock:
            self._parsed[place] = flow
            while len(self._parsed) > self._parsed_limit:
                self._parsed.popitem(last=False)
        return flow

    def require(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        """As `get`, but looks at the end of the log before it says None."""
        flow = self.get(tenant, namespace, flow_id, revision, defaults)
        if flow is None:
            self.catch_up()
            flow = self.get(tenant, namespace, flow_id, revision, defaults)
        return flow

    def revision(
        self, tenant: str, namespace: str, flow_id: str, revision: int | None = None
    ) -> FlowRevision | None:
        """The stored revision, deleted and withdrawn ones included."""
        with self._lock:
            history = self._histories.get(flow_key(tenant, namespace, flow_id))
            if history is None:
                return None
            latest = history.latest
            if latest is not None and revision in {None, latest.revision}:
                return latest
            place = None if revision is None else history.places.get(revision)
        return None if place is None else self._read(place)

    def revisions(self, tenant: str, namespace: str, flow_id: str) -> list[FlowRevision]:
        """All revisions that are not withdrawn, oldest first."""
        with self._lock:
            history = self._histories.get(flow_key(tenant, namespace, flow_id))
            places = [] if history is None else [history.places[n] for n in sorted(history.places)]
        found = [self._read(place) for place in places]
        return [revision for revision in found if revision is not None and not revision.withdrawn]

    def latest(self, tenant: str | None = None) -> Iterator[FlowRevision]:
        """The latest revision of every flow that is not deleted."""
        with self._lock:
            revisions = [history.latest for history in self._histories.values()]
        for revision in revisions:
            if revision is not None and not revision.deleted and tenant in {None, revision.tenant}:
                yield revision

    def _read(self, place: Position) -> FlowRevision | None:
        for record in self._log.reader.read(FLOWS, place.partition, place.offset, place.offset + 1):
            return _CODEC.decode(record)
        return None

    def _deliver(self, batch: list[Record]) -> None:
        with self._moved:
            for record in batch:
                self._fold(record)
                self._next[record.partition] = record.offset + 1
            self._moved.notify_all()

    def _fold(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            revision = _CODEC.decode(record)
        except UnreadableRecord:
            return  # the indexer puts it aside; a flow nobody can read is not in force
        key = flow_key(revision.tenant, revision.namespace, revision.id)
        history = self._histories.setdefault(key, _History())
        former = history.places.get(revision.revision)
        if former is not None and not revision.withdrawn:
            return  # another writer took the number first
        if revision.withdrawn:
            stored = None if former is None else self._read(former)
            if stored is None or stored.writer == revision.writer:
                history.places[revision.revision] = record.position
            return
        history.places[revision.revision] = record.position
        if history.latest is None or revision.revision > history.latest.revision:
            history.latest = revision
        for listener in self._listeners:
            listener(revision)
