"""HTTP connections that end: a head has a deadline and a size, and so has what nobody reads.

The edge of the API guards bodies while a request is served (`api/edge.py`). What comes before a
request is whole, and what still comes after it was answered, is guarded here.
"""

from __future__ import annotations

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import ApiError, bad_request, document
from api.options import Limits

_QUIET_SECONDS = 2.0
"""How long a client may say nothing after an answer that ends its connection."""
_LINGER_SECONDS = 30.0
"""How long it may go on with what is not wanted any more: closing at once could lose the answer."""


class _Answering:
    """What serves one request sees this of its connection: it is closed when the client has read.

    A system that closes a connection with bytes unread resets it, and a client that is told so
    while it still sends loses what it was told before.
    """

    def __init__(self, connection: GuardedConnection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """True when nothing more can be sent."""
        return self._connection.is_over()

    def close(self) -> None:
        """Send nothing more."""
        self._connection.end()


class GuardedConnection(HttpToolsProtocol):
    """A connection of a client: serves its requests, and ends when the client does not go on."""

    limits = Limits()
    """What a head may cost. Set by `guarded`."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _is_whole = False
    """The latest request has come to its end."""
    _is_ending = False
    """Our last word is said; what still comes is dropped."""
    _is_quiet = False
    """Nothing has come since the latest look at a connection that ends."""
    _unread = 0
    """Bytes since the last end of a head or piece of a body: of a head, trailers, empty lines."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless too many of them make no request."""
        if self._is_ending:
            self._is_quiet = False
            return
        self._unread += len(data)
        super().data_received(data)
        if self.is_over():
            return
        if self._unread > self.limits.header_bytes + self.limits.target_bytes:
            self._refuse(
                ApiError(431, "Request Header Fields Too Large: the headers are too large")
            )
        elif self._is_idle() and self._deadline is None and self.timeout_keep_alive_task is None:
            self._wait()

    def on_message_begin(self) -> None:
        """A head begins to come."""
        self._in_head = True
        self._is_whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request over: from here on the edge guards its body."""
        self._in_head = False
        self._unread = 0
        self._wait_no_longer()
        super().on_headers_complete()
        self.cycle.transport = _Answering(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body: the edge counts it, or it is dropped."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole; one that was answered before may be followed by another."""
        self._is_whole = True
        self._unread = 0
        if self._is_idle() and not self.is_over():
            self._wait_no_longer()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out: what is missing of its request, or of the next, is waited for."""
        super().on_response_complete()
        if self._is_ending:
            self._unset_keepalive_if_required()
        elif self._is_idle() and not self._is_whole and not self.is_over():
            self._unset_keepalive_if_required()
            self._wait_no_longer()
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP, in the API's shape."""
        self._refuse(bad_request(msg))

    def is_over(self) -> bool:
        """True when our last word is said."""
        return self._is_ending or bool(self.transport.is_closing())

    def end(self) -> None:
        """Say nothing more, and close once the client has had the time to read what was said."""
        if self.is_over():
            return
        if self._is_whole or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._is_ending = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._linger(self.loop.time() + _LINGER_SECONDS)

    def _linger(self, until: float) -> None:
        if self._is_quiet or self.loop.time() > until:
            self.transport.close()
            return
        self._is_quiet = True
        self._wait_no_longer()
        self._deadline = self.loop.call_later(_QUIET_SECONDS, self._linger, until)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self.limits.head_seconds, self._too_late)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.is_over() or not self._is_idle():
            return
        if self._in_head:
            self._refuse(ApiError(408, "Request Timeout: the head did not arrive in time"))
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Answer, unless another answer has begun, and close."""
        self._wait_no_longer()
        self._unset_keepalive_if_required()
        self._is_whole = False
        if not self._is_idle():
            begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if begun:
                self.transport.close()
                return
        body = msgspec.json.encode(document(error, ""))
        self.transport.write(
            STATUS_LINE[error.status]
            + b"content-type: application/json\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        self.end()


def guarded(limits: Limits) -> type[GuardedConnection]:
    """Return connections with these limits."""

    class Connection(GuardedConnection):
        pass

    Connection.limits = limits
    return Connection
