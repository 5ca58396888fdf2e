"""The concurrency limits of flows: how many executions count as running."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Controller, get, put

from api import reply
from api.body import read_json
from api.context import Context, context, user_name
from api.controllers.http import Http, Segment
from api.errors import illegal_argument, not_found
from api.reply import Reply
from domain.ids import DEFAULT_TENANT, flow_key

_MOST = 10_000


class ConcurrencyLimitBody(msgspec.Struct, rename="camel"):
    """How many executions of a flow are to count as running."""

    running: int
    namespace: str | None = None
    flow_id: str | None = None


class ConcurrencyLimits(Controller):
    """Routes of the slots that executions of limited flows hold."""

    path = "/api/v1/concurrency-limit"
    tags = ["Flows"]  # noqa: RUF012 - Litestar's way

    @get("/search", operation_id="searchConcurrencyLimits", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return every flow that has a limit or whose executions hold slots, all in one page."""
        own = context(request)
        running = await asyncio.to_thread(own.ports.slots.running)
        names = _limited(own) | running.keys()
        views = [_view(key, running.get(key, 0)) for key in sorted(names)]
        return reply.page(views, len(views))

    @put("/{namespace:str}/{flow_id:str}", operation_id="updateConcurrencyLimit", status_code=200)
    async def update(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Let so many executions of a flow count as running.

        What counts is recorded by execution, so that no slot is ever lost; this is for those who
        want to hold slots free, or to let more run for once.
        """
        own = context(request)
        body = await read_json(request, ConcurrencyLimitBody, "concurrencyLimit")
        if not 0 <= body.running <= _MOST:
            raise illegal_argument(f"running must be between 0 and {_MOST}")
        key = flow_key(DEFAULT_TENANT, namespace, flow_id)
        running = await asyncio.to_thread(own.ports.slots.running)
        if key not in running and key not in _limited(own):
            raise not_found()
        issuer = user_name(request)
        await asyncio.to_thread(own.ports.slots.set_running, key, body.running, issuer)
        return reply.json(_view(key, body.running))


def _limited(own: Context) -> set[str]:
    found = set()
    for stored in own.ports.flows.latest(DEFAULT_TENANT):
        if "concurrency" not in stored.source:
            continue
        flow = own.ports.flows.get(stored.tenant, stored.namespace, stored.id)
        if flow is not None and flow.concurrency is not None:
            found.add(flow_key(stored.tenant, stored.namespace, stored.id))
    return found


def _view(key: str, running: int) -> dict[str, Any]:
    tenant, namespace, flow_id = key.split("/", 2)
    return {"tenantId": tenant, "namespace": namespace, "flowId": flow_id, "running": running}


ROUTES = [ConcurrencyLimits]
