"""The composition root: the only place where concrete classes meet ports."""

from __future__ import annotations

import secrets as randomness
import socket
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

from api.management import create_management_app
from domain.execution.commands import FireTimer
from domain.execution.state import Timer
from domain.flow.core_specs import CORE_CATALOGUE
from domain.ids import derived
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import DASHBOARDS, EXECUTION_COMMANDS
from infra.accounts import ConfiguredAccount, StoredAccount
from infra.assembly import Assembly
from infra.config import Config
from infra.flow_writer import LogFlowWriter
from infra.kv import KeyValueStore
from infra.shop import Fatal, Shop, Soon
from infra.snapshots import scratch_snapshots
from streams.timers import TimerClock


def assemble(config: Config, roles: frozenset[str], fatal: Fatal, soon: Soon) -> Assembly:
    """Build the parts of a process; nothing runs yet.

    Args:
        config: the configuration.
        roles: of `executor`, `scheduler`, `worker`, `indexer`, `webserver`.
        fatal: told of what forbids to go on.
        soon: runs something on the main thread's loop.
    """
    shop = Shop(config, fatal, soon)
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


def _executor(shop: Shop) -> None:
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


def _worker(shop: Shop) -> None:
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


def _indexer(shop: Shop) -> None:
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


def _scheduler(shop: Shop) -> None:
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


def _webserver(shop: Shop) -> None:
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


_BUILDERS: dict[str, Callable[[Shop], None]] = {
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
