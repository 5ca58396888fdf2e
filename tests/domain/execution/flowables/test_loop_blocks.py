"""`errors` and `finally` of a Loop: each iteration has its own."""

from __future__ import annotations

from typing import Any

import pytest

from domain.execution import commands as c
from domain.execution.context import Answer
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from tests.support.heart import World, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
RETURN = "type: io.kestra.plugin.core.debug.Return"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
LOOP = "io.kestra.plugin.core.flow.Loop"
BAD_TWO = f"{{id: t, {FAIL}, condition: \"{{{{ item.value == '2' }}}}\"}}"
FLAKY_TWO = """
      - id: t
        type: io.kestra.plugin.core.log.Log
        message: "{{ item.value != '2' or taskrun.attemptsCount == 1 ? 'fine' : missing }}"
"""


def world(loop: str) -> World:
    return World(f"id: f\nnamespace: n\ntasks:\n  - id: loop\n    type: {LOOP}\n{loop}")


def seen(execution: Execution, *tasks: str) -> list[tuple[str, str | None]]:
    """Return task and value of the runs of some tasks, in order."""
    return [(x.task_id, x.value) for x in execution.task_runs.values() if x.task_id in tasks]


def counts(execution: Execution) -> dict[str, Any]:
    outputs = runs(execution, "loop")[0].outputs or {}
    return {
        "running": outputs["runningIterations"],
        "ended": outputs["terminatedIterations"],
    }


def test_finally_runs_at_the_end_of_each_iteration_and_errors_only_where_a_task_failed() -> None:
    there = world(f"""
    values: ["1", "2", "3"]
    concurrencyLimit: 1
    transmitFailed: false
    tasks: [{BAD_TWO}]
    errors: [{{id: e1, {LOG}}}, {{id: e2, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""")
    execution = there.run()
    assert seen(execution, "t", "e1", "e2", "z") == [
        ("t", "1"), ("z", "1"),
        ("t", "2"), ("e1", "2"), ("e2", "2"), ("z", "2"),
        ("t", "3"), ("z", "3"),
    ]  # fmt: skip
    assert [run.iteration for run in runs(execution, "z")] == [0, 1, 2]
    assert len({run.id for run in runs(execution, "z")}) == 3
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 2, "FAILED": 1}}
    assert states(execution)["loop"] == "SUCCESS"
    assert there.refolded()[execution.id] == execution


def test_the_blocks_see_item_and_the_outputs_of_their_iteration() -> None:
    said = "{{ item.index }}{{ item.value }}{{ taskrun.value }}{{ outputs.one.value }}"
    execution = world(f"""
    values: [a, b]
    transmitFailed: false
    tasks:
      - {{id: one, {RETURN}, format: "of {{{{ item.value }}}}"}}
      - {{id: bad, {FAIL}}}
    errors: [{{id: e, {RETURN}, format: "{said}{{{{ tasks.bad.state }}}}"}}]
    finally: [{{id: z, {RETURN}, format: "{said}{{{{ outputs.e.value is defined }}}}"}}]
    outputs: [{{id: last, type: STRING, value: "{{{{ outputs.z.value }}}}"}}]
""").run()
    assert [run.outputs for run in runs(execution, "e")] == [
        {"value": "0aaof aFAILED"},
        {"value": "1bbof bFAILED"},
    ]
    outputs = (runs(execution, "loop")[0].outputs or {})["outputs"]
    assert [x["outputs"]["last"] for x in outputs] == ["0aaof atrue", "1bbof btrue"]


def test_a_failed_iteration_ends_the_loop_once_its_blocks_are_through() -> None:
    execution = world(f"""
    values: ["1", "2", "3", "4"]
    concurrencyLimit: 1
    tasks: [{BAD_TWO}]
    errors: [{{id: e, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""").run()
    assert order(execution) == ["loop", "t", "z", "t", "e", "z"]
    assert states(execution) == {"loop": "FAILED", "t": "FAILED", "e": "SUCCESS", "z": "SUCCESS"}
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 1, "FAILED": 1}}


def test_a_failed_iteration_ends_the_others_at_once() -> None:
    execution = world(f"""
    values: ["1", "2"]
    tasks:
      - {BAD_TWO}
      - {{id: long, {SLEEP}}}
    finally: [{{id: z, {LOG}}}]
""").run()
    assert seen(execution, "z") == [("z", "2")]
    assert states(execution)["long"] == "FAILED"
    assert counts(execution) == {"running": 0, "ended": {"FAILED": 1}}
    assert execution.state.current.value == "FAILED"


def test_a_loop_that_may_fail_warns() -> None:
    execution = world(f"""
    values: ["1", "2"]
    allowFailure: true
    tasks: [{BAD_TWO}]
    errors: [{{id: e, {LOG}}}]
""").run()
    assert states(execution)["loop"] == "WARNING"


@pytest.mark.parametrize("block", ["errors", "finally"])
def test_a_failure_inside_a_block_does_not_change_how_the_iteration_ends(block: str) -> None:
    execution = world(f"""
    values: ["1", "2"]
    concurrencyLimit: 1
    transmitFailed: false
    tasks: [{BAD_TWO}]
    {block}: [{{id: b, {FAIL}}}, {{id: after, {LOG}}}]
""").run()
    assert counts(execution)["ended"] == {"SUCCESS": 1, "FAILED": 1}
    assert len(runs(execution, "after")) == (0 if block == "errors" else 2)


def test_an_iteration_counts_as_running_until_its_finally_has_ended() -> None:
    there = world(f"""
    values: ["1", "2", "3"]
    concurrencyLimit: 2
    tasks: [{{id: t, {LOG}}}]
    finally: [{{id: z, {SLEEP}}}]
""")
    execution = there[_started(there)]
    assert counts(execution) == {"running": 2, "ended": {}}
    assert len(runs(execution, "t")) == 2
    there.wait(10.5)
    assert counts(execution) == {"running": 1, "ended": {"SUCCESS": 2}}
    there.settle()
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 3}}


def _started(there: World) -> str:
    execution_id = there.start()
    there.wait(1)
    return execution_id


def test_an_iteration_that_is_broken_off_still_has_its_finally() -> None:
    execution = world(f"""
    values: [a, b, c]
    concurrencyLimit: 2
    breakWhen: "{{{{ item.value == 'b' and iteration.executionId == execution.id }}}}"
    tasks:
      - {{id: one, {LOG}}}
      - id: maybe
        type: io.kestra.plugin.core.flow.If
        condition: "{{{{ item.value == 'a' }}}}"
        then: [{{id: long, {SLEEP}}}]
      - {{id: last, {RETURN}, format: "{{{{ item.value }}}}"}}
    finally: [{{id: z, {LOG}}}]
    outputs: [{{id: o, type: STRING, value: "{{{{ outputs.last.value }}}}"}}]
""").run()
    assert seen(execution, "last", "z") == [("last", "b"), ("z", "b"), ("z", "a")]
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 2}}
    outputs = (runs(execution, "loop")[0].outputs or {})["outputs"]
    assert [x["outputs"] for x in outputs] == [{}, {"o": "b"}]
    assert execution.state.current.value == "SUCCESS"


def test_a_restart_runs_the_blocks_of_the_failed_iteration_anew_and_leaves_those_of_others() -> (
    None
):
    there = world(f"""
    values: ["1", "2", "3"]
    concurrencyLimit: 1
    tasks: {FLAKY_TWO}
    errors: [{{id: e, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""")
    execution = there.run()
    assert seen(execution, "e", "z") == [("z", "1"), ("e", "2"), ("z", "2")]
    first = runs(execution, "z")[0].id
    there.tell(c.RestartExecution, execution)
    there.settle()
    assert seen(execution, "e", "z") == [("z", "1"), ("z", "2"), ("z", "3")]
    assert runs(execution, "z")[0].id == first
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 3}}
    assert execution.state.current.value == "SUCCESS"
    assert there.refolded()[execution.id] == execution


def test_a_restart_begins_a_finally_anew_that_was_cut_short() -> None:
    there = world(f"""
    values: ["1", "2"]
    tasks:
      - id: wait
        type: io.kestra.plugin.core.flow.If
        condition: "{{{{ item.value == '2' }}}}"
        then: [{{id: long, type: io.kestra.plugin.core.flow.Sleep, duration: PT2S}}]
      {FLAKY_TWO.strip()}
    finally: [{{id: z, {SLEEP}}}]
""")
    execution = there.run()
    assert states(execution)["loop"] == "FAILED"
    there.tell(c.RestartExecution, execution)
    there.settle()
    assert seen(execution, "z") == [("z", "1"), ("z", "2")]
    assert states(execution) | {"wait": ""} == {
        "loop": "SUCCESS", "wait": "", "long": "SUCCESS", "t": "SUCCESS", "z": "SUCCESS"
    }  # fmt: skip
    assert there.refolded()[execution.id] == execution


def test_a_forced_state_is_the_end_of_the_iteration() -> None:
    there = world(f"""
    values: ["1", "2", "3"]
    concurrencyLimit: 1
    tasks: [{BAD_TWO}]
    errors: [{{id: e, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""")
    execution = there.run()
    failed = runs(execution, "t")[1]
    there.tell(c.ChangeTaskRunState, execution, task_run_id=failed.id, state=StateType.SUCCESS)
    there.settle()
    assert seen(execution, "e", "z") == [("z", "1"), ("z", "2"), ("z", "3")]
    assert counts(execution)["ended"] == {"SUCCESS": 3}
    assert execution.state.current.value == "SUCCESS"


def test_a_replay_from_a_task_of_an_iteration_runs_that_iteration_to_its_end() -> None:
    there = world(f"""
    values: ["1", "2", "3"]
    concurrencyLimit: 1
    tasks: [{{id: one, {LOG}}}, {{id: two, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
    outputs: [{{id: o, type: STRING, value: "{{{{ taskrun.attemptsCount }}}}"}}]
""")
    execution = there.run()
    again = runs(execution, "two")[1]
    new_id = there.new_id()
    there.tell(c.ReplayExecution, execution, new_execution_id=new_id, task_run_id=again.id)
    there.settle()
    copy = there[new_id]
    assert copy.state.current.value == "SUCCESS"
    assert sorted(seen(copy, "z")) == [("z", "1"), ("z", "2"), ("z", "3")]
    assert counts(copy) == {"running": 0, "ended": {"SUCCESS": 3}}
    outputs = (runs(copy, "loop")[0].outputs or {})["outputs"]
    assert [x["outputs"]["o"] for x in outputs] == ["1", "2", "1"]
    assert there.refolded()[new_id] == copy
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 3}}


def test_a_kill_ends_the_blocks_too() -> None:
    there = world(f"""
    values: ["1", "2"]
    tasks: [{{id: t, {LOG}}}]
    finally: [{{id: z, {SLEEP}}}, {{id: after, {LOG}}}]
""")
    execution_id = _started(there)
    there.tell(c.KillExecution, execution_id)
    there.settle()
    execution = there[execution_id]
    assert execution.state.current.value == "KILLED"
    assert states(execution) == {"loop": "KILLED", "t": "SUCCESS", "z": "KILLED"}


def test_a_pause_in_a_block_holds_the_execution() -> None:
    there = world(f"""
    values: ["1", "2"]
    concurrencyLimit: 1
    tasks: [{{id: t, {LOG}}}]
    finally:
      - {{id: p, type: io.kestra.plugin.core.flow.Pause}}
      - {{id: z, {LOG}}}
""")
    execution = there[_started(there)]
    for done in range(2):
        assert execution.state.current.value == "PAUSED"
        assert len(runs(execution, "z")) == done
        there.tell(c.ResumeExecution, execution)
        there.wait(1)
    assert execution.state.current.value == "SUCCESS"
    assert seen(execution, "z") == [("z", "1"), ("z", "2")]


def test_nested_loops_have_blocks_of_their_own() -> None:
    said = "{{ item.parent.value }}{{ item.value }}"
    execution = world(f"""
    values: [a, b]
    concurrencyLimit: 1
    tasks:
      - id: inner
        type: {LOOP}
        values: ["1", "2"]
        concurrencyLimit: 1
        transmitFailed: false
        tasks: [{BAD_TWO}]
        errors: [{{id: e, {RETURN}, format: "{said}"}}]
        finally: [{{id: z, {RETURN}, format: "{said}"}}]
    finally: [{{id: y, {RETURN}, format: "{{{{ item.value }}}}"}}]
""").run()
    values = [
        (x.task_id, (x.outputs or {})["value"])
        for x in execution.task_runs.values()
        if x.task_id in ("e", "z", "y")
    ]
    assert values == [
        ("z", "a1"), ("e", "a2"), ("z", "a2"), ("y", "a"),
        ("z", "b1"), ("e", "b2"), ("z", "b2"), ("y", "b"),
    ]  # fmt: skip


def test_an_empty_loop_runs_no_block_and_foreach_runs_its_blocks_once() -> None:
    empty = world(f"""
    values: []
    tasks: [{{id: t, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""").run()
    assert order(empty) == ["loop"]
    each = World(f"""
id: f
namespace: n
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.ForEach
    values: [a, b]
    tasks: [{{id: t, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
""").run()
    assert order(each) == ["loop", "t", "t", "z"]


def test_outputs_and_conditions_may_ask_the_outside_world() -> None:
    """The step is left to ask, and the iteration that asked is looked at again."""
    there = world("""
    values: [a, b, c]
    tasks: [{id: t, type: io.kestra.plugin.core.execution.Labels, labels: {x: y}}]
    breakWhen: "{{ kv('no') == 'yes' }}"
    outputs: [{id: o, type: STRING, value: "{{ kv('x') }}"}]
""")
    there.answers = lambda question: Answer(question.arguments["key"])
    execution = there.run()
    assert counts(execution) == {"running": 0, "ended": {"SUCCESS": 3}}
    assert there.refolded()[execution.id] == execution
