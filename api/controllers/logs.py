"""What tasks say and measure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from litestar import Controller, delete, get

from api import reply
from api.context import Context, context
from api.controllers.executions import stream
from api.controllers.filters import LOG_FLAT
from api.controllers.http import Http, Segment
from api.parameters import Parameters, read_page, read_query, read_sorts
from api.reading import find_execution, missing_execution, require_execution
from api.reply import Reply, attachment
from api.sse import closing, event
from api.views.log import log_line, log_view, metric_view
from api.views.text import instant
from domain.ids import DEFAULT_TENANT
from domain.log import Level, LogBatch, LogEntry
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import LOGS

_BATCH = 500
_LEVEL = "org.slf4j.event.Level"
_LEVELS = ("minLevel", "level", "filters[level][EQUALS]")


class Wanted:
    """Which log entries of an execution are wanted: the first of task, task run, all."""

    def __init__(self, parameters: Parameters) -> None:
        named = next((n for n in _LEVELS if parameters.text(n) is not None), "minLevel")
        self.level = parameters.choice(named, Level, _LEVEL)
        self.task_id = parameters.text("taskId")
        self.task_run_id = parameters.text("taskRunId")
        self.attempt = parameters.number("attempt")

    def holds(self, entry: LogEntry) -> bool:
        """True for an entry that is wanted."""
        if self.level is not None and entry.level.rank > self.level.rank:
            return False
        if self.task_id is not None:
            return entry.task_id == self.task_id
        if self.task_run_id is not None:
            same = entry.task_run_id == self.task_run_id
            return same and self.attempt in {None, entry.attempt}
        return True


class Logs(Controller):
    """Routes of log entries."""

    path = "/api/v1/logs"
    tags = ["Logs"]  # noqa: RUF012 - Litestar's way

    @get("/search", operation_id="searchLogs", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the entries that filters find."""
        query = read_query(Parameters.of(request), LOG_FLAT)
        found = await context(request).ports.queries.logs.search(query)
        return reply.page([log_view(entry) for entry in found.results], found.total)

    @get("/{execution_id:str}", operation_id="listLogsFromExecution", status_code=200)
    async def of_execution(self, request: Http, execution_id: Segment) -> Reply:
        """Return the entries of an execution in time order."""
        wanted = Wanted(Parameters.of(request))
        entries = await read_logs(context(request), execution_id, wanted)
        return reply.json([log_view(entry) for entry in entries])

    @get("/{execution_id:str}/download", operation_id="downloadLogsFromExecution", status_code=200)
    async def download(self, request: Http, execution_id: Segment) -> Reply:
        """Return the entries of an execution as a file of lines."""
        own = context(request)
        if await find_execution(own, execution_id) is None:
            raise missing_execution(execution_id)
        entries = await read_logs(own, execution_id, Wanted(Parameters.of(request)))
        text = "\n".join(log_line(entry) for entry in entries)
        return Reply(200, text.encode(), headers=attachment(f"{execution_id}.log", b"text/plain"))

    @get("/{execution_id:str}/follow", operation_id="followLogsFromExecution", status_code=200)
    async def follow(self, request: Http, execution_id: Segment) -> Reply:
        """Send the entries of an execution, old ones and new ones; never ends by itself."""
        own = context(request)
        await require_execution(own, execution_id)
        return stream(own, log_events(own, execution_id, Wanted(Parameters.of(request))))

    @delete("/{execution_id:str}", operation_id="deleteLogsFromExecution", status_code=200)
    async def delete_of_execution(self, request: Http, execution_id: Segment) -> Reply:
        """Delete entries of an execution."""
        own = context(request)
        entries = await read_logs(own, execution_id, Wanted(Parameters.of(request)))
        await delete_logs(own, entries)
        return reply.empty()

    @delete("/{namespace:str}/{flow_id:str}", operation_id="deleteLogsFromFlow", status_code=200)
    async def delete_of_flow(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Delete the entries of a flow's trigger, or of all of its triggers."""
        own = context(request)
        wanted = Parameters.of(request).text("triggerId")
        flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id)
        declared = [] if flow is None else [trigger.id for trigger in flow.triggers]
        for trigger_id in declared if wanted is None else [wanted]:
            entries = await own.ports.queries.logs.of_trigger(
                DEFAULT_TENANT, namespace, flow_id, trigger_id
            )
            await delete_logs(own, entries)
        return reply.empty()


class Metrics(Controller):
    """Routes of measurements."""

    path = "/api/v1/metrics"
    tags = ["Metrics"]  # noqa: RUF012 - Litestar's way

    @get("/{execution_id:str}", operation_id="searchByExecution", status_code=200)
    async def of_execution(self, request: Http, execution_id: Segment) -> Reply:
        """Return a page of an execution's measurements."""
        parameters = Parameters.of(request)
        found = await context(request).ports.queries.metrics.of_execution(
            DEFAULT_TENANT,
            execution_id,
            task_id=parameters.text("taskId"),
            task_run_id=parameters.text("taskRunId"),
            sorts=read_sorts(parameters),
            page=read_page(parameters),
        )
        return reply.page([metric_view(entry) for entry in found.results], found.total)

    @get("/names/{namespace:str}/{flow_id:str}", operation_id="listFlowMetrics", status_code=200)
    async def names(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return the names of a flow's metrics."""
        queries = context(request).ports.queries.metrics
        return reply.json(await queries.names(DEFAULT_TENANT, namespace, flow_id))

    @get(
        "/names/{namespace:str}/{flow_id:str}/{task_id:str}",
        operation_id="listTaskMetrics",
        status_code=200,
    )
    async def task_names(
        self, request: Http, namespace: Segment, flow_id: Segment, task_id: Segment
    ) -> Reply:
        """Return the names of a task's metrics."""
        queries = context(request).ports.queries.metrics
        return reply.json(await queries.names(DEFAULT_TENANT, namespace, flow_id, task_id))

    @get(
        "/tasks/{namespace:str}/{flow_id:str}", operation_id="listTasksWithMetrics", status_code=200
    )
    async def tasks(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return the tasks of a flow that measured something."""
        queries = context(request).ports.queries.metrics
        return reply.json(await queries.tasks(DEFAULT_TENANT, namespace, flow_id))

    @get(
        "/aggregates/{namespace:str}/{flow_id:str}/{metric:str}",
        operation_id="aggregateMetricsFromFlow",
        status_code=200,
    )
    async def of_flow(
        self, request: Http, namespace: Segment, flow_id: Segment, metric: Segment
    ) -> Reply:
        """Return a metric of a flow over time."""
        return await _curve(request, namespace, flow_id, None, metric)

    @get(
        "/aggregates/{namespace:str}/{flow_id:str}/{task_id:str}/{metric:str}",
        operation_id="aggregateMetricsFromTask",
        status_code=200,
    )
    async def of_task(
        self, request: Http, namespace: Segment, flow_id: Segment, task_id: Segment, metric: Segment
    ) -> Reply:
        """Return a metric of a task over time."""
        return await _curve(request, namespace, flow_id, task_id, metric)


async def read_logs(own: Context, execution_id: str, wanted: Wanted) -> list[LogEntry]:
    """Return the entries of an execution in time order: the index, and what it has not seen yet."""
    stored = await own.ports.queries.logs.of_execution(
        DEFAULT_TENANT,
        execution_id,
        min_level=wanted.level,
        task_id=wanted.task_id,
        task_run_id=wanted.task_run_id,
        attempt=wanted.attempt,
    )
    latest = {entry.id: entry for entry in own.live_logs.recent(execution_id)}
    if not latest:
        return stored
    found = {entry.id: entry for entry in stored} | latest
    kept = [entry for entry in found.values() if not entry.deleted and wanted.holds(entry)]
    return sorted(kept, key=lambda entry: entry.timestamp)


async def delete_logs(own: Context, entries: Sequence[LogEntry]) -> None:
    """Say on the log that entries are deleted: readers drop them."""
    for start in range(0, len(entries), _BATCH):
        gone = [
            msgspec.structs.replace(entry, deleted=True, message="")
            for entry in entries[start : start + _BATCH]
        ]
        key = gone[0].execution_id or f"{gone[0].namespace}/{gone[0].flow_id}/{gone[0].trigger_id}"
        record = Outgoing(LOGS, key, encode(LogBatch(entries=gone)))
        await asyncio.to_thread(own.ports.log_writer.append, [record])


async def log_events(own: Context, execution_id: str, wanted: Wanted) -> AsyncIterator[bytes]:
    """Yield `start`, then every entry once."""
    yield event("start", {"attemptNumber": None})
    sent: set[str] = set()
    for entry in await read_logs(own, execution_id, wanted):
        sent.add(entry.id)
        yield event("progress", log_view(entry))
    async with closing(own.live_logs.follow(execution_id)) as live:
        async for entry in live:
            if entry.id in sent or entry.deleted or not wanted.holds(entry):
                continue
            sent.add(entry.id)
            yield event("progress", log_view(entry))


async def _curve(
    request: Http, namespace: str, flow_id: str, task_id: str | None, metric: str
) -> Reply:
    own, parameters = context(request), Parameters.of(request)
    curve = await own.ports.queries.metrics.curve(
        DEFAULT_TENANT,
        namespace,
        flow_id,
        metric,
        now=own.ports.now(),
        task_id=task_id,
        aggregation=parameters.text("aggregation") or "sum",
        start=parameters.moment("startDate"),
        end=parameters.moment("endDate"),
    )
    buckets = []
    for bucket in curve.buckets:
        view: dict[str, Any] = {} if bucket.name is None else {"name": bucket.name}
        buckets.append(view | {"value": bucket.value, "date": instant(bucket.date)})
    return reply.json({"groupBy": curve.group_by.value, "aggregations": buckets})


ROUTES = [Logs, Metrics]
