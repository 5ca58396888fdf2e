"""The webserver's ASGI application: routes, refusals, the edge around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin

from api.auth import Gate
from api.bulk import Refused, refusal_view
from api.context import ApiDependencies, Context
from api.controllers import ROUTES, TWO_ONLY
from api.edge import Edge, wants_problem
from api.errors import (
    ApiError,
    Detail,
    document,
    invalid_entity,
    method_not_allowed,
    not_found,
    of_domain,
)
from api.live_logs import LiveLogs
from api.options import ApiOptions
from domain.errors import TidewheelError
from projections.search import InvalidPage

if TYPE_CHECKING:
    from litestar.types import ASGIApp

_LOG = logging.getLogger("tidewheel.api")


class TidewheelApi(Litestar):
    """Litestar with the edge in front of its router. Serves nothing before it is bound."""

    _router: ASGIApp

    def _create_asgi_handler(self) -> ASGIApp:
        self._router = super()._create_asgi_handler()
        return self._router

    def bind(self, context: Context) -> None:
        """Serve with these options and ports from now on."""
        self.state["context"] = context
        self.asgi_handler = Edge(self._router, context.options, context.gate, context.ports.metrics)


def create_app(options: ApiOptions, dependencies: ApiDependencies) -> TidewheelApi:
    """Return the application that serves the API.

    Args:
        options: how it behaves.
        dependencies: the ports; they are open, and closed by whoever opened them.
    """
    app = unbound_app(options)
    app.bind(create_context(options, dependencies))
    return app


def create_context(options: ApiOptions, dependencies: ApiDependencies) -> Context:
    """Return what routes may use."""
    accounts = dependencies.accounts
    if options.basic_auth and accounts is None:
        raise ValueError("basic authentication is on, so `accounts` must be given")
    gate = Gate(accounts) if options.basic_auth and accounts is not None else None
    live_logs = LiveLogs(dependencies.log)
    dependencies.metrics.gauge("webserver_followers", lambda: live_logs.followers)
    return Context(options=options, ports=dependencies, gate=gate, live_logs=live_logs)


def unbound_app(options: ApiOptions) -> TidewheelApi:
    """Return the routes of a version, to be bound; making them is the slow part."""
    return TidewheelApi(
        route_handlers=[*ROUTES, *(TWO_ONLY if options.is_two else ())],
        lifespan=[_live],
        exception_handlers={Refused: answer_refused, Exception: answer_error},
        openapi_config=_openapi(options),
        logging_config=None,
        request_max_body_size=None,
        path="/",
    )


@asynccontextmanager
async def _live(app: Litestar) -> AsyncIterator[None]:
    live_logs = app.state["context"].live_logs
    await asyncio.to_thread(live_logs.start)
    try:
        yield
    finally:
        await asyncio.to_thread(live_logs.close)


def answer_refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    """Return the body of a bulk action that some executions refuse."""
    return Response(
        content=msgspec.json.encode(refusal_view(error)),
        status_code=400,
        media_type="application/json",
    )


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return the document of whatever went wrong; what is our own fault is also logged."""
    refusal = _refusal(request, error)
    target: str = request.scope.get("target", request.scope["path"])  # type: ignore[assignment]
    body = document(refusal, target, problem=wants_problem(request.scope))
    return Response(
        content=msgspec.json.encode(body),
        status_code=refusal.status,
        media_type="application/json",
        headers=refusal.headers,
    )


def _refusal(request: Request[Any, Any, Any], error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InvalidPage):
        return _invalid_page(request, error)
    if isinstance(error, TidewheelError):
        refusal = of_domain(error)
        if refusal.status >= 500:
            _LOG.error("%s %s: %s", request.method, request.scope["path"], error)
        return refusal
    if isinstance(error, MethodNotAllowedException):
        return _method_refusal(request, error)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return not_found()
        return ApiError(error.status_code, error.detail)
    _LOG.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return ApiError(500, "Internal server error: the server could not carry this out")


def _method_refusal(request: Request[Any, Any, Any], error: MethodNotAllowedException) -> ApiError:
    path: str = request.scope["path"]
    if "/actions/" in path:
        return not_found()
    target: str = request.scope.get("target", path)  # type: ignore[assignment]
    allowed = (error.headers or {}).get("allow", "")
    methods = [name for name in allowed.split(", ") if name != "OPTIONS"]
    if "GET" in methods:
        methods.insert(methods.index("GET"), "HEAD")
    return method_not_allowed(request.method, target.partition("?")[0], methods)


def _invalid_page(request: Request[Any, Any, Any], error: InvalidPage) -> ApiError:
    handler = request.scope.get("route_handler")
    operation = getattr(handler, "operation_id", None) or "search"
    path = f"{operation}.{error.field}"
    return invalid_entity(f"{path}: {error}", Detail(str(error), path))


def _openapi(options: ApiOptions) -> OpenAPIConfig | None:
    if not options.docs:
        return None
    return OpenAPIConfig(
        title="Tidewheel",
        version=options.version,
        path="/api/docs",
        render_plugins=[SwaggerRenderPlugin()],
    )
