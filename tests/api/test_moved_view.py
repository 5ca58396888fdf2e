"""What an action answers with: the execution as it was when the action moved it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.views.execution import moved_view
from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from domain.execution.state import Moment, State
from tests.support.heart import World, runs

STEP = timedelta(milliseconds=1)
FLOW = """
id: f
namespace: n
tasks:
  - {id: a, type: io.kestra.plugin.core.execution.Fail}
  - {id: b, type: io.kestra.plugin.core.log.Log, message: x}
"""


def test_a_task_run_whose_state_was_forced_is_shown_with_it_after_earlier_restarts() -> None:
    world = World(FLOW)
    execution = world.run()
    world.tell(c.RestartExecution, execution)
    world.settle()
    [run] = runs(execution, "a")
    world.tell(c.ChangeTaskRunState, execution, task_run_id=run.id, state=StateType.SUCCESS)
    world.settle()
    view = moved_view(execution, StateType.RESTARTED)
    assert view["state"]["current"] == "RESTARTED"
    [shown] = view["taskRunList"]
    assert shown["state"]["current"] == "SUCCESS"
    assert [x["state"] for x in shown["state"]["histories"]][-3:] == [
        "RUNNING",
        "FAILED",
        "SUCCESS",
    ]


def test_a_copy_is_shown_restarted_though_it_has_moved_on_within_the_instant() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world = World(FLOW)
    execution = world.run()
    begun = State(StateType.FAILED, [Moment(StateType.FAILED, at - 2 * STEP)])
    execution.state = begun.copy()
    execution.state.move(StateType.RESTARTED, at)
    [run] = runs(execution, "a")
    run.state = begun.copy()
    for state, date in (
        (StateType.RESTARTED, at - STEP),
        (StateType.SUBMITTED, at),
        (StateType.RUNNING, at + STEP),
    ):
        run.state.move(state, date)
    [shown] = moved_view(execution, StateType.RESTARTED)["taskRunList"]
    assert shown["state"]["current"] == "RESTARTED"


def test_a_task_run_around_is_shown_as_it_moved_with_the_execution_and_not_as_it_ended() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world = World(FLOW)
    execution = world.run()
    begun = State(StateType.FAILED, [Moment(StateType.FAILED, at - STEP)])
    execution.state = begun.copy()
    execution.state.move(StateType.RESTARTED, at)
    [run] = runs(execution, "a")
    run.state = begun.copy()
    run.state.move(StateType.RUNNING, at)
    run.state.move(StateType.SUCCESS, at + STEP)
    [shown] = moved_view(execution, StateType.RESTARTED)["taskRunList"]
    assert shown["state"]["current"] == "RUNNING"
