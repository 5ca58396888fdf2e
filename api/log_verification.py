"""A verification of a log as lines of JSON: what diverges, partition by partition, and the sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.execution.context import Settings
from domain.ports.stores import FlowHistory
from domain.verification.divergence import Divergence, Tally
from domain.verification.log import RecordSource, Verified, verify_log


def verification_lines(
    source: RecordSource,
    flows: FlowHistory,
    settings: Settings,
    execution_id: str | None = None,
    most: int = 100,
) -> Iterator[bytes]:
    """Yield a line per divergence and partition, and the summary in the end; blocks.

    Args:
        source: the log.
        flows: every revision, as recorded.
        settings: what the executors' configuration said to expressions.
        execution_id: verify one execution alone; None: all.
        most: divergences told one by one; the others are counted.
    """
    whole, diverged = Tally(), 0
    for found in verify_log(source, flows, settings=settings, execution_id=execution_id):
        if isinstance(found, Verified):
            whole.add(found.tally)
            if found.partition is not None:
                yield _line("partition", partition=found.partition, tally=found.tally)
            continue
        diverged += 1
        if diverged <= most:
            yield _line("divergence", **_divergence_view(found))
    yield _line("summary", verified=diverged == 0, divergences=diverged, tally=whole)


def _divergence_view(found: Divergence) -> dict[str, Any]:
    recorded, stepped = found.events
    return {
        "executionId": found.execution_id,
        "partition": found.partition,
        "sequence": found.sequence,
        "commandOffset": found.command_offset,
        "command": found.command,
        "reason": found.reason,
        "recorded": recorded,
        "stepped": stepped,
    }


def _line(kind: str, **members: Any) -> bytes:
    return msgspec.json.encode({"type": kind, **members}) + b"\n"
