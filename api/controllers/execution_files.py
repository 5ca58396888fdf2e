"""Files that executions made or were given."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import BinaryIO
from urllib.parse import quote

from litestar import Controller, get

from api import reply
from api.context import Context, context
from api.controllers.http import Http, Segment
from api.errors import illegal_argument, not_found
from api.parameters import Parameters
from api.preview import preview
from api.reading import require_execution
from api.reply import Reply, Streamed, attachment
from domain.errors import NotFound
from domain.execution.state import Execution
from domain.storage import execution_uri, flow_uri

_CHUNK = 256 * 1024
_OTHER = re.compile(r"kestra:///.*/executions/([0-9A-Za-z]+)/")


class Elsewhere(Exception):
    """The file belongs to another execution."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id


class ExecutionFiles(Controller):
    """Routes of files."""

    path = "/api/v1/executions/{execution_id:str}/file"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @get("/", operation_id="downloadFileFromExecution", status_code=200)
    async def download(self, request: Http, execution_id: Segment) -> Reply:
        """Return a file."""
        own = context(request)
        uri = Parameters.of(request).require("path")
        try:
            await _checked(own, execution_id, uri)
        except Elsewhere as other:
            return _moved(other, "file", uri)
        data = await _open(own, uri)
        kind, disposition = attachment(uri.rpartition("/")[2], b"application/octet-stream")
        return Streamed(chunks(data), kind[1], (disposition,))

    @get("/metas", operation_id="getFileMetadatasFromExecution", status_code=200)
    async def metas(self, request: Http, execution_id: Segment) -> Reply:
        """Return the size of a file."""
        own = context(request)
        uri = Parameters.of(request).require("path")
        try:
            await _checked(own, execution_id, uri)
        except Elsewhere as other:
            return _moved(other, "file/metas", uri)
        try:
            size = await asyncio.to_thread(own.ports.blobs.size, uri)
        except NotFound:
            raise not_found() from None
        return reply.json({"size": size})

    @get("/preview", operation_id="previewFileFromExecution", status_code=200)
    async def preview(self, request: Http, execution_id: Segment) -> Reply:
        """Return the first rows of a file."""
        own, parameters = context(request), Parameters.of(request)
        uri = parameters.require("path")
        wanted = parameters.number("maxRows") or own.options.preview_rows
        rows = max(1, min(wanted, own.options.preview_rows_limit))
        encoding = parameters.text("encoding") or "UTF-8"
        try:
            await _checked(own, execution_id, uri)
        except Elsewhere as other:
            return _moved(other, "file/preview", uri)
        data = await _open(own, uri)
        _, dot, extension = uri.rpartition("/")[2].rpartition(".")
        found = await asyncio.to_thread(preview, data, extension if dot else "", rows, encoding)
        return reply.json(found)


async def _checked(own: Context, execution_id: str, uri: str) -> Execution:
    """Return the execution, if the file is its own or its flow's state.

    Raises:
        ApiError: 404 no such execution, 422 a file that is nobody's.
        Elsewhere: the file is another execution's.
    """
    execution = await require_execution(own, execution_id)
    if ".." in uri.split("/"):
        raise illegal_argument(
            "File should be accessed with their full path and not using relative '..' path."
        )
    namespace, flow_id = execution.namespace, execution.flow_id
    if uri.startswith(
        (
            execution_uri(namespace, flow_id, execution_id) + "/",
            flow_uri(namespace, flow_id) + "/states/",
        )
    ):
        return execution
    other = _OTHER.match(uri)
    if other is not None and other[1] != execution_id:
        raise Elsewhere(other[1])
    raise illegal_argument(f"Invalid path '{uri[:500]}': it is no file of this execution")


async def _open(own: Context, uri: str) -> BinaryIO:
    try:
        return await asyncio.to_thread(own.ports.blobs.open, uri)
    except NotFound:
        raise not_found() from None


async def chunks(data: BinaryIO) -> AsyncGenerator[bytes]:
    """Yield a file piece by piece, and close it."""
    try:
        while chunk := await asyncio.to_thread(data.read, _CHUNK):
            yield chunk
    finally:
        data.close()


def _moved(other: Elsewhere, route: str, uri: str) -> Reply:
    target = f"/api/v1/main/executions/{other.execution_id}/{route}?path={quote(uri, safe=':/')}"
    return Reply(301, headers=((b"location", target.encode()),))


ROUTES = [ExecutionFiles]
