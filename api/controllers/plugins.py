"""The types that flows may use: lists, icons, documentation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from litestar import Controller, get

from api import reply
from api.context import context
from api.controllers.http import Http, Segment
from api.errors import ApiError, not_found, unconvertible
from api.parameters import Parameters, read_page
from api.plugins import Plugins, input_types, svg
from api.reply import Reply
from domain.flow.schema import language_schema
from domain.plugin import TaskCatalogue

_KINDS = ("flow", "task", "trigger", "plugindefault")


class PluginPages(Controller):
    """Routes of plugins."""

    path = "/api/v1/plugins"
    tags = ["Plugins"]  # noqa: RUF012 - Litestar's way

    @get("/", operation_id="listPlugins", status_code=200)
    async def listed(self, request: Http) -> Reply:
        """Return the groups of types; a page of them where a page is asked for."""
        found = plugins(request).listed()
        parameters = Parameters.of(request)
        asked = parameters.text("page") or parameters.text("size")
        if asked is None and not context(request).options.is_two:
            return reply.json(found)
        page = read_page(parameters)
        return reply.page(found[page.start : page.start + page.size], len(found))

    @get("/groups/subgroups", operation_id="getPluginBySubgroups", status_code=200)
    async def subgroups(self, request: Http) -> Reply:
        """Return the groups of types and their parts."""
        return reply.json(plugins(request).subgroups())

    @get("/icons", operation_id="getPluginIcons", status_code=200)
    async def icons(self, request: Http) -> Reply:
        """Return an icon for every type."""
        return reply.json(plugins(request).icons())

    @get("/icons/groups", operation_id="getPluginGroupIcons", status_code=200)
    async def group_icons(self, request: Http) -> Reply:
        """Return an icon for every part of a group."""
        return reply.json(plugins(request).group_icons())

    @get("/icons/{name:str}", operation_id="getPluginIcon", status_code=200)
    async def icon(self, request: Http, name: Segment) -> Reply:
        """Return the icon of one type; null when there is no such type."""
        return reply.json({"icon": plugins(request).icons().get(name)})

    @get("/icons/{name:str}/icon.svg", operation_id="getPluginIconSvg", status_code=200)
    async def icon_picture(self, request: Http, name: Segment) -> Reply:
        """Return the icon of one type as a picture."""
        if name not in plugins(request).icons():
            raise _no_class(name)
        return Reply(200, svg(name), b"image/svg+xml")

    @get("/inputs", operation_id="getAllInputTypes", status_code=200)
    async def inputs(self) -> Reply:
        """Return the types of inputs."""
        return reply.json(input_types())

    @get("/inputs/{type_name:str}", operation_id="getSchemaFromInputType", status_code=200)
    async def input_type(self, request: Http, type_name: Segment) -> Reply:
        """Return the documentation of a type of inputs."""
        found = plugins(request).input_documentation(type_name)
        if found is None:
            why = f"No enum constant io.kestra.core.models.flows.Type.{type_name}"
            raise unconvertible("type", type_name, why)
        return reply.json(found)

    @get("/schemas/{kind:str}", operation_id="getSchemasFromType", status_code=200)
    async def schema(self, request: Http, kind: Segment) -> Reply:
        """Return the JSON Schema of flows, tasks, triggers or plugin defaults."""
        many = Parameters.of(request).truth("arrayOf")
        return reply.json(_schema(request, kind, array_of=many))

    @get("/properties/{kind:str}", operation_id="getPropertiesFromType", status_code=200)
    async def properties(self, request: Http, kind: Segment) -> Reply:
        """Return the properties of flows, tasks, triggers or plugin defaults."""
        schema = _schema(request, kind, array_of=False)
        root = schema["definitions"][schema["$ref"].removeprefix("#/definitions/")]
        return reply.json({"properties": root.get("properties", {})})

    @get("/{name:str}", operation_id="getPluginDocumentation", status_code=200)
    async def documentation(self, request: Http, name: Segment) -> Reply:
        """Return the documentation of a type; with `all` also of what all tasks have."""
        return _documentation(request, name)

    @get("/{name:str}/versions", operation_id="getPluginVersions", status_code=200)
    async def versions(self, request: Http, name: Segment) -> Reply:
        """Return the versions of a type that are installed beside the server's own: none."""
        if plugins(request).documentation(name, shared=False) is None:
            raise _no_class(name)
        return reply.json({"type": name, "versions": []})

    @get(
        "/{name:str}/versions/{version:str}",
        operation_id="getPluginDocumentationFromVersion",
        status_code=200,
    )
    async def of_version(self, request: Http, name: Segment, version: Segment) -> Reply:
        """Return the documentation of a type: there is only the server's own version."""
        if version not in {"latest", "LATEST", context(request).options.version}:
            raise not_found()
        return _documentation(request, name)


class PluginPagesOfTwo(Controller):
    """Routes that stand where 1.x has types."""

    path = "/api/v1/plugins"
    tags = ["Plugins"]  # noqa: RUF012 - Litestar's way

    @get("/triggers", operation_id="listTriggerPlugins", status_code=200)
    async def triggers(self, request: Http) -> Reply:
        """Return a page of the types of triggers."""
        page = read_page(Parameters.of(request), 100)
        found = plugins(request).triggers
        return reply.page(found[page.start : page.start + page.size], len(found))


def plugins(request: Http) -> Plugins:
    """Return what there is to show."""
    return _plugins(context(request).ports.catalogue)


@lru_cache(maxsize=4)
def _plugins(catalogue: TaskCatalogue) -> Plugins:
    return Plugins(catalogue)


def _documentation(request: Http, name: str) -> Reply:
    shared = Parameters.of(request).truth("all")
    found = plugins(request).documentation(name, shared=shared)
    if found is None:
        raise _no_class(name)
    return reply.json(found)


def _schema(request: Http, kind: str, *, array_of: bool) -> dict[str, Any]:
    if kind.lower() not in _KINDS:
        why = f"No enum constant io.kestra.core.docs.SchemaType.{kind}"
        raise unconvertible("type", kind, why)
    wanted: Any = kind.upper()
    return language_schema(context(request).ports.catalogue, wanted, array_of=array_of)


def _no_class(name: str) -> ApiError:
    return not_found(f"Class '{name}' doesn't exists ")


ROUTES = [PluginPages]
TWO_ONLY = [PluginPagesOfTwo]
