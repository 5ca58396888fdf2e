"""The scheduler and the watcher of flow triggers, as the wiring builds them, without threads."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from domain.execution.lifecycle import StateType
from domain.ports.metrics import NoMetrics
from domain.record.envelope import milliseconds_of
from domain.record.topics import TRIGGER_COMMANDS
from streams.options import SchedulerOptions
from streams.scheduler.scheduler import GROUP, build_scheduler
from streams.triggers.watcher import GROUP as WATCHERS
from streams.triggers.watcher import ExecutionWatcher
from tests.simulation.broker import Broker
from tests.simulation.executor import Loop, TableOfAnswers
from tests.simulation.flows import Flows
from tests.simulation.oracle import Broken, Oracle
from tests.simulation.process import Job, Process
from tests.simulation.snapshots import MemorySnapshots

DATES: Final = 3
"""Dates of CLOCKWORK."""
FOLLOWED: Final = (StateType.SUCCESS, StateType.WARNING, StateType.FAILED)
"""Ends that FOLLOWER listens for."""


class SchedulerProcess(Process):
    """Fires schedules, and starts what follows on executions."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        random: Random,
        *,
        instant: bool,
        skew_ms: int,
        flows: Flows,
        embedded: bool,
        snapshot_every: int,
    ) -> None:
        super().__init__(name, broker, random, instant=instant, skew_ms=skew_ms)
        self._flows = flows
        self._embedded = embedded
        self.snapshots = MemorySnapshots()
        self.watched = MemorySnapshots()
        self._options = SchedulerOptions(snapshot_every=snapshot_every)
        self._soon: deque[Callable[[], None]] = deque()

    def start(self) -> None:
        """Build what `infra.wiring` builds."""
        self._soon.clear()
        log = self.log
        committed = self.broker.group(GROUP).committed
        self.scheduler = build_scheduler(
            log,
            self._flows,
            TableOfAnswers(),
            self.clock,
            self._options,
            NoMetrics(),
            writer=f"{self.name}:{self.boots}",
            committed=lambda number: committed.get((TRIGGER_COMMANDS, number), (None, ""))[0],
            fatal=self.fatal,
            soon=None if self._embedded else self._soon.append,
            snapshots=self.snapshots,
        )
        self.watcher = ExecutionWatcher(
            log,
            self._flows,
            TableOfAnswers(),
            self.clock,
            self.watched,
            self._options,
            NoMetrics(),
            self.fatal,
        )
        self.timers = self.scheduler._timers
        self.scheduler._declared.start()
        self.watcher.start()
        self.loops = [
            Loop(self, GROUP, self.scheduler.handler),
            Loop(self, WATCHERS, self.watcher),
        ]
        for loop in self.loops:
            loop.member.start()

    def goodbye(self) -> None:
        """Commit, and store the snapshots."""
        self.log.flush()
        for loop in self.loops:
            loop.flush()
        self.watcher.close()
        self.scheduler.stepper.close()

    def own_jobs(self) -> Iterable[Job]:
        """Commits, calls put off, due dates."""
        for loop in self.loops:
            yield from loop.jobs()
        if self._soon:
            yield self._next_call
        moment = self.timers.next_moment()
        if moment is not None and moment <= self.clock.now():
            yield self._fire

    def wake_ms(self) -> int | None:
        """Return when the next date comes."""
        moment = self.timers.next_moment()
        return None if moment is None else milliseconds_of(moment) + 1 - self.clock.skew_ms

    def _next_call(self) -> None:
        self._soon.popleft()()

    def _fire(self) -> None:
        self.timers.fire()


def check_firings(oracle: Oracle, *, meddled: bool) -> None:
    """Each date has fired once; each end of an execution has started one that follows.

    Args:
        oracle: what is durable.
        meddled: people may have restarted, replayed or deleted what the triggers look at.
    """
    begun = [state for state in oracle.states.values() if state.trigger is not None]
    dates = [s for s in begun if s.flow_id == "clockwork" and s.parent_id is None]
    if len(dates) != DATES:
        raise Broken(f"{len(dates)} executions of {DATES} dates: {[s.id for s in dates]}")
    if meddled:
        return
    found = Counter(
        str(s.trigger.variables.get("executionId"))
        for s in begun
        if s.trigger is not None and s.flow_id == "follower"
    )
    wanted = {
        state.id
        for state in oracle.states.values()
        if state.flow_id == "flow" and state.state.current in FOLLOWED
    }
    wrong = {key: found[key] for key in wanted | found.keys() if found[key] != int(key in wanted)}
    if wrong:
        raise Broken(f"executions that follow, where one should: {wrong}")
