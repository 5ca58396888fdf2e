"""Executions: read, search, follow, delete."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from litestar import Controller, delete, get, post

from api import reply
from api.actions import submit
from api.body import read_json
from api.context import Context, context
from api.controllers.execution_bulk import deletion
from api.controllers.filters import EXECUTION_FLAT
from api.controllers.http import Http, Segment
from api.errors import invalid_entity, not_found, unconvertible
from api.events import event_page
from api.export import columns, csv
from api.labels import CORRELATION_ID
from api.parameters import Parameters, read_page, read_query
from api.reading import missing_execution, require_execution
from api.reply import Reply
from api.sse import EventStream, closing, event, merged
from api.views.execution import latest_view, start_view, status_event_view
from api.views.text import instant
from domain.execution.history import state_at
from domain.execution.state import Execution
from domain.ids import DEFAULT_TENANT
from domain.record.topics import EXECUTION_EVENTS
from projections.search import Filter, Operation, Page, Query

_EXPORTED_AT_ONCE = 200
_DISTINCT = {"NAMESPACE": "namespace", "FLOW_ID": "flowId", "STATE": "state"}


class FlowFilter(msgspec.Struct):
    """Names a flow."""

    namespace: str
    id: str


class Executions(Controller):
    """Routes that read executions."""

    path = "/api/v1/executions"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @get("/", operation_id="searchExecutionsByFlowId", status_code=200)
    async def of_flow(self, request: Http) -> Reply:
        """Return the executions of one flow, latest first."""
        own, parameters = context(request), Parameters.of(request)
        namespace, flow_id = parameters.require("namespace"), parameters.require("flowId")
        found = await own.ports.queries.executions.by_flow(
            DEFAULT_TENANT, namespace, flow_id, read_page(parameters), task_runs=True
        )
        return reply.page(await own.views(found.results), found.total)

    @get("/search", operation_id="searchExecutions", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the executions that filters find."""
        own = context(request)
        query = read_query(Parameters.of(request), EXECUTION_FLAT)
        found = await own.ports.queries.executions.search(query, task_runs=True)
        return reply.page(await own.views(found.results), found.total)

    @get("/namespaces", operation_id="listExecutableDistinctNamespaces", status_code=200)
    async def namespaces(self, request: Http) -> Reply:
        """Return the namespaces that have or had flows."""
        queries = context(request).ports.queries.flows
        return reply.json(await queries.namespaces(DEFAULT_TENANT, deleted=True))

    @get("/export/by-query/csv", operation_id="exportExecutions", status_code=200)
    async def export(self, request: Http) -> Reply:
        """Return the executions found as CSV, oldest first."""
        own = context(request)
        query = read_query(Parameters.of(request), EXECUTION_FLAT, paged=False)
        found = await own.ports.queries.executions.every(query)
        head = columns(_exported(own, execution) for execution in found)
        return csv("executions.csv", head, _rows(own, found))

    @get("/distinct-field-values", operation_id="findDistinctFieldValues", status_code=200)
    async def distinct(self, request: Http) -> Reply:
        """Return the values of a field among the executions that filters find."""
        parameters = Parameters.of(request)
        asked = parameters.require("field")
        field = _DISTINCT.get(asked, asked)
        if field not in _DISTINCT.values():
            raise unconvertible("field", asked, f"Expected one of: {list(_DISTINCT.values())}")
        query = read_query(parameters, paged=False)
        size = Page(1, parameters.number("size", 100) or 100).size
        queries = context(request).ports.queries.executions
        return reply.json(await queries.distinct(query, field, size))

    @post("/latest", operation_id="getLatestExecutions", status_code=200)
    async def latest(self, request: Http) -> Reply:
        """Return the last execution of each of some flows; of all when none is named."""
        flows = await read_json(request, list[FlowFilter], "flowFilters")
        found = await context(request).ports.queries.executions.latest(
            DEFAULT_TENANT, [(flow.namespace, flow.id) for flow in flows]
        )
        return reply.json([latest_view(execution) for execution in found])

    @get("/{execution_id:str}", operation_id="getExecution", status_code=200)
    async def read(self, request: Http, execution_id: Segment) -> Reply:
        """Return an execution; with `at`, as of that event of its stream."""
        own = context(request)
        at = Parameters.of(request).number("at")
        if at is not None:
            return reply.json(await own.whole(await _require_past(own, execution_id, at)))
        return reply.json(await own.whole(await require_execution(own, execution_id)))

    @delete("/{execution_id:str}", operation_id="deleteExecution", status_code=200)
    async def remove(self, request: Http, execution_id: Segment) -> Reply:
        """Delete an execution."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        await submit(own, deletion(request, Parameters.of(request))(execution))
        return reply.empty(204)

    @get("/{execution_id:str}/follow", operation_id="followExecution", status_code=200)
    async def follow(self, request: Http, execution_id: Segment) -> Reply:
        """Send an execution whenever it moves, until it has ended."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        return stream(own, follow_events(own, execution))

    @get(
        "/{execution_id:str}/follow-dependencies",
        operation_id="followDependenciesExecutions",
        status_code=200,
    )
    async def follow_dependencies(self, request: Http, execution_id: Segment) -> Reply:
        """Send the state of every execution of the same chain whenever it moves."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        return stream(own, dependency_events(own, execution))

    @get("/{execution_id:str}/events", operation_id="listExecutionEvents", status_code=200)
    async def events(self, request: Http, execution_id: Segment) -> Reply:
        """Return a page of the execution's event stream, from a sequence number on."""
        own, parameters = context(request), Parameters.of(request)
        start = max(1, parameters.number("from", 1) or 1)
        page = read_page(parameters, 100)
        found = await asyncio.to_thread(event_page, own.ports.log, execution_id, start, page.size)
        if found is None:
            raise not_found()
        return reply.json(found)


async def _require_past(own: Context, execution_id: str, at: int) -> Execution:
    """Return an execution as of an event; raises ApiError 404, 422."""

    def fold() -> tuple[Execution | None, Execution | None]:
        records = own.ports.log.by_key(EXECUTION_EVENTS, execution_id)
        found = state_at(records, execution_id, at)
        if found is not None and found.sequence == at:
            return found, found
        records = own.ports.log.by_key(EXECUTION_EVENTS, execution_id)
        return None, state_at(records, execution_id, sys.maxsize)

    found, last = await asyncio.to_thread(fold)
    if last is None:
        raise missing_execution(execution_id)
    if found is None:
        raise invalid_entity(f"at: the execution has the events 1 to {last.sequence}, not {at}")
    return found


def _exported(own: Context, execution: Execution) -> list[str]:
    """Return the members of an execution, task runs included, which are filled in later."""
    names = list(own.view(execution))
    names.insert(names.index("flowRevision") + 1, "taskRunList")
    return names


async def _rows(own: Context, found: Sequence[Execution]) -> AsyncIterator[dict[str, Any]]:
    for start in range(0, len(found), _EXPORTED_AT_ONCE):
        batch = found[start : start + _EXPORTED_AT_ONCE]
        for execution in await own.ports.queries.executions.with_task_runs(batch):
            yield own.view(execution)
            execution.task_runs = {}  # it has been sent


def stream(own: Context, events: AsyncIterator[bytes]) -> EventStream:
    """Return an answer that sends events."""
    return EventStream(events, own.options.follow_keep_alive_seconds, own.options.follow_seconds)


async def follow_events(own: Context, execution: Execution) -> AsyncIterator[bytes]:
    """Yield `start`, a `progress` per step, and `end` when nothing more can happen."""
    yield event("start", start_view(execution.id, instant(own.ports.now())))
    if is_over(execution):
        yield event("end", await own.whole(execution))
        return
    known: dict[str, dict[str, Any]] = {}  # a file is read once, however many steps follow
    async with closing(own.ports.window.follow(execution.id)) as steps:
        async for latest in steps:
            if is_over(latest):
                yield event("end", await own.whole(latest, known))
                return
            yield event("progress", await own.whole(latest, known))


async def dependency_events(own: Context, execution: Execution) -> AsyncIterator[bytes]:
    """Yield the state of every execution that shares the correlation id, and a last `end-all`."""
    yield event("start", {"executionId": execution.id})
    chain = {
        member.id: member
        for member in await own.ports.queries.executions.every(chain_of(execution))
    }
    chain[execution.id] = execution
    running = {key for key, member in chain.items() if not is_over(member)}
    for key in chain.keys() - running:
        yield event("end", status_event_view(chain[key]))
    async with closing(merged([own.ports.window.follow(key) for key in running])) as steps:
        async for latest in steps:
            over = is_over(latest)
            if latest.id not in running:
                continue
            yield event("end" if over else "progress", status_event_view(latest))
            if over:
                running.discard(latest.id)
            if not running:
                break
    yield event("end-all", {"executionId": execution.id})


def chain_of(execution: Execution) -> Query:
    """Return the query for all executions that share an execution's correlation id."""
    shared = next(
        (label.value for label in execution.labels if label.key == CORRELATION_ID), execution.id
    )
    wanted = Filter("labels", Operation.EQUALS, shared, CORRELATION_ID)
    return Query(execution.tenant, [wanted])


def is_over(execution: Execution) -> bool:
    """True when nothing more happens by itself: ended, afterExecution included."""
    return execution.closed and execution.state.current.is_terminal


ROUTES = [Executions]
