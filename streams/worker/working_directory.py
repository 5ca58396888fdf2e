"""WorkingDirectory: children one after the other in one folder on one worker."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from domain.duration import parse_duration
from domain.errors import NotFound
from domain.execution.commands import RecordTaskResult
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.ids import task_run_id
from streams.worker.context import RunContext, slug
from streams.worker.errors import Interrupted, TaskFailed
from streams.worker.files import NamespaceFilesWanted, keep_files, put_files, put_namespace_files
from streams.worker.job import Job, Outcome, Stop
from streams.worker.plugin import Ended
from streams.worker.result import result_of

WORKING_DIRECTORY = "io.kestra.plugin.core.flow.WorkingDirectory"


class Around(Protocol):
    """What the children see of the attempt around them, in which their results gather."""

    request: TaskRequest
    variables: Mapping[str, Any]
    child: Job | None
    """The child that runs now."""
    children: list[RecordTaskResult]

    @property
    def worker_id(self) -> str:
        """Who runs it."""

    def job(self, task: Mapping[str, Any], task_run_id: str, variables: Mapping[str, Any]) -> Job:
        """Return the job of a child."""


class WorkingDirectory:
    """The body of a WorkingDirectory's job."""

    def __init__(self, attempt: Around) -> None:
        self._attempt = attempt
        self._outputs: dict[str, Any] = {}

    def run(self, job: Job) -> Ended:
        """Prepare the folder, run the children until one fails, keep the output files.

        Raises:
            TaskFailed: a child failed.
            Interrupted: killed, out of time, or the worker stops.
        """
        task, context = job.task, job.context
        wanted = task.get("namespaceFiles")
        if wanted:
            files = msgspec.convert(context.render_deep(wanted), NamespaceFilesWanted, strict=False)
            if files.enabled:
                put_namespace_files(context, files)
        if task.get("inputFiles"):
            put_files(context, task["inputFiles"])
        cache = _FolderCache.of(task, context)
        if cache is not None:
            cache.restore()
        warned = False
        for child in task.get("tasks") or []:
            warned |= self._run_child(child, job)
        if cache is not None:
            cache.save()
        outputs: dict[str, Any] = {}
        patterns = context.render_deep(task.get("outputFiles"))
        if patterns:
            outputs["outputFiles"] = keep_files(context, list(patterns))
        return Ended(StateType.WARNING if warned else StateType.SUCCESS, outputs)

    def _run_child(self, task: Mapping[str, Any], job: Job) -> bool:
        """Run one child; return whether it leaves a warning."""
        attempt = self._attempt
        request = attempt.request
        job.context.check()
        if task.get("disabled"):
            return False
        run_id = task_run_id(request.execution_id, str(task["id"]), request.task_run_id, "", 0)
        started_at = job.context.services.clock.now()
        variables = self._variables(task, run_id, started_at)
        child = attempt.job(task, run_id, variables)
        condition = task.get("runIf", "true")
        if not child.context.is_true(str(condition)):
            self._record(
                Outcome(state=StateType.SKIPPED, started_at=started_at, ended_at=started_at), run_id
            )
            return False
        attempt.child = child
        undo = job.interruption.on_told(lambda: child.stop(job.reason or Stop.KILL))
        try:
            outcome = child.run(started_at)
        finally:
            undo()
            attempt.child = None
        if outcome is None:
            raise Interrupted("The worker stops.")
        self._record(outcome, run_id)
        self._outputs[str(task["id"])] = _nested(outcome.outputs or {}, job.context.variables)
        job.context.check()
        if outcome.state is StateType.FAILED and not task.get("allowFailure"):
            raise TaskFailed(f"The task {task['id']} failed.")
        warned = outcome.state in (StateType.WARNING, StateType.FAILED)
        return warned and not task.get("allowWarning")

    def _record(self, outcome: Outcome, run_id: str) -> None:
        attempt = self._attempt
        result = result_of(attempt.request, outcome, attempt.worker_id, run_id)
        attempt.children.append(result)

    def _variables(
        self, task: Mapping[str, Any], run_id: str, started_at: datetime
    ) -> dict[str, Any]:
        """The render context of a child: that of the block, its task run as `workerTaskrun`.

        A child sees the outputs of the ones before it; the value of a loop, and what is around it,
        are those of the block.
        """
        outer = self._attempt.variables
        own = outer.get("taskrun", {})
        return {
            **outer,
            "outputs": {**outer.get("outputs", {}), **self._outputs},
            "task": {"id": task["id"], "type": task["type"]},
            "taskrun": {
                "id": run_id,
                "startDate": started_at,
                "attemptsCount": 0,
                "parentId": self._attempt.request.task_run_id,
                **({"value": own["value"]} if "value" in own else {}),
            },
            "workerTaskrun": own,
        }


def _nested(outputs: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs inside loops stand below the values of the loops, outermost first."""
    values = [variables.get("taskrun", {}).get("value")]
    values += [p.get("taskrun", {}).get("value") for p in variables.get("parents", [])]
    for value in values:
        if value is not None:
            outputs = {str(value): outputs}
    return outputs


class _FolderCache:
    """`cache`: files of the folder that come back in the next execution."""

    def __init__(self, context: RunContext, patterns: list[str], ttl: timedelta | None) -> None:
        self._context = context
        self._patterns = patterns
        self._ttl = ttl
        self._uri = f"{context.flow_uri}/_cache/{slug(context.task_id)}/cache.zip"

    @classmethod
    def of(cls, task: Mapping[str, Any], context: RunContext) -> _FolderCache | None:
        wanted = context.render_deep(task.get("cache"))
        if not wanted:
            return None
        ttl = wanted.get("ttl")
        return cls(context, list(wanted.get("patterns", [])), parse_duration(ttl) if ttl else None)

    def restore(self) -> None:
        """Bring the files back, unless there are none or they are too old."""
        context = self._context
        try:
            with context.services.blobs.open(self._uri) as file:
                data = io.BytesIO(file.read())
        except NotFound:
            return
        with zipfile.ZipFile(data) as archive:
            saved = datetime.fromisoformat(archive.comment.decode())
            if self._ttl is not None and saved + self._ttl <= context.services.clock.now():
                return
            for name in archive.namelist():
                context.folder.path(name).write_bytes(archive.read(name))

    def save(self) -> None:
        """Keep the files that match."""
        context = self._context
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = context.services.clock.now().isoformat().encode()
            for name in context.folder.glob(self._patterns):
                archive.write(context.folder.root / name, name)
        context.services.blobs.put(self._uri, data.getvalue())
