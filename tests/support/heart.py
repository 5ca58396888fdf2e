"""A world in memory around the step: a log of commands and events, a worker, slots, a clock.

Deterministic: the same commands give the same history. Records are encoded and decoded on their
way, so that what is tested is what is stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from domain.concurrency.slots import FlowSlots
from domain.duration import parse_duration
from domain.execution import commands as c
from domain.execution import effects as fx
from domain.execution.context import Answer, Context, Question, Settings
from domain.execution.fold import PartitionFold, fold_record
from domain.execution.index import index_of
from domain.execution.lifecycle import StateType
from domain.execution.machine import Needs, Step, step
from domain.execution.record import EventRecord
from domain.execution.requests import TaskRequest
from domain.execution.state import Execution, Label, TaskRun
from domain.expression import ExpressionError, Scope, compile_template, render_deep
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.inputs import resolve_inputs
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.log import Level, LogEntry
from domain.record.envelope import instant_of

CATALOGUE: Final = CORE_CATALOGUE
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_EVENTS: Final = msgspec.json.Decoder(EventRecord)
_COMMANDS: Final = msgspec.json.Decoder(c.ExecutionCommand)
_REQUESTS: Final = msgspec.json.Decoder(TaskRequest)

S = StateType


def flow_of(source: str, revision: int = 1) -> Flow:
    """Read a flow with the core task types."""
    return read_flow(source, catalogue=CATALOGUE, revision=revision)


LINES: Final = ["x", "y", "x"]
"""What stands in every file."""


def usual_answer(question: Question) -> Answer:
    """Answer what has the same answer everywhere: files are written, and have three lines."""
    match question.name:
        case "store":
            return Answer(question.arguments["uri"])
        case "lineCount":
            return Answer(len(LINES))
        case "lines":
            at, most = question.arguments["at"], question.arguments["most"]
            values = LINES[at : at + min(most, 2)]
            return Answer({"values": values, "next": at + len(values)})
        case _:
            return Answer(error=question.key)


class Worker:
    """Runs requests at once, in the world's time. Knows a few task types of its own."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, request: TaskRequest) -> tuple[StateType, dict[str, Any] | None, str | None]:
        """Return state, outputs and error of an attempt."""
        task = request.task
        scope = Scope(request.variables, _Answers(self.world))
        kind = task["type"].rpartition(".")[2]
        try:
            match kind:
                case "Log":
                    said = render_deep(task["message"], scope)
                    level = Level(task.get("level", "INFO"))
                    for line in said if isinstance(said, list) else [said]:
                        self.world.say(request, line, level)
                    return S.SUCCESS, None, None
                case "Return":
                    return S.SUCCESS, {"value": render_deep(task.get("format"), scope)}, None
                case "Echo":
                    self.world.say(request, render_deep(task.get("format"), scope))
                    return S.SUCCESS, None, None
                case "OutputValues":
                    return S.SUCCESS, {"values": render_deep(task.get("values"), scope)}, None
                case "Split":
                    source = compile_template(str(task["from"])).render(scope)
                    rows = int(render_deep(str(task["rows"]), scope))
                    count = -(-self.world.files[source] // rows)
                    parts = [f"kestra:///{task['id']}/{number}" for number in range(count)]
                    return S.SUCCESS, {"uris": parts}, None
                case "Write":
                    content = render_deep(task["content"], scope)
                    self.world.files["kestra:///merged"] = len(content.splitlines())
                    return S.SUCCESS, {"uri": "kestra:///merged"}, None
                case _:
                    return S.SUCCESS, None, None
        except ExpressionError as error:
            return S.FAILED, None, str(error)

    def delay(self, request: TaskRequest) -> timedelta | None:
        """Return how long a request takes, where it takes long."""
        if request.task["type"].endswith("flow.Sleep"):
            scope = Scope(request.variables, _Answers(self.world))
            return parse_duration(render_deep(request.task["duration"], scope))
        return None


class _Answers:
    def __init__(self, world: World) -> None:
        self._world = world

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        if name == "errorLogs":
            wanted = dict(scope.variables)["execution"]["id"]
            return [
                {"taskId": entry.task_id, "message": entry.message}
                for entry in self._world.logs
                if entry.level is Level.ERROR and entry.execution_id == wanted
            ]
        if name == "now":
            return START.isoformat()
        return name


class World:
    """Executions of some flows, stepped until nothing more is to be done."""

    def __init__(self, *sources: str, check: bool = True) -> None:
        self.flows: dict[tuple[str, str], list[Flow]] = {}
        for source in sources:
            self.add(source)
        self.now = START
        self.check = check
        self.fold = PartitionFold(0)
        self.commands: list[bytes] = []
        self.times: list[datetime] = []
        self.records: list[bytes] = []
        self.steps = 0
        self.logs: list[LogEntry] = []
        self.deleted: list[str] = []
        self.files: dict[str, int] = {}
        self.answers: Callable[[Question], Answer] = usual_answer
        self.slots: dict[str, FlowSlots] = {}
        self.worker = Worker(self)
        self.lives = 1
        """Of the worker: it has died once less."""
        self.timers: dict[tuple[str, str], datetime] = {}
        self.running: dict[str, TaskRequest] = {}
        self.seen: set[str] = set()
        self.settings = Settings()
        self._later: list[tuple[datetime, int, c.ExecutionCommand]] = []
        self._count = 0
        self._queue: list[c.ExecutionCommand] = []

    # --- what a test says

    def add(self, source: str) -> Flow:
        """Store a flow as its next revision."""
        flow = flow_of(source)
        revisions = self.flows.setdefault((flow.namespace, flow.id), [])
        flow = flow_of(source, len(revisions) + 1)
        revisions.append(flow)
        return flow

    def flow(
        self, tenant: str, namespace: str, flow_id: str, revision: int | None = None
    ) -> Flow | None:
        """Return a flow in force."""
        del tenant
        revisions = self.flows.get((namespace, flow_id))
        if not revisions:
            return None
        if revision is None:
            return revisions[-1]
        return revisions[revision - 1] if 0 < revision <= len(revisions) else None

    def start(
        self,
        flow_id: str | None = None,
        *,
        inputs: dict[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        execution_id: str | None = None,
        **more: Any,
    ) -> str:
        """Create an execution, without going on."""
        flows = [flows[-1] for flows in self.flows.values()]
        flow = next(f for f in flows if flow_id in (None, f.id))
        self._count += 1
        execution_id = execution_id or f"execution-{self._count}"
        values = resolve_inputs(flow.inputs, inputs or {}, {}, encrypt=lambda text: text).checked()
        all_labels = {x.key: x.value for x in flow.labels if not x.key.startswith("system.")}
        all_labels |= dict(labels or {})
        all_labels |= {"system.from": "api", "system.correlationId": execution_id}
        self.send(
            c.CreateExecution(
                execution_id=execution_id,
                command_id=f"create-{execution_id}",
                tenant="main",
                namespace=flow.namespace,
                flow_id=flow.id,
                flow_revision=flow.revision or 1,
                labels=[Label(key, value) for key, value in all_labels.items()],
                inputs=values,
                **more,
            )
        )
        return execution_id

    def run(self, flow_id: str | None = None, **more: Any) -> Execution:
        """Create an execution and go on until nothing happens for an hour."""
        execution_id = self.start(flow_id, **more)
        self.settle()
        return self[execution_id]

    def send(self, command: c.ExecutionCommand) -> None:
        """Queue a command."""
        self._queue.append(command)

    def tell(self, kind: type[Any], execution: Execution | str, **members: Any) -> None:
        """Queue a person's command."""
        self._count += 1
        execution_id = execution if isinstance(execution, str) else execution.id
        self.send(kind(execution_id=execution_id, command_id=f"person-{self._count}", **members))

    def __getitem__(self, execution_id: str) -> Execution:
        state = self.fold.get(execution_id)
        assert state is not None, f"there is no execution {execution_id}"
        return state

    @property
    def executions(self) -> list[Execution]:
        """All executions, in order of creation."""
        return list(self.fold.states.values())

    def of(self, flow_id: str) -> list[Execution]:
        """The executions of a flow."""
        return [state for state in self.executions if state.flow_id == flow_id]

    # --- time

    def settle(self, within: timedelta = timedelta(hours=1)) -> None:
        """Step everything that is queued or comes due within a time."""
        limit = self.now + within
        while True:
            self.work()
            due = [moment for moment in self.timers.values() if moment <= limit]
            due += [entry[0] for entry in self._later[:1] if entry[0] <= limit]
            if not due:
                return
            self._go_to(min(due))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        limit = self.now + timedelta(seconds=seconds)
        while True:
            self.work()
            due = [moment for moment in self.timers.values() if moment <= limit]
            due += [entry[0] for entry in self._later[:1] if entry[0] <= limit]
            if not due:
                break
            self._go_to(min(due))
        self.now = max(self.now, limit)

    def _go_to(self, moment: datetime) -> None:
        self.now = max(self.now, moment)
        for (execution_id, timer_id), due in sorted(self.timers.items(), key=lambda x: x[1]):
            if due <= self.now:
                del self.timers[execution_id, timer_id]
                self._count += 1
                self.send(
                    c.FireTimer(
                        execution_id=execution_id,
                        command_id=f"timer-{self._count}",
                        timer_id=timer_id,
                    )
                )
        while self._later and self._later[0][0] <= self.now:
            self.send(heapq.heappop(self._later)[2])

    def work(self, most: int = 1_000_000) -> None:
        """Step what is queued, and what comes of it."""
        while self._queue and most > 0:
            self.step(self._queue.pop(0))
            most -= 1

    @property
    def pending(self) -> bool:
        """Whether commands are queued."""
        return bool(self._queue)

    def first(self) -> None:
        """Step the command that was queued last, before all others."""
        self.step(self._queue.pop())

    def tick(self) -> bool:
        """Go to the next moment at which something is due; False: there is none."""
        due = [*self.timers.values(), *(entry[0] for entry in self._later[:1])]
        if not due:
            return False
        self._go_to(min(due))
        return True

    def new_id(self) -> str:
        """Return an id for an execution to come."""
        self._count += 1
        return f"execution-{self._count}"

    # --- the machine

    def step(self, command: c.ExecutionCommand) -> Step:
        """Step one command and carry out its effects."""
        self.now += timedelta(milliseconds=1)
        encoded = msgspec.json.encode(command)
        self.commands.append(encoded)
        self.times.append(self.now)
        command = _COMMANDS.decode(encoded)
        state = self.fold.get(command.execution_id)
        result, context = self._stepped(state, command, len(self.commands) - 1)
        self.steps += 1
        if result.events:
            record = result.record(command, context)
            self.records.append(msgspec.json.encode(record))
            if result.state is not None:
                self.fold.stepped(result.state, record)
                if self.check:
                    assert index_of(result.state).is_quiet
        self.carry_out(result.effects)
        return result

    def _stepped(
        self, state: Execution | None, command: c.ExecutionCommand, offset: int
    ) -> tuple[Step, Context]:
        flow: Flow | None = None
        if state is not None:
            flow = self.flow(state.tenant, state.namespace, state.flow_id, state.flow_revision)
        elif isinstance(command, c.CreateExecution):
            flow = self.flow("main", command.namespace, command.flow_id, command.flow_revision)
        answers: dict[str, Answer] = {}
        while True:
            context = Context(
                now=instant_of(int(self.now.timestamp() * 1000)),
                command_offset=offset,
                answers=answers,
                settings=self.settings,
                find_flow=self.flow,
                encrypt=lambda text: text,
            )
            result = step(flow, state, command, context)
            if not isinstance(result, Needs):
                return result, context
            answers |= {question.key: self.answers(question) for question in result.questions}

    def carry_out(self, effects: Iterable[fx.AnyEffect]) -> None:
        """Do what effects say; what was done before is dropped by its id."""
        for effect in effects:
            match effect:
                case fx.ScheduleTimer(execution_id=execution_id, timer=timer):
                    self.timers[execution_id, timer.id] = timer.due
                    continue
                case fx.CancelTimer(execution_id=execution_id, timer_id=timer_id):
                    self.timers.pop((execution_id, timer_id), None)
                    continue
                case _:
                    if effect.id in self.seen:
                        continue
                    self.seen.add(effect.id)
            match effect:
                case fx.DispatchTask(request=request):
                    self._dispatch(_REQUESTS.decode(msgspec.json.encode(request)))
                case fx.SendCommand(command=command):
                    self.send(command)
                case fx.WriteLog(entry=entry):
                    self.logs.append(entry)
                case fx.SignalWorkers(signal=signal):
                    self._interrupt(signal.execution_id, signal.task_run_ids)
                case fx.DeleteFiles(uris=uris):
                    self.deleted.extend(uris)
                case fx.AskSlot(flow_key=key, execution_id=execution_id, wish=wish):
                    slots = self.slots.setdefault(key, FlowSlots())
                    for answer in slots.free(execution_id) if wish is None else slots.take(wish):
                        self.send(answer)

    def _dispatch(self, request: TaskRequest) -> None:
        delay = self.worker.delay(request)
        key = f"{request.task_run_id}.{request.attempt}"
        if delay is None:
            state, outputs, error = self.worker.run(request)
            self.send(self._result(request, state, self.now, outputs, error))
            return
        self.running[key] = request
        self.send(
            c.RecordTaskStart(
                execution_id=request.execution_id,
                command_id=f"start-{key}",
                task_run_id=request.task_run_id,
                attempt=request.attempt,
                worker_id=self.worker_id,
                started_at=self.now,
            )
        )
        self._count += 1
        result = self._result(request, S.SUCCESS, self.now, None, None)
        result.ended_at = self.now + delay
        heapq.heappush(self._later, (self.now + delay, self._count, result))

    def _interrupt(self, execution_id: str, run_ids: list[str]) -> None:
        for key, request in list(self.running.items()):
            if request.execution_id != execution_id or (not run_ids and request.force):
                continue
            if run_ids and request.task_run_id not in run_ids:
                continue
            del self.running[key]
            self._later = [x for x in self._later if x[2].command_id != f"result-{key}"]
            heapq.heapify(self._later)
            self.send(self._result(request, S.KILLED, self.now, None, None))

    def _result(
        self,
        request: TaskRequest,
        state: StateType,
        started_at: datetime,
        outputs: dict[str, Any] | None,
        error: str | None,
    ) -> c.RecordTaskResult:
        return c.RecordTaskResult(
            execution_id=request.execution_id,
            command_id=f"result-{request.task_run_id}.{request.attempt}",
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            state=state,
            worker_id=self.worker_id,
            started_at=started_at,
            ended_at=self.now,
            outputs=outputs,
            error=error,
        )

    @property
    def worker_id(self) -> str:
        """Who runs tasks now."""
        return f"worker-{self.lives}"

    def crash_worker(self) -> None:
        """Let the worker die with all that it runs; another one takes its requests over."""
        gone, self.lives = self.worker_id, self.lives + 1
        for key, request in list(self.running.items()):
            del self.running[key]
            self._later = [x for x in self._later if x[2].command_id != f"result-{key}"]
            heapq.heapify(self._later)
            self.lose(request, gone)

    def lose(self, request: TaskRequest, gone: str = "") -> None:
        """Tell of a request that may have been begun elsewhere."""
        self._count += 1
        self.seen.discard(f"{request.task_run_id}.{request.attempt}")  # may be asked for again
        self.send(
            c.RecordAttemptLost(
                execution_id=request.execution_id,
                command_id=f"lost-{self._count}",
                issuer=self.worker_id,
                task_run_id=request.task_run_id,
                attempt=request.attempt,
                worker_id=gone,
            )
        )

    def say(self, request: TaskRequest, message: Any, level: Level = Level.INFO) -> None:
        """Keep a log line of a task."""
        text = message if isinstance(message, str) else str(message)
        self.logs.append(
            LogEntry(
                id=f"{request.task_run_id}-{len(self.logs)}",
                tenant=request.tenant,
                namespace=request.namespace,
                flow_id=request.flow_id,
                level=level,
                message=text,
                timestamp=self.now,
                execution_id=request.execution_id,
                task_id=request.task["id"],
                task_run_id=request.task_run_id,
            )
        )

    # --- what a test asks

    def refolded(self) -> dict[str, Execution]:
        """Return all executions, folded anew from the recorded bytes."""
        states: dict[str, Execution] = {}
        for data in self.records:
            record = _EVENTS.decode(data)
            if record.sequence == 0:
                continue
            state = fold_record(states.get(record.execution_id), record)
            if state is not None:
                states[record.execution_id] = state
        return states

    def events_since(self, record: int) -> list[Any]:
        """Return the events of the records from a number on."""
        return [event for data in self.records[record:] for event in _EVENTS.decode(data).events]

    def events_of(self, execution: Execution | str) -> list[Any]:
        """Return the recorded events of an execution, in order."""
        execution_id = execution if isinstance(execution, str) else execution.id
        records = (_EVENTS.decode(data) for data in self.records)
        return [x for r in records if r.execution_id == execution_id for x in r.events]


def history(what: Execution | TaskRun) -> list[str]:
    """Return the states something went through."""
    return [moment.state.value for moment in what.state.histories]


def runs(execution: Execution, task_id: str) -> list[TaskRun]:
    """Return the task runs of a task, in order."""
    return [run for run in execution.task_runs.values() if run.task_id == task_id]


def order(execution: Execution) -> list[str]:
    """Return the task ids of all task runs, in order."""
    return [run.task_id for run in execution.task_runs.values()]


def states(execution: Execution) -> dict[str, str]:
    """Return the state of each task's latest run."""
    return {run.task_id: run.state.current.value for run in execution.task_runs.values()}
