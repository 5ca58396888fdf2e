"""Commands that report how attempts ended, never larger than a record may be."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.execution.commands import RecordAttemptLost, RecordTaskResult
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.ids import attempt_id
from domain.ports.stores import Blobs
from domain.record.codec import encode
from streams.worker.context import RunContext
from streams.worker.job import Outcome
from streams.worker.options import WorkerOptions


def result_of(
    request: TaskRequest, outcome: Outcome, worker_id: str, task_run_id: str | None = None
) -> RecordTaskResult:
    """Return the command that reports an outcome; its id depends on the attempt alone.

    Why a task failed stands in its log; `error` is for what the task could not log.
    """
    run_id = task_run_id or request.task_run_id
    return RecordTaskResult(
        execution_id=request.execution_id,
        command_id=f"{attempt_id(run_id, request.attempt)}.result",
        issuer=worker_id,
        task_run_id=run_id,
        attempt=request.attempt,
        state=outcome.state,
        worker_id=worker_id,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
        outputs=outcome.outputs,
    )


def lost_attempt(
    request: TaskRequest, offset: int, holder: str, worker_id: str
) -> RecordAttemptLost:
    """Return the command that tells of an attempt which a worker that is gone may have begun.

    Args:
        request: what was to be run.
        offset: the request's; its partition may bring more than one of an attempt.
        holder: the worker that is gone; empty: not known.
        worker_id: who tells.
    """
    name = attempt_id(request.task_run_id, request.attempt)
    return RecordAttemptLost(
        execution_id=request.execution_id,
        command_id=f"{name}.lost.{worker_id}.{offset}",
        issuer=worker_id,
        task_run_id=request.task_run_id,
        attempt=request.attempt,
        worker_id=holder,
    )


class Fitting:
    """Makes results fit into records: large outputs go to internal storage.

    Args:
        options: the limits.
        blobs: internal storage.
    """

    def __init__(self, options: WorkerOptions, blobs: Blobs) -> None:
        self._output_limit = options.output_limit_bytes
        self._limit = options.message_limit_bytes
        self._blobs = blobs

    def encode(self, result: RecordTaskResult, context: RunContext) -> bytes:
        """Return the record value of a result.

        Outputs above the limit are replaced by the URI of a JSON file. What is still too large, or
        cannot be stored, is reported as FAILED without outputs.
        """
        value = encode(result)
        if len(value) <= self._output_limit:
            return value
        try:
            for part in (result, *result.children):
                self._store(part, context, self._output_limit)
            value = encode(result)
            if len(value) > self._limit:
                for part in (result, *result.children):
                    self._store(part, context, 0)
                value = encode(result)
        except OSError as error:
            return encode(_stripped(result, f"The outputs could not be stored: {error}"))
        if len(value) > self._limit:
            text = f"The result has {len(value)} bytes, {self._limit} are allowed."
            return encode(_stripped(result, text))
        return value

    def _store(self, result: RecordTaskResult, context: RunContext, limit: int) -> None:
        outputs: dict[str, Any] | None = result.outputs
        if not outputs:
            return
        value = encode(outputs)
        if len(value) > limit:
            result.outputs_uri = context.store(value, "outputs.json")
            result.outputs = None


def _stripped(result: RecordTaskResult, error: str) -> RecordTaskResult:
    return msgspec.structs.replace(
        result,
        state=StateType.FAILED,
        outputs={},
        outputs_uri=None,
        children=[],
        dynamic_task_runs=[],
        error=error,
    )
