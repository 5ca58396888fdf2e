"""Rubbish on the ports disturbs nobody: others are answered, memory is not held, nothing dies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.support.running import Running

pytestmark = pytest.mark.process

FLOW = """\
id: works
namespace: rubbish
tasks:
  - id: say
    type: io.kestra.plugin.core.debug.Return
    format: still here
"""
HEAD = b"POST /api/v1/main/flows HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-yaml\r\n"
RUBBISH = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 64,
    "half a line": b"GET /api/v1/main/flo",
    "half a head": HEAD,
    "half a body": HEAD + b"Content-Length: 1000\r\n\r\nid: a",
    "a body of the wrong length": HEAD + b"Content-Length: -5\r\n\r\nx",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "broken chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an endless head": b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * (1 << 20),
    "an endless target": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade to nothing": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\n\r\n",
}


@contextmanager
def sending(port: int, data: bytes) -> Iterator[socket.socket]:
    """A connection that has sent something and does not end it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(ConnectionError, TimeoutError):  # refused early: as good as an answer
            connection.sendall(data)
        yield connection


def test_rubbish_on_the_ports_disturbs_nobody(server: Running) -> None:
    rest = server.rest
    rest.create_flow(FLOW)
    before = server.supervisor.pids
    with ExitStack() as held:
        for port in (server.port, *server.management.values()):
            for data in RUBBISH.values():
                held.enter_context(sending(port, data))
        ended = rest.run("rubbish", "works", wait=True)
        assert ended["taskRunList"][0]["outputs"] == {"value": "still here"}
    for data in RUBBISH.values():
        with sending(server.port, data) as connection:
            connection.shutdown(socket.SHUT_WR)
    assert rest.run("rubbish", "works", wait=True)["state"]["current"] == "SUCCESS"
    assert server.supervisor.pids == before


def test_a_follower_that_leaves_disturbs_nobody(server: Running) -> None:
    rest = server.rest
    rest.create_flow(FLOW.replace("id: works", "id: followed"))
    done = rest.run("rubbish", "followed", wait=True)
    for _ in range(5):
        with rest.client.stream("GET", f"/executions/{done['id']}/follow") as answer:
            assert answer.status_code == 200
    assert rest.run("rubbish", "followed", wait=True)["state"]["current"] == "SUCCESS"
