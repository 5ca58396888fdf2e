"""The event stream of one execution, as the log has it."""

from __future__ import annotations

from typing import Any

import msgspec

from api.views.text import instant
from domain.errors import UnreadableRecord
from domain.execution.fold import RECORDS
from domain.execution.record import EventRecord
from domain.ports.log import LogReader
from domain.record.envelope import instant_of
from domain.record.topics import EXECUTION_EVENTS


def event_page(
    reader: LogReader, execution_id: str, start: int, size: int
) -> dict[str, Any] | None:
    """Return events of an execution in order; blocks.

    Args:
        reader: the log.
        execution_id: whose stream.
        start: sequence number of the first event wanted, from 1.
        size: most events returned.

    Returns:
        `results`, `total` (events in the stream) and `next` (where the next page starts; None at
        the end); None when there is no such stream.
    """
    results: list[dict[str, Any]] = []
    last = 0
    for record in reader.by_key(EXECUTION_EVENTS, execution_id):
        try:
            step = RECORDS.decode(record)
        except UnreadableRecord:
            continue  # nobody can fold it: it is in the dead letter
        if step.execution_id != execution_id or step.sequence != last + 1:
            continue  # a record that lost a race: every reader ignores it
        last = step.last_sequence
        if last >= start and len(results) < size:
            wanted = _views(step, record.offset)[max(0, start - step.sequence) :]
            results += wanted[: size - len(results)]
    if not last:
        return None
    following = start + len(results)
    more = following if results and following <= last else None
    return {"results": results, "total": last, "next": more}


def _views(step: EventRecord, offset: int) -> list[dict[str, Any]]:
    return [
        {
            "sequence": step.sequence + index,
            "timestamp": instant(instant_of(step.timestamp_ms)),
            "commandId": step.command_id,
            "commandOffset": step.command_offset,
            "offset": offset,
            "writer": step.writer,
            "event": msgspec.to_builtins(event),
        }
        for index, event in enumerate(step.events)
    ]
