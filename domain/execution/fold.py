"""The fold of `execution.events`, the same for executor, indexer and webserver.

The shared rule: a record counts only if its first sequence number continues its stream. Every other
record is a duplicate or the loser of a race between two writers, and is ignored by everyone who
folds the log, so that all of them see the same history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from domain.errors import BrokenInvariant, UnreadableRecord
from domain.execution.commands import LOST, MACHINE_COMMANDS
from domain.execution.events import ExecutionDeleted, ExecutionEvent, SlotFreed
from domain.execution.evolve import KNOWN_COMMANDS, evolve, seal
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.record.codec import Codec
from domain.record.envelope import Record, instant_of

RECORDS: Final[Codec[EventRecord]] = Codec(EventRecord)
"""Reads values of `execution.events`."""

_STATE_ENCODER: Final = msgspec.msgpack.Encoder()
_STATE_DECODER: Final[msgspec.msgpack.Decoder[Execution]] = msgspec.msgpack.Decoder(Execution)

_STUMBLES: Final = (BrokenInvariant, LookupError, AttributeError, TypeError, ValueError)
"""What a rule raises that meets an event which does not fit its state."""

Load = Callable[[str], bytes | None]
"""Returns the stored state of an execution, as `encode_state` wrote it; None when there is none."""


def encode_state(state: Execution) -> bytes:
    """Return the bytes of a state for a snapshot."""
    return _STATE_ENCODER.encode(state)


def decode_state(data: bytes) -> Execution:
    """Return the state of a snapshot.

    Raises:
        UnreadableRecord: the bytes are no state of this version: fold the log instead.
    """
    try:
        return _STATE_DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise UnreadableRecord(f"a snapshot cannot be read: {error}") from error


def is_settled(state: Execution) -> bool:
    """True when nothing more happens by itself: only a late command can touch the execution."""
    return state.closed and not state.timers


def continues(state: Execution | None, record: EventRecord) -> bool:
    """Tell whether a record continues its stream: the shared rule."""
    return record.sequence == (0 if state is None else state.sequence) + 1


def fold_record(state: Execution | None, record: EventRecord) -> Execution | None:
    """Fold a record that continues its stream into the state, in place.

    What cannot be folded seals the state: it counts as failed, with the reason, and stays so.

    Returns:
        The state; None when there is still no execution.

    Raises:
        UnreadableRecord: the events cannot make an execution.
    """
    at = instant_of(record.timestamp_ms)
    events: Iterable[ExecutionEvent] = record.events
    if state is not None and state.sealed:
        events = [event for event in events if isinstance(event, ExecutionDeleted | SlotFreed)]
    try:
        for event in events:
            state = evolve(state, event, at)
    except _STUMBLES as error:
        # the same for everyone who folds; the others of the partition go on
        if state is None:
            raise UnreadableRecord(f"an execution cannot begin: {error!r}") from error
        seal(state, at, f"Its events cannot be folded: {type(error).__name__}: {error}")
    if state is not None:
        note_command(
            state,
            sequence=record.last_sequence,
            offset=record.command_offset,
            command=record.command,
            command_id=record.command_id,
        )
    return state


def note_command(
    state: Execution, *, sequence: int, offset: int, command: str, command_id: str
) -> None:
    """Remember that a command was stepped: live steps and the fold share this."""
    state.sequence = sequence
    state.command_offset = max(state.command_offset, offset)
    if command not in MACHINE_COMMANDS:
        state.command_ids.append(command_id)
        if len(state.command_ids) > KNOWN_COMMANDS:
            del state.command_ids[:-KNOWN_COMMANDS]
    elif command == LOST:
        # known by its id alone: the same attempt may be lost several times before it is begun
        state.lost_ids.append(command_id)
        if len(state.lost_ids) > KNOWN_COMMANDS:
            del state.lost_ids[:-KNOWN_COMMANDS]


class Applied(msgspec.Struct, frozen=True):
    """A record that counted."""

    execution_id: str
    state: Execution | None
    """After the record, not a copy. None: a command to no existing execution was refused."""
    record: EventRecord
    events: list[ExecutionEvent]
    at: datetime
    offset: int
    """Of the record in its partition."""


class PartitionFold:
    """The executions of one partition of `execution.events`, folded as far as `next_offset`.

    Not thread-safe: its owner calls it from one thread, or under a lock.
    """

    def __init__(self, partition: int, load: Load | None = None, next_offset: int = 0) -> None:
        """Begin at an offset.

        Args:
            partition: number of the partition.
            load: gives back states that were dropped; None: what was dropped is unknown.
            next_offset: offset of the first record to be applied.
        """
        self.partition = partition
        self.next_offset = next_offset
        self.last_command_offset = -1
        """Highest command offset seen: commands up to it have been stepped, or led to nothing."""
        self.states: dict[str, Execution] = {}
        """Executions in memory."""
        self._load = load

    def apply(self, record: Record) -> Applied | None:
        """Fold one record of the partition.

        Returns:
            What it did; None when it was seen before, or does not continue its stream.

        Raises:
            UnreadableRecord: the bytes are not an event record; the fold has gone past it.
        """
        if record.offset < self.next_offset:
            return None
        self.next_offset = record.offset + 1
        return self.apply_decoded(RECORDS.decode(record), record.offset)

    def apply_decoded(self, record: EventRecord, offset: int) -> Applied | None:
        """Fold a record that is decoded already; see `apply`."""
        self.next_offset = max(self.next_offset, offset + 1)
        state = self.get(record.execution_id)
        if record.sequence == 0:
            return self._applied(record, state, offset)
        if not continues(state, record):
            return None
        self.last_command_offset = max(self.last_command_offset, record.command_offset)
        state = fold_record(state, record)
        if state is not None:
            self.states[record.execution_id] = state
        return self._applied(record, state, offset)

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, loaded again when it had been dropped; None when there is none."""
        state = self.states.get(execution_id)
        if state is None and self._load is not None:
            stored = self._load(execution_id)
            if stored is not None:
                state = self.states[execution_id] = decode_state(stored)
        return state

    def stepped(self, state: Execution, record: EventRecord) -> None:
        """Take over a state that a live step has already evolved by this record."""
        self.states[record.execution_id] = state
        self.last_command_offset = max(self.last_command_offset, record.command_offset)

    def drop(self, execution_id: str) -> Execution | None:
        """Take an execution out of memory; its owner has stored it, or can fold it again."""
        return self.states.pop(execution_id, None)

    def settled(self) -> Iterator[Execution]:
        """Yield the executions in memory to which nothing more happens by itself."""
        return (state for state in list(self.states.values()) if is_settled(state))

    def __len__(self) -> int:
        return len(self.states)

    @staticmethod
    def _applied(record: EventRecord, state: Execution | None, offset: int) -> Applied:
        at = instant_of(record.timestamp_ms)
        return Applied(record.execution_id, state, record, record.events, at, offset)
