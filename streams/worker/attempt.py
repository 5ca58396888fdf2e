"""One attempt on this worker: from its request to the report of its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock, Thread, current_thread
from typing import Any

from domain.errors import TidewheelError
from domain.execution.commands import RecordTaskResult, RecordTaskStart
from domain.execution.requests import TaskRequest
from domain.ids import attempt_id
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_COMMANDS
from domain.sealed import SEALED_TYPE
from streams.worker.deadlines import Deadline
from streams.worker.folder import WorkingFolder
from streams.worker.job import Job, Outcome, Stop, Toolbox
from streams.worker.masking import Redactor
from streams.worker.opened import REFERENCE, opened
from streams.worker.result import Fitting, result_of
from streams.worker.working_directory import WORKING_DIRECTORY, WorkingDirectory

Report = Callable[["Attempt", Outgoing], None]
_SEALED = SEALED_TYPE.encode()
_REFERENCE = REFERENCE.encode()


class Attempt:
    """One run of one request.

    Args:
        toolbox: shared by all attempts.
        fitting: makes results fit.
        request: what to run.
        sealed: whether the request holds encrypted values, or outputs by reference.
        worker_id: who runs it.
        report: appends the result; the request is done once that is durable.
        abandoned: called when the task does not end although told to; its thread is lost.

    Attributes:
        id: the attempt's id.
        child: the child task that runs now, of a WorkingDirectory.
        children: results of the children that ended.
        thread: where it runs.
        outcome: how it ended; None before, and when it is left for another worker.
    """

    __slots__ = (
        "_abandoned",
        "_current",
        "_ended",
        "_fitting",
        "_flows",
        "_folder",
        "_kill",
        "_lock",
        "_redactor",
        "_report",
        "_sealed",
        "_start_deadline",
        "_toolbox",
        "_worker_id",
        "child",
        "children",
        "id",
        "is_abandoned",
        "outcome",
        "request",
        "started_at",
        "thread",
        "variables",
    )

    def __init__(
        self,
        toolbox: Toolbox,
        fitting: Fitting,
        request: TaskRequest,
        *,
        sealed: bool,
        worker_id: str,
        report: Report,
        abandoned: Callable[[Attempt], None],
    ) -> None:
        self._toolbox = toolbox
        self._fitting = fitting
        self._worker_id = worker_id
        self._report = report
        self._abandoned = abandoned
        self._lock = Lock()
        self._ended = False
        self._kill: Stop | None = None
        self._flows = False
        self._current: Job | None = None
        self.child: Job | None = None
        self.children: list[RecordTaskResult] = []
        self._start_deadline: Deadline | None = None
        self._folder = WorkingFolder(toolbox.options.work_dir)
        self._redactor = Redactor()
        self.request = request
        self.id = attempt_id(request.task_run_id, request.attempt)
        self.is_abandoned = False
        self.thread: Thread | None = None
        self.outcome: Outcome | None = None
        self.started_at = toolbox.services.clock.now()
        self.variables: Mapping[str, Any] = request.variables
        self._sealed = sealed

    def run(self) -> None:
        """Run it here and now, and report its end."""
        self.thread = current_thread()
        toolbox = self._toolbox
        if self.request.is_at_most_once:
            # before anything of it happens: whoever comes after us must know
            toolbox.append(self._start())
            self._flows = True
        else:
            self._start_deadline = toolbox.deadlines.after(
                toolbox.options.report_start_after_seconds, self._report_start
            )
        task = self.request.task
        body: Callable[[Job], Any] | None = None
        body = WorkingDirectory(self).run if task.get("type") == WORKING_DIRECTORY else None
        if self._sealed:
            try:
                self.variables = opened(
                    self.request.variables, self._open_sealed, toolbox.services.blobs
                )
            except (TidewheelError, OSError) as error:
                body = _raising(error)
        job = self.job(task, self.request.task_run_id, self.variables, body)
        try:
            with self._lock:
                self._current = job
                stop = self._kill
            if stop is not None:
                job.stop(stop)
            self._end(job.run(self.started_at), job)
        finally:
            self._folder.remove()

    def job(
        self,
        task: Mapping[str, Any],
        task_run_id: str,
        variables: Mapping[str, Any],
        body: Callable[[Job], Any] | None = None,
    ) -> Job:
        """Return a job of this attempt: the request's own task, or a child of it."""
        job = Job(
            self._toolbox,
            self.request,
            task,
            task_run_id=task_run_id,
            variables=variables,
            folder=self._folder,
            redactor=self._redactor,
            body=body,
            stuck=self._give_up,
        )
        if self._flows:
            job.out.streams = self._flush_soon
        return job

    @property
    def worker_id(self) -> str:
        """Who runs it."""
        return self._worker_id

    def stop(self, reason: Stop) -> None:
        """Kill the attempt, or end it because the worker stops."""
        with self._lock:
            if self._kill is None:
                self._kill = reason
            job = self._current
        if job is not None:
            job.stop(reason)

    def end_before_start(self) -> None:
        """Report an attempt that was killed before it could start."""
        job = self.job(self.request.task, self.request.task_run_id, self.variables)
        job.reason = Stop.KILL
        self._end(job.outcome_of_stop(self.started_at), job)

    def _end(self, outcome: Outcome | None, job: Job) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if self._start_deadline is not None:
            self._start_deadline.cancel()
        self.outcome = outcome
        job.out.flush()
        if outcome is not None:
            result = result_of(self.request, outcome, self._worker_id)
            result.children = self.children
            value = self._fitting.encode(result, job.context)
            self._report(self, Outgoing(EXECUTION_COMMANDS, self.request.execution_id, value))

    def _report_start(self) -> None:
        """The attempt turned out to be a longer one: say that it runs, and let its lines flow."""
        with self._lock:
            if self._ended:
                return
            self._flows = True
            jobs = [job for job in (self._current, self.child) if job is not None]
        self._toolbox.send(self._start())
        for job in jobs:
            job.out.streams = self._flush_soon
            job.out.flush()

    def _start(self) -> Outgoing:
        request = self.request
        command = RecordTaskStart(
            execution_id=request.execution_id,
            command_id=f"{self.id}.start.{self._worker_id}",
            issuer=self._worker_id,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            worker_id=self._worker_id,
            started_at=self.started_at,
        )
        return Outgoing(EXECUTION_COMMANDS, request.execution_id, encode(command))

    def _flush_soon(self) -> None:
        seconds = self._toolbox.options.log_flush_seconds
        self._toolbox.deadlines.after(seconds, self._flush_now)

    def _flush_now(self) -> None:
        for job in (self._current, self.child):
            if job is not None:
                job.out.flush()

    def _give_up(self, stuck: Job) -> None:
        """A task does not heed its interruption: report without it; its thread is lost."""
        job = self._current
        if job is None or not job.settle():
            return
        self.is_abandoned = True
        stuck.out.warn("The task does not end although it was told to; it is left alone.")
        stuck.out.flush()
        if job.reason is None:
            job.reason = stuck.reason
        self._end(job.outcome_of_stop(self.started_at), job)
        self._abandoned(self)

    def _open_sealed(self, text: str) -> str:
        opened = self._toolbox.services.encryption.decrypt(text)
        self._redactor.add(opened)
        return opened


def _raising(error: Exception) -> Callable[[Job], Any]:
    def body(job: Job) -> Any:
        del job
        raise error

    return body


def is_sealed(value: bytes) -> bool:
    """Tell whether a request's bytes may hold an encrypted value, or outputs by reference."""
    return _SEALED in value or _REFERENCE in value
