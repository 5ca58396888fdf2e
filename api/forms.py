"""Forms: one part per input, read as they arrive; files go to a spool, never whole into memory."""

from __future__ import annotations

import asyncio
import re
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, NamedTuple, cast

from litestar import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from api.errors import ApiError, too_large, unprocessable, unsupported_media_type
from api.options import Limits

FORM = "multipart/form-data"
"""Media type of forms."""
_SPOOLED_BYTES = 1 << 20
ATTACHMENTS = "files"
"""Name of the parts by which older clients send files: the file name is the input's id."""
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)


class Upload(NamedTuple):
    """A part with a file name."""

    filename: str
    """Last segment of the name the client gave, safe as a name of a file."""
    data: BinaryIO
    """At its start."""


class Form:
    """The parts of a form by name; of parts with one name, the last."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self.attachments: dict[str, Upload] = {}
        """The parts named `files`, by file name."""

    def close(self) -> None:
        """Forget the files."""
        for upload in (*self.uploads.values(), *self.attachments.values()):
            upload.data.close()


async def read_form(request: Request[Any, Any, Any], limits: Limits) -> Form:
    """Return the form of a request; empty when it has no body at all.

    Raises:
        ApiError: 415 for another content type, 413 for a part that is too large, 422 for a form
            that cannot be read.
    """
    headers = request.headers
    content_type = headers.get("content-type", "")
    form = Form()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if not content_type.lower().startswith(FORM):
        if content_type and has_body:
            raise unsupported_media_type(content_type.partition(";")[0], FORM)
        return form
    if not has_body:
        return form
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise unprocessable("the content type of the form has no boundary")
    reader = _Reader(form, limits)
    try:
        await reader.read(request, boundary[1])
    except ParserLimitReached as error:
        form.close()
        raise unprocessable(f"the form cannot be read: {error}") from error
    except MultipartError as error:
        form.close()
        raise unprocessable(f"the form cannot be read: {error}") from error
    except BaseException:
        form.close()
        raise
    return form


class _Reader:
    """Takes the events of the parser and fills the form."""

    def __init__(self, form: Form, limits: Limits) -> None:
        self._form = form
        self._limits = limits
        self._segment: MultipartSegment | None = None
        self._text = bytearray()
        self._file: SpooledTemporaryFile[bytes] | None = None

    async def read(self, request: Request[Any, Any, Any], boundary: str) -> None:
        with PushMultipartParser(boundary, max_segment_count=self._limits.form_parts) as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk):
                    await self._take(event)
            if not parser.closed:
                for event in parser.parse(b""):
                    await self._take(event)

    async def _take(self, event: MultipartSegment | bytes | bytearray | memoryview | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._file is not None:
            data = bytes(event)
            if self._file._rolled:  # type: ignore[attr-defined]  # noqa: SLF001 - no public question
                await asyncio.to_thread(self._file.write, data)
            else:
                self._file.write(data)
        else:
            self._text += event
            if len(self._text) > self._limits.field_bytes:
                raise too_large(self._limits.field_bytes)

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._text = bytearray()
        if segment.filename is not None:
            self._file = SpooledTemporaryFile(_SPOOLED_BYTES)  # noqa: SIM115 - closed with the form
            upload = Upload(_safe_name(segment.filename), cast("BinaryIO", self._file))
            if segment.name == ATTACHMENTS:
                _replace(self._form.attachments, segment.filename, upload)
                self._form.uploads[ATTACHMENTS] = upload
            else:
                _replace(self._form.uploads, segment.name, upload)

    def _end(self) -> None:
        segment, file = self._segment, self._file
        assert segment is not None
        if file is not None:
            file.seek(0)
            self._file = None
            return
        try:
            self._form.fields[segment.name] = self._text.decode()
        except UnicodeDecodeError:
            raise unprocessable(f"the part [{segment.name}] of the form is not UTF-8") from None


def _replace(uploads: dict[str, Upload], name: str, upload: Upload) -> None:
    former = uploads.get(name)
    if former is not None:
        former.data.close()
    uploads[name] = upload


def _safe_name(filename: str) -> str:
    last = re.split(r"[/\\]", filename)[-1]
    clean = re.sub(r"[\x00-\x1f\x7f]", "", last).strip()
    return "file" if clean in {"", ".", ".."} else clean[:200]


def require_upload(form: Form, name: str) -> Upload:
    """Return a file of the form; raises ApiError 422 when it is missing."""
    upload = form.uploads.get(name)
    if upload is None:
        raise ApiError(422, f"Invalid route params: Required Part [{name}] not specified")
    return upload
