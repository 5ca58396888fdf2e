"""Pause, LoopUntil, Subflow and ForEachItem: flowables that wait for somebody."""

from __future__ import annotations

from typing import Any

import pytest

from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from domain.log import Level
from tests.support.heart import World, history, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
FLOW = "io.kestra.plugin.core.flow."
CHILD = """
id: child
namespace: n
inputs: [{id: x, type: INT, defaults: 1}]
labels: {of: child}
tasks:
  - {id: fail, type: io.kestra.plugin.core.execution.Fail, condition: "{{ inputs.x > 5 }}"}
outputs: [{id: y, type: INT, value: "{{ inputs.x + 1 }}"}]
"""


def flow(body: str, name: str = "f") -> str:
    return f"id: {name}\nnamespace: n\n{body}"


def test_a_pause_holds_the_execution_until_the_resume() -> None:
    world = World(flow(f"tasks: [{{id: p, type: {FLOW}Pause}}, {{id: a, {LOG}}}]"))
    execution = world.run()
    assert execution.state.current.value == "PAUSED"
    world.tell(c.ResumeExecution, execution, inputs={"ok": True}, by="ann")
    world.settle()
    assert history(execution) == ["CREATED", "RUNNING", "PAUSED", "RESTARTED", "RUNNING", "SUCCESS"]
    outputs = runs(execution, "p")[0].outputs
    assert outputs is not None
    assert outputs["onResume"] == {"ok": True}
    assert outputs["resumed"]["by"] == "ann"
    assert history(runs(execution, "p")[0]) == ["CREATED", "RUNNING", "PAUSED", "SUCCESS"]


def test_while_one_branch_pauses_what_runs_elsewhere_ends_and_nothing_starts() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks:
      - {{id: w, type: {FLOW}Sequential, tasks: [{{id: x, {LOG}}}, {{id: y, type: {FLOW}Pause}}]}}
      - {{id: s, type: {FLOW}Sequential, tasks: [{{id: a, {SLEEP}}}, {{id: b, {LOG}}}]}}
""")
    )
    execution = world.run()
    assert states(execution)["a"] == "SUCCESS"
    assert "b" not in states(execution)
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert states(execution)["b"] == "SUCCESS"


@pytest.mark.parametrize("first", ["Pause", "Approval"])
def test_what_can_start_beside_a_pause_starts_wherever_the_pause_is_written(first: str) -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks:
      - {{id: wait, type: {FLOW}{first}}}
      - {{id: a, {SLEEP}}}
      - {{id: s, type: {FLOW}Sequential, tasks: [{{id: b, {LOG}}}, {{id: c, {LOG}}}]}}
""")
    )
    execution = world.run()
    assert execution.state.current.value == "PAUSED"
    assert states(execution) == {
        "p": "RUNNING", "wait": "PAUSED", "s": "RUNNING", "a": "SUCCESS", "b": "SUCCESS",
    }  # fmt: skip


def test_two_pauses_side_by_side_need_two_resumes() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: one, type: {FLOW}Pause}}, {{id: two, type: {FLOW}Pause}}]
""")
    )
    execution = world.run()
    assert [states(execution)[x] for x in ("one", "two")] == ["PAUSED", "PAUSED"]
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert execution.state.current.value == "PAUSED"
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert execution.state.current.value == "SUCCESS"


def test_a_restart_ends_the_attempt_that_waited() -> None:
    world = World(flow(f"tasks: [{{id: p, type: {FLOW}Pause}}]"))
    execution = world.run()
    world.tell(c.RestartExecution, execution)
    world.settle()
    attempts = [attempt.state.current.value for attempt in runs(execution, "p")[0].attempts]
    assert attempts == ["KILLED", "RUNNING"]


@pytest.mark.parametrize(
    ("behavior", "state"),
    [("RESUME", "SUCCESS"), ("WARN", "WARNING"), ("FAIL", "FAILED"), ("CANCEL", "CANCELLED")],
)
def test_a_pause_that_has_lasted_does_what_its_behavior_says(behavior: str, state: str) -> None:
    world = World(
        flow(f"tasks: [{{id: p, type: {FLOW}Pause, pauseDuration: PT5S, behavior: {behavior}}}]")
    )
    execution = world.run()
    assert states(execution) == {"p": state}
    assert execution.state.current.value == state
    assert history(runs(execution, "p")[0])[:4] == ["CREATED", "RUNNING", "PAUSED", "RUNNING"]


def test_a_pause_that_outlasts_its_timeout_fails() -> None:
    world = World(flow(f"tasks: [{{id: p, type: {FLOW}Pause, timeout: PT5S}}]"))
    execution = world.run()
    assert history(runs(execution, "p")[0]) == [
        "CREATED", "RUNNING", "PAUSED", "RUNNING", "FAILED",
    ]  # fmt: skip
    assert execution.state.current.value == "FAILED"


PAUSE_WITH_BLOCKS = f"""
tasks:
  - id: p
    type: {FLOW}Pause
    MORE
    errors: [{{id: e, {LOG}}}]
    finally: [{{id: z, {LOG}}}]
  - {{id: a, {LOG}}}
"""


@pytest.mark.parametrize(
    ("more", "state", "after"),
    [
        ("timeout: PT5S", "FAILED", ["p", "e", "z"]),
        ("pauseDuration: PT5S\n    behavior: FAIL", "FAILED", ["p", "e", "z"]),
        ("pauseDuration: PT5S\n    behavior: CANCEL", "CANCELLED", ["p", "z"]),
        ("pauseDuration: PT5S\n    behavior: WARN", "WARNING", ["p", "z", "a"]),
        ("pauseDuration: PT5S", "SUCCESS", ["p", "z", "a"]),
        ("timeout: PT5S\n    allowFailure: true", "WARNING", ["p", "e", "z", "a"]),
    ],
)
def test_a_pause_has_errors_and_finally_like_other_flowables(
    more: str, state: str, after: list[str]
) -> None:
    execution = World(flow(PAUSE_WITH_BLOCKS.replace("MORE", more))).run()
    assert execution.state.current.value == state
    assert states(execution)["p"] == state
    assert order(execution) == after


def test_the_finally_of_a_pause_runs_after_a_persons_resume() -> None:
    world = World(flow(PAUSE_WITH_BLOCKS.replace("MORE", "")))
    execution = world.run()
    world.tell(c.ResumeExecution, execution, inputs={"ok": True})
    world.settle()
    assert order(execution) == ["p", "z", "a"]
    outputs = runs(execution, "p")[0].outputs
    assert outputs is not None
    assert outputs["onResume"] == {"ok": True}


def test_a_pause_that_timed_out_and_is_restarted_pauses_again() -> None:
    world = World(flow(PAUSE_WITH_BLOCKS.replace("MORE", "timeout: PT5S")))
    execution = world.run()
    world.tell(c.RestartExecution, execution)
    world.wait(1)
    assert execution.state.current.value == "PAUSED"
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert execution.state.current.value == "SUCCESS"
    assert order(execution) == ["p", "z", "a"]


def test_on_pause_runs_while_the_execution_waits() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Pause
    onPause:
      id: s
      type: {FLOW}Sequential
      tasks: [{{id: ask, {LOG}}}, {{id: again, {LOG}}}]
""")
    )
    execution = world.run()
    assert execution.state.current.value == "PAUSED"
    assert states(execution) == {
        "p": "PAUSED", "s": "SUCCESS", "ask": "SUCCESS", "again": "SUCCESS",
    }  # fmt: skip
    assert runs(execution, "s")[0].parent_id is None


def test_every_pause_of_a_loop_has_its_own_on_pause() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: [1, 2]
    tasks: [{{id: p, type: {FLOW}Pause, onPause: {{id: ask, {LOG}}}}}]
""")
    )
    execution = world.run()
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert [run.state.current.value for run in runs(execution, "ask")] == ["SUCCESS", "SUCCESS"]


def test_loop_until_goes_round_until_the_condition_holds() -> None:
    world = World(
        flow(f"""
tasks:
  - id: loop
    type: {FLOW}LoopUntil
    condition: "{{{{ outputs.t.value == '3' }}}}"
    checkFrequency: {{interval: PT1S}}
    tasks:
      - id: t
        type: io.kestra.plugin.core.debug.Return
        format: "{{{{ outputs.loop.iterationCount }}}}"
""")
    )
    execution = world.run()
    assert execution.state.current.value == "SUCCESS"
    assert runs(execution, "loop")[0].outputs == {"iterationCount": 3}
    assert len(runs(execution, "t")) == 1
    assert history(execution) == [
        "CREATED", "RUNNING", "PAUSED", "RUNNING", "PAUSED", "RUNNING", "SUCCESS",
    ]  # fmt: skip


def test_tasks_of_a_loop_carry_the_number_of_their_round_nested_ones_the_sum() -> None:
    """Kestra: an inner loop counts on from the round of the outer one."""
    world = World(
        flow(f"""
tasks:
  - id: outer
    type: {FLOW}LoopUntil
    condition: "{{{{ outputs.outer.iterationCount == 3 }}}}"
    tasks:
      - id: inner
        type: {FLOW}LoopUntil
        condition: "{{{{ outputs.inner.iterationCount == 2 }}}}"
        tasks:
          - {{id: t, type: io.kestra.plugin.core.log.Log, message: "{{{{ taskrun.iteration }}}}"}}
""")
    )
    execution = world.run()
    assert [x.message for x in world.logs if x.task_id == "t"] == ["0", "1", "1", "2", "2", "3"]
    assert [run.iteration for run in runs(execution, "inner")] == [2]


def test_the_default_interval_of_a_loop_is_a_minute() -> None:
    world = World(
        flow(f"""
tasks:
  - {{id: loop, type: {FLOW}LoopUntil, condition: "{{{{ false }}}}", tasks: [{{id: t, {LOG}}}]}}
""")
    )
    execution_id = world.start()
    world.wait(59)
    assert runs(world[execution_id], "loop")[0].outputs == {"iterationCount": 1}
    world.wait(2)
    assert runs(world[execution_id], "loop")[0].outputs == {"iterationCount": 2}


@pytest.mark.parametrize(("fails", "state"), [("true", "FAILED"), ("false", "SUCCESS")])
def test_loop_until_stops_at_its_limit(fails: str, state: str) -> None:
    world = World(
        flow(f"""
tasks:
  - id: loop
    type: {FLOW}LoopUntil
    condition: "{{{{ false }}}}"
    failOnMaxReached: {fails}
    checkFrequency: {{interval: PT1S, maxIterations: 3}}
    tasks: [{{id: t, {LOG}}}]
""")
    )
    execution = world.run()
    assert states(execution)["loop"] == state
    assert sum(entry.task_id == "t" for entry in world.logs) == 3


def test_a_loop_that_is_run_again_has_its_whole_time_again() -> None:
    """Kestra 1.x: `maxDuration` counts from the restart."""
    world = World(
        flow(f"""
tasks:
  - id: w
    type: {FLOW}LoopUntil
    condition: "false"
    failOnMaxReached: true
    checkFrequency: {{interval: PT1S, maxDuration: PT3S}}
    tasks: [{{id: t, {LOG}}}]
""")
    )
    execution = world.run()
    rounds = history(execution).count("PAUSED")
    assert (execution.state.current.value, rounds) == ("FAILED", 3)
    world.tell(c.RestartExecution, execution)
    world.settle()
    assert (execution.state.current.value, history(execution).count("PAUSED")) == ("FAILED", 6)


def test_a_failed_child_ends_the_loop() -> None:
    world = World(
        flow(f"""
tasks:
  - id: loop
    type: {FLOW}LoopUntil
    condition: "{{{{ false }}}}"
    tasks: [{{id: t, {FAIL}}}]
    errors: [{{id: e, {LOG}}}]
""")
    )
    execution = world.run()
    assert states(execution) == {"loop": "FAILED", "t": "FAILED", "e": "SUCCESS"}


def test_a_loop_that_waits_does_not_hold_up_other_branches() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks:
      - id: loop
        type: {FLOW}LoopUntil
        condition: "{{{{ false }}}}"
        checkFrequency: {{maxIterations: 2}}
        tasks: [{{id: t, {LOG}}}]
      - {{id: s, type: {FLOW}Sequential, tasks: [{{id: a, {SLEEP}}}, {{id: b, {LOG}}}]}}
""")
    )
    execution_id = world.start()
    world.wait(15)
    assert states(world[execution_id])["b"] == "SUCCESS"


def sub(more: str = "") -> str:
    return flow(f"""
labels: {{mine: yes-really}}
tasks:
  - {{id: s, type: {FLOW}Subflow, namespace: n, flowId: child{more}}}
""")


def test_a_subflow_hands_its_outputs_and_state_to_the_parent() -> None:
    world = World(CHILD, sub(', inputs: {x: "{{ 1 + 2 }}"}'))
    execution = world.run("f")
    [child] = world.of("child")
    assert child.inputs == {"x": 3}
    assert runs(execution, "s")[0].outputs == {
        "executionId": child.id,
        "state": "SUCCESS",
        "outputs": {"y": 4},
    }
    assert child.trigger is not None
    assert child.trigger.variables["executionId"] == execution.id
    assert child.trigger.variables["taskRunId"] == runs(execution, "s")[0].id


def test_a_subflow_carries_the_correlation_id_and_its_own_labels() -> None:
    world = World(CHILD, sub(", labels: {task: t}"))
    execution = world.run("f")
    [child] = world.of("child")
    assert {x.key: x.value for x in child.labels} == {
        "of": "child",
        "task": "t",
        "system.from": "api",
        "system.correlationId": execution.id,
    }


def test_a_subflow_inherits_labels_only_when_asked() -> None:
    world = World(CHILD, sub(", inheritLabels: true"))
    world.run("f")
    [child] = world.of("child")
    assert {"key": "mine", "value": "yes-really"} in [
        {"key": x.key, "value": x.value} for x in child.labels
    ]


@pytest.mark.parametrize(("transmit", "state"), [("true", "FAILED"), ("false", "SUCCESS")])
def test_a_failed_child_fails_the_parent_when_it_is_transmitted(transmit: str, state: str) -> None:
    world = World(CHILD, sub(f", transmitFailed: {transmit}, inputs: {{x: 9}}"))
    execution = world.run("f")
    assert states(execution) == {"s": state}
    assert (runs(execution, "s")[0].outputs or {})["state"] == "FAILED"


def test_a_subflow_that_is_not_waited_for_succeeds_at_once() -> None:
    world = World(CHILD, sub(", wait: false, inputs: {x: 9}"))
    execution = world.run("f")
    assert states(execution) == {"s": "SUCCESS"}
    assert len(world.of("child")) == 1


@pytest.mark.parametrize("more", ["", ", inputs: {x: no number}"])
def test_a_child_that_cannot_be_created_fails_the_task(more: str) -> None:
    sources = [sub(more)] if not more else [CHILD, sub(more)]
    world = World(*sources)
    execution = world.run("f")
    assert states(execution) == {"s": "FAILED"}
    assert not world.of("child")


def test_a_disabled_child_fails_the_task_whatever_is_allowed() -> None:
    world = World(CHILD + "disabled: true\n", sub(", allowFailure: true"))
    execution = world.run("f")
    assert execution.state.current.value == "FAILED"
    assert any("which is disabled" in entry.message for entry in world.logs)


def test_a_kill_reaches_the_children() -> None:
    world = World(
        flow(f"tasks: [{{id: a, {SLEEP}}}]", "child"),
        sub(),
    )
    execution_id = world.start("f")
    world.wait(2)
    world.tell(c.KillExecution, execution_id)
    world.settle()
    assert [x.state.current.value for x in world.executions] == ["KILLED", "KILLED"]


def test_a_child_made_good_later_turns_the_task_run_but_not_the_parent() -> None:
    world = World(CHILD, sub(", inputs: {x: 9}"))
    execution = world.run("f")
    [child] = world.of("child")
    world.tell(c.ChangeExecutionState, child, state=StateType.SUCCESS)
    world.settle()
    assert states(execution) == {"s": "SUCCESS"}
    assert execution.state.current.value == "FAILED"


def test_a_restart_runs_the_failed_child_again_instead_of_a_new_one() -> None:
    world = World(
        flow(
            "tasks: [{id: t, type: io.kestra.plugin.core.log.Log,"
            """ message: "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}"}]""",
            "child",
        ),
        sub(),
    )
    execution = world.run("f")
    assert execution.state.current.value == "FAILED"
    world.tell(c.RestartExecution, execution)
    world.settle()
    assert execution.state.current.value == "SUCCESS"
    [child] = world.of("child")
    assert len(runs(child, "t")[0].attempts) == 2


# --- a child whose flow is retried whole

RETRIED_CHILD = f"""
id: child
namespace: n
retry: {{type: constant, interval: PT10S, maxAttempts: 2, behavior: CREATE_NEW_EXECUTION}}
tasks:
  - id: first
    type: io.kestra.plugin.core.execution.Fail
    condition: "{{{{ execution.originalId == execution.id }}}}"
  - {{id: then, {SLEEP}}}
outputs: [{{id: y, type: STRING, value: "{{{{ execution.id }}}}"}}]
"""
WAITS = flow(f"""
tasks:
  - {{id: s, type: {FLOW}Subflow, namespace: n, flowId: child}}
  - id: then
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ outputs.s.outputs.y }}}}"
""")


def children(world: World) -> list[str]:
    return [child.state.current.value for child in world.of("child")]


def test_a_parent_waits_for_the_execution_in_which_its_child_is_retried() -> None:
    """Kestra did not before its 2.0: the task succeeded, without outputs, with the first one."""
    world = World(WAITS, RETRIED_CHILD)
    execution_id = world.start("f")
    world.wait(5)
    assert states(world[execution_id]) == {"s": "RUNNING"}
    world.settle()
    execution = world[execution_id]
    second = world.of("child")[1].id
    assert children(world) == ["RETRIED", "SUCCESS"]
    assert execution.state.current.value == "SUCCESS"
    assert runs(execution, "s")[0].outputs == {
        "executionId": second, "state": "SUCCESS", "outputs": {"y": second},
    }  # fmt: skip
    assert runs(execution, "then")[0].outputs == {"value": second}


def test_a_child_that_fails_in_its_last_execution_fails_the_task_and_is_restarted_there() -> None:
    child = RETRIED_CHILD.replace(
        "execution.originalId == execution.id", "taskrun.attemptsCount == 0"
    )
    world = World(WAITS, child)
    execution = world.run("f")
    assert children(world) == ["RETRIED", "FAILED"]
    assert execution.state.current.value == "FAILED"
    world.tell(c.RestartExecution, execution)
    world.settle()
    assert children(world) == ["RETRIED", "SUCCESS"]
    assert world[execution.id].state.current.value == "SUCCESS"


@pytest.mark.parametrize("seconds", [5, 15])
def test_a_kill_reaches_a_child_that_waits_for_its_retry_or_runs_in_it(seconds: int) -> None:
    world = World(WAITS, RETRIED_CHILD)
    execution_id = world.start("f")
    world.wait(seconds)
    world.tell(c.KillExecution, execution_id)
    world.settle()
    assert world[execution_id].state.current.value == "KILLED"
    assert children(world) == (["RETRIED"] if seconds < 10 else ["RETRIED", "KILLED"])


def test_a_kill_of_the_parent_that_meets_the_first_execution_goes_on_to_the_second() -> None:
    world = World(WAITS, RETRIED_CHILD)
    world.start("f")
    world.wait(15)
    first = world.of("child")[0]
    world.tell(c.KillExecution, first, issuer="executor")
    world.wait(1)
    assert children(world) == ["RETRIED", "KILLED"]


@pytest.mark.parametrize(
    ("kind", "members", "told"),
    [
        (c.KillExecution, {}, "KILLED"),
        (c.DeleteExecution, {}, "KILLED"),
        (c.ChangeExecutionState, {"state": StateType.WARNING}, "WARNING"),
    ],
)
def test_a_parent_does_not_wait_for_a_retry_that_is_taken_back(
    kind: type[c.ExecutionCommand], members: dict[str, Any], told: str
) -> None:
    world = World(WAITS, RETRIED_CHILD)
    execution_id = world.start("f")
    world.wait(5)
    world.tell(kind, world.of("child")[0], **members)
    world.wait(1)
    assert states(world[execution_id])["s"] == told


@pytest.mark.parametrize("late", [False, True])
def test_the_second_execution_is_known_whatever_is_heard_of_it_first(late: bool) -> None:
    world = World(WAITS, RETRIED_CHILD)
    execution_id = world.start("f")
    world.wait(5)
    first = world.of("child")[0].id
    begun, ended = (
        c.RecordSubflowResult(
            execution_id=execution_id,
            command_id=state.value,
            task_run_id=runs(world[execution_id], "s")[0].id,
            child_id="second",
            state=state,
            outputs={"y": "z"},
            replaces=first,
        )
        for state in (StateType.CREATED, StateType.SUCCESS)
    )
    for command in (ended, begun) if late else (begun, ended):
        world.send(command)
    world.wait(1)
    assert states(world[execution_id]) == {"s": "SUCCESS", "then": "SUCCESS"}


def test_the_children_of_a_file_are_counted_once_when_they_are_retried() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEachItem
    items: "kestra:///f"
    namespace: n
    flowId: child
"""),
        RETRIED_CHILD,
    )
    world.files["kestra:///f"] = 3
    execution = world.run("f")
    assert execution.state.current.value == "SUCCESS"
    outputs = runs(execution, "each_items")[0].outputs
    assert outputs is not None
    assert {k: n for k, n in outputs["iterations"].items() if n} == {"SUCCESS": 3}
    assert world.files["kestra:///merged"] == 3


@pytest.mark.parametrize("behavior", ["BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"])
def test_the_checks_of_the_childs_flow_are_looked_at(behavior: str) -> None:
    child = flow(
        f"""
inputs: [{{id: n, type: INT}}]
checks: [{{condition: "{{{{ inputs.n > 5 }}}}", message: too few, behavior: {behavior}}}]
tasks: [{{id: a, {LOG}}}]
""",
        "child",
    )
    world = World(child, sub(", inputs: {n: 3}"))
    execution = world.run("f")
    children = world.of("child")
    said = [entry.message for entry in world.logs if entry.level is Level.ERROR]
    if behavior == "CREATE_EXECUTION":
        assert execution.state.current.value == "SUCCESS"
        return
    assert states(execution) == {"s": "FAILED"}
    assert any("too few" in message for message in said)
    if behavior == "BLOCK_EXECUTION":
        assert children == []
    else:
        assert [(x.state.current.value, x.task_runs) for x in children] == [("FAILED", {})]


def test_deprecated_outputs_are_rendered_with_the_childs_variables() -> None:
    world = World(CHILD, sub(""", outputs: {z: "{{ inputs.x }}!"}"""))
    execution = world.run("f")
    assert (runs(execution, "s")[0].outputs or {})["outputs"] == {"y": 2, "z": "1!"}


def test_for_each_item_runs_a_child_per_batch_up_to_its_limit() -> None:
    world = World(
        flow(f"inputs: [{{id: part, type: STRING}}]\ntasks: [{{id: a, {SLEEP}}}]", "child"),
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEachItem
    items: kestra:///file
    batch: {{rows: 2}}
    namespace: n
    flowId: child
    concurrencyLimit: 2
    inputs: {{part: "{{{{ taskrun.items }}}}/{{{{ taskrun.iteration }}}}"}}
"""),
    )
    world.files["kestra:///file"] = 9
    execution_id = world.start("f")
    world.wait(5)
    assert len(world.of("child")) == 2
    world.settle()
    execution = world[execution_id]
    assert order(execution) == ["each", "each_split", "each_items", "each_merge"]
    outputs = runs(execution, "each_items")[0].outputs
    assert outputs == {
        "numberOfBatches": 5,
        "iterations": {"CREATED": 0, "RUNNING": 0, "SUCCESS": 5},
    }
    assert [x.inputs["part"] for x in world.of("child")] == [
        f"kestra:///each_split/{n}/{n}" for n in range(5)
    ]


def test_for_each_item_without_a_batch_says_nothing_and_succeeds() -> None:
    world = World(
        flow(f"tasks: [{{id: a, {LOG}}}]", "child"),
        EACH_ITEM.format(more="namespace: n, flowId: child"),
    )
    world.files["kestra:///file"] = 0
    execution = world.run("f")
    assert execution.state.current.value == "SUCCESS"
    assert order(execution) == ["each", "each_split", "each_items", "each_merge"]
    assert not runs(execution, "each_items")[0].outputs
    assert not world.of("child")


def test_for_each_item_that_does_not_wait_counts_no_created_ones() -> None:
    """Kestra: without `wait` only RUNNING and SUCCESS are told."""
    world = World(
        flow(f"tasks: [{{id: a, {LOG}}}]", "child"),
        EACH_ITEM.format(more="namespace: n, flowId: child, wait: false"),
    )
    world.files["kestra:///file"] = 3
    execution = world.run("f")
    outputs = runs(execution, "each_items")[0].outputs
    assert outputs == {"numberOfBatches": 3, "iterations": {"RUNNING": 0, "SUCCESS": 3}}


EACH_ITEM = f"""
id: f
namespace: n
tasks:
  - {{{{id: each, type: {FLOW}ForEachItem, items: "kestra:///file", {{more}}}}}}
"""
