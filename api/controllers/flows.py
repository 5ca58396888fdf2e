"""Flows: create, read, update, delete."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, delete, get, patch, post, put

from api import flows, reply
from api.body import content_type, read_json, read_text
from api.context import context
from api.controllers.filters import FLOW_FLAT
from api.controllers.flow_bulk import json_documents, store_all
from api.controllers.http import Http, Segment
from api.edge import segment
from api.errors import illegal_argument, missing_body, not_found
from api.flow_edit import with_task
from api.parameters import Parameters, read_page, read_query, read_sorts
from api.reply import Reply
from api.views.flow import fragment, shown_flow, shown_task
from domain.ids import DEFAULT_TENANT

YAML = frozenset({"", "application/x-yaml"})
JSON = "application/json"


async def read_source(request: Http) -> str:
    """Return the source in the body, YAML or JSON; raises ApiError 422 for other types or none."""
    kind = content_type(request)
    text = await read_text(request) if kind in YAML or kind == JSON else ""
    if not text.strip():
        raise missing_body("flow")
    return text


class Flows(Controller):
    """Routes of single flows and of lists."""

    path = "/api/v1/flows"
    tags = ["Flows"]  # noqa: RUF012 - Litestar's way

    @post("/", operation_id="createFlow", status_code=200)
    async def create(self, request: Http) -> Reply:
        """Store the first revision of a flow, as its source says."""
        own = context(request)
        checked = flows.check(own, await read_source(request))
        if flows.latest(own, checked.flow.namespace, checked.flow.id) is not None:
            raise flows.entity_error("flow.id", "Flow id already exists")
        return reply.json(_without_json(request, await flows.saved(own, checked)))

    @get("/search", operation_id="searchFlows", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the flows that filters find."""
        own = context(request)
        query = read_query(Parameters.of(request), FLOW_FLAT)
        found = await own.ports.queries.flows.search(query)
        return reply.page(
            [flows.shown(own, revision, source=False) for revision in found.results], found.total
        )

    @get("/source", operation_id="searchFlowsBySourceCode", status_code=200)
    async def search_source(self, request: Http) -> Reply:
        """Return a page of the flows whose source holds some words, with the place they stand."""
        own, parameters = context(request), Parameters.of(request)
        text = parameters.text("q")
        found = await own.ports.queries.flows.search_source(
            DEFAULT_TENANT,
            text,
            namespace=parameters.text("namespace"),
            sorts=read_sorts(parameters),
            page=read_page(parameters),
        )
        results = [
            {
                "model": flows.shown(own, revision, source=False),
                "fragments": fragment(revision.source, text),
            }
            for revision in found.results
        ]
        return reply.page(results, found.total)

    @get("/distinct-namespaces", operation_id="listDistinctNamespaces", status_code=200)
    async def namespaces(self, request: Http) -> Reply:
        """Return the namespaces that have flows."""
        prefix = Parameters.of(request).text("q") or ""
        queries = context(request).ports.queries.flows
        return reply.json(await queries.namespaces(DEFAULT_TENANT, prefix=prefix))

    @get("/{namespace:str}", operation_id="listFlowsByNamespace", status_code=200)
    async def of_namespace(self, request: Http, namespace: Segment) -> Reply:
        """Return the flows of a namespace, not of its children."""
        own = context(request)
        found = [
            revision
            for revision in own.ports.flows.latest(DEFAULT_TENANT)
            if revision.namespace == namespace
        ]
        found.sort(key=lambda revision: revision.id)
        return reply.json([flows.shown(own, revision, source=False) for revision in found])

    @post("/{namespace:str}", operation_id="updateFlowsInNamespace", status_code=200)
    async def in_namespace(self, request: Http, namespace: Segment) -> Reply:
        """Store the flows of a namespace; its flows that are not among them are deleted."""
        own = context(request)
        remove = Parameters.of(request).truth("delete", default=True)
        text = await read_text(request)
        documents = json_documents(text) if content_type(request) == JSON else flows.split(text)
        documents = [document.strip() for document in documents]
        return await store_all(own, documents, namespace, remove_below=namespace, remove=remove)

    @get("/{namespace:str}/{flow_id:str}", operation_id="getFlow", status_code=200)
    async def read(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return a flow, or one of its revisions."""
        own, parameters = context(request), Parameters.of(request)
        revision = parameters.number("revision")
        found = own.ports.flows.revision(DEFAULT_TENANT, namespace, flow_id, revision)
        if found is None or found.withdrawn:
            raise not_found()
        if found.deleted and not parameters.truth("allowDeleted"):
            raise not_found()
        return reply.json(flows.shown(own, found, source=parameters.truth("source")))

    @put("/{namespace:str}/{flow_id:str}", operation_id="updateFlow", status_code=200)
    async def update(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Store another revision of a flow; the same source makes none."""
        own = context(request)
        flows.require(own, namespace, flow_id)
        checked = flows.check(own, await read_source(request))
        if checked.flow.id != flow_id:
            raise flows.entity_error("flow.id", "Illegal flow id update")
        if checked.flow.namespace != namespace:
            raise flows.entity_error("flow.namespace", "Illegal namespace update")
        return reply.json(_without_json(request, await flows.saved(own, checked)))

    @delete("/{namespace:str}/{flow_id:str}", operation_id="deleteFlow", status_code=200)
    async def remove(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Delete a flow; its revisions stay."""
        own = context(request)
        flows.require(own, namespace, flow_id)
        await own.ports.flow_writer.delete(DEFAULT_TENANT, namespace, flow_id)
        return reply.empty(204)

    @get(
        "/{namespace:str}/{flow_id:str}/revisions",
        operation_id="listFlowRevisions",
        status_code=200,
    )
    async def revisions(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return the revisions of a flow, oldest first."""
        own = context(request)
        found = own.ports.flows.revisions(DEFAULT_TENANT, namespace, flow_id)
        if not Parameters.of(request).truth("allowDelete"):
            found = [revision for revision in found if not revision.deleted]
        return reply.json([flows.shown(own, revision, source=True) for revision in found])

    @delete(
        "/{namespace:str}/{flow_id:str}/revisions",
        operation_id="deleteRevisions",
        status_code=200,
    )
    async def remove_revisions(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Delete old revisions of a flow; the latest one stays. All of them, or none."""
        own = context(request)
        numbers = Parameters.of(request).numbers("revisions")
        stored = own.ports.flows.revisions(DEFAULT_TENANT, namespace, flow_id)
        if not stored:
            raise not_found()
        named = [revision for revision in stored if revision.revision in numbers]
        if stored[-1] in named:
            raise illegal_argument("The latest revision of a flow cannot be deleted")
        for revision in named:
            await own.ports.flow_writer.withdraw(revision)
        return reply.empty(204)

    @get(
        "/{namespace:str}/{flow_id:str}/tasks/{task_id:str}",
        operation_id="getTaskFromFlow",
        status_code=200,
    )
    async def task(
        self, request: Http, namespace: Segment, flow_id: Segment, task_id: Segment
    ) -> Reply:
        """Return one task of a flow, at any depth."""
        revision = Parameters.of(request).number("revision")
        flow = context(request).ports.flows.get(DEFAULT_TENANT, namespace, flow_id, revision)
        task = None if flow is None else flow.find_task(segment(task_id))
        if task is None:
            raise not_found()
        return reply.json(shown_task(task))

    @patch(
        "/{namespace:str}/{flow_id:str}/{task_id:str}", operation_id="updateTask", status_code=200
    )
    async def update_task(
        self, request: Http, namespace: Segment, flow_id: Segment, task_id: Segment
    ) -> Reply:
        """Replace one task of a flow; its source is written anew."""
        own = context(request)
        stored = flows.require(own, namespace, flow_id)
        task = await read_json(request, dict[str, Any], "task")
        checked = flows.check(own, with_task(stored.source, segment(task_id), task))
        revision, _ = await flows.save(own, checked)
        return reply.json(
            shown_flow(msgspec.structs.replace(checked.flow, revision=revision.revision))
        )


def _without_json(request: Http, view: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a write; a body that was JSON is not given back as a source."""
    if content_type(request) == JSON:
        view.pop("source", None)
    return view


ROUTES = [Flows]
