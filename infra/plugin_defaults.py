"""The plugin defaults in force: a fold of the topic `plugin.defaults`, and its writer.

The configuration of the webserver goes to the log, and every process reads it there: all of them
see the same, whatever their own configuration says, and a set that was replaced can still be read
by the executions that began with it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, RLock

import msgspec

from domain.errors import LogUnavailable, UnreadableRecord
from domain.flow.common import PluginDefault
from domain.flow.defaults import NO_DEFAULTS, ScopedDefaults
from domain.ports.clock import Clock
from domain.ports.log import Failed, Log, Tail
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Record
from domain.record.topics import PLUGIN_DEFAULTS
from domain.record.values import PluginDefaults, StoredDefault

_CODEC: Codec[PluginDefaults] = Codec(PluginDefaults)
_SEEN_SECONDS = 30.0
_ATTEMPTS = 20
_log = logging.getLogger(__name__)


class PluginDefaultsStore:
    """Every set there was, by number; the last one is in force. Thread-safe."""

    def __init__(self, log: Log, clock: Clock, failed: Failed | None = None) -> None:
        self._log = log
        self._clock = clock
        self._failed = failed
        self._sets: dict[int, ScopedDefaults] = {0: NO_DEFAULTS}
        self._writers: dict[int, str] = {}
        self._number = 0
        self._next = 0
        self._moved = Condition(RLock())
        self._listeners: list[Callable[[], None]] = []
        self._tail: Tail | None = None

    def start(self) -> None:
        """Fold what is there, then follow. Returns when all written so far is known."""
        self._next = self._log.reader.bounds(PLUGIN_DEFAULTS, 0)[0]
        self._tail = self._log.reader.tail(
            PLUGIN_DEFAULTS, {0: self._next}, self._deliver, self._failed
        )
        self.catch_up()

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    @property
    def number(self) -> int:
        """Of the set in force; 0: there never was one."""
        return self._number

    def get(self, number: int | None = None) -> ScopedDefaults | None:
        """Return a set, by default the one in force; None: it is not known here (yet)."""
        return self._sets.get(self._number if number is None else number)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a listener called whenever another set is in force, on the tail's thread."""
        self._listeners.append(listener)

    def catch_up(self, timeout: float = _SEEN_SECONDS) -> None:
        """Wait until everything that is durable now has been folded; raises LogUnavailable."""
        end = self._log.reader.bounds(PLUGIN_DEFAULTS, 0)[1]
        with self._moved:
            if not self._moved.wait_for(lambda: self._next >= end, timeout):
                raise LogUnavailable(f"{PLUGIN_DEFAULTS} was not read up to {end} in time")

    def publish(
        self,
        everywhere: Sequence[PluginDefault],
        namespaces: Mapping[str, Sequence[PluginDefault]],
    ) -> None:
        """Put a set in force, unless it is already.

        Raises:
            LogUnavailable: the log does not take it.
        """
        wanted = PluginDefaults(
            number=0,
            everywhere=_stored(everywhere),
            namespaces={name: _stored(own) for name, own in namespaces.items() if own},
            since=self._clock.now(),
            writer=uuid.uuid4().hex,
        )
        for _ in range(_ATTEMPTS):
            self.catch_up()
            current = self._sets[self._number]
            fresh = _scoped(wanted, current.number)
            if fresh == current:
                return
            wanted.number = current.number + 1
            key = f"{wanted.number}/{wanted.writer}"
            self._log.writer.append([Outgoing(PLUGIN_DEFAULTS, key, encode(wanted), partition=0)])
            self.catch_up()
            if self._writers[wanted.number] == wanted.writer:
                _log.info("plugin defaults %d are in force for new executions", wanted.number)
                return
            # the loser takes its record back, or compaction would keep it for ever
            self._log.writer.append([Outgoing(PLUGIN_DEFAULTS, key, None, partition=0)])
        raise LogUnavailable("plugin defaults are being written by too many at once")

    def _deliver(self, batch: list[Record]) -> None:
        before = self._number
        with self._moved:
            for record in batch:
                self._fold(record)
        if self._number != before:
            for listener in self._listeners:
                listener()
        with self._moved:
            self._next = batch[-1].offset + 1 if batch else self._next
            self._moved.notify_all()

    def _fold(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            found = _CODEC.decode(record)
        except UnreadableRecord as error:
            _log.warning("a set of plugin defaults is not understood: %s", error)
            return
        if found.number in self._writers:
            return  # another writer took the number first
        self._writers[found.number] = found.writer
        self._sets[found.number] = _scoped(found, found.number)
        self._number = max(self._number, found.number)


def _scoped(found: PluginDefaults, number: int) -> ScopedDefaults:
    return ScopedDefaults(
        number=number,
        everywhere=_read(found.everywhere),
        namespaces={name: _read(own) for name, own in found.namespaces.items()},
    )


def _stored(defaults: Sequence[PluginDefault]) -> list[StoredDefault]:
    """Return defaults as the log has them: values that JSON has not become texts."""
    plain = msgspec.json.decode(msgspec.json.encode(defaults))
    return msgspec.convert(plain, list[StoredDefault])


def _read(stored: Sequence[StoredDefault]) -> tuple[PluginDefault, ...]:
    return tuple(
        PluginDefault(type=one.type, values=one.values, forced=one.forced, ref=one.ref)
        for one in stored
    )
