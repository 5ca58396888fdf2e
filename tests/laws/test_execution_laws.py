"""The laws of the step, over random flows, random delivery and random people.

I1 fold = live state, I2 same bytes, I3 duplicates change nothing, I4 transitions, I5 quiet,
I9 nobody is forgotten. I1, I4, I5 and I9 are checked by `Chaos` after every step.
"""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.execution import commands as c
from domain.execution.context import Answer, Context
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.machine import Needs, Step, step
from domain.execution.record import EventRecord
from domain.execution.state import Breakpoint, Execution
from domain.record.envelope import instant_of
from tests.support.chaos import Chaos
from tests.support.heart import World, usual_answer
from tests.support.random_flows import CHILD, flows

_COMMANDS = msgspec.json.Decoder(c.ExecutionCommand)
_RECORDS = msgspec.json.Decoder(EventRecord)
_LAWS = settings(suppress_health_check=list(HealthCheck))

S = StateType
_WISHES = (
    "pause", "resume", "kill", "restart", "force", "labels", "state", "status",
    "anew", "replay", "unqueue", "breakpoint", "delete",
)  # fmt: skip


def restepped(world: World) -> list[bytes]:
    """Step all commands of a world again, from nothing; returns the records."""
    states: dict[str, Execution | None] = {}
    records: list[bytes] = []
    for offset, (data, time) in enumerate(zip(world.commands, world.times, strict=True)):
        command = _COMMANDS.decode(data)
        state = states.get(command.execution_id)
        if state is not None:
            revision = state.flow_revision
            flow = world.flow("main", state.namespace, state.flow_id, revision)
        elif isinstance(command, c.CreateExecution):
            flow = world.flow("main", command.namespace, command.flow_id, command.flow_revision)
        else:
            flow = None
        answers: dict[str, Answer] = {}
        context = Context(
            now=instant_of(int(time.timestamp() * 1000)),
            command_offset=offset,
            answers=answers,
            find_flow=world.flow,
            encrypt=lambda text: text,
        )
        while isinstance(result := step(flow, state, command, context), Needs):
            answers |= {question.key: usual_answer(question) for question in result.questions}
        assert isinstance(result, Step)
        states[command.execution_id] = result.state
        if result.events:
            records.append(msgspec.json.encode(result.record(command, context)))
    return records


def assert_same(found: list[bytes], expected: list[bytes]) -> None:
    """Compare records, and show the first that differs."""
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, f"record {number}:\n{one.decode()}\n{other.decode()}"
    assert len(found) == len(expected)


def meddle(world: Chaos, execution_id: str, random: Random) -> None:
    """Let somebody want something."""
    state = world[execution_id]
    kind = random.choice(_WISHES)
    runs = list(state.task_runs)
    match kind:
        case "pause":
            world.tell(c.PauseExecution, execution_id)
        case "resume":
            world.tell(c.ResumeExecution, execution_id)
        case "kill" if random.random() < 0.3:
            world.tell(c.KillExecution, execution_id)
        case "restart":
            world.tell(c.RestartExecution, execution_id)
        case "anew":
            new_id = f"anew-{len(world.commands)}"
            world.tell(c.RestartExecution, execution_id, flow_revision=1, new_execution_id=new_id)
        case "replay":
            world.tell(
                c.ReplayExecution,
                execution_id,
                new_execution_id=f"replay-{len(world.commands)}",
                task_run_id=random.choice([None, *runs]),
                breakpoints=[Breakpoint(run.task_id) for run in state.task_runs.values()][:1],
            )
        case "unqueue":
            ends = [S.RUNNING, S.CANCELLED, S.FAILED]
            world.tell(c.UnqueueExecution, execution_id, state=random.choice(ends))
        case "breakpoint":
            world.tell(c.ResumeFromBreakpoint, execution_id)
        case "delete" if random.random() < 0.2:
            world.tell(c.DeleteExecution, execution_id)
        case "force":
            world.tell(c.ForceRunExecution, execution_id)
        case "labels":
            world.tell(c.ChangeLabels, execution_id, labels=[])
        case "state" if runs:
            world.tell(
                c.ChangeTaskRunState,
                execution_id,
                task_run_id=random.choice(runs),
                state=random.choice(list(StateType)),
            )
        case "status" if random.random() < 0.3:
            world.tell(c.ChangeExecutionState, execution_id, state=random.choice(list(StateType)))
        case _:
            pass


def run_to_the_end(world: World, execution_id: str) -> None:
    """Go on without further trouble, resuming whatever pauses."""
    for _ in range(200):
        world.settle()
        live = [s for s in world.executions if s.state.current not in TERMINAL]
        held = [s for s in live if s.is_held or s.state.current is S.BREAKPOINT]
        if not held:
            break
        for state in held:
            stopped = state.state.current is S.BREAKPOINT
            world.tell(c.ResumeFromBreakpoint if stopped else c.ResumeExecution, state.id)
    state = world[execution_id]
    assert state.state.current in TERMINAL, f"it hangs in {state.state.current.value}"
    for each in world.executions:
        assert each.closed, f"{each.id} never closes: {each.state.current.value}"
        assert not each.timers


@_LAWS
@given(source=flows(), seed=st.integers(0, 2**32))
def test_any_flow_ends_right_whatever_is_delivered_twice_late_or_lost(
    source: str, seed: int
) -> None:
    random = Random(seed)
    world = Chaos(CHILD, source, random=random)
    ids = [world.start("flow") for _ in range(random.choice([1, 1, 2]))]
    for _ in range(random.randrange(60)):
        world.work(1)
        if not world.pending and not world.tick():
            break
        if random.random() < 0.1 and all(i in world.fold.states for i in ids):
            meddle(world, random.choice([state.id for state in world.executions]), random)
        if random.random() < 0.1:
            world.lose_one()
    for execution_id in ids:
        run_to_the_end(world, execution_id)
    assert all(not slots.holders for slots in world.slots.values())


@_LAWS
@given(source=flows())
def test_the_same_commands_give_the_same_bytes(source: str) -> None:
    world = World(CHILD, source)
    execution_id = world.start("flow")
    run_to_the_end(world, execution_id)
    assert_same(restepped(world), world.records)


@_LAWS
@given(source=flows(), seed=st.integers(0, 2**32))
def test_the_same_commands_give_the_same_bytes_in_any_disorder(source: str, seed: int) -> None:
    random = Random(seed)
    world = Chaos(CHILD, source, random=random)
    execution_id = world.start("flow")
    world.work(1)
    for _ in range(20):
        world.work(2)
        meddle(world, execution_id, random)
        world.lose_one()
    run_to_the_end(world, execution_id)
    assert_same(restepped(world), world.records)


@_LAWS
@given(source=flows())
def test_a_command_that_is_delivered_twice_changes_nothing_the_second_time(source: str) -> None:
    world = World(CHILD, source)
    execution_id = world.start("flow")
    run_to_the_end(world, execution_id)
    bytes_before = [msgspec.json.encode(state) for state in world.executions]
    commands = [_COMMANDS.decode(data) for data in world.commands]
    for offset, command in enumerate(commands):
        state = world[command.execution_id]
        flow = world.flow("main", state.namespace, state.flow_id, state.flow_revision)
        same = step(flow, state, command, Context(now=world.now, command_offset=offset))
        assert isinstance(same, Step)
        assert not same.events
        if not isinstance(command, c.CreateExecution):
            again = Context(now=world.now, command_offset=len(commands))
            later = step(flow, state, command, again)
            assert isinstance(later, Step)
            assert not later.events
    assert [msgspec.json.encode(state) for state in world.executions] == bytes_before


@_LAWS
@given(source=flows())
def test_the_sequence_numbers_of_a_stream_have_no_gap(source: str) -> None:
    world = World(CHILD, source)
    execution_id = world.start("flow")
    run_to_the_end(world, execution_id)
    expected: dict[str, int] = {}
    for data in world.records:
        record = _RECORDS.decode(data)
        assert record.sequence == expected.get(record.execution_id, 0) + 1
        expected[record.execution_id] = record.last_sequence
