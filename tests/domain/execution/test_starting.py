from __future__ import annotations

from domain.execution.flowables.registry import RULES
from domain.execution.lifecycle import StateType
from domain.flow.tasks import FLOWABLES, Approval
from tests.support.heart import World

LOG = "type: io.kestra.plugin.core.log.Log, message: hi"


def test_a_flowable_that_cannot_be_run_yet_fails_and_the_flow_goes_on_to_its_errors() -> None:
    world = World(
        f"""
id: f
namespace: n
tasks: [{{id: ask, type: io.kestra.plugin.core.flow.Approval}}]
errors: [{{id: wrong, {LOG}}}]
"""
    )
    execution = world.run()
    assert execution.state.current is StateType.FAILED
    assert [run.task_id for run in execution.task_runs.values()] == ["ask", "wrong"]


def test_every_other_flowable_has_a_rule() -> None:
    kinds = FLOWABLES.values() if isinstance(FLOWABLES, dict) else FLOWABLES
    assert set(kinds) - set(RULES) == {Approval}
