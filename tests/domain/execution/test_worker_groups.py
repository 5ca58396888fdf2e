"""Worker groups: which topic a task goes to, and what becomes of it while nobody is there."""

from __future__ import annotations

import pytest

from domain.execution.context import Answer, Question
from domain.execution.effects import DispatchTask
from domain.execution.events import TaskRunSubmitted
from domain.log import Level
from tests.support.given import Given, creation, given
from tests.support.heart import World, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FLOW = "io.kestra.plugin.core.flow."


def source(said: str, *, around: str = "", of_flow: str = "") -> str:
    return f"""
id: f
namespace: n
{of_flow}
tasks:
  - id: s
    type: {FLOW}Sequential
    {around}
    tasks: [{{id: t, {LOG}, {said}}}]
  - {{id: after, {LOG}}}
"""


def living(*groups: str) -> object:
    def answer(question: Question) -> Answer:
        assert question.name == "workers"
        return Answer(value=question.arguments["group"] in groups)

    return answer


def begun(text: str, *groups: str) -> Given:
    execution = given(text)
    execution.answers = living(*groups)  # type: ignore[assignment]
    return execution


@pytest.mark.parametrize(
    ("text", "group"),
    [
        (source("workerGroup: {key: gpu}"), "gpu"),
        (source("description: x", around="workerGroup: {key: gpu}"), "gpu"),
        (source("description: x", of_flow="workerGroup: {key: gpu}"), "gpu"),
        (source("workerGroup: {key: own}", of_flow="workerGroup: {key: gpu}"), "own"),
        (source("workerSelector: {tags: [gpu, big], fallback: WAIT}"), "big-gpu"),
        (source("description: x"), None),
    ],
)
def test_the_nearest_group_counts_and_tasks_wait_for_it(text: str, group: str | None) -> None:
    execution = begun(text)
    then = execution.when(creation(execution.flow))
    assert then.one(TaskRunSubmitted).group == group
    assert then.effect(DispatchTask).group == group


@pytest.mark.parametrize(
    ("said", "living_groups", "group"),
    [
        ("workerGroup: {key: gpu, fallback: FAIL}", ["gpu"], "gpu"),
        ("workerGroup: {key: gpu, fallback: IGNORE}", [], None),
        ("workerSelector: {tags: [gpu]}", ["gpu"], "gpu"),
        ("workerSelector: {tags: [a, b], match: ANY}", ["b"], "b"),
    ],
)
def test_a_group_that_lives_is_taken_and_one_that_may_be_ignored_is(
    said: str, living_groups: list[str], group: str | None
) -> None:
    execution = begun(source(said), *living_groups)
    assert execution.when(creation(execution.flow)).one(TaskRunSubmitted).group == group


def test_a_group_that_cannot_be_a_topic_fails_the_task() -> None:
    world = World(source("workerGroup: {key: 'my group/1'}"))
    execution = world.run()
    assert states(execution) == {"s": "FAILED", "t": "FAILED"}


@pytest.mark.parametrize(
    "said", ["workerGroup: {key: gpu, fallback: FAIL}", "workerSelector: {tags: [gpu]}"]
)
def test_without_a_worker_the_task_fails_and_says_so(said: str) -> None:
    world = World(source(said))
    world.answers = living()  # type: ignore[assignment]
    execution = world.run()
    assert states(execution) == {"s": "FAILED", "t": "FAILED"}
    assert any("'gpu'" in x.message for x in world.logs if x.level is Level.ERROR)


def test_without_a_worker_the_execution_may_be_killed() -> None:
    """Kestra: CANCEL makes the task run CANCELLED and the execution KILLED."""
    world = World(source("workerGroup: {key: gpu, fallback: CANCEL}"))
    world.answers = living()  # type: ignore[assignment]
    execution = world.run()
    assert states(execution)["t"] == "CANCELLED"
    assert execution.state.current.value == "KILLED"
