"""Namespaces: they are there because flows are."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, get, post

from api import reply
from api.body import read_json
from api.context import context
from api.controllers.http import Http, Segment
from api.parameters import Parameters, read_page, read_query, read_sorts
from api.reply import Reply
from domain.ids import DEFAULT_TENANT
from projections.namespaces.query import NamespaceQueries
from projections.search import Filter


class Autocomplete(msgspec.Struct, rename="camel"):
    """A part of a name."""

    q: str = ""
    ids: list[str] = []
    existing_only: bool = False


class Namespaces(Controller):
    """Routes of namespaces."""

    path = "/api/v1/namespaces"
    tags = ["Namespaces"]  # noqa: RUF012 - Litestar's way

    @get("/search", operation_id="searchNamespaces", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the namespaces whose name holds a text."""
        own, parameters = context(request), Parameters.of(request)
        text = parameters.text("q")
        for clause in read_query(parameters, paged=False).filters:
            if isinstance(clause, Filter) and clause.field in {"q", "QUERY"}:
                text = str(clause.value)
        found = await NamespaceQueries(own.ports.queries.flows).search(
            DEFAULT_TENANT, text, read_sorts(parameters), read_page(parameters)
        )
        return reply.page([_view(name) for name in found.results], found.total)

    @post("/autocomplete", operation_id="autocompleteNamespaces", status_code=200)
    async def autocomplete(self, request: Http) -> Reply:
        """Return the namespaces whose name holds a text, and the given ones."""
        wanted = await read_json(request, Autocomplete, "autocomplete")
        queries = NamespaceQueries(context(request).ports.queries.flows)
        names = await queries.every(DEFAULT_TENANT)
        found = {name for name in names if wanted.q in name}
        return reply.json(sorted(found.union(wanted.ids)))

    @get("/{namespace:str}", operation_id="getNamespace", status_code=200)
    async def read(self, namespace: Segment) -> Reply:
        """Return a namespace; any name is one."""
        return reply.json(_view(namespace))

    @get("/{namespace:str}/inherited-secrets", operation_id="getInheritedSecrets", status_code=200)
    async def inherited_secrets(self, request: Http, namespace: Segment) -> Reply:
        """Return the names of the secrets that a namespace sees."""
        return reply.json({namespace: sorted(context(request).ports.secret_names())})


def _view(name: str) -> dict[str, Any]:
    return {"id": name}


ROUTES = [Namespaces]
