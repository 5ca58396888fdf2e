"""The configuration: composes the rooms' options. Every key is listed in docs/configuration.md."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from api.options import ApiOptions
from domain.errors import InvalidInput, Violation
from domain.flow.common import PluginDefault
from infra.log_options import LogOptions
from infra.opensearch.options import OpenSearchOptions
from infra.settings import load
from projections.options import ProjectionsOptions
from projections.window import WindowOptions
from streams.options import ExecutorOptions, SchedulerOptions
from streams.worker.options import WorkerOptions

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]*")

Engine = Literal["embedded", "distributed"]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The process. All since 0.1."""

    host: str = "127.0.0.1"
    """Address that the API and the management endpoints listen on."""
    port: int = 8080
    """Port of the API."""
    management_port: int = 0
    """Port of health and metrics; 0: the one after the API's."""
    username: str = ""
    """Name of the one user; empty: as stored in the data folder."""
    password: str = ""
    """The user's password; empty: as stored in the data folder."""
    log_level: str = "INFO"
    """Least severe process log line: DEBUG, INFO, WARNING or ERROR."""
    log_format: Literal["text", "json"] = "text"
    """Shape of process log lines."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are kept. All since 0.1."""

    dir: Path = Path(".tidewheel")
    """Folder of the embedded log, the read models, snapshots and keys."""
    storage: str = ""
    """Folder of the internal storage; empty: `storage` in the data folder."""
    examples: str = ""
    """Folder of flows that are stored when there is no flow at all; empty: none."""
    encryption_key: str = ""
    """Key for SECRET inputs: base64 of 16, 24 or 32 bytes; empty: made once in the data folder."""


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """What expressions see of the installation. All since 0.1."""

    globals: dict[str, Any] = {}
    """`globals` in expressions; JSON in the environment."""
    env_prefix: str = "ENV_"
    """Environment variables with this prefix are `envs` in expressions, in lower case."""


class Plugins(msgspec.Struct, frozen=True, kw_only=True):
    """Plugin defaults (docs/flow-language.md). The webserver puts them in force. All since 0.1."""

    defaults: tuple[PluginDefault, ...] = ()
    """For all flows: records of `type` (exact or a prefix), `values`, and `forced`, maybe `ref`."""
    namespaces: dict[str, tuple[PluginDefault, ...]] = {}
    """The same by namespace: for its flows and those of the namespaces below it."""

    def violations(self) -> list[Violation]:
        """Return what is wrong beyond the types."""
        lists = {"$.plugins.defaults": self.defaults}
        lists |= {f"$.plugins.namespaces.{name}": own for name, own in self.namespaces.items()}
        found = [
            Violation("a default needs a `type`", f"{path}[{index}]")
            for path, defaults in lists.items()
            for index, default in enumerate(defaults)
            if not default.type.strip()
        ]
        found += [
            Violation(f"{name!r} is no namespace", "$.plugins.namespaces")
            for name in self.namespaces
            if not _NAMESPACE.fullmatch(name)
        ]
        return found


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be configured."""

    engine: Engine = "embedded"
    """`embedded`: one process, no other server. `distributed`: Kafka and OpenSearch."""
    server: Server = Server()
    data: Data = Data()
    variables: Variables = Variables()
    plugins: Plugins = Plugins()
    log: LogOptions = LogOptions()
    opensearch: OpenSearchOptions = OpenSearchOptions()
    executor: ExecutorOptions = ExecutorOptions()
    worker: WorkerOptions = WorkerOptions()
    scheduler: SchedulerOptions = SchedulerOptions()
    indexer: ProjectionsOptions = ProjectionsOptions()
    window: WindowOptions = WindowOptions()
    api: ApiOptions = ApiOptions()

    @property
    def management_port(self) -> int:
        """Port of health and metrics."""
        return self.server.management_port or self.server.port + 1


def load_config(environment: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of the environment, and of the TOML file that it may name.

    Raises:
        InvalidInput: something in it is wrong; everything wrong is told.
    """
    environment = os.environ if environment is None else environment
    file = environment.get("TIDEWHEEL_CONFIG")
    config = load(Config, environment, Path(file) if file else None)
    if violations := config.plugins.violations():
        text = "; ".join(f"{v.path}: {v.message}" for v in violations)
        raise InvalidInput(f"the configuration is wrong: {text}", tuple(violations))
    return config
