"""The key-value store of namespaces, and what is stored alike: folds of compacted topics."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from threading import Condition, RLock
from typing import Any

import msgspec

from domain.duration import InvalidDuration, parse_duration
from domain.errors import InvalidInput, LogUnavailable, UnreadableRecord
from domain.ports.clock import Clock
from domain.ports.kv import KvEntry
from domain.ports.log import Failed, Log, Tail
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import KV

_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_LONGEST_KEY = 255
_SEEN_SECONDS = 30.0


class KvRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The value of a record; a tombstone deletes the entry."""

    entry: KvEntry
    writer: str
    """A nonce by which the writer knows its own record."""


_CODEC: Codec[KvRecord] = Codec(KvRecord)
_Name = tuple[str, str, str]


class KeyValueStore:
    """KeyValues port. All entries are in memory; a write returns when it is durable and folded.

    The last write wins. When two processes write a key at once, the later one's revision is
    counted on and written again, so that a compacted topic folds to the same numbers.
    """

    def __init__(
        self, log: Log, clock: Clock, failed: Failed | None = None, *, topic: str = KV
    ) -> None:
        self._log = log
        self._topic = topic
        self._clock = clock
        self._failed = failed
        self._entries: dict[_Name, KvEntry] = {}
        self._writers: dict[_Name, str] = {}
        self._next: dict[int, int] = {}
        self._lock = RLock()
        self._moved = Condition(self._lock)
        self._writing = RLock()
        self._tail: Tail | None = None

    def start(self) -> None:
        """Fold what is there, then follow. Returns when all written so far is known."""
        reader, topic = self._log.reader, self._topic
        bounds = {
            number: reader.bounds(topic, number) for number in range(reader.partitions(topic))
        }
        starts = {number: first for number, (first, _) in bounds.items()}
        self._next = dict(starts)
        self._tail = reader.tail(self._topic, starts, self._deliver, self._failed)
        for number, (_, end) in bounds.items():
            self._await(Position(self._topic, number, end - 1))

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    def get(self, tenant: str, namespace: str, key: str) -> KvEntry | None:
        """The entry of this very namespace, also an expired one; None when there is none."""
        return self._entries.get((tenant, namespace, key))

    def put(
        self,
        tenant: str,
        namespace: str,
        key: str,
        value: Any,
        *,
        kind: str | None = None,
        expires: datetime | None = None,
        description: str | None = None,
    ) -> KvEntry:
        """Write an entry. Raises InvalidInput on a bad key, LogUnavailable."""
        if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
            raise InvalidInput(
                "Key must start with an alphanumeric character (uppercase or lowercase) and can "
                "contain alphanumeric characters (uppercase or lowercase), dots (.), underscores "
                "(_), and hyphens (-) only."
            )
        now = self._clock.now()
        name = (tenant, namespace, key)
        with self._writing:
            old = self._entries.get(name)
            if old is not None and old.is_expired(now):
                old = None
            entry = KvEntry(
                tenant=tenant,
                namespace=namespace,
                key=key,
                value=value,
                type=kind or kind_of(value),
                revision=old.revision + 1 if old is not None else 1,
                created=old.created if old is not None else now,
                updated=now,
                description=description
                if description is not None or old is None
                else old.description,
                expires=expires,
            )
            return self._write(name, entry)

    def delete(self, tenant: str, namespace: str, key: str) -> bool:
        """Delete an entry; False when there was none, or only an expired one."""
        name = (tenant, namespace, key)
        with self._writing:
            old = self._entries.get(name)
            if old is None:
                return False
            self._append(name, None)
            return not old.is_expired(self._clock.now())

    def entries(self, tenant: str, namespace: str | None = None, prefix: str = "") -> list[KvEntry]:
        """Entries of a namespace (None: all) whose keys begin so, in order, expired ones too."""
        with self._lock:
            found = [
                entry
                for (owner, space, key), entry in self._entries.items()
                if owner == tenant
                and (namespace is None or space == namespace)
                and key.startswith(prefix)
            ]
        return sorted(found, key=lambda entry: (entry.namespace, entry.key))

    def _write(self, name: _Name, entry: KvEntry) -> KvEntry:
        while True:
            record = KvRecord(entry=entry, writer=uuid.uuid4().hex)
            self._append(name, encode(record))
            with self._lock:
                folded = self._entries.get(name)
                if (
                    folded is None  # deleted meanwhile
                    or self._writers.get(name) != record.writer  # written over meanwhile
                    or folded.revision == entry.revision
                ):
                    return entry
            entry = folded

    def _append(self, name: _Name, value: bytes | None) -> None:
        key = "/".join(name)
        (position,) = self._log.writer.append([Outgoing(self._topic, key, value)])
        self._await(position)

    def _await(self, position: Position) -> None:
        with self._moved:
            seen = self._moved.wait_for(
                lambda: self._next.get(position.partition, 0) > position.offset, _SEEN_SECONDS
            )
        if not seen:
            raise LogUnavailable(
                f"The topic {self._topic} was not read up to {position.offset} in time."
            )

    def _deliver(self, batch: list[Record]) -> None:
        with self._moved:
            for record in batch:
                self._fold(record)
                self._next[record.partition] = record.offset + 1
            self._moved.notify_all()

    def _fold(self, record: Record) -> None:
        tenant, namespace, key = record.key.split("/", 2)
        name = (tenant, namespace, key)
        if record.value is None:
            self._entries.pop(name, None)
            self._writers.pop(name, None)
            return
        try:
            read = _CODEC.decode(record)
        except UnreadableRecord:
            return  # nobody of us wrote it; the entry stays as it was
        entry, old = read.entry, self._entries.get(name)
        if old is not None and entry.revision <= old.revision and entry.revision > 1:
            entry = msgspec.structs.replace(entry, revision=old.revision + 1)
        self._entries[name] = entry
        self._writers[name] = read.writer


def kind_of(value: Any) -> str:
    """Return the type of a value as the API names it."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float):
        return "NUMBER"
    if isinstance(value, str):
        return "STRING"
    return "JSON"


def typed_value(text: str, kind: str) -> Any:
    """Return a text as a value of a type.

    Args:
        text: as a task or client gave it.
        kind: STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON.

    Raises:
        InvalidInput: the text is no such value.
    """
    try:
        match kind:
            case "NUMBER":
                return msgspec.json.decode(text, type=int | float)
            case "BOOLEAN":
                return {"true": True, "false": False}[text.strip().lower()]
            case "JSON":
                return msgspec.json.decode(text)
            case "DATETIME":
                datetime.fromisoformat(text)
            case "DATE":
                datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  only whether it is a date
            case "DURATION":
                parse_duration(text)
            case _:
                return text
    except (msgspec.MsgspecError, ValueError, KeyError, InvalidDuration) as error:
        raise InvalidInput(f"{text[:100]!r} is not a value of type {kind}.") from error
    return text
