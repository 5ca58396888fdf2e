"""Replays from a task run: what the new execution takes over, and what it runs again."""

from __future__ import annotations

import pytest

from domain.execution import commands as c
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from tests.support.heart import World, history, runs, states

FLOW = "io.kestra.plugin.core.flow."
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
RETURN = "type: io.kestra.plugin.core.debug.Return"
SLEEP = f"type: {FLOW}Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
S = StateType


def flow(body: str) -> str:
    return f"id: f\nnamespace: n\n{body}"


def replayed(world: World, execution: Execution, task_run_id: str) -> Execution:
    world.tell(c.ReplayExecution, execution, new_execution_id="new", task_run_id=task_run_id)
    world.settle()
    return world["new"]


def begun(world: World, execution: Execution) -> list[str]:
    """Return the tasks that workers were asked for, in order."""
    submitted = [x.id for x in world.events_of(execution) if isinstance(x, e.TaskRunSubmitted)]
    return [execution.task_runs[run_id].task_id for run_id in submitted]


@pytest.mark.parametrize(
    "loop",
    [
        f"type: {FLOW}ForEach, concurrencyLimit: 0, values: [1, 2, 3]",
        f"type: {FLOW}Loop, values: [1, 2, 3]",
    ],
    ids=["ForEach", "Loop"],
)
def test_a_replay_of_a_loop_under_way_runs_each_iteration_once(loop: str) -> None:
    world = World(flow(f"tasks: [{{id: each, {loop}, tasks: [{{id: a, {SLEEP}}}]}}]"))
    execution_id = world.start()
    world.wait(2)
    new = replayed(world, world[execution_id], runs(world[execution_id], "a")[1].id)
    assert new.state.current is S.SUCCESS
    assert [(run.iteration, len(run.attempts)) for run in runs(new, "a")] == [
        (0, 1),
        (1, 1),
        (2, 1),
    ]


def test_what_is_under_way_beside_the_replayed_task_run_runs_again() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: a, {LOG}}}, {{id: b, {SLEEP}}}]
""")
    )
    execution_id = world.start()
    world.wait(2)
    new = replayed(world, world[execution_id], runs(world[execution_id], "a")[0].id)
    assert states(new) == {"p": "SUCCESS", "a": "SUCCESS", "b": "SUCCESS"}
    assert sorted(begun(world, new)) == ["a", "b"]


@pytest.mark.parametrize("block", ["errors", "finally", "afterExecution"])
def test_a_replay_from_within_a_block_keeps_what_the_block_did_before(block: str) -> None:
    world = World(
        flow(f"""
tasks: [{{id: a, {FAIL}}}]
{block}:
  - {{id: one, {RETURN}, format: kept}}
  - {{id: two, {RETURN}, format: "{{{{ outputs.one.value }}}}"}}
  - {{id: three, {LOG}}}
""")
    )
    execution = world.run()
    new = replayed(world, execution, runs(execution, "two")[0].id)
    assert new.state.current is S.FAILED
    assert begun(world, new) == ["two", "three"]
    assert runs(new, "two")[0].outputs == {"value": "kept"}
    assert new.closed


def test_a_replay_within_a_loop_of_after_execution_waits_for_the_end() -> None:
    world = World(
        flow(f"""
tasks: [{{id: a, {LOG}}}]
finally: [{{id: f, {LOG}}}]
afterExecution:
  - {{id: each, type: {FLOW}ForEach, values: [1, 2], tasks: [{{id: b, {LOG}}}]}}
""")
    )
    execution = world.run()
    new = replayed(world, execution, runs(execution, "b")[1].id)
    assert history(new)[-3:] == ["RESTARTED", "RUNNING", "SUCCESS"]
    assert begun(world, new) == ["b"]
    assert states(new) == {"a": "SUCCESS", "f": "SUCCESS", "each": "SUCCESS", "b": "SUCCESS"}
    assert new.closed


def test_a_replay_keeps_the_blocks_of_flowables_that_came_before() -> None:
    world = World(
        flow(f"""
tasks:
  - id: s
    type: {FLOW}Sequential
    tasks: [{{id: a, {LOG}}}]
    finally: [{{id: f, {RETURN}, format: kept}}]
  - {{id: b, {RETURN}, format: "{{{{ outputs.f.value }}}}"}}
""")
    )
    execution = world.run()
    new = replayed(world, execution, runs(execution, "b")[0].id)
    assert begun(world, new) == ["b"]
    assert runs(new, "b")[0].outputs == {"value": "kept"}


NESTED = f"tasks: [{{id: s, type: {FLOW}Sequential, tasks: [{{id: a, {FAIL}}}]}}]"


@pytest.mark.parametrize(
    "body",
    [
        f"tasks: [{{id: a, {LOG}}}]",
        f"tasks: [{{id: s, {LOG}}}, {{id: a, {LOG}}}]",
        f"tasks: [{{id: s, type: {FLOW}Sequential, tasks: [{{id: b, {LOG}}}]}}]",
        NESTED.replace("tasks: [{id: a", f"tasks: [{{id: b, {LOG}}}], errors: [{{id: a"),
    ],
    ids=["flowable gone", "no flowable any more", "task gone", "task in another block"],
)
@pytest.mark.parametrize("kind", ["restart", "replay"])
def test_a_revision_in_which_the_task_stands_elsewhere_is_no_place_to_go_on(
    kind: str, body: str
) -> None:
    world = World(flow(NESTED))
    execution = world.run()
    world.add(flow(body))
    if kind == "restart":
        world.tell(c.RestartExecution, execution, flow_revision=2, new_execution_id="new")
    else:
        chosen = runs(execution, "a")[0].id
        world.tell(
            c.ReplayExecution,
            execution,
            flow_revision=2,
            new_execution_id="new",
            task_run_id=chosen,
        )
    world.settle()
    new = world["new"]
    assert history(new)[-2:] == ["RESTARTED", "FAILED"]
    assert "is not in revision 2 of the flow as the execution had it" in (new.error or "")
    assert new.closed
    assert not begun(world, new)


def test_a_restart_on_a_revision_that_mends_the_task_goes_on_in_its_flowable() -> None:
    world = World(flow(NESTED))
    execution = world.run()
    world.add(flow(NESTED.replace(FAIL, LOG)))
    world.tell(c.RestartExecution, execution, flow_revision=2, new_execution_id="new")
    world.settle()
    assert states(world["new"]) == {"s": "SUCCESS", "a": "SUCCESS"}
