"""What people want of an execution: pause, resume, kill, restart, replay, change, delete."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from domain.execution import commands as c
from domain.execution import effects as fx
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.state import Breakpoint, Execution, Label, Slot
from domain.ids import task_run_id
from tests.support.given import given
from tests.support.heart import START, World, history, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
ONCE = (
    "type: io.kestra.plugin.core.log.Log,"
    """ message: "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}\""""
)
FLOW = "io.kestra.plugin.core.flow."
S = StateType


def flow(body: str, name: str = "f") -> str:
    return f"id: {name}\nnamespace: n\n{body}"


def labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}


def rejected(world: World, execution: Execution) -> str | None:
    last = world.events_of(execution)[-1]
    return last.code if isinstance(last, e.CommandRejected) else None


# --- pause and resume


def test_a_person_pauses_and_resumes_without_restart() -> None:
    world = World(flow(f"tasks: [{{id: a, {SLEEP}}}, {{id: b, {LOG}}}]"))
    execution_id = world.start()
    world.wait(2)
    world.tell(c.PauseExecution, execution_id)
    world.settle()
    execution = world[execution_id]
    assert states(execution) == {"a": "SUCCESS"}
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert history(execution) == ["CREATED", "RUNNING", "PAUSED", "RUNNING", "SUCCESS"]


def test_what_does_not_run_cannot_be_paused_and_what_is_not_paused_cannot_be_resumed() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}]"))
    execution = world.run()
    world.tell(c.PauseExecution, execution)
    world.settle()
    assert rejected(world, execution) == "EXEC006"
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert rejected(world, execution) == "EXEC005"


# --- kill


def test_a_kill_waits_for_the_workers_and_ends_what_they_do_not_own() -> None:
    sentence = given(
        flow(f"""
tasks:
  - id: p
    type: {FLOW}Parallel
    tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]
""")
    ).created()
    assert sentence.state is not None
    started = runs(sentence.state, "a")[0]
    sentence.after(
        c.RecordTaskStart(
            execution_id="e1", command_id="s", task_run_id=started.id, attempt=1,
            worker_id="w", started_at=START,
        )
    )  # fmt: skip
    done = sentence.when(c.KillExecution(execution_id="e1", command_id="k"))
    assert states(done.state) == {"p": "RUNNING", "a": "RUNNING", "b": "KILLED"}
    assert done.state.state.current is S.KILLING
    assert done.effect(fx.ScheduleTimer).timer.purpose == "kill"
    end = sentence.when(
        c.RecordTaskResult(
            execution_id="e1", command_id="r", task_run_id=started.id, attempt=1, state=S.KILLED,
            worker_id="w", started_at=START, ended_at=START,
        )
    )  # fmt: skip
    assert states(end.state) == {"p": "KILLED", "a": "KILLED", "b": "KILLED"}
    assert history(end.state) == ["CREATED", "RUNNING", "KILLING", "KILLED"]


def test_workers_that_do_not_answer_a_kill_are_not_waited_for_for_ever() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    assert sentence.state is not None
    started = runs(sentence.state, "a")[0]
    sentence.after(
        c.RecordTaskStart(
            execution_id="e1", command_id="s", task_run_id=started.id, attempt=1,
            worker_id="w", started_at=START,
        )
    )  # fmt: skip
    sentence.after(c.KillExecution(execution_id="e1", command_id="k"))
    done = sentence.when(c.FireTimer(execution_id="e1", command_id="t", timer_id="kill"))
    assert done.state.state.current is S.KILLED
    assert done.state.closed


def test_a_kill_runs_after_execution_but_neither_errors_nor_finally() -> None:
    world = World(
        flow(f"""
tasks: [{{id: a, {SLEEP}}}]
errors: [{{id: e, {LOG}}}]
finally: [{{id: z, {LOG}}}]
afterExecution: [{{id: after, {LOG}}}]
""")
    )
    execution_id = world.start()
    world.wait(2)
    world.tell(c.KillExecution, execution_id)
    world.settle()
    assert states(world[execution_id]) == {"a": "KILLED", "after": "SUCCESS"}


def test_what_has_ended_cannot_be_killed() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}]"))
    execution = world.run()
    world.tell(c.KillExecution, execution)
    world.settle()
    assert rejected(world, execution) == "EXEC004"


def test_a_kill_ends_a_task_run_that_waits_for_its_retry() -> None:
    world = World(
        flow(f"""
tasks: [{{id: a, {FAIL}, retry: {{type: constant, interval: PT1M, maxAttempts: 3}}}}]
""")
    )
    execution_id = world.start()
    world.wait(5)
    assert states(world[execution_id]) == {"a": "RETRYING"}
    world.tell(c.KillExecution, execution_id)
    world.settle()
    assert states(world[execution_id]) == {"a": "KILLED"}
    assert not world.timers


# --- restart


def test_a_restart_runs_what_failed_again_in_the_same_execution() -> None:
    world = World(
        flow(f"""
tasks:
  - {{id: a, {LOG}}}
  - id: s
    type: {FLOW}Sequential
    tasks: [{{id: b, {ONCE}}}]
    errors: [{{id: e, {LOG}}}]
  - {{id: c, {LOG}}}
afterExecution: [{{id: after, {LOG}}}]
""")
    )
    execution = world.run()
    assert order(execution) == ["a", "s", "b", "e", "after"]
    world.tell(c.RestartExecution, execution)
    world.settle()
    assert order(execution) == ["a", "s", "b", "c", "after"]
    assert execution.state.current is S.SUCCESS
    assert len(runs(execution, "b")[0].attempts) == 2
    assert history(runs(execution, "b")[0])[3:] == [
        "FAILED", "RESTARTED", "SUBMITTED", "RUNNING", "SUCCESS",
    ]  # fmt: skip
    assert history(runs(execution, "s")[0]) == [
        "CREATED", "RUNNING", "FAILED", "RUNNING", "SUCCESS",
    ]  # fmt: skip
    assert labels(execution)["system.restarted"] == "true"
    assert execution.metadata.attempt_number == 2


def test_the_step_of_a_restart_ends_with_restarted_for_everyone_to_see() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {FAIL}}}]")).created()
    done = sentence.when(c.RestartExecution(execution_id="e1", command_id="r"))
    assert done.state.state.current is S.RESTARTED
    assert states(done.state) == {"a": "RESTARTED"}
    assert done.effect(fx.ScheduleTimer).timer.due == sentence.now


def test_a_restart_with_nothing_that_failed_is_refused() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}]"))
    execution = world.run()
    world.tell(c.RestartExecution, execution)
    world.settle()
    assert rejected(world, execution) == "EXEC009"


@pytest.mark.parametrize("killed", [True, False])
def test_a_killed_or_running_execution_cannot_be_restarted(killed: bool) -> None:
    world = World(flow(f"tasks: [{{id: a, {SLEEP}}}]"))
    execution_id = world.start()
    world.wait(2)
    if killed:
        world.tell(c.KillExecution, execution_id)
        world.wait(1)
    world.tell(c.RestartExecution, execution_id)
    world.work()
    assert rejected(world, world[execution_id]) == "EXEC008"


def test_a_restart_on_another_revision_is_a_new_execution() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}, {{id: b, {FAIL}}}]"))
    execution = world.run()
    world.add(flow(f"tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}]"))
    world.tell(c.RestartExecution, execution, flow_revision=2, new_execution_id="new")
    world.settle()
    new = world["new"]
    assert execution.state.current is S.FAILED
    assert (new.flow_revision, new.parent_id, new.original_id) == (2, execution.id, execution.id)
    assert states(new) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert not {run.id for run in new.task_runs.values()} & set(execution.task_runs)


# --- replay


def test_a_replay_from_the_start_is_a_fresh_execution_with_the_same_inputs() -> None:
    world = World(flow(f"inputs: [{{id: x, type: INT}}]\ntasks: [{{id: a, {LOG}}}]"))
    execution = world.run(inputs={"x": 7})
    world.tell(c.ReplayExecution, execution, new_execution_id="new")
    world.settle()
    assert world["new"].inputs == {"x": 7}
    assert history(world["new"]) == ["CREATED", "RUNNING", "SUCCESS"]
    assert labels(execution)["system.replayed"] == "true"
    assert labels(world["new"])["system.replay"] == "true"


def test_a_replay_with_other_inputs_leaves_those_of_the_original_alone() -> None:
    world = World(flow(f"inputs: [{{id: x, type: INT}}]\ntasks: [{{id: a, {LOG}}}]"))
    execution = world.run(inputs={"x": 7})
    world.tell(c.ReplayExecution, execution, new_execution_id="new", inputs={"x": 8})
    world.settle()
    assert world["new"].inputs == {"x": 8}
    assert execution.inputs == {"x": 7}


def test_a_replay_from_a_task_run_keeps_what_came_before() -> None:
    world = World(
        flow(f"""
tasks:
  - {{id: a, type: io.kestra.plugin.core.debug.Return, format: kept}}
  - id: each
    type: {FLOW}ForEach
    values: [1, 2, 3]
    tasks: [{{id: b, {LOG}}}, {{id: c, {LOG}}}]
  - {{id: d, type: io.kestra.plugin.core.debug.Return, format: "{{{{ outputs.a.value }}}}"}}
""")
    )
    execution = world.run()
    chosen = runs(execution, "b")[1]
    world.tell(c.ReplayExecution, execution, new_execution_id="new", task_run_id=chosen.id)
    world.settle()
    new = world["new"]
    assert new.state.current is S.SUCCESS
    assert [len(run.attempts) for run in runs(new, "b")] == [1, 2, 1]
    assert [run.value for run in runs(new, "c")] == ["1", "2", "3"]
    assert runs(new, "d")[0].outputs == {"value": "kept"}
    begun = [x for x in world.events_of("new") if isinstance(x, e.TaskRunSubmitted)]
    assert len(begun) == 5


# --- forced states


def test_a_forced_state_of_a_task_run_lets_the_execution_go_on_from_there() -> None:
    world = World(flow(f"tasks: [{{id: a, {FAIL}}}, {{id: b, {LOG}}}]"))
    execution = world.run()
    world.tell(
        c.ChangeTaskRunState, execution, task_run_id=runs(execution, "a")[0].id, state=S.SUCCESS
    )
    world.settle()
    assert states(execution) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert execution.state.current is S.SUCCESS


def test_a_forced_state_is_added_to_the_history_of_the_last_attempt() -> None:
    """A recording of Kestra 1.3.25: the attempt shows FAILED, then SUCCESS."""
    world = World(flow(f"tasks: [{{id: a, {FAIL}}}]"))
    execution = world.run()
    [run] = runs(execution, "a")
    world.tell(c.ChangeTaskRunState, execution, task_run_id=run.id, state=S.SUCCESS)
    world.settle()
    [attempt] = runs(execution, "a")[0].attempts
    assert [x.state for x in attempt.state.histories][-2:] == [S.FAILED, S.SUCCESS]


def test_a_state_is_forced_on_ended_executions_only() -> None:
    world = World(flow(f"tasks: [{{id: a, {SLEEP}}}]"))
    execution_id = world.start()
    world.wait(2)
    run_id = runs(world[execution_id], "a")[0].id
    world.tell(c.ChangeTaskRunState, execution_id, task_run_id=run_id, state=S.SUCCESS)
    world.work()
    assert rejected(world, world[execution_id]) == "EXEC010"
    world.tell(c.ChangeExecutionState, execution_id, state=S.SUCCESS)
    world.work()
    assert rejected(world, world[execution_id]) == "EXEC011"


def test_the_state_of_an_ended_execution_can_be_forced() -> None:
    world = World(flow(f"tasks: [{{id: a, {FAIL}}}]"))
    execution = world.run()
    world.tell(c.ChangeExecutionState, execution, state=S.SUCCESS)
    world.settle()
    assert history(execution) == ["CREATED", "RUNNING", "FAILED", "SUCCESS"]


# --- date, slots


def test_an_execution_with_a_date_waits_for_it() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}]"))
    execution_id = world.start(schedule_date=START + timedelta(minutes=5))
    world.wait(299)
    assert world[execution_id].state.current is S.CREATED
    world.wait(2)
    assert world[execution_id].state.current is S.SUCCESS


def test_a_forced_run_does_not_wait_for_the_date() -> None:
    world = World(flow(f"tasks: [{{id: a, {LOG}}}]"))
    execution_id = world.start(schedule_date=START + timedelta(days=5))
    world.tell(c.ForceRunExecution, execution_id)
    world.settle()
    assert world[execution_id].state.current is S.SUCCESS


LIMITED = flow(
    f"concurrency: {{limit: 1, behavior: QUEUE}}\ntasks: [{{id: a, {SLEEP}}}]", "limited"
)


def test_one_execution_after_the_other_gets_the_slot() -> None:
    world = World(LIMITED)
    first, second = world.start(), world.start()
    world.wait(2)
    assert world[second].state.current is S.QUEUED
    world.settle()
    assert history(world[second]) == ["CREATED", "QUEUED", "RUNNING", "SUCCESS"]
    assert world[first].slot is Slot.NONE


def test_killing_a_queued_execution_lets_nobody_through() -> None:
    world = World(LIMITED)
    world.start()
    second, third = world.start(), world.start()
    world.wait(2)
    world.tell(c.KillExecution, second)
    world.wait(1)
    assert world[second].state.current is S.KILLED
    assert world[third].state.current is S.QUEUED


@pytest.mark.parametrize("state", [S.RUNNING, S.CANCELLED, S.FAILED])
def test_unqueue_takes_an_execution_out_of_the_queue(state: StateType) -> None:
    world = World(LIMITED)
    world.start()
    second = world.start()
    world.wait(2)
    world.tell(c.UnqueueExecution, second, state=state)
    world.work()
    assert world[second].state.current is state
    world.settle()
    assert world.slots["main/n/limited"].is_empty


def test_a_rejected_execution_runs_nothing_not_even_its_handlers() -> None:
    world = World(
        flow(f"""
concurrency: {{limit: 1, behavior: FAIL}}
tasks: [{{id: a, {SLEEP}}}]
errors: [{{id: e, {LOG}}}]
afterExecution: [{{id: after, {LOG}}}]
""")
    )
    world.start()
    second = world.start()
    world.settle()
    assert history(world[second]) == ["CREATED", "FAILED"]
    assert not world[second].task_runs


@pytest.mark.parametrize("behavior", ["FAIL", "CANCEL"])
def test_a_restart_that_gets_no_slot_leaves_nothing_open(behavior: str) -> None:
    world = World(
        flow(f"""
concurrency: {{limit: 1, behavior: {behavior}}}
tasks: [{{id: s, type: {FLOW}Sequential, tasks: [{{id: z, {SLEEP}}}, {{id: a, {FAIL}}}]}}]
""")
    )
    first = world.run()
    world.start()
    world.wait(1)
    world.tell(c.RestartExecution, first)
    world.wait(1)
    ended = "FAILED" if behavior == "FAIL" else "CANCELLED"
    assert world[first.id].state.current.value == ended
    # so that the next restart finds what to run again
    assert states(world[first.id]) == {"s": "FAILED", "z": "SUCCESS", "a": "FAILED"}


def test_a_stale_answer_of_the_slots_is_not_taken_for_the_present_one() -> None:
    world = World(flow(f"concurrency: {{limit: 1}}\ntasks: [{{id: a, {ONCE}}}]"))
    execution = world.run()
    assert execution.state.current is S.FAILED
    blocker = world.start()
    world.tell(c.RestartExecution, execution)
    stale = c.RecordSlot(execution_id=execution.id, command_id="old", state=S.RUNNING, ask=1)
    world.send(stale)
    world.work(2)
    assert world[execution.id].state.current is S.RESTARTED
    world.settle()
    assert world[blocker].closed


# --- breakpoints, labels and deletion of executions


def test_a_breakpoint_holds_before_its_task_until_somebody_goes_on() -> None:
    world = World(
        flow(f"""
tasks:
  - id: each
    type: {FLOW}ForEach
    values: [1, 2]
    tasks: [{{id: a, {LOG}}}]
""")
    )
    execution_id = world.start(breakpoints=[Breakpoint("a", "2")])
    world.settle()
    execution = world[execution_id]
    assert [run.state.current.value for run in runs(execution, "a")] == ["SUCCESS", "BREAKPOINT"]
    assert execution.state.current is S.BREAKPOINT
    world.tell(c.ResumeFromBreakpoint, execution)
    world.settle()
    assert world[execution_id].closed
    assert history(execution)[-1] == "SUCCESS"


def test_what_runs_while_a_pause_waits_does_not_stop_at_a_breakpoint() -> None:
    world = World(
        flow(f"""
tasks:
  - id: hold
    type: {FLOW}Pause
    onPause: {{id: a, {LOG}}}
""")
    )
    execution_id = world.start(breakpoints=[Breakpoint("a")])
    world.wait(2)
    execution = world[execution_id]
    assert runs(execution, "a")[0].state.current is S.SUCCESS
    assert execution.state.current is S.PAUSED


def test_a_pause_with_a_breakpoint_stops_there_once_another_pause_is_over() -> None:
    world = World(
        flow(f"""
tasks:
  - id: both
    type: {FLOW}Parallel
    tasks:
      - {{id: one, type: {FLOW}Pause}}
      - {{id: two, type: {FLOW}Pause}}
""")
    )
    execution_id = world.start(breakpoints=[Breakpoint("two")])
    world.wait(2)
    execution = world[execution_id]
    assert history(execution)[-1] == "PAUSED"
    world.tell(c.ResumeExecution, execution)
    world.wait(2)
    assert runs(execution, "two")[0].state.current is S.BREAKPOINT
    assert history(execution)[-1] == "BREAKPOINT"
    world.tell(c.ResumeFromBreakpoint, execution)
    world.wait(2)
    assert history(execution)[-1] == "PAUSED"
    world.tell(c.ResumeExecution, execution)
    world.settle()
    assert history(execution)[-1] == "SUCCESS"


def test_labels_are_replaced_all_but_those_of_the_system() -> None:
    world = World(flow(f"labels: {{a: b}}\ntasks: [{{id: a, {LOG}}}]"))
    execution = world.run()
    world.tell(c.ChangeLabels, execution, labels=[Label("c", "d"), Label("system.x", "no")])
    world.settle()
    assert labels(execution) == {
        "c": "d", "system.from": "api", "system.correlationId": execution.id,
    }  # fmt: skip


def test_a_deleted_execution_gives_its_slot_back_and_knows_no_commands() -> None:
    world = World(LIMITED)
    first = world.start()
    second = world.start()
    world.wait(2)
    world.tell(c.DeleteExecution, first)
    world.wait(1)
    assert world[second].state.current is S.RUNNING
    world.tell(c.KillExecution, first)
    world.work()
    assert rejected(world, world[first]) == "EXEC015"


@pytest.mark.parametrize("loop", ["ForEach", "Loop"])
def test_a_replay_of_a_running_loop_begins_what_ran_there_anew(loop: str) -> None:
    values = f"type: {FLOW}{loop}, values: [x, y, z], concurrencyLimit: 0"
    world = World(flow(f"tasks: [{{id: l, {values}, tasks: [{{id: a, {SLEEP}}}]}}]"))
    execution = world.start()
    world.wait(2)
    second = runs(world[execution], "a")[1]
    world.tell(c.ReplayExecution, execution, new_execution_id="again", task_run_id=second.id)
    world.settle()
    replayed = world["again"]
    assert replayed.state.current is S.SUCCESS
    assert sorted(run.value or "" for run in runs(replayed, "a")) == ["x", "y", "z"]


def test_a_replay_from_inside_of_a_working_directory_runs_all_of_it() -> None:
    inside = f"[{{id: a, {LOG}}}, {{id: b, {LOG}}}]"
    sentence = given(
        flow(f"tasks: [{{id: w, type: {FLOW}WorkingDirectory, tasks: {inside}}}]")
    ).created()
    assert sentence.state is not None
    [run] = runs(sentence.state, "w")
    told = c.RecordTaskResult(
        execution_id="e1", command_id="r", task_run_id=run.id, attempt=1, state=S.SUCCESS,
        worker_id="w", started_at=START, ended_at=START,
    )  # fmt: skip
    child = task_run_id("e1", "b", run.id, "", 0)
    told.children = [msgspec.structs.replace(told, command_id="c", task_run_id=child)]
    sentence.after(told)
    done = sentence.when(
        c.ReplayExecution(
            execution_id="e1", command_id="again", new_execution_id="e2", task_run_id=child
        )
    )
    taken = done.one(e.ExecutionReplayed).creation.task_runs
    assert [(x.task_id, x.state.current) for x in taken] == [("w", S.RESTARTED)]
