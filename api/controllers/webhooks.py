"""Webhooks: the key in the path is the credential."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, route
from litestar.enums import HttpMethod

from api import reply
from api.context import context
from api.controllers.http import Http, Segment
from api.edge import segment
from api.reply import Reply
from api.views.execution import webhook_view
from api.webhooks import ConditionFalse, receive, response_status

_METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT]


def _operation(_: Any, method: Any, __: Any) -> str:
    return f"triggerExecutionBy{str(method).capitalize()}Webhook"


class Webhooks(Controller):
    """Routes that begin executions from outside."""

    path = "/api/v1/executions/webhook"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @route(
        "/{namespace:str}/{flow_id:str}/{key:str}",
        http_method=_METHODS,
        operation_id=_operation,
        status_code=200,
    )
    async def call(
        self, request: Http, namespace: Segment, flow_id: Segment, key: Segment
    ) -> Reply:
        """Begin an execution of the flow whose webhook has this key."""
        own = context(request)
        try:
            call = await receive(request, namespace, flow_id, segment(key))
        except ConditionFalse:
            return reply.empty(409)
        if not call.ended:
            return reply.json(
                webhook_view(call.execution, _url(own.options.url, own.url(call.execution)))
            )
        status = response_status(own, call)
        kind = (call.trigger.response_content_type or "application/json").encode()
        if call.trigger.return_outputs:
            return Reply(status, msgspec.json.encode(call.execution.outputs or {}), kind)
        view = webhook_view(
            call.execution, _url(own.options.url, own.url(call.execution)), ended=True
        )
        return Reply(status, msgspec.json.encode(view), kind)


def _url(configured: str, url: str) -> str | None:
    return url if configured else None


ROUTES = [Webhooks]
