"""What the parts of one process share, made once, by engine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.execution.context import Settings
from domain.flow.core_specs import CORE_CATALOGUE
from domain.ports.log import AT_ONCE, Log
from domain.ports.stores import Snapshots
from domain.record.topics import CATALOGUE
from infra.assembly import Assembly
from infra.clock import SystemClock
from infra.config import Config
from infra.encryption import AesEncryption, kept_key
from infra.expression.jq_pool import JqPool
from infra.expression.lookups import World
from infra.flows import FlowStore
from infra.kv import KeyValueStore
from infra.large_records import LargeRecords, LargeValues, OpeningHandler
from infra.metrics.prometheus import PrometheusMetrics
from infra.plugin_defaults import PluginDefaultsStore
from infra.secrets.env import EnvironmentSecrets
from infra.snapshots import SqliteSnapshots
from infra.storage.local import LocalBlobs
from infra.storage.namespace_files import StoredNamespaceFiles
from streams.handler import CommandHandler
from streams.loop import CommandLoop

if TYPE_CHECKING:
    from projections.rebuild import RebuildableStore

Fatal = Callable[[BaseException], None]
"""Told of what forbids to go on."""
Soon = Callable[[Callable[[], None]], None]
"""Runs something on the main thread's loop."""


def open_log(config: Config) -> LargeRecords:
    """Return the engine's log."""
    # the log may keep a record over a power cut: so must its file
    blobs = LocalBlobs(_storage(config), sync=True)
    if config.engine == "embedded":
        from infra.embedded.log import EmbeddedLog

        log: Log = EmbeddedLog(config.data.dir / "log", config.log)
    else:
        from infra.kafka.log import KafkaLog

        log = KafkaLog(config.log)
    return LargeRecords(log, LargeValues(blobs, config.log.max_record_bytes))


def _storage(config: Config) -> Path:
    return Path(config.data.storage) if config.data.storage else config.data.dir / "storage"


def open_read_store(config: Config) -> RebuildableStore:
    """Return the engine's read models."""
    from projections.catalogue import MODELS

    if config.engine == "embedded":
        from infra.embedded.search import SqliteReadStore

        return SqliteReadStore(config.data.dir / "read-models.sqlite", MODELS)
    from infra.opensearch.store import OpenSearchReadStore

    return OpenSearchReadStore(config.opensearch, MODELS)


class Shop:
    """What the parts of one process share, made once."""

    def __init__(self, config: Config, fatal: Fatal, soon: Soon) -> None:
        self.config = config
        self.fatal = fatal
        self.soon = soon
        config.data.dir.mkdir(parents=True, exist_ok=True)
        self.clock = SystemClock()
        self.details: dict[str, Callable[[], Any]] = {}
        """What the management port tells of parts, by path."""
        self.metrics = PrometheusMetrics()
        self.log = open_log(config)
        self.log.ensure_topics([topic.name for topic in CATALOGUE])
        self.plugin_defaults = PluginDefaultsStore(self.log, self.clock, fatal)
        self.flows = FlowStore(self.log, CORE_CATALOGUE, self.plugin_defaults)
        self.blobs = LocalBlobs(_storage(config), sync=False)
        self.files = StoredNamespaceFiles(self.blobs, self.clock)
        self.kv = KeyValueStore(self.log, self.clock, fatal)
        self.secrets = EnvironmentSecrets(os.environ)
        self.encryption = AesEncryption(_encryption_key(config))
        self.jq = JqPool()
        prefix = config.variables.env_prefix
        envs = {
            name.removeprefix(prefix).lower(): value
            for name, value in os.environ.items()
            if name.startswith(prefix)
        }
        self.settings = Settings(envs=envs, globals=dict(config.variables.globals))
        self.world = World(
            clock=self.clock,
            secrets=self.secrets,
            kv=self.kv,
            files=self.files,
            blobs=self.blobs,
            jq=self.jq,
            envs=envs,
        )
        self.nonce = uuid.uuid4().hex[:8]
        self.assembly = Assembly(management=None)
        self.assembly.add(None, self.log.close)
        self.assembly.add(self.plugin_defaults.start, self.plugin_defaults.close)
        self.assembly.add(self.flows.start, self.flows.close)
        self.assembly.add(self.kv.start, self.kv.close)
        self.assembly.add(None, self.jq.close)
        self._store: RebuildableStore | None = None

    @property
    def store(self) -> RebuildableStore:
        """The read models, opened at the first use."""
        if self._store is None:
            self._store = open_read_store(self.config)
            self.assembly.add(None, self._store.close)
        return self._store

    def snapshots(self, name: str) -> Snapshots:
        """Open the snapshots of a component."""
        folder = self.config.data.dir / "snapshots"
        folder.mkdir(parents=True, exist_ok=True)
        opened = SqliteSnapshots(folder / f"{name}-{self.config.engine}.sqlite")
        self.assembly.add(None, opened.close)
        return opened

    def committed(self, group: str, topic: str) -> Callable[[int], int | None]:
        """Return what tells the committed offset of a partition."""
        from streams.loop import Asking

        consumer = self.log.consumer(self.group(group, topic), [topic], Asking())
        return lambda partition: consumer.committed(topic, partition)[0]

    def group(self, group: str, topic: str) -> str:
        """Name of a handler's group: a Faust app has one for all its topics, our loops one each."""
        return f"{group}.{topic}" if self.config.engine == "embedded" else group

    def loop(
        self, group: str, member: str, handler: CommandHandler, gather: timedelta = AT_ONCE
    ) -> None:
        """Have a handler driven by a loop of our own."""
        loop = CommandLoop(
            self.log,
            group,
            handler,
            member=member,
            commit_interval_seconds=self.config.executor.commit_interval_seconds,
            failed=self.fatal,
            gather=gather,
        )
        self.assembly.add(loop.start, loop.close)

    def drive(self, group: str, member: str, handlers: list[CommandHandler]) -> None:
        """Have handlers driven by the engine: loops of our own, or a Faust app."""
        config = self.config
        if config.engine == "embedded":
            for handler in handlers:
                self.loop(self.group(group, handler.topic), member, handler)
            return
        from streams.agent import AgentOptions, build_app

        folder = config.data.dir / "faust" / group
        folder.parent.mkdir(parents=True, exist_ok=True)
        opening = [OpeningHandler(handler, self.log.opened, self.fatal) for handler in handlers]
        options = AgentOptions(
            bootstrap_servers=config.log.bootstrap_servers,
            prefix=config.log.prefix,
            instance_id=member,
            folder=folder,
            session_timeout_seconds=config.log.session_timeout.total_seconds(),
            commit_interval_seconds=config.executor.commit_interval_seconds,
        )
        self.assembly.apps.append(build_app(group, options, opening))


def _encryption_key(config: Config) -> str:
    """Return the configured key, or the one made once in the data folder."""
    if config.data.encryption_key:
        return config.data.encryption_key
    return kept_key(config.data.dir / "encryption.key")
