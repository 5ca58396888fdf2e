"""The management port: health for probes, metrics for Prometheus, log levels. No credentials.

A plain ASGI application, so that every component can serve it at next to no cost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

import msgspec

from api.errors import ApiError, document, method_not_allowed, not_found
from domain.ports.metrics import CATALOGUE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LEVELS = ["ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF", "NOT_SPECIFIED"]
_JSON = b"application/json"
_PROBE_SECONDS = 5.0

Probe = Callable[[], bool]
"""True when a part of the process works. May block; called on a thread."""
Detail = Callable[[], Any]
"""Returns what a part of the process does now, as a JSON value."""


class Exposition(Protocol):
    """Metrics as text."""

    content_type: str

    def render(self) -> bytes:
        """Return the text exposition of all metrics."""
        ...


def create_management_app(
    metrics: Exposition,
    *,
    liveness: Mapping[str, Probe] | None = None,
    readiness: Mapping[str, Probe] | None = None,
    information: Mapping[str, Any] | None = None,
    details: Mapping[str, Detail] | None = None,
) -> Application:
    """Return the application of the management port.

    Args:
        metrics: what `/prometheus` shows.
        liveness: by name, what must hold or the process is to be restarted.
        readiness: by name, what must hold before requests are sent here.
        information: what `/about` shows.
        details: by name, what `/{name}` shows: of a scheduler the triggers it fires, of a worker
            the tasks it runs.
    """
    return _Management(
        metrics,
        dict(liveness or {}),
        dict(readiness or {}),
        dict(information or {}),
        dict(details or {}),
    )


class _Management:
    def __init__(
        self,
        metrics: Exposition,
        liveness: dict[str, Probe],
        readiness: dict[str, Probe],
        information: dict[str, Any],
        details: dict[str, Detail],
    ) -> None:
        self._metrics = metrics
        self._liveness = liveness
        self._readiness = readiness
        self._information = information
        self._details = details

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            status, kind, body = await self._answer(scope["method"], scope["path"])
        except ApiError as error:
            status, kind = error.status, _JSON
            body = msgspec.json.encode(document(error, scope["path"]))
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        shown = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": shown, "more_body": False})

    async def _answer(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        routes: dict[str, Callable[[], Awaitable[tuple[int, bytes, bytes]]]] = {
            "/health": lambda: _health({**self._liveness, **self._readiness}),
            "/health/liveness": lambda: _health(self._liveness),
            "/health/readiness": lambda: _health(self._readiness),
            "/prometheus": self._prometheus,
            "/metrics": self._names,
            "/info": self._info,
            "/about": self._about,
            "/loggers": _loggers,
        }
        route = routes.get(path.rstrip("/"), self._other(path.strip("/")))
        if route is None:
            raise not_found()
        if method not in {"GET", "HEAD"}:
            raise method_not_allowed(method, path, ["HEAD", "GET"])
        return await route()

    async def _prometheus(self) -> tuple[int, bytes, bytes]:
        text = await asyncio.to_thread(self._metrics.render)
        return 200, self._metrics.content_type.encode(), text

    async def _names(self) -> tuple[int, bytes, bytes]:
        names = sorted(f"tidewheel.{name}".replace("_", ".") for name in CATALOGUE)
        return _json({"names": names})

    async def _info(self) -> tuple[int, bytes, bytes]:
        return _json({})  # what 1.3 says there

    async def _about(self) -> tuple[int, bytes, bytes]:
        return _json(self._information)

    def _other(self, name: str) -> Callable[[], Awaitable[tuple[int, bytes, bytes]]] | None:
        detail = self._details.get(name)
        if detail is not None:
            return lambda: _detail(detail)
        head, _, logger = name.partition("/")
        known = logger == "ROOT" or logger in logging.root.manager.loggerDict
        return (lambda: _one_logger(logger)) if head == "loggers" and known else None


async def _health(probes: Mapping[str, Probe]) -> tuple[int, bytes, bytes]:
    verdicts = await asyncio.gather(*(_holds(probe) for probe in probes.values()))
    details = {
        name: {"name": "tidewheel", "status": "UP" if good else "DOWN"}
        for name, good in zip(probes, verdicts, strict=True)
    }
    up = all(verdicts)
    view = {"name": "tidewheel", "status": "UP" if up else "DOWN", "details": details}
    return _json(view, 200 if up else 503)


async def _holds(probe: Probe) -> bool:
    try:
        return await asyncio.wait_for(asyncio.to_thread(probe), _PROBE_SECONDS)
    except Exception:
        logging.getLogger("tidewheel.api").exception("a health probe failed")
        return False


async def _detail(detail: Detail) -> tuple[int, bytes, bytes]:
    return _json(await asyncio.to_thread(detail))


async def _one_logger(name: str) -> tuple[int, bytes, bytes]:
    return _json(_logger_view(logging.getLogger(None if name == "ROOT" else name)))


async def _loggers() -> tuple[int, bytes, bytes]:
    loggers = {"ROOT": _logger_view(logging.getLogger())}
    for name in sorted(logging.root.manager.loggerDict):
        loggers[name] = _logger_view(logging.getLogger(name))
    return _json({"levels": _LEVELS, "loggers": loggers})


def _logger_view(logger: logging.Logger) -> dict[str, str]:
    own = _level(logger.level) if logger.level else "NOT_SPECIFIED"
    return {"configuredLevel": own, "effectiveLevel": _level(logger.getEffectiveLevel())}


def _level(level: int) -> str:
    name = logging.getLevelName(level)
    return {"WARNING": "WARN", "CRITICAL": "ERROR", "NOTSET": "ALL"}.get(name, name)


def _json(value: Any, status: int = 200) -> tuple[int, bytes, bytes]:
    return status, _JSON, msgspec.json.encode(value)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
