"""The two engines' logs behind one fixture, and an owner of consumers that remembers everything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from domain.ports.log import Log
from domain.record.envelope import Record
from infra.embedded.log import EmbeddedLog
from infra.kafka.log import KafkaLog
from infra.log_options import LogOptions, Sync

WAIT_SECONDS = 60.0
TOPICS = ("execution.commands", "execution.events", "flows", "logs")


class Store(Protocol):
    """One log's data; a handle on it can be opened again after it was closed."""

    engine: str

    def open(self) -> Log:
        """Open a handle, topics made."""
        ...


class _Store:
    def __init__(self, engine: str, make: Callable[[], Log]) -> None:
        self.engine = engine
        self._make = make
        self.opened: list[Log] = []

    def open(self) -> Log:
        log = self._make()
        self.opened.append(log)
        log.ensure_topics(TOPICS)
        return log


@pytest.fixture(
    params=["embedded", "embedded-always", pytest.param("kafka", marks=pytest.mark.servers)]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The data of an engine's log, empty at first."""
    if request.param == "kafka":
        server = request.getfixturevalue("kafka_server")
        options = LogOptions(
            bootstrap_servers=server.bootstrap_servers,
            prefix=request.getfixturevalue("topic_prefix"),
        )
        found = _Store("kafka", lambda: KafkaLog(options))
    else:
        options = LogOptions(sync=Sync.ALWAYS if "always" in request.param else Sync.INTERVAL)
        # a few records in memory only: reading also meets the disk
        options = msgspec.structs.replace(options, tail_records=16, segment_bytes=4 << 20)
        found = _Store("embedded", lambda: EmbeddedLog(tmp_path / "log", options))
    yield found
    for log in found.opened:
        log.close()


@pytest.fixture
def log(store: Store) -> Log:
    """An open log."""
    return store.open()


class Owner:
    """Remembers what a consumer or tail tells, and lets a test wait for it."""

    def __init__(self) -> None:
        self.gained: list[tuple[str, int]] = []
        self.lost: list[tuple[str, int]] = []
        self.seen: list[Record] = []
        self.errors: list[Exception] = []
        self.on_records: Callable[[Sequence[Record]], None] | None = None
        self.on_revoked: Callable[[Sequence[tuple[str, int]]], None] | None = None
        self._changed = threading.Condition()

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        with self._changed:
            self.gained.extend(partitions)
            self._changed.notify_all()

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        if self.on_revoked is not None:
            self.on_revoked(partitions)
        with self._changed:
            self.lost.extend(partitions)
            self._changed.notify_all()

    def records(self, batch: Sequence[Record]) -> None:
        if self.on_records is not None:
            self.on_records(batch)
        with self._changed:
            self.seen.extend(batch)
            self._changed.notify_all()

    def failed(self, error: Exception) -> None:
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    @property
    def owned(self) -> set[tuple[str, int]]:
        """What is ours now; each partition is gained and lost in turns."""
        return {place for place in self.gained if self.gained.count(place) > self.lost.count(place)}

    def values(self) -> list[bytes | None]:
        return [record.value for record in self.seen]

    def until(self, condition: Callable[[Owner], bool]) -> None:
        """Wait until something holds of what was told."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), WAIT_SECONDS), vars(self)


@pytest.fixture
def owner() -> Owner:
    """An owner of a consumer."""
    return Owner()


@pytest.fixture
def new_owner() -> type[Owner]:
    """Makes further owners."""
    return Owner
