"""Slots and promises over an execution's whole life: queue, retries, restarts, the last task."""

from __future__ import annotations

from datetime import timedelta

from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from domain.execution.state import Slot
from tests.support.heart import World, history, states

FLOW = "io.kestra.plugin.core.flow."
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = f"type: {FLOW}Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
S = StateType


def flow(body: str, name: str = "f") -> str:
    return f"id: {name}\nnamespace: n\n{body}"


def test_an_execution_that_is_retried_as_a_new_one_holds_no_slot_while_it_waits() -> None:
    world = World(
        flow(f"""
concurrency: {{limit: 1}}
retry: {{type: constant, interval: PT5M, maxAttempts: 2, behavior: CREATE_NEW_EXECUTION}}
tasks: [{{id: a, {FAIL}, condition: "{{{{ inputs.bad }}}}"}}]
inputs: [{{id: bad, type: BOOL, defaults: false}}]
""")
    )
    first, second = world.start(inputs={"bad": True}), world.start()
    world.wait(5)
    assert world[first].state.current is S.RETRIED
    assert world[first].slot is Slot.NONE
    assert world[second].state.current is S.SUCCESS
    world.settle()
    assert [x.state.current.value for x in world.executions] == ["RETRIED", "SUCCESS", "FAILED"]
    assert world.slots["main/n/f"].is_empty


def test_a_restart_that_is_refused_runs_nothing() -> None:
    world = World(
        flow(f"""
concurrency: {{limit: 1, behavior: FAIL}}
tasks: [{{id: a, {SLEEP}}}, {{id: b, {FAIL}, condition: "{{{{ inputs.bad }}}}"}}]
afterExecution: [{{id: after, {LOG}}}]
inputs: [{{id: bad, type: BOOL, defaults: false}}]
""")
    )
    failed = world.run(inputs={"bad": True})
    assert states(failed)["after"] == "SUCCESS"
    world.start()
    world.wait(1)
    world.tell(c.RestartExecution, failed)
    world.settle()
    assert history(world[failed.id]) == ["CREATED", "RUNNING", "FAILED", "RESTARTED", "FAILED"]
    assert states(world[failed.id]) == {"a": "SUCCESS", "b": "FAILED"}
    assert world[failed.id].closed
    world.tell(c.RestartExecution, failed)
    world.settle()
    assert states(world[failed.id])["after"] == "SUCCESS"


def test_a_promise_about_the_duration_counts_the_time_in_the_queue() -> None:
    world = World(
        flow(f"""
concurrency: {{limit: 1}}
sla: [{{id: q, type: MAX_DURATION, duration: PT12S, behavior: FAIL, labels: {{late: very}}}}]
tasks: [{{id: a, {SLEEP}}}]
""")
    )
    _, second = world.start(), world.start()
    world.settle()
    assert history(world[second]) == ["CREATED", "QUEUED", "RUNNING", "FAILED"]
    lasted = world[second].state.duration
    assert lasted is not None
    assert lasted < timedelta(seconds=13)
    assert world.slots["main/n/f"].is_empty


def test_a_promise_about_the_duration_does_not_count_the_time_before_the_date() -> None:
    world = World(
        flow(f"""
sla: [{{id: q, type: MAX_DURATION, duration: PT15S, behavior: FAIL}}]
tasks: [{{id: a, {SLEEP}}}]
""")
    )
    execution = world.run(schedule_date=world.now + timedelta(seconds=14))
    assert execution.state.current is S.SUCCESS


def test_an_assertion_sees_what_the_last_task_has_changed() -> None:
    world = World(
        flow("""
variables: {n: 1}
sla:
  - {id: q, type: EXECUTION_ASSERTION, behavior: FAIL, assert: "{{ vars.n == 1 }}"}
tasks:
  - {id: a, type: io.kestra.plugin.core.execution.SetVariables, variables: {n: 2}}
""")
    )
    assert world.run().state.current is S.FAILED
