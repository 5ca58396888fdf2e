"""Connections that end, over real sockets: no request, half of one, far too much of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

import infra.http
from api.options import Limits
from infra.http import guarded

pytestmark = pytest.mark.anyio

LIMITS = Limits(head_seconds=0.05, header_bytes=1_000, target_bytes=200)
PATIENT = Limits(head_seconds=30.0, header_bytes=1_000, target_bytes=200)
HEADERS = {"/": [(b"x", b"y")], "/reads": [], "/no": [(b"connection", b"close")]}
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once, or at `/reads` after the body; at `/no` it is the last answer."""
    if scope["path"] == "/reads":
        while (message := await receive()).get("more_body"):
            assert message["type"] == "http.request"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS[scope["path"]]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@asynccontextmanager
async def connected(
    limits: Limits,
    closed: asyncio.Event | None = None,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server with these limits; `closed` is set when the server is done."""
    ended = closed or asyncio.Event()

    class Connection(guarded(limits)):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            ended.set()

    config = uvicorn.Config(app, log_config=None, lifespan="off", http=Connection, ws="none")
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
        "127.0.0.1",
        0,
    )
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await asyncio.wait_for(ended.wait(), 10)


async def everything(limits: Limits, *sent: bytes) -> bytes:
    """What comes back until the server closes."""
    async with connected(limits) as (reader, writer):
        for part in sent:
            writer.write(part)
            await asyncio.sleep(0)
        return await asyncio.wait_for(reader.read(), 10)


async def test_a_connection_that_says_nothing_is_closed_without_an_answer() -> None:
    assert await everything(LIMITS) == b""


@pytest.mark.parametrize("sent", [b"GE", b"GET / HT", REQUEST, REQUEST + b"X-A: b\r\n"], ids=repr)
async def test_a_head_that_does_not_come_is_a_408(sent: bytes) -> None:
    assert (await everything(LIMITS, sent)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 2_000,
        REQUEST + b"X-A: " + b"a" * 2_000,
        REQUEST + b"X-A: b\r\n" * 300,
        b"\r\n" * 2_000,
    ],
    ids=["target", "header", "headers", "empty lines"],
)
async def test_a_head_without_end_is_a_431(sent: bytes) -> None:
    assert (await everything(PATIENT, sent)).startswith(b"HTTP/1.1 431 ")


async def test_what_is_no_http_is_a_400_in_the_shape_of_the_api() -> None:
    answer = await everything(PATIENT, bytes(range(64)))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"message":"Bad Request' in answer


async def test_trailers_without_end_are_refused_while_the_body_is_read() -> None:
    begun = b"POST /reads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    async with connected(PATIENT) as (reader, writer):
        writer.write(begun)
        for _ in range(20):
            writer.write(b"X-A: " + b"a" * 30_000 + b"\r\n")
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_the_rest_of_an_answered_request_is_dropped_and_the_next_is_served() -> None:
    async with connected(PATIENT) as (reader, writer):
        writer.write(REQUEST + b"Content-Length: 100000\r\n\r\n")
        assert (await reader.readuntil(b"ok\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"x" * 100_000 + REQUEST + b"Connection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("more", [b"", b"x"], ids=["nothing more", "a little more"])
async def test_the_rest_of_an_answered_request_is_not_waited_for_long(more: bytes) -> None:
    answer = await everything(LIMITS, REQUEST + b"Content-Length: 10\r\n\r\n", more)
    assert answer.count(b"HTTP/1.1 200 ") == 1


async def test_who_still_sends_when_the_last_answer_comes_gets_it_whole() -> None:
    begun = REQUEST.replace(b"/ ", b"/no ") + b"Content-Length: 20000000\r\n\r\n"
    for _ in range(20):
        async with connected(PATIENT) as (reader, writer):
            writer.write(begun)
            for _ in range(18):
                writer.write(b"x" * 1_000_000)
                await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"ok\r\n0\r\n\r\n")


@pytest.mark.parametrize("more", [b"", b"x"], ids=["silent", "going on"])
async def test_after_the_last_answer_a_client_is_not_waited_for_for_ever(
    more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infra.http, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(infra.http, "_LINGER_SECONDS", 0.2)
    closed = asyncio.Event()
    async with connected(PATIENT, closed) as (reader, writer):
        writer.write(REQUEST.replace(b"/ ", b"/no ") + b"Content-Length: 100000000\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")
        async with asyncio.timeout(10):
            while not closed.is_set():
                writer.write(more)
                await asyncio.sleep(0)


async def test_a_body_that_is_read_is_left_to_the_edge() -> None:
    begun = REQUEST.replace(b"/ ", b"/reads ") + b"Content-Length: 9000\r\n\r\n"
    async with connected(LIMITS) as (reader, writer):
        for part in (begun, *[b"x" * 1_000] * 9):
            writer.write(part)
            await writer.drain()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
