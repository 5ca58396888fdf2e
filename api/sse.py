"""Event streams: events named by their id, comments as signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from api.reply import Reply, left

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

T = TypeVar("T")

PING = b": ping\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_encode = msgspec.json.Encoder().encode


def event(name: str, data: Any) -> bytes:
    """Return one event: its id names it, its data is one line of JSON."""
    return b"id: %s\ndata: %s\n\n" % (name.encode(), _encode(data))


class EventStream(Reply):
    """An answer that lasts: sends events until they end or the client leaves."""

    __slots__ = ("_events", "_keep_alive", "_longest")

    def __init__(self, events: AsyncIterator[bytes], keep_alive: float, longest: float) -> None:
        """Prepare a stream.

        Args:
            events: the events as bytes.
            keep_alive: seconds of silence after which a comment is sent.
            longest: seconds after which the stream is closed.
        """
        super().__init__(200)
        self._events = events
        self._keep_alive = keep_alive
        self._longest = longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send events; the head goes out at once."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        sender = asyncio.ensure_future(self._send(send))
        leaver = asyncio.ensure_future(left(receive))
        try:
            await asyncio.wait(
                {sender, leaver}, timeout=self._longest, return_when=asyncio.FIRST_COMPLETED
            )
            if sender.done():
                sender.result()
        finally:
            for task in (sender, leaver):
                task.cancel()
            await asyncio.gather(sender, leaver, return_exceptions=True)
        if not leaver.cancelled():
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        pending: asyncio.Future[bytes] | None = None
        try:
            while True:
                if pending is None:
                    pending = asyncio.ensure_future(_next(self._events))
                done, _ = await asyncio.wait({pending}, timeout=self._keep_alive)
                if not done:
                    await send({"type": "http.response.body", "body": PING, "more_body": True})
                    continue
                try:
                    chunk = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            if pending is not None:
                pending.cancel()
                with suppress(BaseException):
                    await pending
            await _close(self._events)


@asynccontextmanager
async def closing(events: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close a stream at the end of a block, also when its consumer leaves early."""
    try:
        yield events
    finally:
        await _close(events)


async def merged(streams: Sequence[AsyncIterator[T]]) -> AsyncIterator[T]:
    """Yield what any of several streams yields, as it comes."""
    waiting = {asyncio.ensure_future(_next(stream)): stream for stream in streams}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                stream = waiting.pop(task)
                with suppress(StopAsyncIteration):
                    value = task.result()
                    yield value
                    waiting[asyncio.ensure_future(_next(stream))] = stream
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for stream in streams:
            await _close(stream)


async def _close(events: AsyncIterator[T]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


async def _next(events: AsyncIterator[T]) -> T:
    return await anext(events)
