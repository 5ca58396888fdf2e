"""What people do to a child, and what its parent hears of it."""

from __future__ import annotations

import pytest

from domain.execution import commands as c
from domain.execution.lifecycle import FORCIBLE_RUN, TASK_RUN_TRANSITIONS, TERMINAL, StateType
from tests.support.heart import World, history, states

FLOW = "io.kestra.plugin.core.flow."
SLEEP = f"type: {FLOW}Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
S = StateType


def child(task: str) -> str:
    return f"id: child\nnamespace: n\ntasks: [{{id: a, {task}}}]"


PARENT = f"""
id: parent
namespace: n
tasks: [{{id: sub, type: {FLOW}Subflow, namespace: n, flowId: child}}]
"""


def test_a_child_that_is_deleted_while_it_runs_ends_killed_for_its_parent() -> None:
    world = World(child(SLEEP), PARENT)
    parent_id = world.start("parent")
    world.wait(2)
    [running] = world.of("child")
    world.tell(c.DeleteExecution, running)
    world.settle()
    assert states(world[parent_id]) == {"sub": "KILLED"}
    assert world[parent_id].state.current is S.KILLED
    assert not world.running


def test_a_deletion_of_a_running_parent_stops_its_children() -> None:
    world = World(child(SLEEP), PARENT)
    parent_id = world.start("parent")
    world.wait(2)
    world.tell(c.DeleteExecution, parent_id)
    world.settle()
    [stopped] = world.of("child")
    assert stopped.state.current is S.KILLED


def test_a_restarted_parent_hears_again_of_a_child_that_is_deleted() -> None:
    world = World(child(FAIL), PARENT)
    parent = world.run("parent")
    [gone] = world.of("child")
    world.tell(c.DeleteExecution, gone)
    world.settle()
    world.tell(c.RestartExecution, parent)
    world.settle()
    assert history(world[parent.id]) == [
        "CREATED", "RUNNING", "FAILED", "RESTARTED", "RUNNING", "FAILED",
    ]  # fmt: skip
    assert states(world[parent.id]) == {"sub": "FAILED"}


def test_a_child_with_nothing_to_restart_tells_its_end_again() -> None:
    world = World(child(FAIL), PARENT)
    parent = world.run("parent")
    [failed] = world.of("child")
    # on its way to the parent the news of the forced state is overtaken by the restart
    world.tell(c.RestartExecution, parent)
    world.tell(c.ChangeExecutionState, failed, state=S.SUCCESS)
    world.settle()
    assert world[parent.id].state.current is S.SUCCESS


@pytest.mark.parametrize("state", list(StateType))
def test_a_person_forces_only_states_that_the_table_allows_after_every_end(
    state: StateType,
) -> None:
    world = World(child(FAIL))
    execution = world.run("child")
    [run] = execution.task_runs.values()
    world.tell(c.ChangeTaskRunState, execution, task_run_id=run.id, state=state)
    world.settle()
    assert (run.state.current is state and state is not S.FAILED) == (
        state in FORCIBLE_RUN and state is not S.FAILED
    )
    for ended in TERMINAL - {S.RESUBMITTED}:
        assert TASK_RUN_TRANSITIONS[ended] >= FORCIBLE_RUN


def test_a_deletion_ends_what_runs_after_the_execution() -> None:
    source = f"""
id: f
namespace: n
tasks: [{{id: a, type: io.kestra.plugin.core.log.Log, message: x}}]
afterExecution: [{{id: after, {SLEEP}}}]
"""
    world = World(source)
    execution_id = world.start()
    world.wait(2)
    world.tell(c.DeleteExecution, execution_id)
    world.settle()
    assert states(world[execution_id]) == {"a": "SUCCESS", "after": "KILLED"}
    assert world[execution_id].state.current is S.SUCCESS
