"""Event sourcing on a partitioned log, for any aggregate: catch up, step, append, acknowledge.

A command's step is one record on the event topic, on the partition with the command's number.
State is the fold of that topic, so after an assignment it is caught up from there before the first
step. A command that comes again and is recorded already only has its effects sent again; receivers
know duplicates by id. Nothing waits for an acknowledgement but the commit of the command's offset.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol

import msgspec

from domain.errors import LogUnavailable, RecordTooLarge, UnreadableRecord
from domain.ports.log import Log, Tail
from domain.ports.metrics import Metrics
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Record
from streams.pending import Pending

WRITER = "writer"
"""Header of event records: who wrote it. Another one on an own partition means a second owner."""
COMMAND_OFFSET = "command"
"""Header of event records: offset of the command on the partition of the same number."""

_WATCH_GATHER = timedelta(milliseconds=500)
"""How late another writer may be noticed: until then only our own records lose."""
_log = logging.getLogger(__name__)


class Stepped(msgspec.Struct, frozen=True):
    """What a command came to."""

    event: Outgoing | None = None
    """The record to append; None for a known duplicate. Its partition and headers are set here."""
    effects: Sequence[Outgoing] = ()


class Stepper(Protocol):
    """One kind of aggregate. Called on one thread."""

    topic: str
    """Logical topic of the commands."""
    event_topic: str
    """Logical topic of the events."""
    knows: Callable[[int, int], bool]
    """Set by the handler: tells whether everything of a partition up to an event offset was folded
    or written here, and nothing of it is owed any more. A snapshot of anything else would hide
    another writer's records, or effects that nobody has sent, for ever."""

    def load(self, partition: int) -> int | None:
        """Take up what is known of a partition; the next event offset to fold, None: the first."""
        ...

    def fold(self, record: Record, *, owed: bool) -> bool:
        """Fold one event record and return True, or ignore it by the shared rule.

        Args:
            record: as it stands on the log.
            owed: its effects may still have to be sent: no snapshot may hold it.

        Raises:
            UnreadableRecord: nobody can fold it.
        """
        ...

    def ready(self, partition: int) -> None:
        """Everything recorded is folded: set the clocks."""
        ...

    def step(self, command: Record) -> Stepped:
        """Step one command and fold its event. Raises UnreadableRecord for poison."""
        ...

    def effects_of(self, recorded: Record) -> Sequence[Outgoing]:
        """Derive the effects of a recorded step again."""
        ...

    def forget(self, partition: int) -> None:
        """Drop everything of a partition."""
        ...


class _Partition:
    __slots__ = ("fresh", "heal_from", "known_to", "next_event", "recent", "stepped", "watched")

    def __init__(self) -> None:
        self.fresh = False
        self.next_event: int | None = None
        self.known_to = 0
        """Event offset up to which nothing was written by another writer since the catch-up."""
        self.recent: dict[int, Record] = {}
        self.stepped = -1
        """Command offset handed to us last; before the first one, what is committed."""
        self.heal_from: int | None = None
        """Set when another writer was seen: commands after this one are looked at again."""
        self.watched: int | None = None
        """Event offset from which on the tail looks for other writers; None: not watched yet."""


class StepHandler:
    """CommandHandler for a Stepper."""

    def __init__(
        self,
        log: Log,
        stepper: Stepper,
        *,
        writer: str,
        component: str,
        committed: Callable[[int], int | None],
        fatal: Callable[[BaseException], None],
        metrics: Metrics,
        soon: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Hold what is needed; nothing runs yet.

        Args:
            log: where to read and write.
            stepper: the aggregate.
            writer: name of this process in event records; another process must never have it.
            component: name for dead letters.
            committed: the committed offset of a partition of the commands.
            fatal: told once of what forbids to go on; ends the process.
            metrics: where to count.
            soon: run something on the handler's thread; None where the log has one process only,
                so that there is no other writer to look for.
        """
        self.topic = stepper.topic
        self._log = log
        self._stepper = stepper
        self._writer = writer
        self._component = component
        self._committed = committed
        self._fatal = fatal
        self._metrics = metrics
        self._watch = soon is not None
        self._tail: Tail | None = None
        self._soon = soon or (lambda call: call())
        self._partitions: dict[int, _Partition] = {}
        stepper.knows = self._knows

    def assigned(self, partitions: Sequence[int]) -> None:
        """Fold these partitions anew, at once: timers are due without any command."""
        for number in partitions:
            known = self._partitions.setdefault(number, _Partition())
            known.fresh = False
            known.recent.clear()
        try:
            self.catch_up(partitions)
        except Exception as error:  # noqa: BLE001 - an engine would go on without the timers
            self._fatal(error)

    def revoked(self, partitions: Sequence[int]) -> None:
        """Drop these partitions."""
        for number in partitions:
            if self._partitions.pop(number, None) is not None:
                self._stepper.forget(number)

    def catch_up(self, partitions: Iterable[int]) -> None:
        """Fold those of these partitions that are stale."""
        for number in partitions:
            known = self._partitions.get(number)
            if known is not None and not known.fresh:
                self._catch_up(number, known)
        self._watch_all()

    def process(self, record: Record, done: Callable[[], None]) -> None:
        """Step one command; `done` is called when all that it caused is durable."""
        try:
            known = self._partitions.setdefault(record.partition, _Partition())
            if not known.fresh:
                self._catch_up(record.partition, known)
                self._watch_all()
            if known.heal_from is not None:
                self._heal(record.partition, known)
            if record.offset > known.stepped + 1:
                self._fill(record, known)
            known.stepped = record.offset
            self._process(record, known, done)
        except Exception as error:  # noqa: BLE001 - an engine would take an escape for an ending
            self._fatal(error)

    def _fill(self, record: Record, known: _Partition) -> None:
        """Step what the engine left out before a record: offsets follow one another on the log."""
        start = known.stepped + 1
        for missed in self._log.reader.read(self.topic, record.partition, start, record.offset):
            _log.warning(
                "%s: command %s of partition %s was left out and is stepped now",
                self._component, missed.offset, missed.partition,
            )  # fmt: skip
            self._process(missed, known, _nothing)

    def _process(self, record: Record, known: _Partition, done: Callable[[], None]) -> None:
        pending = Pending(done, self._fatal)
        recorded = known.recent.pop(record.offset, None)
        _drop_before(known.recent, record.offset)
        try:
            if recorded is not None:
                effects = self._stepper.effects_of(recorded)
                self._metrics.count("executor_effects_resent", len(effects))
            else:
                stepped = self._stepper.step(record)
                if stepped.event is not None:
                    self._append(record, stepped.event, pending)
                effects = stepped.effects
        except UnreadableRecord as error:
            effects = (self._put_aside(record, str(error)),)
        except (LogUnavailable, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - logged, put aside, state folded anew
            # a fault of ours must stop neither the others nor, at every start, the process
            _log.exception("%s: command %s could not be stepped", self._component, record.offset)
            effects = (self._put_aside(record, f"{type(error).__name__}: {error}"),)
            self._distrust(record.partition, known)
            pending = Pending(done, self._fatal)  # what was to be sent will not be
        for effect in effects:
            delivered = pending.expect()
            try:
                self._log.writer.send(effect, delivered)
            except RecordTooLarge as error:
                # no retry helps: without it the partition goes on
                self._log.writer.send(self._put_aside(record, str(error)), delivered)
        pending.close()

    def _put_aside(self, record: Record, reason: str) -> Outgoing:
        _log.warning("%s: dead letter: %s", self._component, reason)
        self._metrics.count("dead_letters", 1, self._component)
        return dead_letter(record, reason, self._component)

    def _distrust(self, number: int, known: _Partition) -> None:
        """Forget a partition's state: it is folded anew before the next step."""
        self._stepper.forget(number)
        known.fresh = False
        known.next_event = None
        known.recent.clear()

    def _append(self, command: Record, event: Outgoing, pending: Pending) -> None:
        self._log.writer.send(
            msgspec.structs.replace(
                event,
                partition=command.partition,
                headers={WRITER: self._writer, COMMAND_OFFSET: str(command.offset)},
            ),
            pending.expect(),
        )

    def _catch_up(self, number: int, known: _Partition) -> None:
        """Fold a partition's events up to its end."""
        self._log.writer.flush()
        topic = self._stepper.event_topic
        first, end = self._log.reader.bounds(topic, number)
        start = known.next_event
        if start is None:
            start = self._stepper.load(number)
        start = first if start is None else max(start, first)
        committed = self._committed(number) or 0
        known.stepped = max(known.stepped, committed - 1)
        for record in self._log.reader.read(topic, number, start, end):
            offset = _command_offset(record)
            owed = offset >= committed
            counts = self._fold(record, owed=owed)
            # one that lost a race or left a gap proves nothing: its command is stepped again
            if counts and owed:
                known.recent[offset] = record
        known.next_event = known.known_to = end
        known.fresh = True
        self._stepper.ready(number)
        self._metrics.count("executor_catch_ups")

    def _watch_all(self) -> None:
        """Look for other writers on all partitions by one tail; nobody waits for what it reads."""
        fresh = {number: known for number, known in self._partitions.items() if known.fresh}
        if not self._watch or all(known.watched is not None for known in fresh.values()):
            return
        for known in fresh.values():
            if known.watched is None:
                known.watched = known.known_to
        starts = {number: known.watched or 0 for number, known in fresh.items()}
        before = self._tail
        self._tail = self._log.reader.tail(
            self._stepper.event_topic, starts, self._look, gather=_WATCH_GATHER
        )
        if before is not None:
            before.close()

    def _knows(self, number: int, end: int) -> bool:
        """Tell whether no other writer has written since the catch-up, and nothing is owed.

        See `Stepper.knows`.
        """
        known = self._partitions.get(number)
        if known is None or not known.fresh or known.heal_from is not None or known.recent:
            return False
        if not self._watch:
            return True
        topic = self._stepper.event_topic
        for record in self._log.reader.read(topic, number, known.known_to, end):
            if record.headers.get(WRITER) != self._writer:
                return False  # the tail will tell: the partition is folded anew
            known.known_to = record.offset + 1
        return True

    def _fold(self, record: Record, *, owed: bool) -> bool:
        try:
            return self._stepper.fold(record, owed=owed)
        except UnreadableRecord as error:
            # nobody can fold it, so no reader counts it: the stream goes on without it for everyone
            _log.warning("%s: ignored: %s", self._component, error)
            return False
        except (LogUnavailable, OSError):
            raise
        except Exception:  # noqa: BLE001 - logged: it must not stop the partition at every start
            _log.exception("%s: record %s cannot be folded", self._component, record.offset)
            return False

    def _look(self, batch: Sequence[Record]) -> None:
        """On the tail's thread: note where another writer's record was accepted."""
        for record in batch:
            known = self._partitions.get(record.partition)
            if known is None or known.watched is None or record.offset < known.watched:
                continue  # given away, or seen by the tail before this one
            known.watched = record.offset + 1
            if record.headers.get(WRITER) != self._writer:
                offset = _command_offset(record)
                self._metrics.count("executor_foreign_records")
                _log.warning(
                    "%s: record %s of partition %s was written by %s, not by us",
                    self._component, record.offset, record.partition, record.headers.get(WRITER),
                )  # fmt: skip
                if known.heal_from is None or offset < known.heal_from:
                    known.heal_from = offset
                self._soon(partial(self._heal_if_needed, record.partition))

    def _heal_if_needed(self, number: int) -> None:
        known = self._partitions.get(number)
        if known is not None and known.fresh and known.heal_from is not None:
            self._heal(number, known)

    def _heal(self, number: int, known: _Partition) -> None:
        """Drop what we believed, fold the log, and step again what our own losing records did."""
        start, known.heal_from = known.heal_from, None
        assert start is not None
        self._distrust(number, known)
        self._catch_up(number, known)
        # whoever wrote the others may have died before their effects: they are ours to send
        known.recent = {offset: r for offset, r in known.recent.items() if offset >= start}
        for command in self._log.reader.read(self.topic, number, start, known.stepped + 1):
            self._process(command, known, _nothing)


def _command_offset(record: Record) -> int:
    try:
        return int(record.headers.get(COMMAND_OFFSET, "-1"))
    except ValueError:
        return -1


def _drop_before(recent: dict[int, Record], offset: int) -> None:
    """Forget records of commands that will not come again."""
    while recent and (first := next(iter(recent))) < offset:
        del recent[first]


def _nothing() -> None:
    """Nobody waits for commands that are stepped again."""
