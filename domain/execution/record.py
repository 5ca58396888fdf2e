"""The one record that a step writes to `execution.events`."""

from __future__ import annotations

import msgspec

from domain.execution.events import ExecutionEvent, ExecutionForgotten

SCHEMA_VERSION = 1


class EventRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step: what one command did to one execution. Atomic, because it is one record."""

    execution_id: str
    sequence: int
    """Sequence number of the first event; those of a stream count 1, 2, 3, ... without a gap.
    0: a refusal outside of any stream."""
    command_id: str
    command_offset: int
    """Offset of the command in `execution.commands`, on the partition of this record's number."""
    timestamp_ms: int
    """The command record's timestamp: the step's only notion of now."""
    events: list[ExecutionEvent]
    """In order; never empty. A refusal is an event too."""
    command: str = ""
    """Tag of the command, for example `execution.kill`."""
    issuer: str = ""
    """Who issued it."""
    writer: str = ""
    """The executor that stepped."""
    version: int = SCHEMA_VERSION
    forgotten: int = 0
    """Events besides, of which only the number is known: what they said is gone."""

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last event."""
        return self.sequence + len(self.events) + self.forgotten - 1


def forgotten(record: EventRecord) -> EventRecord:
    """Return what is left of a record when its events are gone: their place in the stream."""
    return msgspec.structs.replace(
        record,
        events=[ExecutionForgotten()],
        forgotten=len(record.events) + record.forgotten - 1,
    )
