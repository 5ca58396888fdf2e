"""Outputs of task runs that stand in files, read for whoever looks at an execution."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput, NotFound
from domain.execution.state import Execution, TaskRun
from domain.execution.variables import BY_REFERENCE
from domain.ports.stores import Blobs

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of stored outputs in one answer; what is beyond is shown as the URI of its file."""


async def with_stored_outputs(
    blobs: Blobs, found: Sequence[Execution], known: dict[str, dict[str, Any]] | None = None
) -> list[Execution]:
    """Return executions whose task runs have their outputs, wherever those are.

    Args:
        blobs: internal storage.
        found: the executions.
        known: outputs by URI that were read for an earlier answer; what is read now is added.
    """
    if not any(_is_stored(run) for each in found for run in list(each.task_runs.values())):
        return list(found)
    return await asyncio.to_thread(_filled, blobs, found, {} if known is None else known)


def read_outputs(blobs: Blobs, uri: str) -> dict[str, Any]:
    """Return the outputs in a file; none when it is gone or cannot be read."""
    try:
        with blobs.open(uri) as file:
            found = msgspec.json.decode(file.read())
    except (NotFound, InvalidInput, OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _filled(
    blobs: Blobs, found: Sequence[Execution], known: dict[str, dict[str, Any]]
) -> list[Execution]:
    left = MOST_BYTES
    filled: list[Execution] = []
    for execution in found:
        runs = dict(execution.task_runs)
        for run in runs.values():
            if not _is_stored(run):
                continue
            uri = run.outputs_uri or ""
            size = _size(blobs, uri)
            outputs: dict[str, Any] = {BY_REFERENCE: uri}
            if size <= left:
                left -= size
                outputs = known.get(uri) or read_outputs(blobs, uri)
                known[uri] = outputs
            # the run belongs to whoever folds it
            runs[run.id] = msgspec.structs.replace(run, outputs=outputs)
        filled.append(msgspec.structs.replace(execution, task_runs=runs))
    return filled


def _is_stored(run: TaskRun) -> bool:
    return run.outputs is None and run.outputs_uri is not None


def _size(blobs: Blobs, uri: str) -> int:
    try:
        return blobs.size(uri)
    except (NotFound, InvalidInput, OSError):
        return 0
