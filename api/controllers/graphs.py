"""Flows as graphs: alone, as an execution ran them, and among each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, get, post

from api import flows, reply
from api.body import read_text
from api.context import Context, context
from api.controllers.http import Http, Segment
from api.errors import illegal_argument, missing_body, not_found
from api.parameters import Parameters
from api.reading import require_execution
from api.reply import Reply
from api.topology import dependencies_of, dependencies_within
from api.views.execution import task_run_view
from api.views.flow import light_view, shown_task
from api.views.trigger import trigger_view
from domain.execution.state import Execution
from domain.flow.graph import GraphOptions, GraphRun, flow_graph
from domain.flow.model import Flow
from domain.flow.tasks import Subflow, Task
from domain.ids import DEFAULT_TENANT
from projections.search import Page


class FlowGraphs(Controller):
    """Routes of graphs of flows."""

    path = "/api/v1/flows"
    tags = ["Flows"]  # noqa: RUF012 - Litestar's way

    @post("/graph", operation_id="generateFlowGraphFromSource", status_code=200)
    async def of_source(self, request: Http) -> Reply:
        """Return the graph of a flow that is not stored."""
        own = context(request)
        text = await read_text(request)
        if not text.strip():
            raise missing_body("flow")
        return reply.json(_graph(own, flows.check(own, text).flow, request))

    @get("/{namespace:str}/{flow_id:str}/graph", operation_id="generateFlowGraph", status_code=200)
    async def of_flow(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return the graph of a flow."""
        own = context(request)
        revision = Parameters.of(request).number("revision")
        flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id, revision)
        if flow is None:
            raise not_found(f"Unable to find flow {DEFAULT_TENANT}_{namespace}_{flow_id}")
        states = await _trigger_states(own, flow)
        return reply.json(_graph(own, flow, request, states))

    @get(
        "/{namespace:str}/{flow_id:str}/dependencies",
        operation_id="getFlowDependencies",
        status_code=200,
    )
    async def dependencies_of(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return the flows that a flow depends on, and those that depend on it."""
        parameters = Parameters.of(request)
        return reply.json(
            dependencies_of(
                context(request),
                (namespace, flow_id),
                destination_only=parameters.truth("destinationOnly"),
                expand_all=parameters.truth("expandAll"),
            )
        )


class NamespaceGraphs(Controller):
    """Routes of graphs of namespaces."""

    path = "/api/v1/namespaces"
    tags = ["Namespaces"]  # noqa: RUF012 - Litestar's way

    @get(
        "/{namespace:str}/dependencies",
        operation_id="getFlowDependenciesFromNamespace",
        status_code=200,
    )
    async def dependencies_of(self, request: Http, namespace: Segment) -> Reply:
        """Return how the flows of a namespace depend on each other and on others."""
        return reply.json(dependencies_within(context(request), namespace))


class ExecutionFlows(Controller):
    """Routes of the flows that executions ran."""

    path = "/api/v1/executions"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @get("/{execution_id:str}/graph", operation_id="getExecutionFlowGraph", status_code=200)
    async def graph(self, request: Http, execution_id: Segment) -> Reply:
        """Return the graph of an execution: its flow with its task runs."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        flow = _flow_of(own, execution)
        uids = Parameters.of(request).texts("subflows")
        opened = _opened(own, flow, uids, refuse_dynamic=False)
        options = GraphOptions(task=_light_task, runs=_runs(execution), subflows=opened)
        return reply.json(flow_graph(flow, options))

    @get("/{execution_id:str}/flow", operation_id="getFlowFromExecutionById", status_code=200)
    async def flow(self, request: Http, execution_id: Segment) -> Reply:
        """Return the flow of an execution, by ids and types."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        return reply.json(light_view(_flow_of(own, execution)))

    @get(
        "/flows/{namespace:str}/{flow_id:str}", operation_id="getFlowFromExecution", status_code=200
    )
    async def named_flow(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return a flow as who may run it sees it, by ids and types."""
        revision = Parameters.of(request).number("revision")
        flow = context(request).ports.flows.get(DEFAULT_TENANT, namespace, flow_id, revision)
        if flow is None:
            raise not_found()
        return reply.json(light_view(flow))

    @get(
        "/namespaces/{namespace:str}/flows",
        operation_id="listFlowExecutionsByNamespace",
        status_code=200,
    )
    async def flows(self, request: Http, namespace: Segment) -> Reply:
        """Return the flows of a namespace as who may run them sees them."""
        own = context(request)
        found = [
            flow
            for stored in own.ports.flows.latest(DEFAULT_TENANT)
            if stored.namespace == namespace
            and (flow := own.ports.flows.get(stored.tenant, namespace, stored.id)) is not None
        ]
        return reply.json([light_view(flow) for flow in sorted(found, key=lambda flow: flow.id)])


def _graph(
    own: Context, flow: Flow, request: Http, states: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    uids = Parameters.of(request).texts("subflows")
    opened = _opened(own, flow, uids, refuse_dynamic=True)
    options = GraphOptions(task=shown_task, subflows=opened, trigger_states=states or {})
    return flow_graph(flow, options)


async def _trigger_states(own: Context, flow: Flow) -> dict[str, dict[str, Any]]:
    if not flow.triggers:
        return {}
    found = await own.ports.queries.triggers.of_flow(
        flow.tenant_id, flow.namespace, flow.id, page=Page(size=len(flow.triggers))
    )
    return {trigger.key.trigger_id: trigger_view(trigger) for trigger in found.results}


def _opened(own: Context, flow: Flow, uids: list[str], *, refuse_dynamic: bool) -> dict[str, Flow]:
    """Return the flows of Subflow tasks that are to be opened, by the ids of their nodes.

    Raises:
        ApiError: 404 for a flow or revision that is not there; 422, with `refuse_dynamic`, for a
            flow that only an execution can name.
    """
    opened: dict[str, Flow] = {}
    for uid in sorted(uids, key=len):
        outer = max(
            (known for known in opened if uid.startswith(f"{known}.")), key=len, default=None
        )
        around = flow if outer is None else opened[outer]
        task = around.find_task(uid.rpartition(".")[2])
        if isinstance(task, Subflow):
            if "{{" in f"{task.namespace}{task.flow_id}":
                if refuse_dynamic:
                    raise illegal_argument(
                        f"Can't expand subflow task '{task.id}' because namespace and/or flowId "
                        "contains dynamic values. This can only be viewed on an execution."
                    )
                continue
            opened[uid] = _called(own, task)
    return opened


def _called(own: Context, task: Subflow) -> Flow:
    namespace, flow_id, revision = str(task.namespace), str(task.flow_id), task.revision
    flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id, revision)
    if flow is None:
        name = f"{namespace}_{flow_id}" + ("" if revision is None else f"_{revision}")
        raise not_found(f"Unable to find subflow {name} for task {task.id}")
    return flow


def _flow_of(own: Context, execution: Execution) -> Flow:
    flow = own.ports.flows.get(
        execution.tenant, execution.namespace, execution.flow_id, execution.flow_revision
    )
    if flow is None:
        raise not_found()
    return flow


def _light_task(task: Task) -> dict[str, Any]:
    return {"id": task.id, "type": task.type}


def _runs(execution: Execution) -> list[GraphRun]:
    return [
        GraphRun(
            id=run.id,
            task_id=run.task_id,
            parent_id=run.parent_id,
            value=run.value,
            shown=task_run_view(execution, run),
        )
        for run in list(execution.task_runs.values())
    ]


ROUTES = [FlowGraphs, NamespaceGraphs, ExecutionFlows]
