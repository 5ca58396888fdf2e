"""What the routes work with: the ports, handed in by whoever starts the webserver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from litestar import Request

from api.auth import Accounts, Gate
from api.live_logs import LiveLogs
from api.options import ApiOptions
from api.stored_outputs import with_stored_outputs
from api.views.execution import execution_view, moved_view
from domain.execution.context import DEFAULT_SETTINGS, Settings
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from domain.expression import NO_LOOKUPS, Lookups
from domain.plugin import TaskCatalogue
from domain.ports.files import NamespaceFiles
from domain.ports.gateway import CommandGateway, ExecutionWindow, FlowWriter, TriggerGateway
from domain.ports.kv import KeyValues
from domain.ports.log import LogReader, LogWriter
from domain.ports.metrics import Metrics, NoMetrics
from domain.ports.slots import Slots
from domain.ports.stores import Blobs, Flows
from domain.sealed import Encrypt
from projections.charts.query import ChartQueries
from projections.executions.query import ExecutionQueries
from projections.flows.query import FlowQueries
from projections.logs.query import LogQueries
from projections.metrics.query import MetricQueries
from projections.triggers.query import TriggerQueries


def _no_lookups(_: Mapping[str, Any]) -> Lookups:
    return NO_LOOKUPS


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The read models. Their calls block."""

    charts: ChartQueries
    executions: ExecutionQueries
    flows: FlowQueries
    logs: LogQueries
    metrics: MetricQueries
    triggers: TriggerQueries


@dataclass(frozen=True, kw_only=True)
class ApiDependencies:
    """The ports of the webserver."""

    gateway: CommandGateway
    window: ExecutionWindow
    triggers: TriggerGateway
    flows: Flows
    flow_writer: FlowWriter
    blobs: Blobs
    queries: Queries
    slots: Slots
    kv: KeyValues
    dashboards: KeyValues
    """Sources of dashboards by id, in the namespace `dashboards`."""
    files: NamespaceFiles
    log: LogReader
    log_writer: LogWriter
    catalogue: TaskCatalogue
    new_id: Callable[[], str]
    """Returns a fresh execution id: a random UUID in base 62."""
    now: Callable[[], datetime]
    lookups: Callable[[Mapping[str, Any]], Lookups] = _no_lookups
    """Returns what answers the functions of expressions that have these variables."""
    secret_names: Callable[[], Sequence[str]] = tuple
    """Returns the names of the secrets."""
    encrypt: Encrypt | None = None
    """Seals the values of SECRET inputs; None: such inputs are refused."""
    settings: Settings = DEFAULT_SETTINGS
    """What expressions see of the server's configuration."""
    accounts: Accounts | None = None
    """None only where `basic_auth` is off."""
    metrics: Metrics = field(default_factory=NoMetrics)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a route may use."""

    options: ApiOptions
    ports: ApiDependencies
    gate: Gate | None
    live_logs: LiveLogs
    verifying: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a log is verified."""

    def url(self, execution: Execution) -> str:
        """Return the link to an execution's page."""
        path = f"{execution.tenant}/executions/{execution.namespace}/{execution.flow_id}"
        return f"{self.options.url}/ui/{path}/{execution.id}"

    def view(self, execution: Execution) -> dict[str, Any]:
        """Return an execution as it is now."""
        return execution_view(execution)

    async def views(self, found: Sequence[Execution]) -> list[dict[str, Any]]:
        """Return executions as they are now, with outputs that stand in files."""
        return [self.view(each) for each in await with_stored_outputs(self.ports.blobs, found)]

    async def whole(
        self, execution: Execution, known: dict[str, dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Return an execution as it is now, with outputs that stand in files.

        Args:
            execution: which.
            known: see `with_stored_outputs`.
        """
        [shown] = await with_stored_outputs(self.ports.blobs, [execution], known)
        return self.view(shown)

    def moved(self, execution: Execution, state: StateType, outputs: Any = None) -> dict[str, Any]:
        """Return an execution as it was when an action had brought it into a state."""
        return moved_view(execution, state, outputs)


def context(request: Request[Any, Any, Any]) -> Context:
    """Return what this request's route may use."""
    found: Context = request.app.state["context"]
    return found


def user_name(request: Request[Any, Any, Any]) -> str:
    """Return who asks; empty for the open paths."""
    return str(request.scope.get("user_name", ""))
