"""What an action answers with: the execution as it was when the action moved it."""

from __future__ import annotations

from api.views.execution import moved_view
from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from tests.support.heart import World, runs

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
