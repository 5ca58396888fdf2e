"""The step as its callers see it."""

from __future__ import annotations

import msgspec
import pytest

from domain.errors import BrokenInvariant
from domain.execution import commands as c
from domain.execution import effects as fx
from domain.execution import events as e
from domain.execution.context import Answer, Context
from domain.execution.fold import decode_state, encode_state
from domain.execution.lifecycle import StateType
from domain.execution.machine import Needs, Step, give_up, react_again, step
from domain.execution.requests import TaskRequest
from tests.support.given import creation, given
from tests.support.heart import START, World, flow_of, history, order, runs, states

TWO = """
id: two
namespace: n
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: "{{ execution.id }}"}
  - {id: b, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs.a.value ?? 'x' }}"}
"""
SECRET = """
id: asks
namespace: n
tasks:
  - id: if
    type: io.kestra.plugin.core.flow.If
    condition: "{{ kv('wanted') == 'yes' and secret('KEY') == 's' }}"
    then: [{id: t, type: io.kestra.plugin.core.log.Log, message: yes}]
    else: [{id: f, type: io.kestra.plugin.core.log.Log, message: no}]
"""


def result(step_: Step, state: StateType = StateType.SUCCESS) -> c.RecordTaskResult:
    """The result of the task that a step dispatched."""
    [dispatch] = [x for x in step_.effects if isinstance(x, fx.DispatchTask)]
    return c.RecordTaskResult(
        execution_id=dispatch.request.execution_id,
        command_id=f"result-{dispatch.id}",
        task_run_id=dispatch.request.task_run_id,
        attempt=dispatch.request.attempt,
        state=state,
        worker_id="w",
        started_at=START,
        ended_at=START,
    )


def test_the_first_step_creates_starts_and_dispatches_the_first_task() -> None:
    sentence = given(TWO)
    done = sentence.when(creation(sentence.flow))
    done.then(e.ExecutionCreated, e.ExecutionStarted, e.TaskRunCreated, e.TaskRunSubmitted).effects(
        fx.DispatchTask
    )
    request = done.effect(fx.DispatchTask).request
    assert request.task == {
        "id": "a",
        "type": "io.kestra.plugin.core.log.Log",
        "message": "{{ execution.id }}",
    }
    assert set(request.variables) == {"flow", "execution", "task", "taskrun"}


def test_the_result_of_the_last_task_ends_and_closes_the_execution() -> None:
    sentence = given(TWO)
    first = sentence.when(creation(sentence.flow))
    second = sentence.when(result(first.step))
    second.then(e.TaskRunEnded, e.TaskRunCreated, e.TaskRunSubmitted)
    last = sentence.when(result(second.step))
    last.then(e.TaskRunEnded, e.ExecutionEnded, e.ExecutionClosed).effects()
    assert history(last.state) == ["CREATED", "RUNNING", "SUCCESS"]
    for run in last.state.task_runs.values():
        assert history(run) == ["CREATED", "SUBMITTED", "RUNNING", "SUCCESS"]
        [attempt] = run.attempts
        assert [m.state.value for m in attempt.state.histories] == ["CREATED", "RUNNING", "SUCCESS"]


def test_a_command_whose_offset_is_known_is_not_stepped_again() -> None:
    sentence = given(TWO)
    command = creation(sentence.flow)
    sentence.when(command)
    again = sentence.when(command, offset=0)
    again.nothing()
    assert again.step.known


def test_the_effects_of_a_known_step_are_named_again_from_its_record() -> None:
    sentence = given(TWO)
    command = creation(sentence.flow)
    first = sentence.when(command)
    record = first.step.record(command, Context(now=sentence.now, command_offset=0))
    again = react_again(sentence.flow, first.state, record)
    assert list(again) == list(first.step.effects)


def test_effects_that_are_no_longer_owed_are_left_out() -> None:
    sentence = given(TWO)
    command = creation(sentence.flow)
    first = sentence.when(command)
    record = first.step.record(command, Context(now=sentence.now, command_offset=0))
    sentence.when(result(first.step))
    assert sentence.state is not None
    assert not react_again(sentence.flow, sentence.state, record)


def test_the_second_identical_result_changes_nothing() -> None:
    sentence = given(TWO)
    report = result(sentence.when(creation(sentence.flow)).step)
    sentence.when(report)
    sentence.when(report).nothing()


def test_a_result_of_another_attempt_changes_nothing() -> None:
    sentence = given(TWO)
    report = result(sentence.when(creation(sentence.flow)).step)
    report.attempt = 2
    sentence.when(report).nothing()


def test_a_second_creation_is_refused() -> None:
    sentence = given(TWO)
    sentence.when(creation(sentence.flow))
    other = creation(sentence.flow)
    other.command_id = "another"
    sentence.when(other).rejected("EXEC002")


def test_a_command_of_a_person_that_comes_twice_is_one_wish() -> None:
    sentence = given(TWO).created()
    kill = c.KillExecution(execution_id="e1", command_id="k")
    assert sentence.when(kill).events
    sentence.when(kill).nothing()


def test_a_command_to_no_execution_is_refused_outside_of_any_stream() -> None:
    done = given(TWO).when(c.KillExecution(execution_id="nobody", command_id="k"))
    done.rejected("EXEC404")
    assert done.step.state is None
    assert done.step.sequence == 0


def test_a_report_to_no_execution_is_dropped() -> None:
    done = given(TWO).when(c.FireTimer(execution_id="nobody", command_id="t", timer_id="x"))
    done.nothing()


def test_an_execution_of_a_flow_that_is_not_there_fails() -> None:
    flow = flow_of(TWO)
    done = step(None, None, creation(flow), Context(now=START, command_offset=0))
    assert isinstance(done, Step)
    assert done.state is not None
    assert done.state.state.current is StateType.FAILED
    assert done.state.closed
    assert done.state.error == "Flow 'n.two' does not exist"


def test_an_execution_whose_flow_vanished_ends_with_what_it_has() -> None:
    sentence = given(TWO)
    first = sentence.when(creation(sentence.flow))
    context = Context(now=START, command_offset=1)
    done = step(None, first.state, result(first.step), context)
    assert isinstance(done, Step)
    assert done.state is not None
    assert done.state.state.current is StateType.SUCCESS
    assert order(done.state) == ["a"]


def test_a_creation_with_an_error_runs_nothing() -> None:
    sentence = given(TWO)
    done = sentence.when(creation(sentence.flow, error="checks failed"))
    assert history(done.state) == ["CREATED", "FAILED"]
    assert not done.state.task_runs
    assert done.state.closed


def test_an_expression_that_asks_the_outside_world_waits_for_the_answer() -> None:
    sentence = given(SECRET)
    asked = sentence.when(creation(sentence.flow)).result
    assert isinstance(asked, Needs)
    [question] = asked.questions
    assert (question.name, question.arguments["key"]) == ("kv", "wanted")
    assert question.namespace == "n"


def test_answers_are_recorded_but_secrets_are_not() -> None:
    sentence = given(SECRET)
    sentence.answers = lambda q: Answer(value="yes" if q.name == "kv" else "s")
    done = sentence.when(creation(sentence.flow))
    answered = [x for x in done.step.events if isinstance(x, e.LookupAnswered)]
    assert [(x.value, x.withheld) for x in answered] == [("yes", False), (None, True)]
    assert order(done.state) == ["if", "t"]


def test_an_answer_that_is_an_error_fails_the_task() -> None:
    sentence = given(SECRET)
    sentence.answers = lambda q: Answer(error=f"no {q.name}")
    done = sentence.when(creation(sentence.flow))
    assert states(done.state) == {"if": "FAILED"}
    assert done.state.state.current is StateType.FAILED


def test_a_step_that_waited_gives_the_events_of_one_that_did_not() -> None:
    waited, knew = World(SECRET), World(SECRET)
    waited.answers = lambda q: Answer(value="yes")
    waited.run()
    known: dict[str, Answer] = {}
    waited_again = World(SECRET)
    waited_again.answers = lambda q: known.setdefault(q.key, Answer(value="yes"))
    waited_again.run()
    context = Context(now=START, command_offset=0, answers=known)
    flow = flow_of(SECRET)
    at_once = step(flow, None, creation(flow, "execution-1"), context)
    assert isinstance(at_once, Step)
    first = [type(x).__name__ for x in at_once.events]
    assert [type(x).__name__ for x in waited.events_of("execution-1")][: len(first)] == first
    del knew


def test_functions_of_chance_keep_to_their_arguments_on_the_executor() -> None:
    flow = flow_of("""
id: chance
namespace: n
tasks:
  - id: switch
    type: io.kestra.plugin.core.flow.Switch
    value: "{{ nanoId(5, 'a') }} {{ ksuid() | length }} {{ randomInt(4, 5) }}"
    cases:
      aaaaa 27 4: [{id: t, type: io.kestra.plugin.core.log.Log, message: yes}]
""")
    sentence = given(flow)
    assert sentence.when(creation(flow)).effect(fx.DispatchTask).request.task["id"] == "t"


def test_another_command_while_a_step_waits_breaks_an_invariant() -> None:
    flow = flow_of("""
id: later
namespace: n
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: hi}
  - id: if
    type: io.kestra.plugin.core.flow.If
    condition: "{{ kv('x') }}"
    then: [{id: t, type: io.kestra.plugin.core.log.Log, message: yes}]
""")
    sentence = given(flow)
    first = sentence.when(creation(flow))
    assert isinstance(sentence.when(result(first.step)).result, Needs)
    with pytest.raises(BrokenInvariant):
        sentence.when(c.KillExecution(execution_id="e1", command_id="k"))


def test_a_step_that_cannot_be_recorded_fails_the_execution_for_good() -> None:
    sentence = given(TWO)
    first = sentence.when(creation(sentence.flow))
    context = Context(now=START, command_offset=1)
    done = give_up(sentence.flow, first.state, result(first.step), context, "too large")
    assert done.state is not None
    assert done.state.state.current is StateType.FAILED
    assert done.state.closed
    assert done.state.error == "too large"
    assert states(done.state) == {"a": "FAILED"}
    assert any(isinstance(effect, fx.SignalWorkers) for effect in done.effects)


def test_a_creation_that_cannot_be_recorded_leaves_a_failed_execution() -> None:
    flow = flow_of(TWO)
    huge = creation(flow, inputs={"x": "y" * 10})
    done = give_up(flow, None, huge, Context(now=START, command_offset=0), "too large")
    assert done.state is not None
    assert done.state.inputs == {}
    assert history(done.state) == ["CREATED", "FAILED"]


def test_requests_carry_only_what_their_templates_can_reach() -> None:
    world = World("""
id: reach
namespace: n
variables: {v: 1}
tasks:
  - {id: a, type: io.kestra.plugin.core.debug.Return, format: one}
  - {id: b, type: io.kestra.plugin.core.debug.Return, format: two}
  - {id: c, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs.a.value }}"}
  - {id: d, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs[vars.x ?? 'b'].value }}"}
""")
    requests: dict[str, TaskRequest] = {}
    dispatch = world._dispatch

    def keep(request: TaskRequest) -> None:
        requests[request.task["id"]] = request
        dispatch(request)

    world._dispatch = keep  # type: ignore[method-assign]
    execution = world.run()
    assert execution.state.current is StateType.SUCCESS
    assert set(requests["c"].variables["outputs"]) == {"a"}
    assert "vars" not in requests["c"].variables
    assert set(requests["d"].variables["outputs"]) == {"a", "b", "c"}
    assert requests["d"].variables["vars"] == {"v": 1}


def test_requests_of_a_child_name_the_execution_whose_files_it_may_read() -> None:
    child = """
id: child
namespace: m
inputs: [{id: file, type: STRING}]
tasks:
  - {id: a, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.file }}"}
  - {id: b, type: io.kestra.plugin.core.debug.Return, format: "{{ trigger.taskId }}"}
"""
    world = World(
        """
id: parent
namespace: n
tasks:
  - id: sub
    type: io.kestra.plugin.core.flow.Subflow
    namespace: m
    flowId: child
    inputs: {file: x}
""",
        child,
    )
    requests: dict[str, TaskRequest] = {}
    dispatch = world._dispatch

    def keep(request: TaskRequest) -> None:
        requests[request.task["id"]] = request
        dispatch(request)

    world._dispatch = keep  # type: ignore[method-assign]
    parent = world.run("parent")
    source = {"executionId": parent.id, "namespace": "n", "flowId": "parent"}
    assert requests["a"].variables["trigger"] == source
    assert requests["b"].variables["trigger"] == {**source, "taskId": "sub"}


def test_the_state_survives_a_snapshot_in_the_middle() -> None:
    world = World(TWO)
    execution_id = world.start()
    world.work(1)
    world.fold.states[execution_id] = decode_state(encode_state(world[execution_id]))
    world.settle()
    assert world[execution_id].state.current is StateType.SUCCESS
    assert runs(world[execution_id], "b")[0].outputs == {"value": "x"}
    assert msgspec.json.encode(world.refolded()[execution_id]) == msgspec.json.encode(
        world[execution_id]
    )
