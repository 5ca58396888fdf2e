"""The API over a log in memory, with everything real but the executor, which a test plays itself.

Commands are stepped at once by `World.step`; the index is brought up to date by `World.index`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
from litestar import Litestar

from api.app import TidewheelApi, create_context, unbound_app
from api.auth import FixedAccount
from api.context import ApiDependencies, Queries
from api.options import ApiOptions
from domain.execution import commands as c
from domain.execution import events as e
from domain.execution.fold import RECORDS, PartitionFold
from domain.execution.lifecycle import StateType
from domain.execution.record import EventRecord
from domain.execution.state import Execution, Metadata
from domain.flow.core_specs import CORE_CATALOGUE
from domain.log import Level, LogBatch, LogEntry
from domain.record.codec import Codec, encode, tag_of
from domain.record.envelope import Outgoing, Record, milliseconds_of
from domain.record.topics import (
    DASHBOARDS,
    EXECUTION_COMMANDS,
    EXECUTION_EVENTS,
    FLOWS,
    LOGS,
    METRICS,
)
from infra.embedded.search import SqliteReadStore
from infra.flow_writer import LogFlowWriter
from infra.flows import FlowStore
from infra.gateway import LogGateway
from infra.kv import KeyValueStore
from infra.slots import LogSlots
from infra.storage.namespace_files import StoredNamespaceFiles
from infra.triggers import LogTriggerGateway
from projections.charts.query import ChartQueries
from projections.executions.document import EXECUTIONS
from projections.executions.project import write_of
from projections.executions.query import ExecutionQueries
from projections.flows.document import FLOWS as FLOW_DOCUMENTS
from projections.flows.query import FlowQueries
from projections.logs.document import LOGS as LOG_DOCUMENTS
from projections.logs.query import LogQueries
from projections.metrics.document import METRICS as METRIC_DOCUMENTS
from projections.metrics.query import MetricQueries
from projections.projector import STATELESS
from projections.taskruns.document import TASK_RUNS
from projections.taskruns.project import Places, Touched
from projections.taskruns.project import writes_of as task_run_writes
from projections.triggers.document import TRIGGERS
from projections.triggers.query import TriggerQueries
from projections.window import Window
from tests.support.memory_blobs import MemoryBlobs
from tests.support.memory_log import MemoryLog

BEGIN = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
USER, PASSWORD = "root@root.com", "Root!1234"
_COMMANDS: Codec[c.ExecutionCommand] = Codec(c.ExecutionCommand)

HELLO = """\
# says hello; this comment must survive
id: hello
namespace: gold.team
description: A first flow
labels:
  team: gold
inputs:
  - id: name
    type: STRING
    defaults: World
variables:
  greeting: Hello
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "{{ vars.greeting }} {{ inputs.name }}"
"""

Step = Callable[["World", c.ExecutionCommand], list[e.ExecutionEvent]]


class _WorldClock:
    """The world's time as a port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.now


class World:
    """Ports of the API, and the hands that move what is behind them."""

    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog()
        self.now = BEGIN
        self.window = Window(self.log)
        self.window.start()
        self.flow_store = FlowStore(self.log, CORE_CATALOGUE)
        self.flow_store.start()
        self.flows = LogFlowWriter(self.log, self.flow_store)
        self.blobs = MemoryBlobs()
        self.kv = KeyValueStore(self.log, _WorldClock(self))
        self.kv.start()
        self.dashboards = KeyValueStore(self.log, _WorldClock(self), topic=DASHBOARDS)
        self.dashboards.start()
        self.slots = LogSlots(self.log)
        self.triggers = LogTriggerGateway(self.log)
        self.triggers.start()
        models = [EXECUTIONS, TASK_RUNS, FLOW_DOCUMENTS, LOG_DOCUMENTS, METRIC_DOCUMENTS, TRIGGERS]
        self.store = SqliteReadStore(folder / "index.db", models)
        self.step: Step = plain_step
        self.commands: list[c.ExecutionCommand] = []
        self._ids = itertools.count(1)
        self._indexed: dict[str, int] = {}
        self._tail = self.log.tail(EXECUTION_COMMANDS, {0: 0}, self._consume)

    def close(self) -> None:
        self.triggers.close()
        self.slots.close()
        self.kv.close()
        self.dashboards.close()
        self.flow_store.close()
        self.window.close()
        self.store.close()

    def dependencies(self, **more: Any) -> ApiDependencies:
        def clock() -> datetime:
            return self.now

        ports: dict[str, Any] = {
            "gateway": LogGateway(self.log, self.window),
            "window": self.window,
            "flows": self.flow_store,
            "flow_writer": self.flows,
            "blobs": self.blobs,
            "queries": Queries(
                charts=ChartQueries(self.store, clock),
                executions=ExecutionQueries(self.store, clock),
                flows=FlowQueries(self.store, clock),
                logs=LogQueries(self.store, clock),
                metrics=MetricQueries(self.store),
                triggers=TriggerQueries(self.store, clock),
            ),
            "triggers": self.triggers,
            "slots": self.slots,
            "kv": self.kv,
            "dashboards": self.dashboards,
            "files": StoredNamespaceFiles(self.blobs, _WorldClock(self)),
            "log_writer": self.log,
            "log": self.log,
            "catalogue": CORE_CATALOGUE,
            "new_id": self.new_id,
            "now": clock,
            "accounts": FixedAccount(USER, PASSWORD),
        }
        return ApiDependencies(**{**ports, **more})

    def new_id(self) -> str:
        return f"Exec{next(self._ids):018d}"

    def tick(self, milliseconds: int = 10) -> None:
        """Let time pass."""
        self.now += timedelta(milliseconds=milliseconds)
        self.log.clock_ms = milliseconds_of(self.now)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let the loop run until something holds."""
        while not condition():  # noqa: ASYNC110 - each step of the loop may be the one
            await asyncio.sleep(0)

    def index(self) -> None:
        """Bring the index up to everything on the log."""
        fold = PartitionFold(0)
        for record in self.log.all(EXECUTION_EVENTS):
            fold.apply(record)
        for execution in fold.states.values():
            self.store.bulk([write_of(execution, execution.sequence)])
            touched = Touched()
            touched.every = execution.sequence
            self.store.bulk(task_run_writes(execution, touched, Places()))
        for topic in (FLOWS, LOGS, METRICS):
            for record in self.log.all(topic)[self._indexed.get(topic, 0) :]:
                self.store.bulk(STATELESS[topic](record))
            self._indexed[topic] = len(self.log.all(topic))

    def append(self, execution_id: str, *events: e.ExecutionEvent) -> Execution:
        """Write a step to an execution's stream, as an executor would."""
        self.tick()
        state = self.window.get(execution_id)
        sequence = 1 if state is None else state.sequence + 1
        self._record(execution_id, sequence, "timer", "timer.fire", -1, list(events))
        after = self.window.get(execution_id)
        assert after is not None
        return after

    def finish(self, execution_id: str, state: StateType = StateType.SUCCESS) -> Execution:
        """End an execution's task runs and the execution."""
        execution = self.window.get(execution_id)
        assert execution is not None
        for run in list(execution.task_runs.values()):
            if not run.state.current.is_terminal:
                self.append(
                    execution_id,
                    e.TaskRunEnded(id=run.id, state=state, started_at=self.now, worker_id="w1"),
                )
        return self.append(execution_id, e.ExecutionEnded(state=state), e.ExecutionClosed())

    def say(self, execution_id: str, message: str, level: Level = Level.INFO, **more: Any) -> None:
        """Write a log line of an execution."""
        self.tick()
        execution = self.window.get(execution_id)
        assert execution is not None
        entry = LogEntry(
            id=f"{execution_id}-{message}",
            tenant=execution.tenant,
            namespace=execution.namespace,
            flow_id=execution.flow_id,
            execution_id=execution_id,
            level=level,
            message=message,
            timestamp=self.now,
            **{"task_id": "say", "attempt": 0, "thread": "worker_1", **more},
        )
        self.log.append([Outgoing(LOGS, execution_id, encode(LogBatch(entries=[entry])))])

    def _consume(self, records: list[Record]) -> None:
        for record in records:
            command = _COMMANDS.decode(record)
            self.commands.append(command)
            self.tick()
            state = self.window.get(command.execution_id)
            events = self.step(self, command)
            sequence = 1 if state is None else state.sequence + 1
            if state is None and not isinstance(command, c.CreateExecution):
                sequence = 0
            self._record(
                command.execution_id,
                sequence,
                command.command_id,
                tag_of(command),
                record.offset,
                events,
            )

    def _record(
        self,
        execution_id: str,
        sequence: int,
        command_id: str,
        command: str,
        offset: int,
        events: list[e.ExecutionEvent],
    ) -> None:
        value = EventRecord(
            execution_id=execution_id,
            sequence=sequence,
            command_id=command_id,
            command_offset=offset,
            timestamp_ms=milliseconds_of(self.now),
            events=events,
            command=command,
            writer="test",
        )
        self.log.append([Outgoing(EXECUTION_EVENTS, execution_id, encode(value))])


def plain_step(world: World, command: c.ExecutionCommand) -> list[e.ExecutionEvent]:
    """Do what a command says, with one task run `say`, and nothing else."""
    match command:
        case c.CreateExecution():
            return [
                e.ExecutionCreated(
                    execution_id=command.execution_id,
                    tenant=command.tenant,
                    namespace=command.namespace,
                    flow_id=command.flow_id,
                    flow_revision=command.flow_revision,
                    original_id=command.original_id or command.execution_id,
                    metadata=command.metadata
                    or Metadata(attempt_number=1, original_created_date=world.now),
                    labels=command.labels,
                    inputs=command.inputs,
                    trigger=command.trigger,
                    schedule_date=command.schedule_date,
                    kind=command.kind,
                    breakpoints=command.breakpoints,
                ),
                e.ExecutionStarted(),
                e.TaskRunCreated(id=f"{command.execution_id}run", task_id="say"),
                e.TaskRunSubmitted(id=f"{command.execution_id}run"),
            ]
        case c.KillExecution():
            return [e.ExecutionEnded(state=StateType.KILLED), e.ExecutionClosed()]
        case c.PauseExecution():
            return [e.ExecutionPaused(held=True)]
        case c.ResumeExecution():
            return [e.ExecutionResumed()]
        case c.RestartExecution():
            return [e.ExecutionRestarted(attempt_number=2), e.ExecutionStarted()]
        case c.ChangeExecutionState():
            return [e.ExecutionStateForced(state=command.state)]
        case c.ChangeLabels():
            return [e.LabelsChanged(labels=command.labels)]
        case c.DeleteExecution():
            return [e.ExecutionDeleted()]
        case _:
            return [e.CommandRejected(command=tag_of(command), code="EXEC013", message="no")]


_idle: dict[tuple[str, bool], list[TidewheelApi]] = {}
"""Applications that no test uses: their routes take longer to make than most tests."""


class ApiClient(httpx.AsyncClient):
    """A client of an application on the loop of the test, so that both can wait for each other."""

    def __init__(self, app: Litestar) -> None:
        transport = httpx.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
        super().__init__(transport=transport, base_url="http://test", auth=(USER, PASSWORD))
        self.app = app


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """A world that is closed at the end."""
    world = World(folder)
    try:
        yield world
    finally:
        world.close()


@asynccontextmanager
async def client_of(
    world: World, options: ApiOptions | None = None, **more: Any
) -> AsyncIterator[ApiClient]:
    """A client with good credentials."""
    options = options or ApiOptions()
    idle = _idle.setdefault((options.version, options.docs), [])
    app = idle.pop() if idle else unbound_app(options)
    app.bind(create_context(options, world.dependencies(**more)))
    async with app.lifespan(), ApiClient(app) as client:
        yield client
    idle.append(app)


def events_of(world: World, execution_id: str) -> list[str]:
    """The tags of an execution's stream."""
    return [
        msgspec.to_builtins(event)["type"]
        for record in world.log.by_key(EXECUTION_EVENTS, execution_id)
        for event in RECORDS.decode(record).events
    ]
