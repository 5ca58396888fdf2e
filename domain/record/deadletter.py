"""Dead letters: records that could not be processed are put aside with the reason."""

from __future__ import annotations

import base64

from domain.record.codec import encode
from domain.record.envelope import Outgoing, Record
from domain.record.topics import DEAD_LETTER
from domain.record.values import DeadLetter

_KEPT_BYTES = 256 * 1024


def dead_letter(record: Record, reason: str, component: str) -> Outgoing:
    """Return the dead letter of a record; its time is the record's own."""
    value = record.value or b""
    letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=base64.b64encode(value[:_KEPT_BYTES]).decode(),
        reason=reason,
        component=component,
        at=record.timestamp,
        truncated=len(value) > _KEPT_BYTES,
    )
    return Outgoing(DEAD_LETTER, record.key, encode(letter))
