"""What people ask for: a plan drawn from the seed, sent as the gateway sends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Any

from domain.execution import commands as c
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.state import Breakpoint, Execution, Label
from domain.flow.inputs import resolve_inputs
from domain.flow.model import Flow
from domain.ports.log import Delivery
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position
from domain.record.topics import EXECUTION_COMMANDS
from tests.simulation.broker import START_MS, Broker
from tests.simulation.oracle import Oracle
from tests.simulation.process import Job, Process

S = StateType
_WISHES = (
    "pause", "resume", "resume", "kill", "restart", "restart", "replay", "force", "labels",
    "state", "status", "unqueue", "delete", "anew",
)  # fmt: skip


class People(Process):
    """Clients of the API. A command whose fate is unknown is sent again."""

    def __init__(
        self, broker: Broker, random: Random, oracle: Oracle, *, instant: bool, skew_ms: int
    ) -> None:
        super().__init__("people", broker, random, instant=instant, skew_ms=skew_ms)
        self._oracle = oracle
        self._plan: deque[tuple[int, str]] = deque()
        self._flows: dict[str, Flow] = {}
        self._count = 0
        self.created: list[str] = []

    def plan(self, flow: Flow, executions: int, wishes: int) -> None:
        """Draw what is wanted, and when."""
        entries: list[tuple[int, str]] = []
        for number in range(1, executions + 1):
            execution_id = f"execution{number}"
            self._flows[execution_id] = flow
            moment = self.random.choice((0, 0, 5, 200, 3_000))
            entries.append((START_MS + moment, execution_id))
        for _ in range(wishes):
            moment = self.random.choice((5, 50, 300, 1_000, 4_000, 8_000, 70_000))
            entries.append((START_MS + self.random.randint(1, moment), ""))
        self._plan = deque(sorted(entries))

    def own_jobs(self) -> Iterable[Job]:
        """The next wish, when its time has come."""
        if self._plan and self._plan[0][0] <= self.broker.now_ms:
            yield self._next

    def wake_ms(self) -> int | None:
        """Return when the next wish comes."""
        return self._plan[0][0] if self._plan else None

    def resume_all(self) -> bool:
        """Resume whatever waits for somebody; False: nothing does."""
        some = False
        for state in list(self._oracle.states.values()):
            if state.deleted or state.state.current in TERMINAL:
                continue
            if state.state.current is S.BREAKPOINT:
                self._tell(c.ResumeFromBreakpoint, state)
                some = True
            elif state.is_held:
                self._tell(c.ResumeExecution, state)
                some = True
        return some

    def _next(self) -> None:
        _, execution_id = self._plan.popleft()
        if execution_id:
            self._create(execution_id)
            return
        states = [state for state in self._oracle.states.values() if not state.deleted]
        if states:
            self._meddle(self.random.choice(states))

    def _create(self, execution_id: str) -> None:
        flow = self._flows[execution_id]
        values = resolve_inputs(flow.inputs, {}, {}, encrypt=lambda text: text).checked()
        self.created.append(execution_id)
        self._send(
            c.CreateExecution(
                execution_id=execution_id,
                command_id=f"create-{execution_id}",
                issuer="people",
                tenant="main",
                namespace=flow.namespace,
                flow_id=flow.id,
                flow_revision=1,
                labels=[Label("system.correlationId", execution_id)],
                inputs=values,
            )
        )

    def _meddle(self, state: Execution) -> None:
        random = self.random
        runs = list(state.task_runs)
        match random.choice(_WISHES):
            case "pause":
                self._tell(c.PauseExecution, state)
            case "resume":
                self._tell(c.ResumeExecution, state)
            case "kill":
                self._tell(c.KillExecution, state)
            case "restart":
                self._tell(c.RestartExecution, state)
            case "replay":
                new_id = f"replay{self._count}"
                run_id = random.choice(runs) if runs and random.random() < 0.5 else None
                points = [run.task_id for run in state.task_runs.values() if random.random() < 0.1]
                self._tell(
                    c.ReplayExecution,
                    state,
                    new_execution_id=new_id,
                    task_run_id=run_id,
                    breakpoints=[Breakpoint(point) for point in points],
                )
            case "anew":
                new_id = f"anew{self._count}"
                self._tell(c.RestartExecution, state, flow_revision=1, new_execution_id=new_id)
            case "force":
                self._tell(c.ForceRunExecution, state)
            case "labels":
                self._tell(c.ChangeLabels, state, labels=[Label("mark", str(self._count))])
            case "state" if runs:
                new = random.choice(list(StateType))
                run_id = random.choice(runs)
                self._tell(c.ChangeTaskRunState, state, task_run_id=run_id, state=new)
            case "status":
                self._tell(c.ChangeExecutionState, state, state=random.choice(list(StateType)))
            case "unqueue":
                ends = (S.RUNNING, S.CANCELLED, S.FAILED)
                self._tell(c.UnqueueExecution, state, state=random.choice(ends))
            case "delete" if random.random() < 0.3:
                self._tell(c.DeleteExecution, state)
            case _:
                pass

    def _tell(self, kind: Any, to: Execution, /, **members: Any) -> None:
        self._count += 1
        self._send(
            kind(execution_id=to.id, command_id=f"wish{self._count}", issuer="people", **members)
        )

    def _send(self, command: c.ExecutionCommand) -> None:
        outgoing = Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))
        self.log.send(outgoing, self._again(outgoing))

    def _again(self, outgoing: Outgoing) -> Delivery:
        def delivered(position: Position | None, error: Exception | None) -> None:
            del position
            if error is not None:
                self.log.send(outgoing, self._again(outgoing))

        return delivered
