"""Attempts whose worker is gone: what is recorded, what runs again, what fails."""

from __future__ import annotations

import pytest

from domain.execution import commands as c
from domain.execution import effects as fx
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.execution.reports import MOST_LOST
from domain.execution.state import Execution, TaskRun
from tests.support.given import Given, given
from tests.support.heart import START, World, history, runs

S = StateType
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SLEEP = "type: io.kestra.plugin.core.flow.Sleep, duration: PT10S"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
FLOW = "io.kestra.plugin.core.flow."


def flow(body: str) -> str:
    return f"id: f\nnamespace: n\n{body}"


def begun(sentence: Given, worker: str = "w1", attempt: int = 1) -> TaskRun:
    assert sentence.state is not None
    run = runs(sentence.state, "a")[0]
    sentence.after(
        c.RecordTaskStart(
            execution_id="e1", command_id=f"start{attempt}{worker}", task_run_id=run.id,
            attempt=attempt, worker_id=worker, started_at=START,
        )
    )  # fmt: skip
    return run


def lost(run: TaskRun, attempt: int = 1, issuer: str = "w2") -> c.RecordAttemptLost:
    return c.RecordAttemptLost(
        execution_id="e1",
        command_id=f"lost-{attempt}-{issuer}",
        issuer=issuer,
        task_run_id=run.id,
        attempt=attempt,
    )


def result(run: TaskRun, attempt: int, state: StateType = S.SUCCESS) -> c.RecordTaskResult:
    return c.RecordTaskResult(
        execution_id="e1", command_id=f"result{attempt}", task_run_id=run.id, attempt=attempt,
        state=state, worker_id="w", started_at=START, ended_at=START,
    )  # fmt: skip


def attempts(execution: Execution, task_id: str = "a") -> list[str]:
    return [x.state.current.value for x in runs(execution, task_id)[0].attempts]


def test_a_begun_attempt_ends_resubmitted_and_the_next_one_is_asked_for() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    done = sentence.when(lost(run))
    done.then(e.LogWritten, e.TaskRunReset, e.TaskRunSubmitted)
    assert attempts(done.state) == ["RESUBMITTED"]
    assert done.one(e.LogWritten).message == "Worker w1 is gone: the task runs again"
    request = done.effect(fx.DispatchTask).request
    assert (request.attempt, request.lost_attempts) == (2, 1)


def test_an_attempt_that_nobody_began_is_asked_for_again_under_its_number() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    assert sentence.state is not None
    run = runs(sentence.state, "a")[0]
    done = sentence.when(lost(run))
    assert attempts(done.state) == []
    assert done.effect(fx.DispatchTask).request.attempt == 1
    assert history(run) == ["CREATED", "SUBMITTED"]


def test_the_loss_of_an_attempt_is_recorded_once() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    sentence.after(lost(run))
    sentence.when(lost(run, issuer="w3")).nothing()


def test_the_same_news_twice_asks_once() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    assert sentence.state is not None
    run = runs(sentence.state, "a")[0]
    sentence.when(lost(run)).effect(fx.DispatchTask)
    sentence.when(lost(run)).nothing()
    sentence.when(lost(run, issuer="w3")).effect(fx.DispatchTask)


def test_what_runs_on_the_one_who_asks_is_not_lost() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence, "w2")
    sentence.when(lost(run)).nothing()


def test_reports_of_a_lost_attempt_come_too_late() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    sentence.after(lost(run))
    sentence.when(result(run, 1)).nothing()
    done = sentence.when(result(run, 2))
    assert done.state.state.current is S.SUCCESS
    assert attempts(done.state) == ["RESUBMITTED", "SUCCESS"]


def test_an_attempt_of_an_ended_task_run_cannot_be_lost() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    sentence.after(result(run, 1))
    sentence.when(lost(run)).nothing()


def test_a_lost_attempt_counts_neither_against_the_retries_nor_as_one() -> None:
    retry = "retry: {type: constant, interval: PT1S, maxAttempts: 2, warningOnRetry: true}"
    sentence = given(flow(f"tasks: [{{id: a, {LOG}, {retry}}}]")).created()
    run = begun(sentence)
    again = sentence.when(lost(run))
    assert again.effect(fx.DispatchTask).request.retries_left
    sentence.when(result(run, 2, S.FAILED)).one(e.TaskRunRetryScheduled)
    sentence.after(c.FireTimer(execution_id="e1", command_id="t", timer_id=f"retry:{run.id}"))
    done = sentence.when(result(run, 3, S.FAILED))
    assert done.state.state.current is S.FAILED
    assert attempts(done.state) == ["RESUBMITTED", "FAILED", "FAILED"]


def test_a_first_success_after_a_loss_is_no_warning() -> None:
    retry = "retry: {type: constant, interval: PT1S, maxAttempts: 2, warningOnRetry: true}"
    sentence = given(flow(f"tasks: [{{id: a, {LOG}, {retry}}}]")).created()
    run = begun(sentence)
    sentence.after(lost(run))
    assert sentence.when(result(run, 2)).state.state.current is S.SUCCESS


def test_the_flow_may_say_that_a_lost_attempt_fails() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}, onWorkerLost: FAIL}}]")).created()
    run = begun(sentence)
    done = sentence.when(lost(run))
    assert attempts(done.state) == ["FAILED"]
    assert done.state.state.current is S.FAILED
    assert done.one(e.LogWritten).message == "Worker w1 is gone: the attempt counts as failed"


def test_plugin_defaults_may_say_so_for_a_type() -> None:
    defaults = "{type: io.kestra.plugin.core.log, values: {onWorkerLost: FAIL}}"
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]\npluginDefaults: [{defaults}]")).created()
    done = sentence.when(lost(begun(sentence)))
    assert done.state.state.current is S.FAILED


def test_a_lost_attempt_that_fails_is_retried_like_any_failure() -> None:
    retry = "retry: {type: constant, interval: PT1S, maxAttempts: 2}"
    sentence = given(flow(f"tasks: [{{id: a, {LOG}, onWorkerLost: FAIL, {retry}}}]")).created()
    run = begun(sentence)
    sentence.when(lost(run)).one(e.TaskRunRetryScheduled)
    sentence.after(c.FireTimer(execution_id="e1", command_id="t", timer_id=f"retry:{run.id}"))
    begun(sentence, "w3", 2)
    done = sentence.when(lost(run, 2, "w4"))
    assert attempts(done.state) == ["FAILED", "FAILED"]
    assert done.state.state.current is S.FAILED


def test_one_that_nobody_began_is_asked_for_even_where_a_lost_one_fails() -> None:
    """Such a task tells its start before it runs: it has not run."""
    sentence = given(flow(f"tasks: [{{id: a, {LOG}, onWorkerLost: FAIL}}]")).created()
    assert sentence.state is not None
    done = sentence.when(lost(runs(sentence.state, "a")[0]))
    assert done.effect(fx.DispatchTask).request.is_at_most_once


def test_a_task_that_takes_every_worker_down_fails_in_the_end() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    for number in range(1, MOST_LOST + 1):
        run = begun(sentence, f"w{number}", number)
        sentence.when(lost(run, number, "next")).effect(fx.DispatchTask)
    run = begun(sentence, "last", MOST_LOST + 1)
    done = sentence.when(lost(run, MOST_LOST + 1, "next"))
    assert attempts(done.state) == ["RESUBMITTED"] * MOST_LOST + ["FAILED"]
    assert done.state.state.current is S.FAILED


def test_a_lost_attempt_of_a_killed_execution_is_killed() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    sentence.after(c.KillExecution(execution_id="e1", command_id="k"))
    done = sentence.when(lost(run))
    assert done.state.state.current is S.KILLED
    assert attempts(done.state) == ["KILLED"]


def test_a_held_execution_runs_a_lost_attempt_again_once_it_goes_on() -> None:
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    run = begun(sentence)
    sentence.after(c.PauseExecution(execution_id="e1", command_id="p"))
    sentence.when(lost(run)).then(e.LogWritten, e.TaskRunReset)
    done = sentence.when(c.ResumeExecution(execution_id="e1", command_id="r"))
    assert done.effect(fx.DispatchTask).request.attempt == 2


def test_a_held_execution_asks_again_at_once_for_what_nobody_began() -> None:
    """Its report may be on the way, and must not be refused (seed 1357 of the simulation)."""
    sentence = given(flow(f"tasks: [{{id: a, {LOG}}}]")).created()
    assert sentence.state is not None
    run = runs(sentence.state, "a")[0]
    sentence.after(c.PauseExecution(execution_id="e1", command_id="p"))
    assert sentence.when(lost(run)).effect(fx.DispatchTask).request.attempt == 1
    sentence.after(result(run, 1))
    assert run.state.current is S.SUCCESS


@pytest.mark.parametrize(
    "body",
    [
        f"tasks: [{{id: a, {SLEEP}}}]",
        f"tasks: [{{id: p, type: {FLOW}Parallel, tasks: [{{id: a, {SLEEP}}}, {{id: b, {LOG}}}]}}]",
        f"tasks: [{{id: e, type: {FLOW}ForEach, values: [1, 2], tasks: [{{id: a, {SLEEP}}}]}}]",
        f"tasks: [{{id: b, {LOG}}}]\nafterExecution: [{{id: a, {SLEEP}}}]",
        f"tasks: [{{id: x, {FAIL}}}]\nerrors: [{{id: a, {SLEEP}}}]",
    ],
)
def test_wherever_it_stands_a_lost_attempt_runs_again(body: str) -> None:
    world, calm = World(flow(body)), World(flow(body))
    execution_id = world.start()
    world.wait(3)
    world.crash_worker()
    world.settle()
    expected = calm.run()
    found = world[execution_id]
    assert found.state.current is expected.state.current
    assert found.closed
    assert [run.state.current for run in found.task_runs.values()] == [
        run.state.current for run in expected.task_runs.values()
    ]
    assert attempts(found) == ["RESUBMITTED", "SUCCESS"]
