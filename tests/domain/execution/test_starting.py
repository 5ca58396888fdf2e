from __future__ import annotations

import pytest

from domain.execution import starting
from domain.execution.flowables.registry import RULES
from domain.execution.lifecycle import StateType
from domain.flow.tasks import FLOWABLES
from tests.support.heart import World

LOG = "type: io.kestra.plugin.core.log.Log, message: hi"


def test_a_flowable_that_has_no_rule_fails_and_the_flow_goes_on_to_its_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starting, "RULES", {})
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


def test_every_flowable_has_a_rule() -> None:
    assert set(FLOWABLES.values()) <= set(RULES)
