"""Timers: what has been set anew is not fired by the message of its former moment."""

from __future__ import annotations

from datetime import timedelta

from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from tests.support.given import Given, given
from tests.support.heart import runs

FLOW = """\
id: f
namespace: n
tasks:
  - id: a
    type: io.kestra.plugin.core.log.Log
    message: x
    retry: {type: constant, interval: PT1H, maxAttempts: 5}
"""


def failed(sentence: Given, attempt: int) -> Execution:
    assert sentence.state is not None
    [run] = runs(sentence.state, "a")
    sentence.after(
        c.RecordTaskResult(
            execution_id="e1", command_id=f"r{attempt}", task_run_id=run.id, attempt=attempt,
            state=StateType.FAILED, worker_id="w", started_at=sentence.now, ended_at=sentence.now,
        )
    )  # fmt: skip
    return sentence.state


def test_a_late_second_message_of_a_timer_does_not_fire_what_was_set_since() -> None:
    sentence = given(FLOW).created()
    [first] = failed(sentence, 1).timers.values()
    fire = c.FireTimer(execution_id="e1", command_id="t1", timer_id=first.id, due=first.due)
    sentence.now += timedelta(hours=1)
    sentence.after(fire)
    state = failed(sentence, 2)
    [second] = state.timers.values()
    assert (second.id, second.due > first.due) == (first.id, True)
    late = sentence.when(fire)
    assert "TimerEnded" not in late.events
    assert list(late.state.timers.values()) == [second]
    moved = c.FireTimer(execution_id="e1", command_id="t2", timer_id=second.id, due=second.due)
    assert "TimerEnded" in sentence.when(moved).events
