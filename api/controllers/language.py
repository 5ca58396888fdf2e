"""What the language knows: functions, filters, types and their schemas; and names of secrets."""

from __future__ import annotations

from litestar import Controller, get

from api import reply
from api.context import Context, context
from api.controllers.http import Http, Segment
from api.matching import found_in
from api.parameters import Parameters, read_query
from api.reply import Reply
from domain.expression import IMPURE_FUNCTIONS
from domain.expression.registry import FILTERS, FUNCTIONS
from domain.ids import DEFAULT_TENANT
from projections.fields import TEXTS, Field, Resource, Use
from projections.meanings import free_text
from projections.store import Every, Order

_FILTERS_OF_TWO = frozenset({"regexExtract", "regexMatch", "regexReplace", "sh", "uniq"})
_FUNCTIONS_OF_TWO = frozenset(
    {
        "dayOfMonth",
        "dayOfWeek",
        "env",
        "fileEmpty",
        "hourOfDay",
        "isDateAfter",
        "isDateBefore",
        "isDateBetween",
        "isDayWeekInMonth",
        "isLastWorkingDay",
        "isPublicHoliday",
        "isWeekend",
        "iterationOutput",
        "loopOutputs",
        "monthOfYear",
        "parentOutput",
    }
)
"""Names that came with 2.0: listed where a 2.x version is reported, usable everywhere."""
_NOT_OFFERED = frozenset({"appLink", "assets", "credential"})
_LOOKUP_FILTERS = frozenset({"jq"})
"""Lookups that are written as filters."""


_SECRETS = Resource(
    "SECRET_METADATA",
    {
        Field.QUERY: free_text(),
        Field.NAMESPACE: Use(TEXTS, lambda _wanted, _now: Every()),  # every namespace sees them all
    },
    {"key": "key"},
    (Order("key"),),
)
_SECRETS_FLAT = frozenset({"q", "namespace"})


class Language(Controller):
    """Routes of the language."""

    path = "/api/v1"
    tags = ["Misc"]  # noqa: RUF012 - Litestar's way

    @get("/pebble/filters", operation_id="getExpressionFilters", status_code=200)
    async def filters(self, request: Http) -> Reply:
        """Return the names of the filters that the reported version has."""
        names = {*FILTERS, *_LOOKUP_FILTERS}
        return reply.json(sorted(_known(context(request), names, _FILTERS_OF_TWO)))

    @get("/pebble/functions", operation_id="getExpressionFunctions", status_code=200)
    async def functions(self, request: Http) -> Reply:
        """Return the names of the functions that the reported version has."""
        names = {*FUNCTIONS, *IMPURE_FUNCTIONS} - _NOT_OFFERED - _LOOKUP_FILTERS
        return reply.json(sorted(_known(context(request), names, _FUNCTIONS_OF_TWO)))

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


def _known(own: Context, names: set[str], of_two: frozenset[str]) -> set[str]:
    return names if own.options.is_two else names - of_two


def _secrets(own: Context, parameters: Parameters) -> Reply:
    query = read_query(parameters, _SECRETS_FLAT)
    names = list(own.ports.secret_names())
    found = found_in(names, query, _SECRETS, _secret_field, own.ports.now())
    views = [{"key": name} for name in found.results]
    return reply.json({"readOnly": True, "results": views, "total": found.total})


def _secret_field(name: str, field: str) -> str:
    return {"tenant": DEFAULT_TENANT, "namespace": ""}.get(field, name)


ROUTES = [Language]
