"""The composition root: the only place where concrete classes meet ports."""

from __future__ import annotations

import base64
import logging
import os
import secrets as randomness
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from api.management import create_management_app
from domain.execution.commands import FireTimer
from domain.execution.context import Settings
from domain.execution.state import Timer
from domain.flow.core_specs import CORE_CATALOGUE
from domain.ids import derived
from domain.ports.log import AT_ONCE, Log
from domain.ports.stores import Snapshots
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import CATALOGUE, DASHBOARDS, EXECUTION_COMMANDS
from infra.accounts import ConfiguredAccount, StoredAccount
from infra.clock import SystemClock
from infra.config import Config
from infra.encryption import AesEncryption
from infra.expression.jq_pool import JqPool
from infra.expression.lookups import World
from infra.flows import FlowStore, LogFlowWriter
from infra.kv import KeyValueStore
from infra.large_records import LargeRecords, LargeValues, OpeningHandler
from infra.metrics.prometheus import PrometheusMetrics
from infra.plugin_defaults import PluginDefaultsStore
from infra.secrets.env import EnvironmentSecrets
from infra.snapshots import SqliteSnapshots, scratch_snapshots
from infra.storage.local import LocalBlobs
from infra.storage.namespace_files import StoredNamespaceFiles
from streams.handler import CommandHandler
from streams.loop import CommandLoop
from streams.timers import TimerClock

if TYPE_CHECKING:
    import faust

    from projections.rebuild import RebuildableStore

Fatal = Callable[[BaseException], None]
Soon = Callable[[Callable[[], None]], None]
_log = logging.getLogger(__name__)


@dataclass
class Assembly:
    """The parts of one process."""

    management: Any
    """ASGI application of the management port."""
    api: Any = None
    """ASGI application of the API; None where the process has no webserver."""
    apps: list[faust.App] = field(default_factory=list)
    """Run on the main thread's loop, after `start` and until before `close`."""
    starts: list[Callable[[], None]] = field(default_factory=list)
    closes: list[Callable[[], None]] = field(default_factory=list)
    up: Event = field(default_factory=Event)
    """Set while everything runs and listens: what makes the process ready."""

    def add(self, start: Callable[[], None] | None, close: Callable[[], None] | None) -> None:
        """Add a part: started after, and closed before, those added earlier."""
        if start is not None:
            self.starts.append(start)
        if close is not None:
            self.closes.append(close)

    def start(self) -> None:
        """Start all parts, in order."""
        for start in self.starts:
            start()

    def close(self) -> None:
        """Close all parts, last first; what fails is told and does not keep the others open."""
        for close in reversed(self.closes):
            try:
                close()
            except Exception:  # noqa: BLE001 - logged; the others are closed all the same
                _log.exception("a part could not be closed cleanly")


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


class _Shop:
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

        opening = [OpeningHandler(handler, self.log.opened, self.fatal) for handler in handlers]
        options = AgentOptions(
            bootstrap_servers=config.log.bootstrap_servers,
            prefix=config.log.prefix,
            instance_id=member,
            session_timeout_seconds=config.log.session_timeout.total_seconds(),
            commit_interval_seconds=config.executor.commit_interval_seconds,
        )
        self.assembly.apps.append(build_app(group, options, opening))


def assemble(config: Config, roles: frozenset[str], fatal: Fatal, soon: Soon) -> Assembly:
    """Build the parts of a process; nothing runs yet.

    Args:
        config: the configuration.
        roles: of `executor`, `scheduler`, `worker`, `indexer`, `webserver`.
        fatal: told of what forbids to go on.
        soon: runs something on the main thread's loop.
    """
    shop = _Shop(config, fatal, soon)
    for role, build in _BUILDERS.items():
        if role in roles:
            build(shop)
    shop.assembly.management = create_management_app(
        shop.metrics,
        readiness={"started": shop.assembly.up.is_set},
        information={"version": config.api.version, "roles": sorted(roles)},
        details=shop.details,
    )
    return shop.assembly


def _executor(shop: _Shop) -> None:
    from infra.answers import RuntimeAnswers
    from infra.workers import LiveWorkers
    from streams.executor.stepper import ExecutionStepper
    from streams.slots import SlotKeeper
    from streams.steps import StepHandler

    member = shop.config.executor.id or socket.gethostname()

    def due(partition: int, execution_id: str, timer: Timer) -> None:
        command = FireTimer(
            execution_id=execution_id,
            command_id=derived("fire", execution_id, timer.id, timer.due.isoformat()),
            issuer=member,
            timer_id=timer.id,
            due=timer.due,
        )
        outgoing = Outgoing(EXECUTION_COMMANDS, execution_id, encode(command), partition=partition)
        shop.log.writer.send(outgoing, _or_fatal(shop.fatal))

    workers = LiveWorkers(shop.log, shop.clock, shop.config.worker.gone_after_seconds)
    timers = TimerClock(shop.clock, due)
    stepper = ExecutionStepper(
        shop.log,
        shop.flows,
        RuntimeAnswers(shop.world, workers),
        timers,
        shop.snapshots(f"executor-{member}"),
        shop.config.executor,
        shop.metrics,
        shop.settings,
        shop.encryption.encrypt if shop.encryption.has_key else None,
        shop.blobs,
    )
    handler = StepHandler(
        shop.log,
        stepper,
        writer=f"{member}:{shop.nonce}",
        component="executor",
        committed=shop.committed("executor", stepper.topic),
        fatal=shop.fatal,
        metrics=shop.metrics,
        soon=None if shop.config.engine == "embedded" else shop.soon,
    )
    shop.assembly.add(timers.start, timers.close)
    shop.assembly.add(None, workers.close)
    shop.assembly.add(None, stepper.close)
    shop.drive("executor", member, [handler, SlotKeeper(shop.log, shop.fatal)])


def _worker(shop: _Shop) -> None:
    from api.views.parts import running_view
    from domain.record.topics import task_requests
    from infra.plugins.catalogue import core_plugins
    from infra.plugins.services import task_services
    from streams.worker.worker import Worker

    shop.log.ensure_topics([task_requests(shop.config.worker.group)])
    services = task_services(shop.world, shop.log, shop.encryption, UTC)
    worker = Worker(
        shop.config.worker,
        shop.log,
        core_plugins(),
        services,
        shop.metrics,
        shop.fatal,
        life=randomness.token_hex(4),
    )
    shop.details["worker"] = lambda: running_view(worker.requests())
    shop.assembly.add(worker.start, worker.stop)


def _indexer(shop: _Shop) -> None:
    from projections.indexer import Indexer
    from projections.rebuild import Preparation

    own = shop.config.indexer.id
    member = own or f"indexer-{socket.gethostname()}"
    snapshots = shop.config.data.dir / "snapshots"
    prepare = Preparation(
        shop.log,
        shop.store,
        lambda: scratch_snapshots(snapshots / f"rebuild-{member}-{shop.config.engine}.sqlite"),
        owner=f"{member}:{shop.nonce}",
        options=shop.config.indexer,
        metrics=shop.metrics,
    )
    indexer = Indexer(
        shop.log,
        shop.store,
        shop.snapshots(f"indexer-{own}" if own else "indexer"),
        shop.metrics,
        member=member,
        failed=shop.fatal,
        options=shop.config.indexer,
        prepare=prepare,
    )
    shop.assembly.add(indexer.start, indexer.close)


def _scheduler(shop: _Shop) -> None:
    from api.views.parts import schedulable_view
    from domain.record.topics import TRIGGER_COMMANDS
    from infra.answers import RuntimeAnswers
    from streams.scheduler.scheduler import GROUP, build_scheduler
    from streams.triggers.watcher import GROUP as WATCHERS
    from streams.triggers.watcher import ExecutionWatcher

    member = shop.config.scheduler.id or socket.gethostname()
    answers = RuntimeAnswers(shop.world)
    encrypt = shop.encryption.encrypt if shop.encryption.has_key else None
    scheduler = build_scheduler(
        shop.log,
        shop.flows,
        answers,
        shop.clock,
        shop.config.scheduler,
        shop.metrics,
        writer=f"{member}:{shop.nonce}",
        committed=shop.committed(GROUP, TRIGGER_COMMANDS),
        fatal=shop.fatal,
        soon=None if shop.config.engine == "embedded" else shop.soon,
        settings=shop.settings,
        encrypt=encrypt,
        snapshots=shop.snapshots(f"scheduler-{member}"),
    )
    watcher = ExecutionWatcher(
        shop.log,
        shop.flows,
        answers,
        shop.clock,
        shop.snapshots(f"flow-triggers-{member}"),
        shop.config.scheduler,
        shop.metrics,
        shop.fatal,
        settings=shop.settings,
        encrypt=encrypt,
    )
    shop.details["scheduler"] = lambda: schedulable_view(
        scheduler.stepper.schedulable(), shop.flows
    )
    shop.assembly.add(scheduler.start, scheduler.close)
    shop.assembly.add(watcher.start, watcher.close)
    shop.drive(GROUP, member, [scheduler.handler])
    # it steps nothing: a plain reader of the events, which takes many at once
    gather = timedelta(seconds=shop.config.scheduler.gather_seconds)
    shop.loop(shop.group(WATCHERS, watcher.topic), member, watcher, gather)


def _webserver(shop: _Shop) -> None:
    from api.app import create_app
    from api.context import ApiDependencies, Queries
    from infra.expression.chance import new_id
    from infra.expression.lookups import Place, RuntimeLookups
    from infra.gateway import LogGateway
    from infra.slots import LogSlots
    from infra.triggers import LogTriggerGateway
    from projections.charts.query import ChartQueries
    from projections.executions.query import ExecutionQueries
    from projections.flows.query import FlowQueries
    from projections.logs.query import LogQueries
    from projections.metrics.query import MetricQueries
    from projections.triggers.query import TriggerQueries
    from projections.window import Window

    plugins = shop.config.plugins
    shop.assembly.add(
        lambda: shop.plugin_defaults.publish(plugins.defaults, plugins.namespaces), None
    )
    window = Window(shop.log.reader, shop.config.window)
    shop.metrics.gauge("window_executions", lambda: float(len(window)))
    now = shop.clock.now
    writer = LogFlowWriter(shop.log, shop.flows)
    triggers = LogTriggerGateway(shop.log)
    dashboards = KeyValueStore(shop.log, shop.clock, shop.fatal, topic=DASHBOARDS)
    slots = LogSlots(shop.log, shop.fatal)
    server = shop.config.server
    accounts = (
        ConfiguredAccount(server.username, server.password)
        if server.password
        else StoredAccount(shop.config.data.dir)
    )
    flow_queries = FlowQueries(shop.store, now)
    shop.flows.listen(flow_queries.expect)
    dependencies = ApiDependencies(
        gateway=LogGateway(shop.log.writer, window),
        window=window,
        triggers=triggers,
        flows=shop.flows,
        flow_writer=writer,
        blobs=shop.blobs,
        queries=Queries(
            charts=ChartQueries(shop.store, now),
            executions=ExecutionQueries(shop.store, now),
            flows=flow_queries,
            logs=LogQueries(shop.store, now),
            metrics=MetricQueries(shop.store),
            triggers=TriggerQueries(shop.store, now),
        ),
        log=shop.log.reader,
        log_writer=shop.log.writer,
        catalogue=CORE_CATALOGUE,
        new_id=new_id,
        now=now,
        slots=slots,
        kv=shop.kv,
        dashboards=dashboards,
        files=shop.files,
        secret_names=shop.secrets.keys,
        lookups=lambda variables: RuntimeLookups(shop.world, Place.of(variables)),
        encrypt=shop.encryption.encrypt if shop.encryption.has_key else None,
        settings=shop.settings,
        accounts=accounts,
        metrics=shop.metrics,
    )
    shop.assembly.api = create_app(shop.config.api, dependencies)
    shop.assembly.add(window.start, window.close)
    shop.assembly.add(triggers.start, triggers.close)
    shop.assembly.add(dashboards.start, dashboards.close)
    shop.assembly.add(None, slots.close)
    if shop.config.data.examples:
        folder = Path(shop.config.data.examples)
        shop.assembly.add(lambda: writer.seed(sorted(folder.glob("*.yaml"))), None)


_BUILDERS: dict[str, Callable[[_Shop], None]] = {
    "webserver": _webserver,
    "indexer": _indexer,
    "executor": _executor,
    "worker": _worker,
    "scheduler": _scheduler,
}
"""Readers before writers: who follows the log sees all that this process does."""


def _or_fatal(fatal: Fatal) -> Callable[[object, Exception | None], None]:
    def delivered(_: object, error: Exception | None) -> None:
        if error is not None:
            fatal(error)

    return delivered


def _encryption_key(config: Config) -> str:
    """Return the configured key, or the one made once in the data folder."""
    if config.data.encryption_key:
        return config.data.encryption_key
    path = config.data.dir / "encryption.key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        key = base64.b64encode(randomness.token_bytes(32)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key)
        return key
