"""The executor and the keeper of slots, as the wiring builds them, without their threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

from domain.execution.commands import FireTimer
from domain.execution.context import Answer, Question
from domain.execution.state import Timer
from domain.ids import derived
from domain.ports.metrics import NoMetrics
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Record, milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS
from streams.executor.stepper import ExecutionStepper
from streams.handler import CommandHandler
from streams.options import ExecutorOptions
from streams.progress import Committer
from streams.slots import SlotKeeper
from streams.steps import StepHandler, Stepped
from streams.timers import TimerClock
from tests.simulation.broker import Broker, Member
from tests.simulation.flows import Flows
from tests.simulation.oracle import Oracle
from tests.simulation.process import Job, Process
from tests.simulation.snapshots import MemorySnapshots


class Loop:
    """What `streams.loop.CommandLoop` does, with commits made when the world says so."""

    def __init__(self, process: Process, group: str, handler: CommandHandler) -> None:
        self.handler = handler
        self._topic = handler.topic
        self.member: Member = process.log.consumer(group, [handler.topic], self)
        self._committer = Committer(self._commit, process.fatal, 1.0)

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        numbers = [number for _, number in partitions]
        for number in numbers:
            self._committer.assigned(number)
        self.handler.assigned(numbers)

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        numbers = [number for _, number in partitions]
        for number in numbers:
            self._committer.revoked(number)
        self.handler.revoked(numbers)

    def records(self, batch: Sequence[Record]) -> None:
        for record in batch:
            done = self._committer.begin(record.partition, record.offset)
            self.handler.process(record, done)

    def jobs(self) -> Iterable[Job]:
        """Commit, when there is something new."""
        if self._committer._dirty:
            yield self.flush

    def flush(self) -> None:
        """Commit what is done."""
        self._committer.flush()

    def _commit(self, partition: int, next_offset: int) -> None:
        self.member.commit(self._topic, partition, next_offset)


class WatchedStepper(ExecutionStepper):
    """Tells the oracle of every state that a step has made."""

    oracle: Oracle
    writer: str

    def step(self, command: Record) -> Stepped:
        """Step one command, and show what came of it."""
        stepped = super().step(command)
        if stepped.event is not None:
            known = self._partitions[command.partition]
            self.oracle.stepped(self.writer, known.fold.states.get(command.key), stepped.event)
        return stepped


_LINES: Final = ["x", "y", "x"]


class TableOfAnswers:
    """Answers that are the same in every process: a function of the question."""

    def answer(self, question: Question) -> Answer:
        """Return the answer."""
        if question.name == "outputs":
            return Answer(value={"value": "large"})
        if question.name == "lineCount":
            return Answer(value=len(_LINES))
        if question.name == "lines":
            at, most = question.arguments["at"], question.arguments["most"]
            values = _LINES[at : at + most]
            return Answer(value={"values": values, "next": at + len(values)})
        if question.name == "store":
            return Answer(value=question.arguments["uri"])
        return Answer(value=question.key)


class Executor(Process):
    """Steps executions and hands out slots."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        random: Random,
        *,
        instant: bool,
        skew_ms: int,
        flows: Flows,
        oracle: Oracle,
        embedded: bool,
        snapshot_every: int,
    ) -> None:
        super().__init__(name, broker, random, instant=instant, skew_ms=skew_ms)
        self._flows = flows
        self._oracle = oracle
        self._embedded = embedded
        self.snapshots = MemorySnapshots()
        self._options = ExecutorOptions(
            ended_in_memory=2, snapshot_every=snapshot_every, commit_interval_seconds=0
        )
        self._soon: deque[Callable[[], None]] = deque()

    def start(self) -> None:
        """Build what `infra.wiring` builds."""
        self._soon.clear()
        log, writer = self.log, f"{self.name}:{self.boots}"
        self.timers = TimerClock(self.clock, self._due)
        self.stepper = WatchedStepper(
            log,
            self._flows,
            TableOfAnswers(),
            self.timers,
            self.snapshots,
            self._options,
            NoMetrics(),
        )
        self.stepper.oracle, self.stepper.writer = self._oracle, writer
        committed = self.broker.group("executor").committed
        topic = self.stepper.topic
        handler = StepHandler(
            log,
            self.stepper,
            writer=writer,
            component="executor",
            committed=lambda number: committed.get((topic, number), (None, ""))[0],
            fatal=self.fatal,
            metrics=NoMetrics(),
            soon=None if self._embedded else self._soon.append,
        )
        keeper = SlotKeeper(log, self.fatal)
        self.loops = [Loop(self, "executor", handler), Loop(self, "slots", keeper)]
        for loop in self.loops:
            loop.member.start()

    def goodbye(self) -> None:
        """Commit, and store the snapshots."""
        self.log.flush()
        for loop in self.loops:
            loop.flush()
        self.stepper.close()

    def own_jobs(self) -> Iterable[Job]:
        """Commits, calls put off, due timers."""
        for loop in self.loops:
            yield from loop.jobs()
        if self._soon:
            yield self._next_call
        moment = self.timers.next_moment()
        if moment is not None and moment <= self.clock.now():
            yield self._fire

    def wake_ms(self) -> int | None:
        """Return when the next timer is due."""
        moment = self.timers.next_moment()
        return None if moment is None else milliseconds_of(moment) + 1 - self.clock.skew_ms

    def _next_call(self) -> None:
        self._soon.popleft()()

    def _fire(self) -> None:
        self.timers.fire()

    def _due(self, partition: int, execution_id: str, timer: Timer) -> None:
        command = FireTimer(
            execution_id=execution_id,
            command_id=derived("fire", execution_id, timer.id, timer.due.isoformat()),
            issuer=self.name,
            timer_id=timer.id,
            due=timer.due,
        )
        outgoing = Outgoing(EXECUTION_COMMANDS, execution_id, encode(command), partition=partition)

        def delivered(_: object, error: Exception | None) -> None:
            if error is not None:
                self.fatal(error)

        self.log.send(outgoing, delivered)
