"""A world in which messages come twice and out of order, executors crash, and people meddle."""

from __future__ import annotations

import heapq
from random import Random
from typing import Final

import msgspec

from domain.execution import commands as c
from domain.execution.advance import advance
from domain.execution.context import Context
from domain.execution.fold import PartitionFold, decode_state, encode_state
from domain.execution.index import index_of
from domain.execution.lifecycle import (
    ATTEMPT_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    TASK_RUN_TRANSITIONS,
    TERMINAL,
    StateType,
)
from domain.execution.machine import Step, react_again
from domain.execution.plan import plan_of
from domain.execution.record import EventRecord
from domain.execution.requests import TaskRequest
from domain.execution.state import Execution, State, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.ids import attempt_id
from tests.support.heart import World

_EVENTS: Final = msgspec.json.Decoder(EventRecord)
S = StateType


class Chaos(World):
    """Draws what happens next from a generator; the same seed gives the same history."""

    def __init__(self, *sources: str, random: Random) -> None:
        super().__init__(*sources)
        self.random = random
        self.requests: dict[str, TaskRequest] = {}
        self.looked_at: dict[str, int] = {}
        self.inherited: dict[tuple[str, str], int] = {}
        """Lengths of the histories that replays took over: another execution's doing."""

    def send(self, command: c.ExecutionCommand) -> None:
        """Queue a command at a random place among those of other keys, sometimes twice."""
        queue = self._queue
        place = len(queue)
        if not isinstance(command, c.CreateExecution):
            # order is kept per key only
            while place > 0 and self.random.random() < 0.4:
                if queue[place - 1].execution_id == command.execution_id and not isinstance(
                    command, c.RecordTaskResult
                ):
                    break
                place -= 1
        queue.insert(place, command)
        if self.random.random() < 0.1:
            queue.append(command)

    def _dispatch(self, request: TaskRequest) -> None:
        self.requests[f"{request.task_run_id}.{request.attempt}"] = request
        super()._dispatch(request)

    def step(self, command: c.ExecutionCommand) -> Step:
        """Step, and hold what happened to the laws."""
        before = len(self.records)
        result = super().step(command)
        if result.state is not None:
            self.check_laws(result.state)
        if len(self.records) > before and self.random.random() < 0.08:
            self.crash(command.execution_id)
        return result

    def crash(self, execution_id: str) -> None:
        """Lose the memory: fold the log anew, and send effects of the last steps again."""
        live = self.fold.states.get(execution_id)
        states = self.refolded()
        if live is not None:
            assert states[execution_id] == live, "the fold of the log is not the live state"
        fold = PartitionFold(0)
        for state in states.values():
            restored = decode_state(encode_state(state))
            assert restored == state, "a snapshot is not the state it was made of"
            fold.states[state.id] = restored
        self.fold = fold
        for data in self.records[-3:]:
            record = _EVENTS.decode(data)
            again = fold.states.get(record.execution_id)
            if again is None or record.sequence == 0:
                continue
            flow = self.flow("main", again.namespace, again.flow_id, again.flow_revision)
            self.carry_out(react_again(flow, again, record, self.settings))

    def lose_one(self) -> None:
        """Let a worker take over the request of an attempt that may have been begun."""
        if self.requests:
            name = self.random.choice(sorted(self.requests))
            request = self.requests[name]
            self.lives += 1
            if name in self.running:
                del self.running[name]
                self._later = [x for x in self._later if x[2].command_id != f"result-{name}"]
                heapq.heapify(self._later)
            self.lose(request)

    # --- the laws

    def check_laws(self, state: Execution) -> None:
        """Check what must hold after every step."""
        assert index_of(state).is_quiet
        self._check_transitions(state)
        if self.random.random() < 0.2:
            self.check_nothing_is_left(state)
        self.check_nobody_is_forgotten(state)

    def _check_transitions(self, state: Execution) -> None:
        if state.replayed and (state.id, "") not in self.inherited:
            self.inherited[state.id, ""] = len(state.state.histories)
            for run in state.task_runs.values():
                self.inherited[state.id, run.id] = len(run.state.histories)
        begun = self.inherited.get((state.id, ""), 1)
        _check(state.state, EXECUTION_TRANSITIONS, state.id, begun)
        for run in state.task_runs.values():
            begun = self.inherited.get((state.id, run.id), 1)
            _check(run.state, TASK_RUN_TRANSITIONS, run.task_id, begun)
            for attempt in run.attempts:
                _check(attempt.state, ATTEMPT_TRANSITIONS, f"attempt of {run.task_id}")

    def check_nothing_is_left(self, state: Execution) -> None:
        """Look at everything anew, with an index made from the state alone: nothing may happen."""
        copy = decode_state(encode_state(state))
        flow = self.flow("main", copy.namespace, copy.flow_id, copy.flow_revision)
        assert flow is not None
        turn = Turn(copy, plan_of(flow), Context(now=self.now, find_flow=self.flow))
        turn.index.wake()
        advance(turn)
        names = [type(event).__name__ for event in turn.events]
        assert not names, f"{names} had been left undone"

    def check_nobody_is_forgotten(self, state: Execution) -> None:
        """Every task run that has not ended runs somewhere, or something will go on with it."""
        current = state.state.current
        for run in state.task_runs.values():
            if run.state.current in TERMINAL:
                continue
            assert self._is_looked_after(state, run), (
                f"{run.task_id} is {run.state.current.value} in an execution that is"
                f" {current.value}, and nothing will go on with it"
            )
        if current not in TERMINAL and not self._will_go_on(state):
            raise AssertionError(f"the execution is {current.value}, and nothing will happen")
        if current in TERMINAL and not state.closed:
            active = any(r.state.current not in TERMINAL for r in state.task_runs.values())
            assert active or state.timers, "the execution has ended and never closes"

    def is_dispatched(self, state: Execution, run: TaskRun) -> bool:
        """Whether the attempt is with the workers, or the effects of the last record send it."""
        wanted = attempt_id(run.id, len(run.attempts) + 1)
        if wanted in self.requests:
            return True
        flow = self.flow("main", state.namespace, state.flow_id, state.flow_revision)
        effects = react_again(flow, state, _EVENTS.decode(self.records[-1]), self.settings)
        return any(effect.id == wanted for effect in effects)

    def _will_go_on(self, state: Execution) -> bool:
        if state.timers or state.is_held:
            return True
        if state.state.current in (S.BREAKPOINT, S.QUEUED):
            return True
        if state.slot.value == "asked":
            return True
        return any(run.state.current not in TERMINAL for run in state.task_runs.values())

    def _is_looked_after(self, state: Execution, run: TaskRun) -> bool:
        flow = self.flow("main", state.namespace, state.flow_id, state.flow_revision)
        assert flow is not None
        current = run.state.current
        waits = any(timer.task_run_id == run.id for timer in state.timers.values())
        stopped = state.is_held or state.state.current in (
            S.BREAKPOINT, S.QUEUED, S.RESTARTED, S.CREATED, S.KILLING,
        )  # fmt: skip
        match current:
            case S.CREATED | S.RESTARTED:
                # a replay goes on in afterExecution once it has ended
                return stopped or (run.force_execution and state.state.current not in TERMINAL)
            case S.RETRYING:
                return waits
            case S.PAUSED:
                return waits or run.id in state.holding
            case S.BREAKPOINT:
                return state.state.current is S.BREAKPOINT
            case S.SUBMITTED:
                return self.is_dispatched(state, run)
            case _:
                pass
        task = plan_of(flow).tasks[run.task_id]
        if isinstance(task.task, t.PluginTask):
            return f"{run.id}.{len(run.attempts)}" in self.requests
        if isinstance(task.task, t.Subflow):
            child_id = (run.outputs or {}).get("executionId")
            child = state.children.get(str(child_id))
            return child is not None and (child.state not in TERMINAL or stopped)
        children = [r for r in state.task_runs.values() if r.parent_id == run.id]
        return waits or stopped or any(r.state.current not in TERMINAL for r in children)


def _check(
    state: State, table: dict[StateType, frozenset[StateType]], who: str, begun: int = 1
) -> None:
    last: StateType | None = None
    date = state.histories[0].date
    for number, moment in enumerate(state.histories):
        assert moment.date >= date, f"{who}: time runs backwards"
        date = moment.date
        if last is not None and number >= begun:
            allowed = table.get(last, frozenset())
            assert moment.state in allowed, f"{who}: {last.value} to {moment.state.value}"
        last = moment.state
    assert last is state.current
