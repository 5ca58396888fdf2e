"""What the language knows: functions, filters, types and their schemas; and names of secrets."""

from __future__ import annotations

from typing import Any

from litestar import Controller, get

from api import reply
from api.context import Context, context
from api.controllers.http import Http, Segment
from api.errors import unconvertible
from api.parameters import Parameters, read_page
from api.reply import Reply
from domain.expression import IMPURE_FUNCTIONS
from domain.expression.registry import FILTERS, FUNCTIONS
from domain.flow.schema import language_schema

_KINDS = ("flow", "task", "trigger", "plugindefault")


class Language(Controller):
    """Routes of the language."""

    path = "/api/v1"
    tags = ["Misc"]  # noqa: RUF012 - Litestar's way

    @get("/pebble/filters", operation_id="getExpressionFilters", status_code=200)
    async def filters(self) -> Reply:
        """Return the names of all filters."""
        return reply.json(sorted(FILTERS))

    @get("/pebble/functions", operation_id="getExpressionFunctions", status_code=200)
    async def functions(self) -> Reply:
        """Return the names of all functions."""
        return reply.json(sorted({*FUNCTIONS, *IMPURE_FUNCTIONS}))

    @get("/secrets", operation_id="listSecrets", status_code=200)
    async def secrets(self, request: Http) -> Reply:
        """Return the names of the secrets."""
        return _secrets(context(request), Parameters.of(request))

    @get(
        "/namespaces/{namespace:str}/secrets", operation_id="listNamespaceSecrets", status_code=200
    )
    async def namespace_secrets(self, request: Http, namespace: Segment) -> Reply:
        """Return the names of the secrets that a namespace sees."""
        del namespace
        return _secrets(context(request), Parameters.of(request))

    @get("/plugins/schemas/{kind:str}", operation_id="getSchemasFromType", status_code=200)
    async def schema(self, request: Http, kind: Segment) -> Reply:
        """Return the JSON Schema of flows, tasks, triggers or plugin defaults."""
        if kind.lower() not in _KINDS:
            why = f"No enum constant io.kestra.core.docs.SchemaType.{kind}"
            raise unconvertible("type", kind, why)
        wanted: Any = kind.upper()
        many = Parameters.of(request).truth("arrayOf")
        return reply.json(language_schema(context(request).ports.catalogue, wanted, array_of=many))


def _secrets(own: Context, parameters: Parameters) -> Reply:
    page = read_page(parameters)
    names = list(own.ports.secret_names())
    shown = names[page.start : page.start + page.size]
    return reply.json(
        {"readOnly": True, "results": [{"key": name} for name in shown], "total": len(names)}
    )


ROUTES = [Language]
