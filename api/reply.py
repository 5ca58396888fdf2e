"""Answers: bytes with a status, sent without detours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
_JSON = b"application/json"


class Reply:
    """An answer that is known as a whole; an ASGI application."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.headers = [*headers, (b"content-length", b"%d" % len(body))]
        if content_type:
            self.headers.append((b"content-type", content_type))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it."""
        headers = [] if self.status == 204 else self.headers
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Streamed(Reply):
    """An answer whose body is made while it is sent."""

    __slots__ = ("_chunks",)

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        content_type: bytes,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(200)
        self.headers = [(b"content-type", content_type), *headers]
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it chunk by chunk; nothing more is made when the client has left."""
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        leaver = asyncio.ensure_future(left(receive))
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    if leaver.done():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            leaver.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def json(value: Any, status: int = 200) -> Reply:
    """Return a value as JSON, in the order of its members."""
    return Reply(status, _encode(value), _JSON)


def page(results: list[Any], total: int) -> Reply:
    """Return a page of a list with the number of all hits; a page past the end has none."""
    return Reply(200, _encode({"results": results, "total": total if results else 0}), _JSON)


def empty(status: int = 200) -> Reply:
    """Return no body and no content type."""
    return Reply(status)


def plain_name(name: str) -> str:
    """Return a file's name as it may stand between quotes in a header."""
    ascii_name = name.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() and c not in '"\\' else "_" for c in ascii_name)


def attachment(name: str, content_type: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of a file to be saved under a name."""
    plain = plain_name(name)
    value = f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"
    return ((b"content-type", content_type), (b"content-disposition", value.encode()))


async def left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
