"""One task run once: properties bound, code called, time limited, failure told in the log."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from threading import Lock
from typing import Any, BinaryIO

import msgspec

from domain.duration import parse_duration
from domain.errors import InvalidInput, TidewheelError
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.expression import to_text
from domain.log import Level
from streams.worker.binding import bind
from streams.worker.cache import TaskCache
from streams.worker.context import RunContext, Services
from streams.worker.deadlines import Deadlines
from streams.worker.errors import TaskFailed
from streams.worker.folder import WorkingFolder
from streams.worker.interruption import Interruption
from streams.worker.masking import Redactor
from streams.worker.options import WorkerOptions
from streams.worker.plugin import Ended, Plugins
from streams.worker.tasklog import Send, TaskLog


class Stop(Enum):
    """Why a task is interrupted."""

    KILL = "kill"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"


class Toolbox(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of a worker share."""

    options: WorkerOptions
    plugins: Plugins
    services: Services
    deadlines: Deadlines
    send: Send
    """Appends a log line or metric record, without waiting."""
    append: Send
    """Appends a record and returns once it is durable; raises LogUnavailable."""


class Outcome(msgspec.Struct, kw_only=True):
    """How a task ended, in its own view: the flow's rules come later."""

    state: StateType
    started_at: datetime
    ended_at: datetime
    outputs: dict[str, Any] | None = None


class Job:
    """One task being run.

    Args:
        toolbox: shared by all jobs.
        request: the attempt it belongs to.
        task: the task as the flow has it.
        task_run_id: its task run.
        variables: the render context.
        folder: the attempt's working directory.
        redactor: the attempt's secrets.
        body: runs instead of a task type's code.
        stuck: called when the task does not end in spite of having been told to.
    """

    __slots__ = (
        "_body",
        "_lock",
        "_settled",
        "_stuck",
        "_timeout",
        "_toolbox",
        "context",
        "interruption",
        "out",
        "reason",
        "task",
    )

    def __init__(
        self,
        toolbox: Toolbox,
        request: TaskRequest,
        task: Mapping[str, Any],
        *,
        task_run_id: str,
        variables: Mapping[str, Any],
        folder: WorkingFolder,
        redactor: Redactor,
        body: Callable[[Job], Any] | None = None,
        stuck: Callable[[Job], None],
    ) -> None:
        self._toolbox = toolbox
        self._body = body
        self._stuck = stuck
        self._lock = Lock()
        self._settled = False
        self._timeout = timedelta(0)
        self.task = task
        self.reason: Stop | None = None
        self.interruption = Interruption()
        task_id = str(task["id"])
        least = task.get("logLevel")
        self.out = TaskLog(
            request,
            task_id,
            task_run_id,
            Level(least) if least else None,
            toolbox.options,
            toolbox.services.clock,
            toolbox.send,
            redactor,
        )
        self.context = RunContext(
            request,
            toolbox.services,
            self.out,
            folder,
            task_id=task_id,
            task_run_id=task_run_id,
            variables=variables,
            interruption=self.interruption,
        )

    def run(self, started_at: datetime) -> Outcome | None:
        """Run the task to its end; None when a shutdown interrupted it or nobody waits any more."""
        task = self.task
        log_file = tempfile.TemporaryFile() if task.get("logToFile") else None  # noqa: SIM115  closed below
        self.out.file = log_file
        deadline = None
        failure: BaseException | None = None
        result: Any = None
        try:
            timeout = task.get("timeout")
            if timeout:
                self._timeout = parse_duration(self.context.render(str(timeout)))
                deadline = self._toolbox.deadlines.after(
                    self._timeout.total_seconds(), lambda: self.stop(Stop.TIMEOUT)
                )
            result = self._call()
        except Exception as error:  # noqa: BLE001  whatever a task raises is its failure
            failure = error
        finally:
            if deadline is not None:
                deadline.cancel()
        if not self.settle():
            if log_file is not None:
                log_file.close()
            return None  # given up before
        outcome = self._outcome(result, failure, started_at)
        if log_file is not None:
            self._keep(log_file)
        self.out.flush()
        return outcome

    def stop(self, reason: Stop) -> None:
        """Interrupt the task; the first reason counts."""
        with self._lock:
            if self._settled or self.reason is not None:
                return
            self.reason = reason
        grace = self._toolbox.options.interrupt_grace_seconds
        self._toolbox.deadlines.after(grace, self._overdue)
        self.interruption.tell()

    def settle(self) -> bool:
        """Decide that the task has ended; False when that was decided before."""
        with self._lock:
            first = not self._settled
            self._settled = True
        return first

    def outcome_of_stop(self, started_at: datetime) -> Outcome | None:
        """Return how a task ends that was interrupted; None when it is to run again elsewhere."""
        if self.reason is Stop.KILL:
            return self._ended(StateType.KILLED, started_at)
        if self.reason is Stop.TIMEOUT:
            error = f"Timeout after {clock_text(self._timeout)}"
            self.out.error(error)
            self.out.trace(f"{Stop.TIMEOUT.value}: {error}\n    in task {self.context.task_id}")
            return self._ended(StateType.FAILED, started_at)
        return None

    def _keep(self, log_file: BinaryIO) -> None:
        """Put the log file into internal storage and say where it is."""
        self.out.file = None
        with log_file:
            log_file.seek(0)
            self.out.info(f"The log file is {self.context.store(log_file, '.log')}")

    def _overdue(self) -> None:
        if not self._settled:
            self._stuck(self)

    def _call(self) -> Any:
        if self._body is not None:
            return self._body(self)
        name = str(self.task["type"])
        plugin = self._toolbox.plugins.get(name)
        if plugin is None:
            raise InvalidInput(f"This worker has no task type {name}.")
        context = self.context
        properties = bind(plugin, own_properties(self.task), context)
        cache = TaskCache.of(self.task, properties, context)
        if cache is None:
            return plugin.run(context, properties)
        found = cache.find()
        if found is not None:
            return found
        result = plugin.run(context, properties)
        outputs = plain_outputs(result.outputs if isinstance(result, Ended) else result)
        if not isinstance(result, Ended) or result.state in (StateType.SUCCESS, StateType.WARNING):
            cache.save(outputs or {})
        return result

    def _outcome(
        self, result: Any, failure: BaseException | None, started_at: datetime
    ) -> Outcome | None:
        if self.reason is Stop.SHUTDOWN and failure is None:
            self.reason = None  # ended by itself, just in time
        if self.reason is not None:
            return self.outcome_of_stop(started_at)
        state = StateType.SUCCESS
        if isinstance(result, Ended):
            state, result = result.state, result.outputs
        outputs: dict[str, Any] | None = None
        try:
            outputs = plain_outputs(result)
            if isinstance(failure, TaskFailed):
                outputs = plain_outputs(failure.outputs)
        except Exception as error:  # noqa: BLE001  outputs that cannot be written fail the task
            failure = failure or error
        if failure is None:
            return self._ended(state, started_at, outputs=outputs)
        return self._failed(failure, started_at, outputs)

    def _failed(
        self, failure: BaseException, started_at: datetime, outputs: dict[str, Any] | None
    ) -> Outcome:
        message = str(failure) or type(failure).__name__
        if isinstance(failure, TidewheelError):
            trace = traceback.format_exception_only(failure)
        else:  # nobody foresaw it: where it happened tells more than its words
            message = f"{type(failure).__name__}: {failure}"
            trace = traceback.format_exception(failure, limit=-8)
        self.out.error(message)
        self.out.trace("".join(trace))
        return self._ended(StateType.FAILED, started_at, outputs=outputs)

    def _ended(
        self,
        state: StateType,
        started_at: datetime,
        *,
        outputs: dict[str, Any] | None = None,
    ) -> Outcome:
        return Outcome(
            state=state,
            started_at=started_at,
            ended_at=self._toolbox.services.clock.now(),
            outputs=outputs if outputs is not None else {},
        )


def own_properties(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the task type's own properties, whether they stand apart or among the common ones."""
    properties = task.get("properties")
    return properties if isinstance(properties, dict) else task


def plain_outputs(outputs: Any) -> dict[str, Any] | None:
    """Return outputs as plain JSON data; None when there are none.

    Raises:
        TypeError: they are no map, or hold what JSON cannot say.
    """
    if outputs is None:
        return None
    plain = msgspec.to_builtins(outputs, str_keys=True, enc_hook=_plain)
    if not isinstance(plain, dict):
        raise TypeError("the outputs of a task are a map")
    return plain


def clock_text(span: timedelta) -> str:
    """Return a span as hours, minutes, seconds and milliseconds: `00:00:01.000`."""
    milliseconds = span // timedelta(milliseconds=1)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _plain(value: Any) -> Any:
    """Values of the expression language that JSON has no kind for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, float):
        return float(value)
    return to_text(value)
