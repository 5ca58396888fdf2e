"""The outermost layer: limits, tenant, credentials. What passes is a request that routes can read.

Paths are routed without their tenant, and with the slashes that a client had percent-encoded kept
apart from the ones that divide segments.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import msgspec
from litestar.enums import ScopeType

from api.auth import Gate
from api.errors import ApiError, bad_request, document, too_large, too_slow
from api.options import ApiOptions
from domain.ids import DEFAULT_TENANT
from domain.ports.metrics import Metrics

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

SLASH = "\ue000"
"""Stands for a percent-encoded slash within a path segment until `segment` gives it back."""

RESOURCES = frozenset(
    {
        "basicAuth",
        "basicAuthValidationErrors",
        "blueprints",
        "concurrency-limit",
        "configs",
        "dashboards",
        "docs",
        "executions",
        "expressions",
        "flows",
        "kv",
        "login",
        "logout",
        "logs",
        "mcp",
        "mcp-servers",
        "metrics",
        "namespaces",
        "outputs",
        "pebble",
        "plugins",
        "secrets",
        "stats",
        "templates",
        "triggers",
        "usages",
    }
)
"""First segments after `/api/v1/` that are no tenants."""

_API = "/api/v1/"
_OPEN = frozenset({"/api/v1/configs", "/api/v1/basicAuthValidationErrors"})
_BYTES_PER_SECOND = 16 * 1024


def segment(text: str) -> str:
    """Return a path parameter as the client meant it."""
    return text.replace(SLASH, "/") if SLASH in text else text


class Edge:
    """ASGI application around the routes."""

    def __init__(
        self, app: ASGIApp, options: ApiOptions, gate: Gate | None, metrics: Metrics
    ) -> None:
        self._app = app
        self._options = options
        self._limits = options.limits
        self._gate = gate
        self._metrics = metrics
        self._open = tuple(_without_tenant(path) for path in options.open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        method: str = scope["method"]
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif method == "HEAD":
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        try:
            await self._serve(scope, receive, sending)
        except ApiError as error:
            if status:
                raise
            await _refuse(scope, sending, error)
        finally:
            self._metrics.count("webserver_requests", 1, method, str(status or 500))
            self._metrics.observe("webserver_request_seconds", time.perf_counter() - started)

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            scope["target"] = _target(scope)
            scope["path"] = path = _without_tenant(self._checked_path(scope, headers))
            if path.startswith(_API) and path not in _OPEN and not path.startswith(self._open):
                scope["user_name"] = await self._user(headers)
            if _has_body(headers):
                receive = self._guarded(receive, headers)
        except _Unknown:
            await _ask_for_credentials(send, headers)
            return
        if scope["method"] == "HEAD":
            scope = dict(scope, method="GET")
        await self._app(scope, receive, send)

    async def _user(self, headers: dict[bytes, bytes]) -> str:
        if self._gate is None:
            return ""
        user = await self._gate.user(headers)
        if user is None:
            raise _Unknown
        return user

    def _checked_path(self, scope: Any, headers: dict[bytes, bytes]) -> str:
        raw = scope.get("raw_path") or scope["path"].encode()
        raw = raw.partition(b"?")[0]
        if len(raw) + len(scope["query_string"]) > self._limits.target_bytes:
            raise ApiError(414, "URI Too Long: the path and query are too long")
        if sum(len(n) + len(v) for n, v in scope["headers"]) > self._limits.header_bytes:
            raise ApiError(431, "Request Header Fields Too Large: the headers are too large")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise bad_request("Content-Length is not a number")
        if int(length) > self._limits.upload_bytes:
            raise too_large(self._limits.upload_bytes)
        if b"%" not in raw:
            return _utf8(raw)
        return "/".join(
            _utf8(unquote_to_bytes(part)).replace("/", SLASH) for part in raw.split(b"/")
        )

    def _guarded(self, receive: Receive, headers: dict[bytes, bytes]) -> Receive:
        """Let a body take only so much time and room."""
        limits = self._limits
        form = headers.get(b"content-type", b"").startswith(b"multipart/")
        limit = limits.upload_bytes if form else limits.body_bytes
        if int(headers.get(b"content-length", b"0")) > limit:
            raise too_large(limit)
        started = time.monotonic()
        size = 0
        more = True

        async def guarded() -> Any:
            nonlocal size, more
            if not more:
                return await receive()
            left = started + limits.body_seconds + size / _BYTES_PER_SECOND - time.monotonic()
            try:
                message = await asyncio.wait_for(
                    receive(), max(0.001, min(left, limits.body_idle_seconds))
                )
            except TimeoutError:
                raise too_slow() from None
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
                if size > limit:
                    raise too_large(limit)
            return message

        return guarded


class _Unknown(Exception):
    """The credentials are missing or wrong."""


def wants_problem(scope: Any) -> bool:
    """True for requests of the 2.0 dialect: by the route, or by what the client accepts."""
    handler = scope.get("route_handler")
    if handler is not None and handler.opt.get("dialect") == "2.0":
        return True
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return b"application/problem+json" in accept


def _without_tenant(path: str) -> str:
    """Return a path of the API without its tenant; raises ApiError when the tenant is unknown."""
    if not path.startswith(_API):
        return path
    first, slash, rest = path[len(_API) :].partition("/")
    if first == DEFAULT_TENANT and slash:
        return _API + rest
    if first in RESOURCES or not slash:
        return path
    raise bad_request(f"Tenant must be '{DEFAULT_TENANT}' for OSS version")


def _target(scope: Any) -> str:
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    query = scope["query_string"]
    target: bytes = raw + b"?" + query if query else raw
    return target.decode("latin-1")


def _utf8(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise bad_request("the path is not UTF-8") from None
    if SLASH in text or "\x00" in text:
        raise bad_request("the path has a character that is not allowed")
    return text


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


async def _refuse(scope: Any, send: Send, error: ApiError) -> None:
    target = scope.get("target") or _target(scope)
    body = msgspec.json.encode(document(error, target, problem=wants_problem(scope)))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if _has_body(dict(scope["headers"])):
        headers.append((b"connection", b"close"))  # what is left of the body is not waited for
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _ask_for_credentials(send: Send, headers: dict[bytes, bytes]) -> None:
    answer = [(b"content-length", b"0")]
    if b"/login" not in headers.get(b"referer", b""):
        answer.append((b"www-authenticate", b"Basic"))
    if _has_body(headers):
        answer.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 401, "headers": answer})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
