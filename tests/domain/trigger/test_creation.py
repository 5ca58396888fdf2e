"""What triggers start: the checks of the flow are looked at, as for everybody."""

from __future__ import annotations

import pytest

from domain.execution.context import Context
from domain.expression import Scope
from domain.flow.checks import judge
from domain.flow.common import Check
from domain.trigger.creation import Surroundings, Wanted, create, scope_of
from tests.support.heart import START, flow_of

FLOW = """
id: f
namespace: n
inputs: [{id: n, type: INT, defaults: 7}]
checks: [{condition: "{{ inputs.n > 5 }}", message: too few, behavior: BEHAVIOR}]
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: x}]
triggers:
  - {id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 0 * * *"}
"""


@pytest.mark.parametrize(
    ("behavior", "given", "error"),
    [
        ("BLOCK_EXECUTION", 7, None),
        ("BLOCK_EXECUTION", 3, "blocked"),
        ("FAIL_EXECUTION", 3, "Failed checks: too few"),
        ("CREATE_EXECUTION", 3, None),
    ],
)
def test_an_execution_whose_checks_do_not_hold_fails_with_the_reason(
    behavior: str, given: int, error: str | None
) -> None:
    flow = flow_of(FLOW.replace("BEHAVIOR", behavior))
    surroundings = Surroundings(Context(now=START))
    wanted = Wanted("e1", {}, scope_of(flow, "e1", {}, surroundings))
    command = create(flow, flow.triggers[0], {"n": given}, wanted, surroundings)
    if error is None:
        assert command.error is None
    else:
        assert error in str(command.error)


def test_defaults_of_inputs_see_the_labels_of_the_flow() -> None:
    source = FLOW.replace("BEHAVIOR", "BLOCK_EXECUTION").replace(
        "inputs: [",
        "labels: {team: data, app.tier: gold}\n"
        "inputs: [{id: l, type: STRING, defaults: '{{ labels.team }}/{{ labels.app.tier }}'}, ",
    )
    flow = flow_of(source)
    surroundings = Surroundings(Context(now=START))
    wanted = Wanted("e1", {}, scope_of(flow, "e1", {}, surroundings))
    command = create(flow, flow.triggers[0], None, wanted, surroundings)
    assert command.error is None
    assert command.inputs == {"l": "data/gold", "n": 7}


def test_a_check_that_cannot_be_evaluated_blocks_and_says_why() -> None:
    check = Check(condition="{{ nope }}", message="too few", behavior="CREATE_EXECUTION")
    verdict = judge([check], Scope({}))
    [failed] = verdict.failed
    assert failed.message.startswith("Failed to evaluate check condition. Cause: Unable to find")
    assert failed.style == "ERROR"
    assert verdict.blocks
