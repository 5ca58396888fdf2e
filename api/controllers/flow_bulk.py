"""Many flows at once: validated, stored, switched, deleted, exported, imported."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Controller, delete, get, post

from api import flows, reply
from api.body import content_type, read_json, read_text
from api.context import Context, context
from api.controllers.filters import FLOW_FLAT
from api.controllers.http import Http
from api.edge import wants_problem
from api.errors import illegal_argument, not_found
from api.export import columns, csv, each
from api.flow_validation import check_json, validate_documents, validate_part
from api.forms import read_form, require_upload
from api.matching import every
from api.parameters import Parameters, read_query
from api.reply import Reply
from domain.ids import DEFAULT_TENANT
from domain.record.values import FlowRevision
from projections.flows.project import document_of
from projections.flows.query import RESOURCE

_MAX_IMPORT_BYTES = 256 * 1024 * 1024


class IdWithNamespace(msgspec.Struct):
    """Names a flow."""

    namespace: str
    id: str


class FlowBulk(Controller):
    """Routes that take many flows."""

    path = "/api/v1/flows"
    tags = ["Flows"]  # noqa: RUF012 - Litestar's way

    @post("/validate", operation_id="validateFlows", status_code=200)
    async def validate(self, request: Http) -> Reply:
        """Say what is wrong with some sources, document by document; nothing is stored."""
        own, text = context(request), await read_text(request)
        if content_type(request) == "application/json":
            check_json(own, json_documents(text))
        return reply.json(validate_documents(own, text, in_full=wants_problem(request.scope)))

    @post("/validate/task", operation_id="validateTask", status_code=200)
    async def validate_task(self, request: Http) -> Reply:
        """Say what is wrong with one task."""
        section = Parameters.of(request).text("section") or "TASKS"
        text = await read_text(request)
        return reply.json(validate_part(context(request), text, trigger=section == "TRIGGERS"))

    @post("/validate/trigger", operation_id="validateTrigger", status_code=200)
    async def validate_trigger(self, request: Http) -> Reply:
        """Say what is wrong with one trigger."""
        text = await read_text(request)
        return reply.json(validate_part(context(request), text, trigger=True))

    @post("/bulk", operation_id="bulkUpdateFlows", status_code=200)
    async def bulk(self, request: Http) -> Reply:
        """Store many flows.

        Flows that are not among them are deleted only when that is said outright, or within one
        namespace: a delete over everything by default has cost people their flows.
        """
        own, parameters = context(request), Parameters.of(request)
        namespace = parameters.text("namespace")
        remove = parameters.truth("delete", default=namespace is not None)
        documents = flows.split(await read_text(request))
        return await store_all(own, documents, None, remove_below=namespace, remove=remove)

    @delete("/delete/by-ids", operation_id="deleteFlowsByIds", status_code=200)
    async def delete_ids(self, request: Http) -> Reply:
        """Delete flows: all of them, or none when one is missing."""
        own = context(request)
        return await _delete(own, await _named(request))

    @delete("/delete/by-query", operation_id="deleteFlowsByQuery", status_code=200)
    async def delete_query(self, request: Http) -> Reply:
        """Delete the flows found."""
        return await _delete(context(request), await _found(request))

    @post("/disable/by-ids", operation_id="disableFlowsByIds", status_code=200)
    async def disable_ids(self, request: Http) -> Reply:
        """Switch flows off: all of them, or none when one is missing."""
        return await _switch(context(request), await _named(request), disabled=True)

    @post("/disable/by-query", operation_id="disableFlowsByQuery", status_code=200)
    async def disable_query(self, request: Http) -> Reply:
        """Switch the flows found off."""
        return await _switch(context(request), await _found(request), disabled=True)

    @post("/enable/by-ids", operation_id="enableFlowsByIds", status_code=200)
    async def enable_ids(self, request: Http) -> Reply:
        """Switch flows on: all of them, or none when one is missing."""
        return await _switch(context(request), await _named(request), disabled=False)

    @post("/enable/by-query", operation_id="enableFlowsByQuery", status_code=200)
    async def enable_query(self, request: Http) -> Reply:
        """Switch the flows found on."""
        return await _switch(context(request), await _found(request), disabled=False)

    @post("/export/by-ids", operation_id="exportFlowsByIds", status_code=200)
    async def export_ids(self, request: Http) -> Reply:
        """Return the sources of flows as a ZIP."""
        return _zip(await _named(request))

    @get("/export/by-query", operation_id="exportFlowsByQuery", status_code=200)
    async def export_query(self, request: Http) -> Reply:
        """Return the sources of the flows found as a ZIP."""
        return _zip(await _found(request))

    @get("/export/by-query/csv", operation_id="exportFlows", status_code=200)
    async def export_csv(self, request: Http) -> Reply:
        """Return every revision of the flows found as CSV."""
        own = context(request)
        views = [
            flows.shown(own, revision, source=False)
            for found in await _found(request)
            for revision in own.ports.flows.revisions(found.tenant, found.namespace, found.id)
        ]
        return csv("flows.csv", columns(views), each(views))

    @post("/import", operation_id="importFlows", status_code=200)
    async def import_(self, request: Http) -> Reply:
        """Store the flows of a YAML file or a ZIP; answer which are not valid."""
        own = context(request)
        form = await read_form(request, own.options.limits)
        try:
            upload = require_upload(form, "fileUpload")
            data = upload.data.read(_MAX_IMPORT_BYTES)
            wrong = await _import(own, upload.filename, data)
        finally:
            form.close()
        if wrong and Parameters.of(request).truth("failOnError"):
            names = ", ".join(wrong)
            raise illegal_argument(f"Following invalid flows were not imported: {names}")
        return reply.json(wrong)


async def store_all(
    own: Context,
    documents: Sequence[str],
    namespace: str | None,
    *,
    remove_below: str | None,
    remove: bool,
) -> Reply:
    """Store documents, all or none, and answer with what was deleted and stored.

    Args:
        own: the context.
        documents: the sources.
        namespace: the only one allowed; None: any.
        remove_below: where flows that are not among them are deleted; None: everywhere.
        remove: whether to delete at all.
    """
    checked = flows.check_all(own, documents, namespace)
    kept = {(item.flow.namespace, item.flow.id) for item in checked}
    views = []
    if remove:
        for old in list(own.ports.flows.latest(DEFAULT_TENANT)):
            within = remove_below is None or old.namespace == remove_below
            if within and (old.namespace, old.id) not in kept:
                views.append(flows.shown(own, old, source=True))
                await own.ports.flow_writer.delete(DEFAULT_TENANT, old.namespace, old.id)
    stored = [await flows.saved(own, item) for item in checked]
    return reply.json(views + stored)


async def _named(request: Http) -> list[FlowRevision]:
    own = context(request)
    names = await read_json(request, list[IdWithNamespace], "ids")
    found = [flows.latest(own, name.namespace, name.id) for name in names]
    if None in found:
        raise not_found("No value present")
    return [revision for revision in found if revision is not None]


async def _found(request: Http) -> list[FlowRevision]:
    own = context(request)
    query = read_query(Parameters.of(request), FLOW_FLAT, paged=False)
    revisions = {
        (revision.namespace, revision.id): revision
        for revision in own.ports.flows.latest(DEFAULT_TENANT)
    }
    documents = (document_of(revision) for revision in revisions.values())
    found = every(documents, query, RESOURCE, getattr, own.ports.now())
    return [revisions[key] for key in sorted((item.namespace, item.id) for item in found)]


async def _delete(own: Context, revisions: Sequence[FlowRevision]) -> Reply:
    for revision in revisions:
        await own.ports.flow_writer.delete(DEFAULT_TENANT, revision.namespace, revision.id)
    return reply.json({"count": len(revisions)})


async def _switch(own: Context, revisions: Sequence[FlowRevision], *, disabled: bool) -> Reply:
    count = 0
    for revision in revisions:
        if revision.disabled is not disabled:
            source = flows.switched(revision.source, disabled=disabled)
            await own.ports.flow_writer.save(
                DEFAULT_TENANT, revision.namespace, revision.id, source
            )
            count += 1
    return reply.json({"count": count})


def _zip(revisions: Sequence[FlowRevision]) -> Reply:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for revision in revisions:
            archive.writestr(f"{revision.namespace}.{revision.id}.yml", revision.source)
    headers = (
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", b'attachment; filename="flows.zip"'),
    )
    return Reply(200, buffer.getvalue(), headers=headers)


async def _import(own: Context, filename: str, data: bytes) -> list[str]:
    stem, dot, extension = filename.rpartition(".")
    del stem
    if extension in {"yaml", "yml"}:
        return await _import_text(own, filename, data)
    if extension == "zip":
        wrong = []
        for name, content in _entries(data):
            if await _import_text(own, name, content):
                wrong.append(name)
        return wrong
    raise illegal_argument(f"Cannot import file of type {dot}{extension}")


async def _import_text(own: Context, name: str, data: bytes) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [f"{name}(flow number: 0)"]
    wrong = []
    for index, checked in enumerate(flows.import_documents(own, text)):
        if checked is None:
            wrong.append(f"{name}(flow number: {index})")
        else:
            await flows.save(own, checked)
    return wrong


def _entries(data: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in names) > _MAX_IMPORT_BYTES:
                raise illegal_argument("The ZIP is too large when it is unpacked")
            return [(entry.filename, archive.read(entry)) for entry in names]
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise illegal_argument(f"The ZIP cannot be read: {error}") from error


def json_documents(text: str) -> list[str]:
    """Return the flows of a JSON list as texts; raises ApiError 422."""
    try:
        listed = msgspec.json.decode(text, type=list[dict[str, Any]] | dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise illegal_argument(f"The body is no list of flows: {error}") from None
    several = listed if isinstance(listed, list) else [listed]
    return [msgspec.json.encode(item).decode() for item in several]


ROUTES = [FlowBulk]
