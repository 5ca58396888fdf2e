"""The files of namespaces."""

from __future__ import annotations

import asyncio

from litestar import Controller, delete, get, post, put

from api import flows, reply
from api.context import context
from api.controllers.execution_files import chunks
from api.controllers.http import Http, Segment
from api.errors import not_found
from api.forms import read_form, require_upload
from api.namespace_files import clean, export, listing, move, require, stats, unpack
from api.parameters import Parameters
from api.reply import Reply, Streamed
from domain.ids import DEFAULT_TENANT


class NamespaceFiles(Controller):
    """Routes of files of namespaces."""

    path = "/api/v1/namespaces/{namespace:str}/files"
    tags = ["Files"]  # noqa: RUF012 - Litestar's way

    @get("/", operation_id="getFileContent", status_code=200)
    async def read(self, request: Http, namespace: Segment) -> Reply:
        """Return a file, or one of its revisions."""
        own, parameters = context(request), Parameters.of(request)
        path, revision = parameters.require("path"), parameters.number("revision")
        file = await asyncio.to_thread(require, own, namespace, path, revision)
        data = await asyncio.to_thread(own.ports.blobs.open, file.uri)
        return Streamed(chunks(data), b"application/octet-stream")

    @post("/", operation_id="createNamespaceFile", status_code=200)
    async def write(self, request: Http, namespace: Segment) -> Reply:
        """Store a file; a ZIP is unpacked."""
        own = context(request)
        path = clean(Parameters.of(request).require("path"))
        form = await read_form(request, own.options.limits)
        try:
            upload = require_upload(form, "fileContent")
            if upload.filename.lower().endswith(".zip"):
                for checked in await asyncio.to_thread(unpack, own, namespace, upload.data):
                    await flows.save(own, checked)
            else:
                put_file = own.ports.files.put
                await asyncio.to_thread(put_file, DEFAULT_TENANT, namespace, path, upload.data)
        finally:
            form.close()
        return reply.empty()

    @put("/", operation_id="moveFileDirectory", status_code=200)
    async def move(self, request: Http, namespace: Segment) -> Reply:
        """Move a file or folder."""
        own, parameters = context(request), Parameters.of(request)
        source, target = parameters.require("from"), parameters.require("to")
        await asyncio.to_thread(move, own, namespace, source, target)
        return reply.empty()

    @delete("/", operation_id="deleteFileDirectory", status_code=200)
    async def remove(self, request: Http, namespace: Segment) -> Reply:
        """Delete a file or folder; nothing happens when there is none."""
        own = context(request)
        path = clean(Parameters.of(request).require("path"))
        await asyncio.to_thread(own.ports.files.delete, DEFAULT_TENANT, namespace, path)
        return reply.empty()

    @get("/directory", operation_id="listNamespaceDirectoryFiles", status_code=200)
    async def directory(self, request: Http, namespace: Segment) -> Reply:
        """Return what lies in a folder."""
        path = Parameters.of(request).text("path") or "/"
        return reply.json(await asyncio.to_thread(listing, context(request), namespace, path))

    @post("/directory", operation_id="createNamespaceDirectory", status_code=200)
    async def make_directory(self, request: Http, namespace: Segment) -> Reply:
        """Accept a folder: it is there once it holds a file."""
        del namespace
        clean(Parameters.of(request).text("path") or "/")
        return reply.empty()

    @get("/stats", operation_id="getFileMetadatas", status_code=200)
    async def stats(self, request: Http, namespace: Segment) -> Reply:
        """Return size and dates of a file or folder."""
        path = Parameters.of(request).text("path")
        return reply.json(await asyncio.to_thread(stats, context(request), namespace, path))

    @get("/revisions", operation_id="getFileRevisions", status_code=200)
    async def revisions(self, request: Http, namespace: Segment) -> Reply:
        """Return the revisions of a file, oldest first."""
        own = context(request)
        path = clean(Parameters.of(request).require("path"))
        found = await asyncio.to_thread(own.ports.files.versions, DEFAULT_TENANT, namespace, path)
        if not found:
            raise not_found(f"File not found: {path}")
        return reply.json([{"revision": file.version} for file in found])

    @get("/search", operation_id="searchNamespaceFiles", status_code=200)
    async def search(self, request: Http, namespace: Segment) -> Reply:
        """Return the paths that hold a text; an empty text finds nothing."""
        own = context(request)
        text = Parameters.of(request).text("q")
        files = await asyncio.to_thread(own.ports.files.below, DEFAULT_TENANT, namespace)
        return reply.json([file.path for file in files if text and text in file.path])

    @get("/export", operation_id="exportNamespaceFiles", status_code=200)
    async def export(self, request: Http, namespace: Segment) -> Reply:
        """Return the files and flows of a namespace as a ZIP."""
        body = await asyncio.to_thread(export, context(request), namespace)
        disposition = f'attachment; filename="{reply.plain_name(namespace)}_files.zip"'
        return Reply(
            200,
            body,
            b"application/octet-stream",
            ((b"content-disposition", disposition.encode()),),
        )


ROUTES = [NamespaceFiles]
