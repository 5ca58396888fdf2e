"""One run of the whole system on virtual time: a seed decides everything that happens in it.

First things go wrong: processes die in the middle of what they do, acknowledgements are lost,
owners of partitions change without knowing, clocks differ. Then the faults stop, everything is
started again, and every execution must come to its right end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import msgspec

from domain.errors import LogUnavailable
from domain.execution.fold import encode_state
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, TASK_REQUESTS
from domain.verification.verifier import Verifier
from tests.simulation.broker import START_MS, Broker, Member
from tests.simulation.executor import Executor, TableOfAnswers
from tests.simulation.flows import CLOCKWORK, FOLLOWER, POOL, Flows, draw_flow
from tests.simulation.oracle import Broken, Oracle
from tests.simulation.people import People
from tests.simulation.process import NO_FAULTS, Died, Faults, Job, Process
from tests.simulation.readers import IndexerProcess, Webserver, check_documents, check_window
from tests.simulation.scheduler import SchedulerProcess, check_firings
from tests.simulation.worker import Worker
from tests.support.memory_store import MemoryStore

MOST_ACTIONS: Final = 60_000
"""A run that takes more than this is one that does not end."""
_MOST_RESUMES: Final = 80
logging.getLogger("streams").setLevel(logging.CRITICAL)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed stands for."""

    seed: int
    flow: int
    partitions: int
    embedded: bool
    """One process on a log of its own: nothing is rebalanced, everything dies together."""
    executors: int
    workers: int
    slots: int
    executions: int
    wishes: int
    skew_ms: int
    snapshot_every: int
    read_side: bool
    triggers: bool
    trouble: float
    """How often something goes wrong between two actions; 0: never."""
    faults: Faults
    troubled_actions: int
    thorough: bool
    record_bytes: int = 1_000_000
    """What the log takes: with a small number many records stand in files."""

    @property
    def is_determined(self) -> bool:
        """Whether a run without faults tells how everything ends."""
        return not draw_flow(self.flow)[0].racy and self.wishes == 0


def scenario_of(seed: int) -> Scenario:
    """Draw a scenario from its seed."""
    random = Random(f"scenario {seed}")
    embedded = random.random() < 0.25
    heavy = random.random() < 0.3
    calm = random.random() < 0.04
    scale = 0.0 if calm else (0.02 if heavy else 0.004)

    def rate(share: float) -> float:
        return scale if random.random() < share else 0.0

    return Scenario(
        seed=seed,
        flow=random.randrange(POOL),
        partitions=random.choice((1, 1, 2, 3)),
        embedded=embedded,
        executors=1 if embedded else random.choice((1, 2, 2, 3)),
        workers=1 if embedded else random.choice((1, 2)),
        slots=random.choice((1, 2, 4)),
        executions=random.choice((1, 1, 2, 3)),
        wishes=random.choice((0, 0, 0, 1, 3, 8)),
        skew_ms=0 if embedded else random.choice((0, 0, 50, 2_000, 30_000)),
        snapshot_every=random.choice((3, 10, 100_000)),
        read_side=random.random() < 0.35,
        triggers=random.random() < 0.2,
        trouble=0.0 if calm else random.choice((0.0, 0.01, 0.04)),
        faults=Faults(crash=rate(0.6), refused=rate(0.4), unknown=rate(0.4), twice=rate(0.5)),
        troubled_actions=random.choice((50, 200, 600)),
        thorough=random.random() < 0.2,
        record_bytes=random.choice((1_000, 2_500, 1_000_000, 1_000_000)),
    )


class Result(msgspec.Struct, frozen=True):
    """What a run came to."""

    outcome: dict[str, Any]
    steps: int
    """Event records that counted."""
    actions: int
    digest: int
    """Of everything on the log: equal seeds give equal digests."""


class World:
    """The processes of one run, and whoever decides what happens next."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(f"world {scenario.seed} {scenario.trouble}")
        self.broker = Broker(scenario.partitions, scenario.record_bytes)
        drawn, flow = draw_flow(scenario.flow)
        more = (FOLLOWER, CLOCKWORK) if scenario.triggers else ()
        self.flows = Flows(*more)
        self.flows.add(flow, drawn.source)
        self.oracle = Oracle(self.broker, self.flows, thorough=scenario.thorough)
        self.store = MemoryStore()
        self.actions = 0
        self.digest = 0
        self.faulty = scenario.trouble > 0 or scenario.faults != NO_FAULTS
        self._restart: dict[Process, int] = {}
        self._haunted: list[tuple[int, Member]] = []
        self.trace: list[str] | None = None
        self.broker.listeners.append(self._note)
        self.processes = self._build()
        self.people = next(p for p in self.processes if isinstance(p, People))
        self.people.plan(flow, scenario.executions, scenario.wishes)

    def _build(self) -> list[Process]:
        scenario, broker, flows = self.scenario, self.broker, self.flows
        processes: list[Process] = []

        def common(number: int) -> dict[str, Any]:
            skew = self.random.randint(-scenario.skew_ms, scenario.skew_ms)
            return {
                "broker": broker,
                "random": Random(f"process {scenario.seed} {number} {scenario.trouble}"),
                "instant": scenario.embedded or self.random.random() < 0.5,
                "skew_ms": skew,
            }

        for number in range(scenario.executors):
            processes.append(
                Executor(
                    f"executor{number}",
                    flows=flows,
                    oracle=self.oracle,
                    embedded=scenario.embedded,
                    snapshot_every=scenario.snapshot_every,
                    **common(len(processes)),
                )
            )
        for number in range(scenario.workers):
            name = f"worker{number}"
            processes.append(
                Worker(
                    name,
                    slots=scenario.slots,
                    begun=self.oracle.begun,
                    **common(len(processes)),
                )
            )
        processes.append(People(oracle=self.oracle, **common(len(processes))))
        if scenario.read_side:
            store = self.store
            processes.append(IndexerProcess("indexer", store=store, **common(len(processes))))
            processes.append(Webserver("webserver", **common(len(processes))))
        if scenario.triggers:
            processes.append(
                SchedulerProcess(
                    "scheduler",
                    flows=flows,
                    embedded=scenario.embedded,
                    snapshot_every=scenario.snapshot_every,
                    **common(len(processes)),
                )
            )
        return processes

    # --- the run

    def run(self) -> Result:
        """Run to the end; raises Broken when an invariant does not hold."""
        for process in self.processes:
            if self.faulty and not isinstance(process, People):
                process.faults = self.scenario.faults
            self._boot(process)
        resumes = 0
        while True:
            self.actions += 1
            if self.actions > MOST_ACTIONS:
                raise Broken(f"it goes on and on: {self._open()}")
            if self.faulty:
                if self.actions > self.scenario.troubled_actions:
                    self._calm()
                elif self.random.random() < self.scenario.trouble:
                    self._trouble()
            if self._act() or self._pass_time():
                continue
            if self.faulty:
                self._calm()
            elif self.oracle.unfinished() and resumes < _MOST_RESUMES and self.people.resume_all():
                resumes += 1
            else:
                break
        self._check_end()
        return Result(
            self.oracle.outcome(self.people.created),
            self.oracle.accepted,
            self.actions,
            self.digest,
        )

    def _act(self) -> bool:
        """Let one process do one thing; False: none has anything to do now."""
        count = len(self.processes)
        first = self.random.randrange(count)
        for number in range(count):
            process = self.processes[(first + number) % count]
            if not process.alive or process.stalled_until_ms > self.broker.now_ms:
                continue
            jobs = list(process.jobs())
            if jobs:
                if self.random.random() < 0.3:
                    self.broker.now_ms += self.random.choice((1, 1, 2, 5, 20))
                self._do(process, self.random.choice(jobs))
                return True
        return False

    def _do(self, process: Process, job: Job) -> None:
        if self.trace is not None:
            name = getattr(job, "__name__", "")
            self._say(f"{process.name} {name.strip('_')}")
        try:
            job()
        except Died:
            self._bury(process)

    def _say(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.broker.now_ms - START_MS:8} {text}")

    def _pass_time(self) -> bool:
        """Go to the next moment at which something is due; False: there is none."""
        moments = list(self._restart.values())
        moments += [moment for moment, _ in self._haunted]
        for process in self.processes:
            if process.alive:
                if process.stalled_until_ms > self.broker.now_ms:
                    moments.append(process.stalled_until_ms)
                moment = process.wake_ms()
                if moment is not None:
                    moments.append(moment)
        if not moments:
            return False
        self.broker.now_ms = max(self.broker.now_ms + 1, min(moments))
        for process, moment in list(self._restart.items()):
            if moment <= self.broker.now_ms:
                self._boot(process)
        for entry in [entry for entry in self._haunted if entry[0] <= self.broker.now_ms]:
            self._haunted.remove(entry)
            self._exorcise(entry[1])
        return True

    # --- trouble

    def _trouble(self) -> None:
        random = self.random
        process = random.choice([p for p in self.processes if p is not self.people])
        match random.choice(("crash", "crash", "stop", "stall", "zombie", "zombie", "balance",
                             "rewind", "disk")):  # fmt: skip
            case "crash" if process.alive:
                self._bury(process)
            case "stop" if process.alive:
                self._guarded(process, process.stop)
                self._bury(process)
            case "disk" if process.alive:
                self._bury(process)
                snapshots = getattr(process, "snapshots", None)
                if snapshots is not None:
                    snapshots.lose()
            case "stall":
                process.stalled_until_ms = self.broker.now_ms + random.choice((50, 2_000, 20_000))
            case "zombie" if not self.scenario.embedded:
                self._haunt()
            case "balance" if not self.scenario.embedded:
                group = self.broker.groups[random.choice(sorted(self.broker.groups))]
                self._balanced(lambda: group.balance(random))
            case "rewind":
                members = [m for m in process.log.members if m.process.alive]
                if members:
                    self._guarded(process, random.choice(members).rewind)
            case _:
                pass
        self._check_looked_after()

    def _haunt(self) -> None:
        """Take everything from a member that is not told of it, and goes on for a while."""
        groups = [g for _, g in sorted(self.broker.groups.items()) if len(g.members) > 1]
        if not groups:
            return
        group = self.random.choice(groups)
        member = self.random.choice(group.members)
        until = self.broker.now_ms + self.random.choice((5, 100, 5_000))
        self._haunted.append((until, member))
        self.oracle.haunted |= group.name == "worker"
        self._say(f"{member.process.name} LOSES {group.name} UNKNOWINGLY")
        self._balanced(lambda: group.balance(quiet=member))

    def _exorcise(self, member: Member) -> None:
        """A zombie learns what it has lost: it goes on without it, or dies of it."""
        process = member.process
        self._say(f"{process.name} IS TOLD OF ITS LOSS")
        if not process.alive or member not in process.log.members:
            return
        if self.random.random() < 0.3:
            self._bury(process)
        elif member.haunted:
            self._guarded(process, lambda: member.lose(list(member.haunted)))

    def _balanced(self, balance: Callable[[], None]) -> None:
        """Rebalance until nobody dies of it."""
        while True:
            try:
                balance()
            except Died:
                # whose callback it was is not told: the next one to be found dead
                for process in self.processes:
                    if process.alive and process.error is not None:
                        self._bury(process)
                        break
                else:
                    process = next(
                        p for p in self.processes if p.alive and p.faults is not NO_FAULTS
                    )
                    self._bury(process)
            else:
                return

    def _guarded(self, process: Process, action: Callable[[], None]) -> None:
        try:
            action()
        except Died:
            self._bury(process)

    def _bury(self, process: Process) -> None:
        error = process.error
        self._say(f"{process.name} DIES {error or ''}")
        if error is not None and not isinstance(error, LogUnavailable):
            raise Broken(f"{process.name} cannot go on: {error!r}") from error
        group = self.processes if self.scenario.embedded else [process]
        for each in group:
            if isinstance(each, People):
                continue
            if each.alive:
                each.kill()
            delay = self.random.choice((0, 1, 30, 3_000))
            self._restart[each] = self.broker.now_ms + delay
        for name in sorted(self.broker.groups):
            known = self.broker.groups[name]
            if any(place not in known.owners for m in known.members for place in m.wanted):
                self._balanced(known.balance)

    def _boot(self, process: Process) -> None:
        self._restart.pop(process, None)
        self._say(f"{process.name} STARTS")
        process.boot()
        if not process.alive:
            self._bury(process)

    def _calm(self) -> None:
        """No more faults: what is down is started, what is deceived is told."""
        self.faulty = False
        self._say("THE FAULTS STOP")
        for process in self.processes:
            process.faults = NO_FAULTS
            process.stalled_until_ms = 0
        for _, member in self._haunted:
            self._exorcise(member)
        self._haunted.clear()
        for process in list(self._restart):
            self._boot(process)

    # --- checks

    def _check_looked_after(self) -> None:
        """I9, in the middle of the trouble."""
        moving = {record.key for record in self._undone("executor", EXECUTION_COMMANDS)}
        owed = {record.key for record in self._undone("worker", TASK_REQUESTS)}
        for process in self.processes:
            for (topic, _), flights in process.log.flights.items():
                if topic == EXECUTION_COMMANDS:
                    moving |= {flight.outgoing.key for flight in flights}
        self.oracle.check_looked_after(owed, moving)

    def _undone(self, group: str, topic: str) -> Iterator[Record]:
        committed = self.broker.group(group).committed
        for number in range(self.scenario.partitions):
            place = (topic, number)
            start = committed.get(place, (0, ""))[0]
            yield from self.broker.logs[place][start:]

    def _check_end(self) -> None:
        for process in self.processes:
            if process.error is not None:
                raise Broken(f"{process.name} died without a fault: {process.error!r}")
        self.oracle.check_end()
        for process in self.processes:
            if isinstance(process, Executor):
                self._check_executor(process)
            elif isinstance(process, Webserver):
                check_window(self.oracle, process, encode_state)
            elif isinstance(process, Worker) and list(process.owed):
                raise Broken(f"{process.name} still has {list(process.owed)}")
        if self.scenario.triggers:
            check_firings(self.oracle, meddled=self.scenario.wishes > 0)
        if self.scenario.read_side:
            check_documents(self.oracle, self.store)
        for group, topic in (("executor", EXECUTION_COMMANDS), ("worker", TASK_REQUESTS)):
            left = list(self._undone(group, topic))
            if left:
                raise Broken(f"{group} has not committed {len(left)} records of {topic}")
        if self.scenario.thorough:
            self._verify()
        for execution_id in self.people.created:
            if execution_id not in self.oracle.states:
                raise Broken(f"{execution_id} was accepted and never came to be")

    def _verify(self) -> None:
        """Step all that is recorded again: the same bytes must come of it (I2)."""
        for number in range(self.scenario.partitions):
            verifier = Verifier(self.flows, look=TableOfAnswers().answer)
            commands, events = (
                self.broker.read((topic, number), 0)
                for topic in (EXECUTION_COMMANDS, EXECUTION_EVENTS)
            )
            for found in verifier.run(commands, events):
                raise Broken(
                    f"{found.execution_id} at {found.sequence}: {found.reason}: {found.events}"
                )
            tally = verifier.tally
            if tally.unreadable or tally.waiting or tally.uncommanded or tally.spoilt:
                raise Broken(f"not all could be verified: {tally}")

    def _check_executor(self, executor: Executor) -> None:
        for loop in executor.loops:
            for known in getattr(loop.handler, "_partitions", {}).values():
                for flow_key, slots in getattr(known, "flows", {}).items():
                    raise Broken(f"slots of {flow_key} are left: {slots}")
        for known in executor.stepper._partitions.values():
            for state in known.fold.states.values():
                if encode_state(state) != encode_state(self.oracle.states[state.id]):
                    raise Broken(f"{executor.name} has {state.id} otherwise than the log")

    def _open(self) -> list[str]:
        return [self.oracle.describe(state) for state in self.oracle.unfinished()]

    def _note(self, record: Record) -> None:
        self.digest = hash((self.digest, record.offset, record.partition, record.timestamp_ms))
        if record.topic == EXECUTION_EVENTS:
            assert record.value is not None
            self.digest ^= len(record.value)


def run_seed(seed: int) -> Result:
    """Run a seed, and hold it against the same seed without faults where that tells the end."""
    scenario = scenario_of(seed)
    result = World(scenario).run()
    if scenario.is_determined:
        calm = msgspec.structs.replace(scenario, trouble=0.0, faults=NO_FAULTS)
        expected = World(calm).run().outcome
        if result.outcome != expected:
            raise Broken(difference(result.outcome, expected))
    return result


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return how two outcomes differ, in words."""
    for execution_id in sorted(found.keys() | expected.keys()):
        one, other = found.get(execution_id), expected.get(execution_id)
        if one == other:
            continue
        if one is None or other is None:
            return f"{execution_id}: {one or 'does not exist'}; without faults {other}"
        mine = [run for run in one[2] if run not in other[2]]
        theirs = [run for run in other[2] if run not in one[2]]
        return f"{execution_id}: {one[:2]} {mine}; without faults {other[:2]} {theirs}"
    return "the outcomes differ"
