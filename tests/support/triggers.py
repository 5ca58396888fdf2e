"""A world for triggers: flows, a clock and timers that move only when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.execution.commands import CreateExecution, ExecutionCommand
from domain.execution.context import Answer, Question
from domain.execution.state import Timer
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.defaults import NO_DEFAULTS, ScopedDefaults
from domain.flow.model import Flow
from domain.flow.reader import parse_flow
from domain.ids import DEFAULT_TENANT
from domain.ports.metrics import NoMetrics
from domain.ports.stores import Snapshots
from domain.record.codec import Codec
from domain.record.envelope import milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS, TRIGGER_COMMANDS
from domain.record.values import FlowRevision
from domain.trigger.commands import TriggerCommand
from domain.trigger.state import Trigger, TriggerKey
from streams.options import SchedulerOptions
from streams.scheduler.declared import DeclaredTriggers, TriggerCommands, outgoing
from streams.scheduler.stepper import TriggerStepper
from streams.steps import StepHandler
from tests.support.memory_log import MemoryLog

COMMANDS: Codec[ExecutionCommand] = Codec(ExecutionCommand)


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(source: str, revision: int = 1, defaults: ScopedDefaults = NO_DEFAULTS) -> Flow:
    """Return a flow, which must be right."""
    reading = parse_flow(
        source,
        tenant_id=DEFAULT_TENANT,
        revision=revision,
        catalogue=CORE_CATALOGUE,
        defaults=defaults,
    )
    assert reading.flow is not None, reading
    return reading.flow


class FakeFlows:
    """FlowSource whose revisions a test saves."""

    def __init__(self) -> None:
        self._revisions: dict[tuple[str, str], list[FlowRevision]] = {}
        self._sets = {0: NO_DEFAULTS}
        self.defaults = 0
        self._listeners: list[Callable[[FlowRevision], None]] = []

    def save(self, source: str, *, deleted: bool = False) -> int:
        """Store a revision and tell the listeners; returns its number."""
        flow = read(source)
        history = self._revisions.setdefault((flow.namespace, flow.id), [])
        number = len(history) + 1
        history.append(
            FlowRevision(
                tenant=DEFAULT_TENANT,
                namespace=flow.namespace,
                id=flow.id,
                revision=number,
                source=source,
                updated=at("2024-01-01"),
                writer="test",
                deleted=deleted,
            )
        )
        for listener in self._listeners:
            listener(history[-1])
        return number

    def get(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        del tenant
        history = self._revisions.get((namespace, flow_id), [])
        if revision is None:
            if not history or history[-1].deleted:
                return None
            revision = history[-1].revision
        source = next((one.source for one in history if one.revision == revision), None)
        if source is None:
            return None
        return read(source, revision, self._sets[self.defaults if defaults is None else defaults])

    require = get

    def put_in_force(self, scoped: ScopedDefaults) -> None:
        """Have other plugin defaults, and tell the listeners."""
        self._sets[scoped.number] = scoped
        self.defaults = scoped.number
        for history in self._revisions.values():
            for listener in self._listeners:
                listener(history[-1])

    def listen(self, listener: Callable[[FlowRevision], None]) -> None:
        for history in self._revisions.values():
            listener(history[-1])
        self._listeners.append(listener)

    def forget_listeners(self) -> None:
        """As if their process had died."""
        self._listeners.clear()

    def catch_up(self) -> None:
        """Nothing is ever behind."""


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time


class FakeTimers:
    """Timers that are due when the test looks for them."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], tuple[datetime, int]] = {}

    def schedule(self, partition: int, execution_id: str, timer: Timer) -> None:
        self.live[execution_id, timer.id] = (timer.due, partition)

    def cancel(self, execution_id: str, timer_id: str) -> None:
        self.live.pop((execution_id, timer_id), None)

    def forget(self, partition: int) -> None:
        self.live = {key: value for key, value in self.live.items() if value[1] != partition}

    def take_due(self, now: datetime) -> list[tuple[int, str, str]]:
        """Take out what is due, the earliest first."""
        due = sorted(
            (moment, partition, *key)
            for key, (moment, partition) in self.live.items()
            if moment <= now
        )
        for _, _, owner, timer_id in due:
            del self.live[owner, timer_id]
        return [(partition, owner, timer_id) for _, partition, owner, timer_id in due]


class FakeAnswers:
    """Answers from a table."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    def answer(self, question: Question) -> Answer:
        self.asked.append(question.name)
        if question.name in self.answers:
            return Answer(self.answers[question.name])
        return Answer(error=f"{question.name} has no answer")


class Died(BaseException):
    """The scheduler's process was killed."""


class SchedulerWorld:
    """One scheduler on a log in memory. `restart` kills it and starts another one."""

    def __init__(self, start: str = "2024-01-01T00:00:00", partitions: int = 3) -> None:
        self.log = MemoryLog(partitions)
        self.flows = FakeFlows()
        self.clock = FakeClock(at(start))
        self.answers = FakeAnswers()
        self.options = SchedulerOptions()
        self.committed: dict[int, int] = {}
        self.snapshots: Snapshots | None = None
        self.starts = 0
        self.fatal: list[BaseException] = []
        self.boot()

    def boot(self) -> None:
        """Start a scheduler that takes all partitions."""
        self.starts += 1
        self.timers = FakeTimers()
        self._stamp()
        commands = TriggerCommands(self.log.writer, self._died)
        declared = DeclaredTriggers(self.flows, commands)
        self.stepper = TriggerStepper(
            self.log,
            self.flows,
            declared,
            commands,
            self.answers,
            self.timers,
            self.clock,
            self.options,
            NoMetrics(),
            snapshots=self.snapshots,
        )
        self.handler = StepHandler(
            self.log,
            self.stepper,
            writer=f"scheduler:{self.starts}",
            component="scheduler",
            committed=self.committed.get,
            fatal=self._died,
            metrics=NoMetrics(),
        )
        declared.start()
        numbers = range(self.log.partitions(TRIGGER_COMMANDS))
        self.next = {number: self.committed.get(number, 0) for number in numbers}
        self.handler.assigned(list(numbers))
        self.handler.catch_up(list(numbers))

    def kill(self) -> None:
        """End the scheduler without any goodbye."""
        self.flows.forget_listeners()

    def restart(self) -> None:
        """Kill the scheduler and start another one."""
        self.kill()
        self.boot()

    def run(self) -> None:
        """Step every command and fire every timer until nothing more is due."""
        self._stamp()
        while True:
            stepped = self.step_all()
            due = self.timers.take_due(self.clock.now())
            for timer in due:
                self.stepper.due(*timer)
            if not stepped and not due:
                return

    def step_all(self) -> int:
        """Step what stands on the log; returns how many commands."""
        count = 0
        for number in self.next:
            _, end = self.log.bounds(TRIGGER_COMMANDS, number)
            for record in list(self.log.read(TRIGGER_COMMANDS, number, self.next[number], end)):
                self.next[number] = record.offset + 1
                offset = record.offset + 1

                def done(partition: int = number, upto: int = offset) -> None:
                    self.committed[partition] = max(self.committed.get(partition, 0), upto)

                self.handler.process(record, done)
                count += 1
        return count

    def advance_to(self, text: str) -> None:
        """Move the clock, firing whatever is due at its own time on the way."""
        target = at(text)
        self.run()
        while True:
            due = [moment for moment, _ in self.timers.live.values() if moment <= target]
            if not due:
                break
            self.clock.time = max(self.clock.time, min(due))
            self.run()
        self.clock.time = target
        self.run()

    def sleep_until(self, text: str) -> None:
        """Move the clock while nothing runs."""
        self.clock.time = at(text)
        self._stamp()

    def advance(self, **delta: float) -> None:
        """Move the clock by a span."""
        target = self.clock.time + timedelta(**delta)
        self.advance_to(target.replace(tzinfo=None).isoformat())

    def send(self, command: TriggerCommand) -> None:
        """Send a command and run."""
        self._stamp()
        self.log.send(outgoing(command))
        self.run()

    def state(self, flow_id: str = "f", trigger_id: str = "t") -> Trigger:
        """Return a trigger's state, which must be there."""
        found = self.stepper.state(TriggerKey(DEFAULT_TENANT, "n", flow_id, trigger_id))
        assert found is not None
        return found

    def creations(self) -> list[CreateExecution]:
        """Every creation that was sent, duplicates included, in order of time."""
        records = sorted(self.log.all(EXECUTION_COMMANDS), key=lambda one: one.timestamp_ms)
        found = [COMMANDS.decode(record) for record in records]
        return [command for command in found if isinstance(command, CreateExecution)]

    def dates(self) -> list[str]:
        """The dates of all executions, each execution once."""
        found = {one.execution_id: one.schedule_date for one in self.creations()}
        return [f"{date:%Y-%m-%dT%H:%M:%S}" for date in found.values() if date is not None]

    def _stamp(self) -> None:
        self.log.clock_ms = milliseconds_of(self.clock.now())

    def _died(self, error: BaseException) -> None:
        raise error
