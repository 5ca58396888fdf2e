"""WorkingDirectory as the executor sees it, and task runs that tasks report of their own making."""

from __future__ import annotations

import pytest

from domain.execution import commands as c
from domain.execution.effects import DispatchTask
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.ids import task_run_id
from tests.support.given import Given, creation, given
from tests.support.heart import START, history, order, runs, states

S = StateType
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FLOW = "io.kestra.plugin.core.flow."


def source(blocks: str = "", more: str = "") -> str:
    return f"""
id: f
namespace: n
tasks:
  - id: dir
    type: {FLOW}WorkingDirectory
    tasks: [{{id: a, {LOG}}}, {{id: b, {LOG}}}, {{id: idle, {LOG}, disabled: true}}]
{blocks}
  - {{id: end, {LOG}}}
{more}
"""


def asked(sentence: Given) -> TaskRequest:
    return sentence.when(creation(sentence.flow)).effect(DispatchTask).request


def told(
    request: TaskRequest, state: StateType, *children: tuple[str, StateType]
) -> c.RecordTaskResult:
    def result(run_id: str, ended: StateType, **more: object) -> c.RecordTaskResult:
        return c.RecordTaskResult(
            execution_id="e1",
            command_id=f"{run_id}-{request.attempt}",
            task_run_id=run_id,
            attempt=request.attempt,
            state=ended,
            worker_id="w",
            started_at=START,
            ended_at=START,
            **more,  # type: ignore[arg-type]
        )

    inner = [
        result(task_run_id("e1", name, request.task_run_id, "", 0), ended)
        for name, ended in children
    ]
    return result(request.task_run_id, state, children=inner)


def test_it_goes_to_a_worker_with_all_its_tasks() -> None:
    request = asked(given(source()))
    assert request.task["type"] == FLOW + "WorkingDirectory"
    assert [task["id"] for task in request.task["tasks"]] == ["a", "b"]


def test_its_children_have_the_defaults_of_their_types() -> None:
    defaults = "pluginDefaults: [{type: io.kestra.plugin.core.log.Log, values: {level: WARN}}]"
    request = asked(given(source(more=defaults)))
    assert [task["level"] for task in request.task["tasks"]] == ["WARN", "WARN"]


def test_its_children_come_with_its_result() -> None:
    sentence = given(source())
    request = asked(sentence)
    done = sentence.when(told(request, S.SUCCESS, ("a", S.SUCCESS), ("b", S.WARNING)))
    assert order(done.state) == ["dir", "a", "b", "end"]
    assert states(done.state)["b"] == "WARNING"
    assert runs(done.state, "a")[0].parent_id == request.task_run_id


def test_a_child_that_is_not_wanted_never_ran() -> None:
    sentence = given(source())
    done = sentence.when(told(asked(sentence), S.SUCCESS, ("a", S.SKIPPED), ("b", S.SUCCESS)))
    [run] = runs(done.state, "a")
    assert history(run) == ["CREATED", "SKIPPED"]
    assert [attempt.state.current for attempt in run.attempts] == [S.SKIPPED]


@pytest.mark.parametrize(
    ("said", "ended", "shown"),
    [
        ("allowFailure: true", S.FAILED, "WARNING"),
        ("allowFailure: true, allowWarning: true", S.FAILED, "SUCCESS"),
        ("allowWarning: true", S.WARNING, "SUCCESS"),
    ],
)
def test_what_a_child_allows_makes_its_task_run_milder_and_its_attempt_not(
    said: str, ended: StateType, shown: str
) -> None:
    sentence = given(source().replace(f"id: a, {LOG}", f"id: a, {said}, {LOG}"))
    done = sentence.when(told(asked(sentence), S.WARNING, ("a", ended)))
    assert states(done.state)["a"] == shown
    assert runs(done.state, "a")[0].attempts[-1].state.current is ended


@pytest.mark.parametrize("state", [S.SUCCESS, S.FAILED])
def test_errors_and_finally_run_before_it_ends(state: StateType) -> None:
    blocks = f"    errors: [{{id: e, {LOG}}}]\n    finally: [{{id: z, {LOG}}}]"
    sentence = given(source(blocks))
    done = sentence.when(told(asked(sentence), state, ("a", state)))
    wanted = "e" if state is S.FAILED else "z"
    assert order(done.state) == ["dir", "a", wanted]
    assert states(done.state)["dir"] == "RUNNING"
    while [x for x in done.step.effects if isinstance(x, DispatchTask)]:
        done = sentence.when(told(done.effect(DispatchTask).request, S.SUCCESS))
    assert states(done.state)["dir"] == state.value
    assert history(done.state)[-1] == state.value


def test_another_attempt_brings_its_children_anew() -> None:
    retry = "    retry: {type: constant, interval: PT1S, maxAttempts: 2}"
    sentence = given(source(retry))
    request = asked(sentence)
    sentence.after(told(request, S.FAILED, ("a", S.FAILED)))
    fired = sentence.when(
        c.FireTimer(execution_id="e1", command_id="t", timer_id=f"retry:{request.task_run_id}")
    )
    again = fired.effect(DispatchTask).request
    done = sentence.when(told(again, S.SUCCESS, ("a", S.SUCCESS), ("b", S.SUCCESS)))
    assert order(done.state) == ["dir", "a", "b", "end"]
    assert [x.state.current.value for x in runs(done.state, "dir")[0].attempts] == [
        "FAILED", "SUCCESS",
    ]  # fmt: skip


def test_task_runs_of_a_tasks_own_making_are_added_below_it() -> None:
    sentence = given(f"id: f\nnamespace: n\ntasks: [{{id: a, {LOG}}}]")
    request = asked(sentence)
    report = told(request, S.SUCCESS)
    report.dynamic_task_runs = [
        c.DynamicTaskRun("model-1", S.SUCCESS, outputs={"rows": 3}),
        c.DynamicTaskRun("model-2", S.FAILED),
    ]
    done = sentence.when(report)
    assert states(done.state) == {"a": "SUCCESS", "model-1": "SUCCESS", "model-2": "FAILED"}
    assert all(run.dynamic for run in list(done.state.task_runs.values())[1:])
    assert done.state.state.current is S.SUCCESS
