"""The instance: its configuration, its credentials, a sign of life."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, get, post

from api import reply
from api.auth import refused_credentials
from api.body import read_json
from api.context import Context, context
from api.controllers.http import Http
from api.errors import ApiError
from api.reply import Reply
from api.usages import usages


class BasicAuthCredentials(msgspec.Struct):
    """A name and password to be the one user's."""

    username: str = ""
    password: str = ""
    uid: str = ""


class Misc(Controller):
    """Routes of the instance."""

    path = "/"
    tags = ["Misc"]  # noqa: RUF012 - Litestar's way

    @get("/ping", operation_id="ping", status_code=200)
    async def ping(self) -> Reply:
        """Say that the server is there."""
        return Reply(200, b"pong", b"application/json")

    @get("/api/v1/configs", operation_id="getConfiguration", status_code=200)
    async def configuration(self, request: Http) -> Reply:
        """Say what this server is: clients read version and edition here."""
        return reply.json(_configuration(context(request)))

    @get(
        "/api/v1/basicAuthValidationErrors",
        operation_id="getBasicAuthConfigErrors",
        status_code=200,
    )
    async def credential_errors(self) -> Reply:
        """Say what is wrong with the configured credentials: nothing, as the server runs."""
        return reply.json([])

    @get("/api/v1/usages/all", operation_id="getUsages", status_code=200)
    async def usages(self, request: Http) -> Reply:
        """Say how many flows and task types there are, and what ran in the last day."""
        return reply.json(await usages(context(request)))

    @post("/api/v1/basicAuth", operation_id="createBasicAuth", status_code=200)
    async def set_credentials(self, request: Http) -> Reply:
        """Change the one user's name and password."""
        wanted = await read_json(request, BasicAuthCredentials, "basicAuthCredentials")
        reasons = refused_credentials(wanted.username, wanted.password)
        if reasons:
            raise ApiError(400, ", ".join(reasons) + ": Resource fails validation")
        gate = context(request).gate
        if gate is not None:
            await gate.change(wanted.username, wanted.password)
        return reply.empty(204)


def _configuration(own: Context) -> dict[str, Any]:
    options = own.options
    view: dict[str, Any] = {
        "uuid": options.uuid,
        "version": options.version,
        "edition": "OSS",
        "chartDefaultDuration": "PT24H",
        "isCustomDashboardsEnabled": True,
        "isAnonymousUsageEnabled": False,
        "isUiAnonymousUsageEnabled": False,
        "isTemplateEnabled": False,
    }
    if options.environment_name:
        view["environment"] = {
            "name": options.environment_name,
            "color": options.environment_color,
        }
    if options.url:
        view["url"] = options.url
    return view | {
        "preview": {"initial": options.preview_rows, "max": options.preview_rows_limit},
        "systemNamespace": options.system_namespace,
        "hiddenLabelsPrefixes": list(options.hidden_labels),
        "isAiEnabled": False,
        "isAiApiKeyConfigured": False,
        "isBasicAuthInitialized": own.gate is not None,
        "pluginsHash": 0,
        "isConcurrencyViewEnabled": True,
    }


ROUTES = [Misc]
