"""Retries, promises, and the tasks that the executor carries out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.execution.lifecycle import StateType
from domain.execution.retries import retry_at
from domain.execution.state import Execution
from domain.flow.common import Retry
from domain.log import Level
from tests.support.heart import START, World, history, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
EXECUTION = "io.kestra.plugin.core.execution."
S = StateType


def flow(body: str) -> str:
    return f"id: f\nnamespace: n\n{body}"


def labels(execution: Execution) -> dict[str, str]:
    return {x.key: x.value for x in execution.labels if not x.key.startswith("system.")}


# --- retries


def delays(retry: Retry, noise: float = 0.5) -> list[float]:
    found = []
    for attempts in range(1, 6):
        due = retry_at(retry, attempts, START, START, noise)
        if due is None:
            break
        found.append((due - START).total_seconds())
    return found


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_the_first_run_counts_among_the_attempts() -> None:
    assert delays(Retry(type="constant", interval=seconds(2), max_attempts=3)) == [2, 2]


def test_an_exponential_retry_waits_the_interval_first_and_never_longer_than_the_longest() -> None:
    """Kestra 1.3.25: interval x factor^(attempts - 1)."""
    retry = Retry(type="exponential", interval=seconds(1), max_interval=seconds(5), max_attempts=6)
    assert delays(retry) == [1, 2, 4, 5, 5]


def test_a_random_retry_waits_between_its_bounds() -> None:
    retry = Retry(type="random", min_interval=seconds(1), max_interval=seconds(3))
    assert delays(retry, 0.0)[0] == 1
    assert delays(retry, 0.5)[0] == 2


def test_a_retry_that_would_come_too_late_does_not_come() -> None:
    retry = Retry(type="constant", interval=seconds(2), max_duration=seconds(3))
    assert retry_at(retry, 1, START, START, 0) == START + seconds(2)
    assert retry_at(retry, 2, START, START + seconds(2), 0) is None


def test_an_attempt_that_would_be_due_when_the_span_ends_is_too_late() -> None:
    """In Kestra some milliseconds have always passed: 15 s by 5 s are three attempts."""
    retry = Retry(type="constant", interval=seconds(5), max_duration=seconds(15))
    assert retry_at(retry, 2, START, START + seconds(5), 0) == START + seconds(10)
    assert retry_at(retry, 3, START, START + seconds(10), 0) is None


def test_a_retried_task_run_keeps_its_attempts_and_shows_the_wait() -> None:
    world = World(
        flow("""
tasks:
  - id: a
    type: io.kestra.plugin.core.log.Log
    message: "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}"
    retry: {type: constant, interval: PT2S, maxAttempts: 3}
""")
    )
    execution = world.run()
    [run] = runs(execution, "a")
    assert history(run) == [
        "CREATED", "SUBMITTED", "RUNNING", "FAILED", "RETRYING",
        "CREATED", "SUBMITTED", "RUNNING", "SUCCESS",
    ]  # fmt: skip
    assert [x.state.current.value for x in run.attempts] == ["FAILED", "SUCCESS"]
    assert history(execution) == ["CREATED", "RUNNING", "FAILED", "RETRYING", "RUNNING", "SUCCESS"]


def test_an_execution_fails_before_it_retries_only_when_a_task_at_the_top_failed() -> None:
    """A recording of Kestra 1.3.25: FAILED, RETRYING; within a flowable other tasks may go on."""
    world = World(
        flow(f"""
tasks:
  - id: s
    type: io.kestra.plugin.core.flow.Sequential
    tasks: [{{id: a, {FAIL}, retry: {{type: constant, interval: PT2S, maxAttempts: 2}}}}]
""")
    )
    assert history(world.run()) == ["CREATED", "RUNNING", "RETRYING", "RUNNING", "FAILED"]


@pytest.mark.parametrize(("type_", "attempts"), [("Assert", 3), ("SetVariables", 1)])
def test_a_task_that_changes_the_execution_is_not_retried(type_: str, attempts: int) -> None:
    """Kestra: a retry is for runnable tasks and subflows."""
    said = {
        "Assert": "conditions: ['false']",
        "SetVariables": "variables: {a: '{{ inputs.nothing }}'}",
    }[type_]
    world = World(
        flow(f"""
tasks:
  - id: a
    type: {EXECUTION}{type_}
    {said}
    retry: {{type: constant, interval: PT1S, maxAttempts: 3}}
""")
    )
    assert len(runs(world.run(), "a")[0].attempts) == attempts


def test_a_flow_retried_as_a_new_execution_has_failed_first() -> None:
    world = World(
        flow(f"""
tasks:
  - id: a
    {FAIL.replace(", ", chr(10) + "    ")}
    retry:
      {{type: constant, interval: PT2S, maxAttempts: 2, behavior: CREATE_NEW_EXECUTION}}
""")
    )
    execution = world.run()
    assert history(execution) == ["CREATED", "RUNNING", "FAILED", "RETRIED"]
    [run] = runs(execution, "a")
    assert history(run) == ["CREATED", "SUBMITTED", "RUNNING", "FAILED", "RETRIED"]
    assert [x.state.current for x in run.attempts] == [S.FAILED]


@pytest.mark.parametrize("warning", [True, False])
def test_a_success_after_a_retry_may_be_a_warning(warning: bool) -> None:
    world = World(
        flow(f"""
tasks:
  - id: a
    type: io.kestra.plugin.core.log.Log
    message: "{{{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}}}"
    retry:
      {{type: constant, interval: PT2S, maxAttempts: 3, warningOnRetry: {str(warning).lower()}}}
""")
    )
    assert world.run().state.current is (S.WARNING if warning else S.SUCCESS)


def test_the_nearest_retry_counts_of_task_flowable_and_flow() -> None:
    world = World(
        flow(f"""
retry: {{type: constant, interval: PT1S, maxAttempts: 2}}
tasks:
  - id: p
    type: io.kestra.plugin.core.flow.Parallel
    onChildFailure: CONTINUE
    tasks:
      - id: s
        type: io.kestra.plugin.core.flow.Sequential
        retry: {{type: constant, interval: PT1S, maxAttempts: 3}}
        tasks: [{{id: inner, {FAIL}}}]
      - {{id: own, {FAIL}, retry: {{type: constant, interval: PT1S, maxAttempts: 4}}}}
      - {{id: outer, {FAIL}}}
""")
    )
    execution = world.run()
    assert [len(runs(execution, x)[0].attempts) for x in ("inner", "own", "outer")] == [3, 4, 2]


def test_only_a_tasks_own_retry_makes_its_success_a_warning() -> None:
    world = World(
        flow("""
tasks:
  - id: s
    type: io.kestra.plugin.core.flow.Sequential
    retry: {type: constant, interval: PT2S, maxAttempts: 3, warningOnRetry: true}
    tasks:
      - id: a
        type: io.kestra.plugin.core.log.Log
        message: "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}"
""")
    )
    assert world.run().state.current is S.SUCCESS


def retried_block(errors: str, retry: str, own: str = "") -> str:
    """A task that succeeds with its third attempt, in a flowable with `errors`."""
    return flow(f"""
tasks:
  - id: s
    type: io.kestra.plugin.core.flow.Sequential
    {retry}
    tasks:
      - id: a
        type: io.kestra.plugin.core.log.Log
        message: "{{{{ taskrun.attemptsCount == 2 ? 'fine' : missing }}}}"
        {own}
      - {{id: b, {LOG}}}
    errors: {errors}
""")


RETRY = "retry: {type: constant, interval: PT2S, maxAttempts: 3}"


def said_by(world: World, task_id: str) -> int:
    return sum(entry.task_id == task_id and entry.level is Level.INFO for entry in world.logs)


def test_where_a_flowable_retries_its_errors_run_between_the_attempts_and_leave_no_trace() -> None:
    """Kestra starts the block with the failure and takes its task runs out with the retry."""
    world = World(retried_block(f"[{{id: e, {LOG}}}, {{id: e2, {LOG}}}]", RETRY))
    execution = world.run()
    assert execution.state.current is S.SUCCESS
    assert sorted(states(execution)) == ["a", "b", "s"]
    assert (said_by(world, "e"), said_by(world, "e2")) == (2, 2)


def test_the_errors_of_a_block_run_with_every_attempt_and_stay_after_the_last() -> None:
    world = World(retried_block(f"[{{id: e, {LOG}}}]", RETRY.replace("3", "2")))
    execution = world.run()
    assert execution.state.current is S.FAILED
    assert states(execution) == {"s": "FAILED", "a": "FAILED", "e": "SUCCESS"}
    assert said_by(world, "e") == 2


def test_a_task_that_retries_itself_lets_the_errors_around_it_wait() -> None:
    world = World(retried_block(f"[{{id: e, {LOG}}}]", "", RETRY))
    assert world.run().state.current is S.SUCCESS
    assert said_by(world, "e") == 0


def test_an_attempt_that_is_due_waits_for_the_errors_before_it() -> None:
    world = World(retried_block(f"[{{id: e, {SLEEP}}}, {{id: e2, {LOG}}}]", RETRY))
    execution_id = world.start()
    world.wait(5)
    assert states(world[execution_id])["a"] == "RETRYING"
    world.settle()
    assert world[execution_id].state.current is S.SUCCESS
    assert said_by(world, "e2") == 2


def test_errors_that_fail_between_the_attempts_do_not_end_the_flowable() -> None:
    own = "retry: {type: constant, interval: PT1S, maxAttempts: 1}"
    world = World(retried_block(f"[{{id: e, {FAIL}, {own}}}]", RETRY))
    execution = world.run()
    assert execution.state.current is S.SUCCESS
    assert sorted(states(execution)) == ["a", "b", "s"]


def test_other_branches_go_on_while_errors_run_between_attempts() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: io.kestra.plugin.core.flow.Parallel
    concurrent: 2
    retry: {{type: constant, interval: PT1M, maxAttempts: 2}}
    tasks:
      - {{id: a, {FAIL}}}
      - {{id: b, {SLEEP}}}
      - {{id: c, {LOG}}}
    errors: [{{id: e, {SLEEP}}}]
""")
    )
    execution_id = world.start()
    world.wait(30)
    found = states(world[execution_id])
    assert (found["a"], found["c"], found["e"]) == ("RETRYING", "SUCCESS", "SUCCESS")
    world.settle()
    assert world[execution_id].state.current is S.FAILED


def test_the_errors_of_one_iteration_run_between_its_attempts() -> None:
    world = World(
        flow(f"""
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.Loop
    values: [x, y]
    retry: {{type: constant, interval: PT2S, maxAttempts: 2}}
    tasks:
      - id: a
        type: io.kestra.plugin.core.log.Log
        message: "{{{{ item.value == 'x' or taskrun.attemptsCount == 1 ? 'fine' : missing }}}}"
    errors: [{{id: e, {LOG}}}]
""")
    )
    execution = world.run()
    assert execution.state.current is S.SUCCESS
    assert sorted(x.task_id for x in execution.task_runs.values()) == ["a", "a", "loop"]
    assert said_by(world, "e") == 1


def test_while_a_task_waits_for_its_retry_other_branches_go_on() -> None:
    world = World(
        flow(f"""
tasks:
  - id: p
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - {{id: a, {FAIL}, retry: {{type: constant, interval: PT1M, maxAttempts: 2}}}}
      - id: s
        type: io.kestra.plugin.core.flow.Sequential
        tasks: [{{id: b, {SLEEP}}}, {{id: c, {LOG}}}]
""")
    )
    execution_id = world.start()
    world.wait(30)
    assert states(world[execution_id])["c"] == "SUCCESS"


def test_a_retry_as_a_new_execution_supersedes_the_old_one() -> None:
    world = World(
        flow(f"""
retry: {{type: constant, interval: PT1S, maxAttempts: 3, behavior: CREATE_NEW_EXECUTION}}
tasks: [{{id: a, {FAIL}}}]
""")
    )
    first = world.run()
    assert [x.state.current.value for x in world.executions] == ["RETRIED", "RETRIED", "FAILED"]
    assert {x.original_id for x in world.executions} == {first.id}
    assert [x.metadata.attempt_number for x in world.executions] == [1, 2, 3]


# --- promises


@pytest.mark.parametrize(
    ("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED"), ("NONE", "SUCCESS")]
)
def test_an_execution_that_takes_too_long_ends_as_promised(behavior: str, state: str) -> None:
    world = World(
        flow(f"""
sla: [{{id: q, type: MAX_DURATION, duration: PT5S, behavior: {behavior}, labels: {{late: very}}}}]
tasks: [{{id: a, {SLEEP}}}]
afterExecution: [{{id: after, {LOG}}}]
""")
    )
    execution = world.run()
    assert execution.state.current.value == state
    assert labels(execution) == {"late": "very"}
    assert states(execution)["after"] == "SUCCESS"
    assert not world.running or behavior == "NONE"


def test_an_assertion_is_looked_at_with_every_step_and_broken_once() -> None:
    world = World(
        flow(f"""
sla:
  - id: q
    type: EXECUTION_ASSERTION
    behavior: NONE
    assert: "{{{{ outputs.a is not defined }}}}"
    labels: {{seen: a}}
tasks:
  - {{id: a, type: io.kestra.plugin.core.debug.Return, format: x}}
  - {{id: b, {LOG}}}
""")
    )
    execution = world.run()
    assert labels(execution) == {"seen": "a"}
    assert len(execution.violated) == 1


def test_an_assertion_that_cannot_be_evaluated_fails_the_execution() -> None:
    world = World(
        flow(f"""
sla: [{{id: q, type: EXECUTION_ASSERTION, behavior: NONE, assert: "{{{{ nothing }}}}"}}]
tasks: [{{id: a, {LOG}}}]
""")
    )
    assert world.run().state.current is S.FAILED


# --- tasks of the executor


def test_fail_says_why() -> None:
    world = World(flow(f"""tasks: [{{id: a, {FAIL}, errorMessage: "no {{{{ task.id }}}}"}}]"""))
    execution = world.run()
    told = [(entry.level, entry.message.splitlines()[0]) for entry in world.logs]
    assert told == [
        (Level.ERROR, "no a"),
        (Level.TRACE, "io.kestra.plugin.core.execution.Fail: no a"),
    ]
    assert history(runs(execution, "a")[0]) == ["CREATED", "SUBMITTED", "RUNNING", "FAILED"]


@pytest.mark.parametrize(("condition", "state"), [("true", "FAILED"), ("false", "SUCCESS")])
def test_fail_may_depend_on_a_condition(condition: str, state: str) -> None:
    world = World(flow(f"""tasks: [{{id: a, {FAIL}, condition: "{{{{ {condition} }}}}"}}]"""))
    assert states(world.run()) == {"a": state}


@pytest.mark.parametrize(
    ("said", "state"),
    [("WARNING", "WARNING"), ("FAILED", "FAILED"), ("KILLED", "KILLED"), ("CANCELED", "CANCELLED")],
)
def test_exit_ends_the_parents_and_the_execution_with_its_state(said: str, state: str) -> None:
    world = World(
        flow(f"""
tasks:
  - id: s
    type: io.kestra.plugin.core.flow.Sequential
    tasks: [{{id: x, type: {EXECUTION}Exit, state: {said}}}, {{id: y, {LOG}}}]
  - {{id: z, {LOG}}}
""")
    )
    execution = world.run()
    assert states(execution) == {"s": state, "x": state}
    assert execution.state.current.value == state


def test_exit_with_success_at_the_top_does_not_stop_the_flow() -> None:
    world = World(flow(f"tasks: [{{id: x, type: {EXECUTION}Exit}}, {{id: y, {LOG}}}]"))
    assert states(world.run()) == {"x": "SUCCESS", "y": "SUCCESS"}


def test_assert_counts_what_does_not_hold() -> None:
    world = World(
        flow(f"""
tasks:
  - id: a
    type: {EXECUTION}Assert
    conditions: ["{{{{ 1 == 1 }}}}", "{{{{ 1 == 2 }}}}", "{{{{ nothing }}}}"]
    errorMessage: look
""")
    )
    execution = world.run()
    assert execution.state.current is S.FAILED
    assert world.logs[0].message.startswith("2 assertions failed.\nlook\n")


@pytest.mark.parametrize(
    "said",
    ["{a: new, c: d}", "[{key: a, value: new}, {key: c, value: d}]", """'{"a":"new","c":"d"}'"""],
)
def test_labels_are_set_from_maps_lists_and_json(said: str) -> None:
    world = World(
        flow(f"""
labels: {{a: old}}
tasks: [{{id: t, type: {EXECUTION}Labels, labels: {said}}}]
""")
    )
    assert labels(world.run()) == {"a": "new", "c": "d"}


@pytest.mark.parametrize(
    "said", ["{a: {b: '{{ task.id }}', c: [1]}}", "[{key: a, value: {b: '{{ task.id }}', c: [1]}}]"]
)
def test_a_map_as_value_of_a_label_becomes_json(said: str) -> None:
    world = World(flow(f"tasks: [{{id: t, type: {EXECUTION}Labels, labels: {said}}}]"))
    assert labels(world.run()) == {"a": '{"b":"t","c":[1]}'}


@pytest.mark.parametrize("said", ["{a: 5}", "{system.x: y}", "'no json'", "{a: ''}"])
def test_labels_that_are_none_fail_the_task(said: str) -> None:
    world = World(flow(f"tasks: [{{id: t, type: {EXECUTION}Labels, labels: {said}}}]"))
    assert states(world.run()) == {"t": "FAILED"}


def test_variables_are_merged_in_depth_and_taken_away_by_path() -> None:
    world = World(
        flow(f"""
variables: {{a: {{b: 1, c: 2}}, d: 3}}
tasks:
  - {{id: set, type: {EXECUTION}SetVariables, variables: {{a: {{b: "{{{{ task.id }}}}"}}, e: 4}}}}
  - {{id: unset, type: {EXECUTION}UnsetVariables, variables: [a.c, d, nothing]}}
""")
    )
    assert world.run().variables == {"a": {"b": "set"}, "e": 4}


def test_variables_that_exist_are_kept_without_overwrite() -> None:
    world = World(
        flow(f"""
variables: {{a: 1}}
tasks: [{{id: set, type: {EXECUTION}SetVariables, overwrite: false, variables: {{a: 2}}}}]
""")
    )
    execution = world.run()
    assert states(execution) == {"set": "FAILED"}
    assert execution.variables == {"a": 1}
