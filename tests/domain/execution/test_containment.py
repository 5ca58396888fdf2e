"""Whatever a flow says wrongly fails the task that says it, with a line in the log."""

from __future__ import annotations

import pytest

from domain.log import Level
from tests.support.heart import World, states

LOG = "{id: x, type: io.kestra.plugin.core.log.Log, message: x}"
CHILD = f"id: child\nnamespace: n\ninputs: [{{id: i, type: INT, required: false}}]\ntasks: [{LOG}]"
FLOW = "io.kestra.plugin.core.flow."
EXECUTION = "io.kestra.plugin.core.execution."
SUBFLOW = f"type: {FLOW}Subflow, namespace: n, flowId: child"
BAD = "'{{ inputs.nothing }}'"


def until(said: str) -> str:
    return f"type: {FLOW}LoopUntil, tasks: [{LOG}], {said}"


def pause(said: str) -> str:
    return f"type: {FLOW}Pause, {said}"


TASKS = {
    "if": f"type: {FLOW}If, condition: {BAD}, then: [{LOG}]",
    "switch": f"type: {FLOW}Switch, value: {BAD}, cases: {{a: [{LOG}]}}",
    "foreach": f"type: {FLOW}ForEach, values: {BAD}, tasks: [{LOG}]",
    "foreach-in-a-list": f"type: {FLOW}ForEach, values: [a, {BAD}], tasks: [{LOG}]",
    "foreach-over-text": f"type: {FLOW}ForEach, values: hello, tasks: [{LOG}]",
    "foreach-over-null": f"type: {FLOW}ForEach, values: '[1, null]', tasks: [{LOG}]",
    "foreach-too-many": (
        f"type: {FLOW}ForEach, values: '{{{{ range(1, 100001) }}}}', tasks: [{LOG}]"
    ),
    "each-sequential": f"type: {FLOW}EachSequential, value: {BAD}, tasks: [{LOG}]",
    "each-parallel": f"type: {FLOW}EachParallel, value: {BAD}, tasks: [{LOG}]",
    "loop": f"type: {FLOW}Loop, values: {BAD}, tasks: [{LOG}]",
    "until-condition": until(f"condition: {BAD}"),
    "until-interval": until(f"condition: 'false', checkFrequency: {{interval: {BAD}}}"),
    "until-interval-text": until(
        "condition: 'false', checkFrequency: {interval: \"{{ 'soon' }}\"}"
    ),
    "until-most": until(f"condition: 'false', checkFrequency: {{maxIterations: {BAD}}}"),
    "until-most-text": until(
        "condition: 'false', checkFrequency: {maxIterations: \"{{ 'many' }}\"}"
    ),
    "until-longest": until(f"condition: 'false', checkFrequency: {{maxDuration: {BAD}}}"),
    "until-fails": until(
        f"condition: 'false', failOnMaxReached: {BAD}, checkFrequency: {{maxIterations: 1}}"
    ),
    "pause-duration": pause(f"pauseDuration: {BAD}"),
    "pause-duration-text": pause("pauseDuration: \"{{ 'soon' }}\""),
    "pause-timeout": pause(f"timeout: {BAD}"),
    "pause-behavior": pause(f"pauseDuration: PT1S, behavior: {BAD}"),
    "pause-behavior-unknown": pause("pauseDuration: PT1S, behavior: \"{{ 'NOPE' }}\""),
    "subflow-namespace": f"type: {FLOW}Subflow, namespace: {BAD}, flowId: child",
    "subflow-flow": f"type: {FLOW}Subflow, namespace: n, flowId: {BAD}",
    "subflow-not-there": f"type: {FLOW}Subflow, namespace: n, flowId: nobody",
    "subflow-inputs": f"{SUBFLOW}, inputs: {{i: {BAD}}}",
    "subflow-inputs-wrong": f"{SUBFLOW}, inputs: {{i: many}}",
    "subflow-labels": f"{SUBFLOW}, labels: {{a: {BAD}}}",
    "subflow-inherits": f"{SUBFLOW}, inheritLabels: {BAD}",
    "subflow-date": f"{SUBFLOW}, scheduleDate: {BAD}",
    "subflow-date-text": f"{SUBFLOW}, scheduleDate: \"{{{{ 'soon' }}}}\"",
    "foreachitem": f"type: {FLOW}ForEachItem, namespace: n, flowId: child, items: {BAD}",
    "run-if": f"type: {FLOW}Sequential, runIf: {BAD}, tasks: [{LOG}]",
    "worker-group": f"type: io.kestra.plugin.core.log.Log, message: x, workerGroup: {{key: {BAD}}}",
    "labels": f"type: {EXECUTION}Labels, labels: {{a: {BAD}}}",
    "labels-text": f"type: {EXECUTION}Labels, labels: nothing",
    "variables": f"type: {EXECUTION}SetVariables, variables: {{a: {BAD}}}",
    "variables-overwrite": f"type: {EXECUTION}SetVariables, variables: {{a: b}}, overwrite: {BAD}",
    "names": f"type: {EXECUTION}UnsetVariables, variables: [{BAD}]",
    "names-no-list": f"type: {EXECUTION}UnsetVariables, variables: '{{{{ 5 }}}}'",
    "exit": f"type: {EXECUTION}Exit, state: {BAD}",
    "exit-unknown": f"type: {EXECUTION}Exit, state: \"{{{{ 'NOPE' }}}}\"",
    "fail-condition": f"type: {EXECUTION}Fail, condition: {BAD}",
    "fail-message": f"type: {EXECUTION}Fail, errorMessage: {BAD}",
    "assert": f"type: {EXECUTION}Assert, conditions: [{BAD}]",
    "assert-text": f"type: {EXECUTION}Assert, conditions: {BAD}",
}


@pytest.mark.parametrize("said", TASKS.values(), ids=TASKS.keys())
def test_what_cannot_be_evaluated_fails_the_task_and_is_told(said: str) -> None:
    world = World(f"id: f\nnamespace: n\ntasks: [{{id: t, {said}}}, {{id: after, {LOG[8:]}]", CHILD)
    execution = world.run("f")
    assert execution.closed
    assert states(execution)["t"] == "FAILED"
    assert "after" not in states(execution)
    assert [entry.message for entry in world.logs if entry.level is Level.ERROR]


def test_a_value_that_comes_twice_is_looped_over_once() -> None:
    """Kestra: task runs and outputs are told apart by the value."""
    world = World(f"""
id: f
namespace: n
tasks:
  - {{id: t, type: {FLOW}ForEach, values: [a, 1, b, "1", a], tasks: [{LOG}]}}
""")
    execution = world.run()
    found = [(r.value, r.iteration) for r in execution.task_runs.values() if r.task_id == "x"]
    assert found == [("a", 0), ("1", 1), ("b", 2)]
