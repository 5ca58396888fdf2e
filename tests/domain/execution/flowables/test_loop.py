"""Loop of 2.0: iterations that are closed to each other."""

from __future__ import annotations

from typing import Any

import pytest

from domain.execution import commands as c
from domain.execution.state import Execution
from tests.support.heart import World, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
RETURN = "type: io.kestra.plugin.core.debug.Return"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
LOOP = "io.kestra.plugin.core.flow.Loop"


def world(body: str) -> World:
    return World(f"id: f\nnamespace: n\n{body}")


def outputs(execution: Execution, task: str = "loop") -> dict[str, Any]:
    return runs(execution, task)[0].outputs or {}


def test_tasks_of_an_iteration_see_each_others_outputs_as_if_they_were_alone() -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [a, b]
    tasks:
      - {{id: one, {RETURN}, format: "{{{{ item.value }}}}{{{{ item.index }}}}"}}
      - {{id: two, {RETURN}, format: "{{{{ outputs.one.value }}}}!"}}
    outputs: [{{id: said, type: STRING, value: "{{{{ outputs.two.value }}}}"}}]
  - {{id: end, {RETURN}, format: "{{{{ outputs.loop.outputs[1].outputs.said }}}}"}}
  - {{id: blind, {RETURN}, format: "{{{{ outputs.one ?? 'nothing' }}}}"}}
""").run()
    assert [x["outputs"] for x in outputs(execution)["outputs"]] == [
        {"said": "a0!"},
        {"said": "b1!"},
    ]
    assert outputs(execution)["iterationCount"] == 2
    assert outputs(execution)["terminatedIterations"] == {"SUCCESS": 2}
    assert outputs(execution, "end") == {"value": "b1!"}
    assert outputs(execution, "blind") == {"value": "nothing"}


def test_items_of_outer_loops_are_the_parents() -> None:
    execution = world(
        f"""
tasks:
  - id: loop
    type: {LOOP}
    values: {{k: v}}
    tasks:
      - {{id: o, {RETURN}, format: outer}}
      - id: inner
        type: {LOOP}
        values: [x]
        tasks:
          - id: t
            {RETURN}
            format: "{{{{ item.parent.key }}}}{{{{ item.value }}}}{{{{ outputs.o.value }}}}"
"""
    ).run()
    assert outputs(execution, "t") == {"value": "kxouter"}


@pytest.mark.parametrize(("transmit", "state"), [("true", "FAILED"), ("false", "SUCCESS")])
def test_a_failed_iteration_ends_the_loop_when_it_is_transmitted(transmit: str, state: str) -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [1, 2, 3]
    concurrencyLimit: 1
    transmitFailed: {transmit}
    tasks: [{{id: t, {FAIL}, condition: "{{{{ item.value == '1' }}}}"}}]
""").run()
    assert states(execution)["loop"] == state
    assert len(runs(execution, "t")) == (1 if state == "FAILED" else 3)


def test_a_loop_may_break() -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [1, 2, 3, 4]
    concurrencyLimit: 1
    breakWhen: "{{{{ item.value == '2' and iteration.state == 'SUCCESS' }}}}"
    tasks: [{{id: t, {LOG}}}]
""").run()
    assert order(execution) == ["loop", "t", "t"]
    assert execution.state.current.value == "SUCCESS"


def test_a_restart_runs_the_failed_iteration_again() -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [1, 2, 3]
    concurrencyLimit: 1
    tasks:
      - id: t
        type: io.kestra.plugin.core.log.Log
        message: "{{{{ item.value != '2' or taskrun.attemptsCount == 1 ? 'fine' : missing }}}}"
""")
    execution = there.run()
    assert execution.state.current.value == "FAILED"
    there.tell(c.RestartExecution, execution)
    there.settle()
    assert execution.state.current.value == "SUCCESS"
    assert [x["state"] for x in outputs(execution)["outputs"]] == ["SUCCESS"] * 3
    assert there.refolded()[execution.id] == execution


def test_a_large_loop_is_linear() -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: "{{{{ range(1, 1500) }}}}"
    tasks: [{{id: t, {RETURN}, format: "{{{{ item.value }}}}"}}]
    outputs: [{{id: v, type: STRING, value: "{{{{ outputs.t.value }}}}"}}]
""")
    execution = there.run()
    assert outputs(execution)["terminatedIterations"] == {"SUCCESS": 1500}
    assert outputs(execution)["outputs"][1499]["outputs"] == {"v": "1500"}


@pytest.mark.parametrize("what", ["outputs", "breakWhen"])
def test_an_iteration_whose_expression_cannot_be_evaluated_has_failed(what: str) -> None:
    """Kestra 2.0: an iteration whose outputs cannot be rendered is FAILED, its tasks are not."""
    said = {
        "outputs": "outputs: [{id: o, type: STRING, value: '{{ inputs.nothing }}'}]",
        "breakWhen": "breakWhen: '{{ inputs.nothing }}'",
    }[what]
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [1, 2]
    concurrencyLimit: 1
    {said}
    tasks: [{{id: t, {LOG}}}]
""")
    execution = there.run()
    assert states(execution) == {"loop": "FAILED", "t": "SUCCESS"}
    assert outputs(execution)["terminatedIterations"] == {"FAILED": 1}
    assert any("nothing" in entry.message for entry in there.logs)
    there.tell(c.RestartExecution, execution)
    there.settle()
    assert outputs(execution)["terminatedIterations"] == {"FAILED": 1}
    assert there.refolded()[execution.id] == execution


def test_a_failure_that_is_not_transmitted_is_counted() -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [1, 2, 3]
    transmitFailed: false
    tasks: [{{id: t, {FAIL}, condition: "{{{{ item.value == '1' }}}}"}}]
""").run()
    assert outputs(execution)["terminatedIterations"] == {"FAILED": 1, "SUCCESS": 2}


def test_a_map_given_as_json_has_keys_too_and_a_value_that_comes_twice_counts_once() -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: '{{"k": 1, "l": 1}}'
    tasks: [{{id: t, {RETURN}, format: "{{{{ item.key }}}}{{{{ item.value }}}}"}}]
  - id: twice
    type: {LOOP}
    values: [a, b, a]
    tasks: [{{id: u, {LOG}}}]
""").run()
    assert [run.outputs for run in runs(execution, "t")] == [{"value": "k1"}, {"value": "l1"}]
    assert len(runs(execution, "u")) == 2
