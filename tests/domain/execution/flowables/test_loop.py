"""Loop of 2.0: iterations that are closed to each other."""

from __future__ import annotations

from typing import Any

import pytest

from domain.execution import commands as c
from domain.execution.context import Answer, Question
from domain.execution.state import Execution
from tests.support.heart import World, order, runs, states, usual_answer

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


def test_the_items_around_an_item_are_told_outermost_first() -> None:
    """Kestra 2.0: `parents[0]` is the outermost loop, `parent` the nearest."""
    said = "{{ item.parents[0].value }}{{ item.parents[1].value }} {{ item.parent.value }}"
    execution = world(
        f"""
tasks:
  - id: one
    type: {LOOP}
    values: [a]
    tasks:
      - id: two
        type: {LOOP}
        values: [b]
        tasks:
          - id: three
            type: {LOOP}
            values: [c]
            tasks:
              - id: t
                {RETURN}
                format: "{said}"
"""
    ).run()
    assert outputs(execution, "t") == {"value": "ab b"}


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


def stored(there: World) -> dict[str, str]:
    """Have files written into a dictionary, and return it."""
    files: dict[str, str] = {}

    def answer(question: Question) -> Answer:
        if question.name == "store":
            files[question.arguments["uri"]] = question.arguments["content"]
        return usual_answer(question)

    there.answers = answer
    return files


@pytest.mark.parametrize(
    ("values", "fetch", "stores"),
    [
        ("[x, y, x]", "AUTO", False),
        ("kestra:///values.ion", "AUTO", True),
        ("kestra:///values.ion", "FETCH", False),
        ("[x, y]", "STORE", True),
    ],
)
def test_outputs_go_to_files_where_the_loop_says_so_or_its_values_come_from_one(
    values: str, fetch: str, stores: bool
) -> None:
    there = world(f"""
tasks:
  - id: my_loop
    type: {LOOP}
    values: {values}
    fetchType: {fetch}
    concurrencyLimit: 1
    breakWhen: "{{{{ iteration.outputs.said == 'nothing' }}}}"
    tasks: [{{id: t, {LOG}}}]
    outputs: [{{id: said, type: STRING, value: "{{{{ item.value }}}}{{{{ item.index }}}}"}}]
""")
    files = stored(there)
    execution = there.run()
    found = [x["outputs"] for x in outputs(execution, "my_loop")["outputs"]]
    if not stores:
        assert found[1] == {"said": "y1"}
        assert not files
        return
    assert [entry["uri"] for entry in found] == list(files)
    run_id = runs(execution, "my_loop")[0].id
    folder = f"kestra:///n/f/executions/{execution.id}/tasks/my-loop/{run_id}"
    assert files[f"{folder}/1.ion"] == '{"said":"y1"}\n'
    assert there.refolded()[execution.id] == execution


def test_a_file_gives_one_iteration_a_line_however_often_a_line_stands_there() -> None:
    execution = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: "{{{{ 'kestra:///values.ion' }}}}"
    tasks: [{{id: t, {RETURN}, format: "{{{{ item.value }}}}{{{{ item.index }}}}"}}]
""").run()
    assert [run.outputs for run in runs(execution, "t")] == [
        {"value": "x0"},
        {"value": "y1"},
        {"value": "x2"},
    ]
    assert outputs(execution)["outputs"][2]["item"] == {"iteration": 2, "value": "x"}


@pytest.mark.parametrize("name", ["store", "lines", "lineCount"])
def test_a_file_that_cannot_be_reached_fails_the_loop_with_the_reason(name: str) -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: kestra:///values.ion
    concurrencyLimit: 1
    tasks: [{{id: t, {LOG}}}]
    outputs: [{{id: said, type: STRING, value: "{{{{ item.value }}}}"}}]
""")
    there.answers = lambda question: (
        Answer(error="no disk") if question.name == name else usual_answer(question)
    )
    execution = there.run()
    assert states(execution)["loop"] == "FAILED"
    assert len(runs(execution, "t")) == (1 if name == "store" else 0)
    assert any("no disk" in entry.message for entry in there.logs)


def test_outputs_have_their_type_and_may_be_left_out_where_they_are_not_required() -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: ["1", b]
    transmitFailed: false
    tasks: [{{id: t, {LOG}}}]
    outputs:
      - {{id: n, type: INT, value: "{{{{ item.value }}}}"}}
      - {{id: m, type: STRING, required: false, value: "{{{{ nothing.here }}}}"}}
""")
    execution = there.run()
    assert [(x["state"], x["outputs"]) for x in outputs(execution)["outputs"]] == [
        ("SUCCESS", {"n": 1, "m": None}),
        ("FAILED", {"m": None}),
    ]


def test_the_rendered_values_are_not_rendered_again() -> None:
    execution = world(f"""
inputs: [{{id: said, type: STRING}}]
tasks:
  - id: loop
    type: {LOOP}
    values: "{{{{ inputs.said }}}}"
    tasks: [{{id: t, {RETURN}, format: "{{{{ item.value }}}}"}}]
""").run(inputs={"said": '["{{ flow.id }}"]'})
    assert [run.outputs for run in runs(execution, "t")] == [{"value": "{{ flow.id }}"}]


def test_a_null_among_the_values_fails_the_loop() -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: [a, null]
    tasks: [{{id: t, {LOG}}}]
""")
    assert states(there.run()) == {"loop": "FAILED"}
    assert "Found a null value inside the iteration values=[a, null]" in there.logs[-1].message


def test_a_file_is_read_as_far_as_iterations_begin() -> None:
    there = world(f"""
tasks:
  - id: loop
    type: {LOOP}
    values: kestra:///values.ion
    concurrencyLimit: 1
    tasks: [{{id: t, type: io.kestra.plugin.core.flow.Sleep, duration: PT10S}}]
""")
    asked: list[Any] = []

    def answer(question: Question) -> Answer:
        asked.append(question.arguments)
        return usual_answer(question)

    there.answers = answer
    execution_id = there.start()
    there.wait(1)
    uri = "kestra:///values.ion"
    assert asked == [{"uri": uri, "most": 100_000}, {"uri": uri, "at": 0, "most": 1}]
    assert outputs(there[execution_id])["nextOffset"] == 1
    there.wait(10)
    assert asked[2:] == [{"uri": uri, "at": 1, "most": 1}]
    there.settle()
    assert outputs(there[execution_id])["terminatedIterations"] == {"SUCCESS": 3}
    run = runs(there[execution_id], "loop")[0]
    assert (run.values, run.source) == (None, uri)
    assert there.refolded()[execution_id] == there[execution_id]
