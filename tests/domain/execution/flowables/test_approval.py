"""Approval of 2.0: what Kestra's public tests of it say."""

from __future__ import annotations

from typing import Any

import pytest

from domain.execution import commands as c
from domain.execution.state import Execution
from domain.log import Level
from tests.support.heart import World, history, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FLOW = "io.kestra.plugin.core.flow."


def source(more: str = "", *, rest: str = "") -> str:
    return f"""
id: f
namespace: n
tasks:
  - id: ask
    type: {FLOW}Approval
    onWait: [{{id: notify, {LOG}}}]
    onApprove: [{{id: approved, {LOG}}}]
    onDeny: [{{id: denied, {LOG}}}]
    {more}
  - {{id: after, {LOG}}}
{rest}
"""


def world(more: str = "", *, rest: str = "") -> World:
    return World(source(more, rest=rest))


def paused(there: World) -> Execution:
    execution_id = there.start()
    there.wait(1)
    execution = there[execution_id]
    assert execution.state.current.value == "PAUSED"
    return execution


def decide(there: World, execution: Execution, decision: str, **members: Any) -> None:
    there.tell(c.ReviewExecution, execution, decision=decision, **members)
    there.settle()


def outputs(execution: Execution, task: str = "ask") -> dict[str, Any]:
    return runs(execution, task)[0].outputs or {}


def test_what_waits_first_then_the_branch_of_the_approval_then_what_follows() -> None:
    there = world()
    execution = paused(there)
    assert order(execution) == ["ask", "notify"]
    decide(there, execution, "APPROVED", comment="looks good", by="alice", inputs={"n": 1})
    assert order(execution) == ["ask", "notify", "approved", "after"]
    assert history(execution) == [
        "CREATED", "RUNNING", "PAUSED", "RESTARTED", "RUNNING", "SUCCESS",
    ]  # fmt: skip
    found = outputs(execution)
    assert (found["decision"], found["auto"], found["by"]) == ("APPROVED", False, "alice")
    assert (found["comment"], found["inputs"]) == ("looks good", {"n": 1})
    assert there.refolded()[execution.id] == execution


def test_a_denial_runs_its_branch_and_cancels() -> None:
    there = world()
    execution = paused(there)
    decide(there, execution, "DENIED")
    assert order(execution) == ["ask", "notify", "denied"]
    assert states(execution)["ask"] == "CANCELLED"
    assert execution.state.current.value == "CANCELLED"


@pytest.mark.parametrize(
    ("behavior", "task", "execution_state", "follows"),
    [
        ("CONTINUE", "SUCCESS", "SUCCESS", True),
        ("WARN", "WARNING", "WARNING", True),
        ("FAIL", "FAILED", "FAILED", False),
        ("SUCCEED", "SUCCESS", "SUCCESS", False),
        ("CANCEL", "CANCELLED", "CANCELLED", False),
        ("KILL", "KILLED", "KILLED", False),
    ],
)
def test_the_behaviour_says_what_becomes_of_the_execution(
    behavior: str, task: str, execution_state: str, follows: bool
) -> None:
    there = world(f"approveBehavior: {behavior}", rest=f"finally: [{{id: last, {LOG}}}]")
    execution = paused(there)
    decide(there, execution, "APPROVED")
    assert states(execution)["ask"] == task
    assert execution.state.current.value == execution_state
    assert ("after" in states(execution)) is follows
    assert ("last" in states(execution)) is (behavior != "KILL")


def test_a_failure_in_the_branch_is_not_hidden_by_the_behaviour() -> None:
    there = World(
        source("approveBehavior: SUCCEED").replace(f"id: approved, {LOG}", f"id: a, {FAIL}")
    )
    execution = paused(there)
    decide(there, execution, "APPROVED")
    assert execution.state.current.value == "FAILED"


def test_without_a_decision_in_time_it_expires() -> None:
    there = world(f"timeout: PT5S\n    finally: [{{id: cleanup, {LOG}}}]")
    execution = paused(there)
    assert outputs(execution)["due"]
    there.settle()
    assert order(execution) == ["ask", "notify", "cleanup"]
    assert (outputs(execution)["decision"], outputs(execution)["auto"]) == ("EXPIRED", False)
    assert execution.state.current.value == "CANCELLED"


def test_a_decision_in_time_is_not_undone() -> None:
    there = World(
        f"""
id: f
namespace: n
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks:
      - {{id: ask, type: {FLOW}Approval, timeout: PT5S}}
      - {{id: sleep, {SLEEP}}}
"""
    )
    execution = paused(there)
    decide(there, execution, "APPROVED")
    assert outputs(execution)["decision"] == "APPROVED"
    assert execution.state.current.value == "SUCCESS"


def test_it_may_approve_by_itself() -> None:
    there = world("autoApprove: '{{ true }}'")
    execution = there.run()
    assert order(execution) == ["ask", "approved", "after"]
    assert outputs(execution) == {"auto": True, "decision": "APPROVED"}
    assert "PAUSED" not in history(execution)


@pytest.mark.parametrize(
    ("wanted", "decision", "refused"),
    [
        ("NEVER", "DENIED", False),
        ("ALWAYS", "APPROVED", True),
        ("ON_DENY", "APPROVED", False),
        ("ON_DENY", "DENIED", True),
        ("ON_APPROVE", "APPROVED", True),
    ],
)
def test_a_comment_may_be_wanted(wanted: str, decision: str, refused: bool) -> None:
    there = world(f"commentRequired: {wanted}")
    execution = paused(there)
    decide(there, execution, decision)
    assert (execution.state.current.value == "PAUSED") is refused


def test_a_second_decision_is_refused_and_a_resume_decides_nothing() -> None:
    there = world()
    execution = paused(there)
    there.tell(c.ResumeExecution, execution)
    there.settle()
    assert execution.state.current.value == "PAUSED"
    decide(there, execution, "APPROVED")
    decide(there, execution, "DENIED")
    assert outputs(execution)["decision"] == "APPROVED"


def test_two_approvals_are_decided_one_by_one_and_one_denial_cancels_all() -> None:
    there = World(
        f"""
id: f
namespace: n
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks:
      - {{id: a, type: {FLOW}Approval, onDeny: [{{id: denied, {LOG}}}]}}
      - {{id: b, type: {FLOW}Approval, onApprove: [{{id: approved, {LOG}}}]}}
"""
    )
    execution = paused(there)
    decide(there, execution, "DENIED", task_run_id=runs(execution, "a")[0].id)
    assert execution.state.current.value == "PAUSED"
    decide(there, execution, "APPROVED", task_run_id=runs(execution, "b")[0].id)
    assert execution.state.current.value == "CANCELLED"
    assert states(execution)["denied"] == "SUCCESS"


@pytest.mark.parametrize(("more", "state"), [("", "FAILED"), ("allowFailure: true", "PAUSED")])
def test_when_what_waits_fails_nobody_is_asked_unless_failures_are_allowed(
    more: str, state: str
) -> None:
    there = World(
        source(f"finally: [{{id: cleanup, {LOG}}}]\n    {more}").replace(
            f"id: notify, {LOG}", f"id: notify, {FAIL}"
        )
    )
    execution_id = there.start()
    there.wait(1)
    execution = there[execution_id]
    assert execution.state.current.value == state
    assert ("cleanup" in states(execution)) is (state == "FAILED")


def test_a_kill_ends_the_wait() -> None:
    there = world()
    execution = paused(there)
    there.tell(c.KillExecution, execution)
    there.settle()
    assert execution.state.current.value == "KILLED"


@pytest.mark.parametrize(
    "said", ["timeout: soon", "due: '{{ \"soon\" }}'", "autoApprove: '{{ inputs.nothing }}'"]
)
def test_what_cannot_be_read_fails_the_task(said: str) -> None:
    there = world(said)
    execution = there.run()
    assert states(execution)["ask"] == "FAILED"
    assert [entry for entry in there.logs if entry.level is Level.ERROR]


def test_a_restart_asks_again() -> None:
    there = world("denyBehavior: FAIL")
    execution = paused(there)
    decide(there, execution, "DENIED")
    there.tell(c.RestartExecution, execution)
    there.wait(1)
    assert execution.state.current.value == "PAUSED"
    decide(there, execution, "APPROVED")
    assert execution.state.current.value == "SUCCESS"
