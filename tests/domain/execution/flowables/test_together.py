"""Parallel, Dag and the loops over values."""

from __future__ import annotations

import pytest

from domain.execution.effects import DispatchTask
from tests.support.given import creation, given
from tests.support.heart import World, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
FLOW = "io.kestra.plugin.core.flow."


def flow(body: str) -> str:
    return f"id: f\nnamespace: n\n{body}"


def test_parallel_starts_all_children_at_once() -> None:
    sentence = given(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}, {{id: c, {LOG}}}]
""")
    )
    done = sentence.when(creation(sentence.flow))
    assert order(done.state) == ["p", "a", "b", "c"]
    assert sum(isinstance(x, DispatchTask) for x in done.step.effects) == 3


def test_parallel_starts_at_most_concurrent_children() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    concurrent: 2
    tasks: [{{id: a, {SLEEP}}}, {{id: b, {SLEEP}}}, {{id: c, {SLEEP}}}]
""")
    )
    execution_id = world.start()
    world.wait(5)
    assert states(world[execution_id]) == {"p": "RUNNING", "a": "RUNNING", "b": "RUNNING"}
    world.wait(6)
    assert states(world[execution_id])["c"] == "RUNNING"


def test_a_failure_ends_parallel_at_once_when_nothing_follows() -> None:
    """Kestra 1.x: the state is resolved as soon as the failure is seen."""
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: a, {SLEEP}}}, {{id: b, {FAIL}}}]
""")
    )
    execution = world.run()
    assert states(execution) == {"p": "FAILED", "a": "FAILED", "b": "FAILED"}
    assert not world.running


def test_the_errors_of_parallel_start_while_the_other_branches_still_run() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: a, {SLEEP}}}, {{id: b, {FAIL}}}]
    errors: [{{id: e, {SLEEP}}}]
""")
    )
    execution_id = world.start()
    world.wait(5)
    assert states(world[execution_id]) == {
        "p": "RUNNING", "a": "RUNNING", "b": "FAILED", "e": "RUNNING",
    }  # fmt: skip


def test_on_child_failure_fail_interrupts_the_siblings_first() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    onChildFailure: FAIL
    tasks:
      - {{id: a, type: {FLOW}Sequential, tasks: [{{id: deep, {SLEEP}}}]}}
      - {{id: b, type: {FLOW}Sequential, tasks: [{{id: x, {LOG}}}, {{id: y, {FAIL}}}]}}
    errors: [{{id: e, {LOG}}}]
""")
    )
    execution = world.run()
    assert states(execution) == {
        "p": "FAILED", "a": "FAILED", "deep": "FAILED", "b": "FAILED", "x": "SUCCESS",
        "y": "FAILED", "e": "SUCCESS",
    }  # fmt: skip
    assert any("because sibling task 'b' failed" in entry.message for entry in world.logs)


@pytest.mark.parametrize(
    ("said", "state"), [("cancel", "CANCELLED"), ("CANCELLED", "CANCELLED"), ("failed", "FAILED")]
)
@pytest.mark.parametrize("kind", ["Parallel", "Dag"])
def test_siblings_may_be_cancelled_in_any_spelling(kind: str, said: str, state: str) -> None:
    """2.0: case-insensitive; 2.0.0 said FAILED and CANCELLED."""
    tasks = [f"{{id: a, {FAIL}}}", f"{{id: s, {SLEEP}}}"]
    if kind == "Dag":
        tasks = [f"{{task: {task}}}" for task in tasks]
    world = World(
        f"""
id: f
namespace: n
tasks:
  - id: p
    type: {FLOW}{kind}
    onChildFailure: {said}
    tasks: [{", ".join(tasks)}]
"""
    )
    execution = world.run()
    assert states(execution) == {"p": "FAILED", "a": "FAILED", "s": state}


def test_on_child_failure_continue_lets_the_siblings_end() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    onChildFailure: CONTINUE
    tasks: [{{id: a, {SLEEP}}}, {{id: b, {FAIL}}}]
""")
    )
    execution = world.run()
    assert states(execution) == {"p": "FAILED", "a": "SUCCESS", "b": "FAILED"}


def test_dag_starts_a_task_when_those_before_it_have_ended_well() -> None:
    world = World(
        flow(f"""
tasks:
  - id: dag
    type: {FLOW}Dag
    tasks:
      - task: {{id: a, {SLEEP}}}
      - task: {{id: b, {LOG}}}
        dependsOn: [a]
      - task: {{id: c, {LOG}}}
      - task: {{id: d, {LOG}}}
        dependsOn: [b, c]
""")
    )
    execution_id = world.start()
    world.wait(5)
    assert order(world[execution_id]) == ["dag", "a", "c"]
    world.settle()
    assert order(world[execution_id]) == ["dag", "a", "c", "b", "d"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("[1, 2]", ["1", "2"]),
        ('["a", "b"]', ["a", "b"]),
        ("""'["x","y"]'""", ["x", "y"]),
        ('"{{ range(1, 3) }}"', ["1", "2", "3"]),
        ("{k: v}", ['{"key":"k","value":"v"}']),
        ("[{a: 1}]", ['{"a":1}']),
        ("[true]", ["true"]),
    ],
)
def test_a_loop_takes_lists_maps_and_their_json(values: str, expected: list[str]) -> None:
    execution = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: {values}
    tasks: [{{id: t, {LOG}}}]
""")
    ).run()
    assert [run.value for run in runs(execution, "t")] == expected
    assert [run.iteration for run in runs(execution, "t")] == list(range(len(expected)))


@pytest.mark.parametrize("values", ["'no json'", "[a, null]", "'5'"])
def test_what_is_no_list_of_values_fails_the_loop(values: str) -> None:
    execution = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: {values}
    tasks: [{{id: t, {LOG}}}]
""")
    ).run()
    assert states(execution) == {"each": "FAILED"}


def test_a_null_among_the_values_is_told_as_kestra_prints_the_list() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: [1, null, {{a: b, c: [x, true]}}]
    tasks: [{{id: t, {LOG}}}]
""")
    )
    world.run()
    said = "Found '1' null values on Each, with values=[1, null, {a=b, c=[x, true]}]"
    assert said in [entry.message for entry in world.logs]


def test_iterations_are_sequences_side_by_side_up_to_the_limit() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: [1, 2, 3]
    concurrencyLimit: 2
    tasks: [{{id: a, {SLEEP}}}, {{id: b, {SLEEP}}}]
""")
    )
    execution_id = world.start()
    world.wait(5)
    assert [run.value for run in runs(world[execution_id], "a")] == ["1", "2"]
    world.wait(10)
    assert [run.value for run in runs(world[execution_id], "b")] == ["1", "2"]
    world.wait(10)
    assert [run.value for run in runs(world[execution_id], "a")] == ["1", "2", "3"]


def test_after_a_failure_no_new_iteration_begins() -> None:
    execution = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: [1, 2, 3]
    tasks: [{{id: a, {FAIL}}}]
    errors: [{{id: e, {LOG}}}]
""")
    ).run()
    assert order(execution) == ["each", "a", "e"]
    assert runs(execution, "e")[0].value is None


def test_values_of_nested_loops_are_addressed_from_the_outside_in() -> None:
    execution = World(
        flow(f"""
tasks:
  - id: outer
    type: {FLOW}ForEach
    values: [a, b]
    tasks:
      - id: inner
        type: {FLOW}ForEach
        values: [x, y]
        tasks:
          - id: one
            type: io.kestra.plugin.core.debug.Return
            format: "{{{{ parent.taskrun.value }}}}{{{{ taskrun.value }}}}"
          - id: two
            type: io.kestra.plugin.core.debug.Return
            format: "{{{{ outputs.one[parent.taskrun.value][taskrun.value].value }}}}"
  - {{id: end, type: io.kestra.plugin.core.debug.Return, format: "{{{{ outputs.two.b.x.value }}}}"}}
""")
    ).run()
    assert [run.outputs for run in runs(execution, "two")] == [
        {"value": "ax"}, {"value": "ay"}, {"value": "bx"}, {"value": "by"},
    ]  # fmt: skip
    assert runs(execution, "end")[0].outputs == {"value": "bx"}


def test_a_large_loop_begins_in_batches_and_its_records_stay_small() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: "{{{{ range(1, 1200) }}}}"
    concurrencyLimit: 0
    tasks: [{{id: t, type: io.kestra.plugin.core.execution.Labels, labels: {{a: b}}}}]
""")
    )
    execution = world.run()
    assert len(runs(execution, "t")) == 1200
    assert execution.state.current.value == "SUCCESS"
    assert max(map(len, world.records)) < 500_000


def test_a_loop_without_values_or_enabled_tasks_succeeds_without_child() -> None:
    execution = World(
        flow(f"""
tasks:
  - {{id: none, type: {FLOW}ForEach, values: [], tasks: [{{id: a, {LOG}}}]}}
  - {{id: idle, type: {FLOW}ForEach, values: [1], tasks: [{{id: b, {LOG}, disabled: true}}]}}
""")
    ).run()
    assert states(execution) == {"none": "SUCCESS", "idle": "SUCCESS"}
