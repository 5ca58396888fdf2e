"""Flow triggers from the log: executions change their state, others begin."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.execution import events as e
from domain.execution.commands import CreateExecution
from domain.execution.lifecycle import StateType
from domain.execution.state import Label, Metadata, Moment
from domain.ports.metrics import NoMetrics
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, TRIGGER_COMMANDS
from infra.snapshots import SqliteSnapshots
from streams.triggers.watcher import ExecutionWatcher
from tests.support.histories import Historian
from tests.support.triggers import COMMANDS, SchedulerWorld, at

S = StateType


class FlowWorld(SchedulerWorld):
    """A scheduler and a watcher on one log; executions are written by hand."""

    def __init__(self, folder: Path, start: str = "2024-01-01T12:00:00") -> None:
        super().__init__(start, partitions=1)
        self.snapshots = SqliteSnapshots(folder / "watcher.sqlite")
        self.historian = Historian(self.log)
        self.looked = 0
        self.count = 0
        self.watch()

    def watch(self) -> None:
        """Start a watcher, which begins at what was committed."""
        assert self.snapshots is not None
        self.watcher = ExecutionWatcher(
            self.log,
            self.flows,
            self.answers,
            self.clock,
            self.snapshots,
            self.options,
            NoMetrics(),
            self._died,
        )
        self.watcher.start()
        self.watcher.assigned([0])
        self.position = self.looked

    def look(self) -> None:
        """Let the watcher see everything, and the scheduler act on it."""
        _, end = self.log.bounds(EXECUTION_EVENTS, 0)
        for record in list(self.log.read(EXECUTION_EVENTS, 0, self.position, end)):

            def done(upto: int = record.offset + 1) -> None:
                self.looked = max(self.looked, upto)

            self.watcher.process(record, done)
            self.position = record.offset + 1
        self.run()

    def begin(self, flow_id: str, **members: Any) -> str:
        """Start an execution of a flow."""
        self.count += 1
        execution_id = f"{flow_id}-{self.count}"
        self.historian.now = self.clock.now() + timedelta(milliseconds=self.count)
        self.historian.create(execution_id, **{"namespace": "n", "flow_id": flow_id, **members})
        self.look()
        return execution_id

    def finish(self, execution_id: str, state: StateType = S.SUCCESS, outputs: Any = None) -> None:
        """End an execution."""
        self.historian.step(
            execution_id, e.ExecutionEnded(state=state, outputs=outputs), e.ExecutionClosed()
        )
        self.look()

    def ran(
        self,
        flow_id: str,
        state: StateType = S.SUCCESS,
        outputs: dict[str, Any] | None = None,
        **members: Any,
    ) -> str:
        """Run an execution from its beginning to its end."""
        execution_id = self.begin(flow_id, **members)
        self.finish(execution_id, state, outputs)
        return execution_id

    def started(self) -> list[CreateExecution]:
        """What flow triggers started, each execution once."""
        found: dict[str, CreateExecution] = {}
        for record in self.log.all(EXECUTION_COMMANDS):
            command = COMMANDS.decode(record)
            if isinstance(command, CreateExecution):
                found[command.execution_id] = command
        return list(found.values())


@pytest.fixture
def world(tmp_path: Path) -> FlowWorld:
    return FlowWorld(tmp_path)


def listener(trigger: str, *, head: str = "", flow_id: str = "listener") -> str:
    return f"""
id: {flow_id}
namespace: n
{head}
tasks: [{{id: a, type: io.kestra.plugin.core.log.Log, message: hello}}]
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Flow
{trigger}
"""


AFTER_A = """
    preconditions:
      id: p
      flows: [{namespace: n, flowId: a, states: [SUCCESS]}]
"""
BOTH = """
    preconditions:
      id: p
      flows:
        - {namespace: n, flowId: a, states: [SUCCESS]}
        - {namespace: n, flowId: b, states: [SUCCESS]}
"""


def test_execution_that_meets_the_precondition_starts_another(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A, head="labels: {own: label}"))
    source = world.ran("a", outputs={"rows": 12})
    [started] = world.started()
    assert started.flow_id == "listener"
    assert started.trigger is not None
    assert started.trigger.id == "t"
    assert started.trigger.type == "io.kestra.plugin.core.trigger.Flow"
    assert started.trigger.variables == {
        "executionId": source,
        "executionLabels": {"system": {"from": "api"}},
        "namespace": "n",
        "flowId": "a",
        "flowRevision": 1,
        "state": "SUCCESS",
        "outputs": {"rows": 12},
    }


def test_labels_carry_the_correlation_id_of_the_source_and_no_origin(world: FlowWorld) -> None:
    """kestra-1.3-observed, Triggers: no system.from; labels do not see the trigger."""
    world.flows.save(
        listener(
            AFTER_A + "    labels: {seen: '{{ trigger.executionId }}', fixed: x}",
            head="labels: {own: label}",
        )
    )
    world.ran("a", labels=[Label("system.from", "api"), Label("system.correlationId", "first")])
    [started] = world.started()
    assert started.labels == [
        Label("own", "label"),
        Label("fixed", "x"),
        Label("system.correlationId", "first"),
    ]


def test_inputs_see_the_trigger_and_the_outputs_of_the_source(world: FlowWorld) -> None:
    world.flows.save(
        listener(
            AFTER_A
            + "    inputs: {rows: '{{ trigger.outputs.rows }}', task: '{{ outputs.only.value }}'}",
            head="inputs: [{id: rows, type: INT}, {id: task, type: STRING}]",
        )
    )
    execution_id = world.begin("a")
    world.historian.run(execution_id, "only")
    world.finish(execution_id, outputs={"rows": 12})
    [started] = world.started()
    assert started.inputs == {"rows": 12, "task": f"{execution_id}.only"}


def test_inputs_that_cannot_be_rendered_make_a_failed_execution(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A + "    inputs: {x: '{{ trigger.outputs.none }}'}"))
    world.ran("a")
    [started] = world.started()
    assert "none" in (started.error or "")


def test_only_listed_states_count(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    world.ran("a", S.FAILED)
    world.ran("b")
    assert world.started() == []


def test_each_change_of_state_counts_once(world: FlowWorld) -> None:
    """conformance flow-trigger-with-pause: RUNNING comes twice, around the pause."""
    world.flows.save(
        listener(
            """
    states: [RUNNING, PAUSED, SUCCESS]
    conditions: [{type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: n, flowId: a}]
"""
        )
    )
    execution_id = world.begin("a")
    world.historian.step(execution_id, e.ExecutionPaused())
    world.historian.step(execution_id, e.ExecutionResumed(), e.ExecutionStarted())
    world.finish(execution_id)
    states = [one.trigger.variables["state"] for one in world.started() if one.trigger]
    assert states == ["RUNNING", "PAUSED", "RUNNING", "SUCCESS"]
    times = [record.timestamp_ms for record in world.log.all(EXECUTION_COMMANDS)]
    assert times == sorted(set(times)), "each start is later than the one before"


def test_paused_is_among_the_default_states(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A.replace("SUCCESS", "PAUSED")))
    execution_id = world.begin("a")
    world.historian.step(execution_id, e.ExecutionPaused())
    world.look()
    assert len(world.started()) == 1


def test_flow_does_not_trigger_itself(world: FlowWorld) -> None:
    world.flows.save(listener("", flow_id="a"))
    world.ran("a")
    assert world.started() == []
    world.ran("b")
    assert len(world.started()) == 1


@pytest.mark.parametrize("kind", ["TEST", "PLAYGROUND", "LOOP"])
def test_executions_of_special_kinds_trigger_nothing(world: FlowWorld, kind: str) -> None:
    world.flows.save(listener(AFTER_A))
    world.ran("a", kind=kind)
    assert world.started() == []


@pytest.mark.parametrize("where", ["flow", "trigger"])
def test_disabled_listeners_start_nothing(world: FlowWorld, where: str) -> None:
    if where == "flow":
        world.flows.save(listener(AFTER_A, head="disabled: true"))
    else:
        world.flows.save(listener(AFTER_A + "    disabled: true"))
    world.ran("a")
    assert world.started() == []


def test_latest_revision_counts(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    world.flows.save(listener(AFTER_A.replace("flowId: a", "flowId: c")))
    world.ran("a")
    assert world.started() == []
    world.ran("c")
    assert [one.flow_revision for one in world.started()] == [2]


def test_deleted_flow_listens_no_more(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    world.flows.save(listener(AFTER_A), deleted=True)
    world.ran("a")
    assert world.started() == []


def test_an_execution_that_is_deleted_while_it_runs_starts_nothing(world: FlowWorld) -> None:
    world.flows.save(listener("    states: [KILLED]"))
    execution_id = world.begin("a")
    world.historian.step(execution_id, e.ExecutionEnded(state=S.KILLED), e.ExecutionDeleted())
    world.look()
    assert world.started() == []
    world.finish(world.begin("a"), S.KILLED)
    assert len(world.started()) == 1


def test_states_taken_over_from_another_execution_are_no_changes(world: FlowWorld) -> None:
    world.flows.save(listener("    states: [SUCCESS, RUNNING]"))
    first = world.ran("a")
    assert len(world.started()) == 2
    world.historian.step(
        "replay",
        e.ExecutionCreated(
            execution_id="replay",
            tenant="main",
            namespace="n",
            flow_id="a",
            flow_revision=1,
            original_id=first,
            metadata=_metadata(),
            histories=[Moment(S.CREATED, at("2024-01-01")), Moment(S.SUCCESS, at("2024-01-01"))],
        ),
    )
    world.look()
    assert len(world.started()) == 2


def _metadata() -> Metadata:
    return Metadata(1, at("2024-01-01"))


# -- windows ----------------------------------------------------------------------------------


def test_two_preconditions_fire_when_both_are_met_and_begin_anew(world: FlowWorld) -> None:
    world.flows.save(listener(BOTH))
    world.ran("a")
    assert world.started() == []
    source = world.ran("b")
    [started] = world.started()
    assert started.trigger is not None
    assert started.trigger.variables["executionId"] == source
    world.ran("b")
    assert len(world.started()) == 1
    world.ran("a")
    assert len(world.started()) == 2


def test_outputs_of_all_gathered_executions_are_merged(world: FlowWorld) -> None:
    world.flows.save(listener(BOTH + "    inputs: {x: '{{ trigger.outputs.x }}'}"))
    world.ran("a", outputs={"x": "from a", "m": {"a": 1}})
    world.ran("b", outputs={"m": {"b": 2}})
    [started] = world.started()
    assert started.trigger is not None
    assert started.trigger.variables["outputs"] == {"x": "from a", "m": {"a": 1, "b": 2}}
    assert started.inputs == {"x": "from a"}


def test_without_reset_every_further_one_fires(world: FlowWorld) -> None:
    world.flows.save(listener(BOTH.replace("id: p", "id: p\n      resetOnSuccess: false")))
    world.ran("a")
    world.ran("b")
    world.ran("a")
    assert len(world.started()) == 2


def test_multiple_condition_gathers_results_by_key(world: FlowWorld) -> None:
    """conformance flow-trigger-multiple-conditions."""
    world.flows.save(
        listener(
            """
    conditions:
      - id: multiple
        type: io.kestra.plugin.core.condition.MultipleCondition
        window: P1D
        windowAdvance: P0D
        conditions:
          success: {type: io.kestra.plugin.core.condition.ExecutionStatus, in: [SUCCESS]}
          flow-a: {type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: n, flowId: a}
          flow-b: {type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: n, flowId: b}
"""
        )
    )
    world.ran("a")
    assert world.started() == []
    world.ran("b")
    assert len(world.started()) == 1


def test_window_that_ends_forgets_what_was_met(world: FlowWorld) -> None:
    world.flows.save(listener(BOTH))
    world.ran("a")
    world.advance_to("2024-01-02T00:00:01")
    world.ran("b")
    assert world.started() == []


def test_sliding_window_counts_back_from_the_execution(world: FlowWorld) -> None:
    world.flows.save(
        listener(
            BOTH.replace("id: p", "id: p\n      timeWindow: {type: SLIDING_WINDOW, window: PT2H}")
        )
    )
    world.ran("a")
    world.advance(hours=3)
    world.ran("b")
    assert world.started() == []
    world.advance(hours=1)
    world.ran("a")
    assert len(world.started()) == 1


def test_daily_deadline_counts_only_what_ends_before_it(world: FlowWorld) -> None:
    window = "id: p\n      timeWindow: {type: DAILY_TIME_DEADLINE, deadline: '13:00:00'}"
    world.flows.save(listener(BOTH.replace("id: p", window)))
    world.ran("a")
    world.advance_to("2024-01-01T13:30:00")
    world.ran("b")
    assert world.started() == []
    world.advance_to("2024-01-02T10:00:00")
    world.ran("a")
    world.ran("b")
    assert len(world.started()) == 1


def test_filters_of_where_are_one_condition_each(world: FlowWorld) -> None:
    world.flows.save(
        listener(
            """
    preconditions:
      id: p
      where:
        - id: one
          filters:
            - {field: NAMESPACE, type: STARTS_WITH, value: n}
            - {field: FLOW_ID, type: REGEX, value: 'a.*'}
            - {field: EXPRESSION, type: IS_TRUE, value: "{{ labels.team == 'x' }}"}
        - id: two
          operand: OR
          filters:
            - {field: FLOW_ID, type: IN, values: [b]}
            - {field: STATE, type: EQUAL_TO, value: KILLED}
"""
        )
    )
    world.ran("abc", labels=[Label("team", "y")])
    world.ran("b")
    assert world.started() == []
    world.ran("abc", labels=[Label("team", "x")])
    assert len(world.started()) == 1


DEPENDS = """
    dependsOn:
      - {namespace: n, flowId: a, states: [SUCCESS]}
      - {namespace: n, flowId: b, states: [SUCCESS], when: "{{ outputs.ok == true }}"}
"""


def test_dependencies_of_two_zero_give_outputs_by_flow(world: FlowWorld) -> None:
    world.flows.save(listener(DEPENDS))
    world.ran("a", outputs={"x": 1})
    world.ran("b", outputs={"ok": False})
    assert world.started() == []
    world.ran("b", outputs={"ok": True})
    [started] = world.started()
    assert started.trigger is not None
    assert started.trigger.variables["outputs"] == {"a": {"x": 1}, "b": {"ok": True}}


def test_any_dependency_is_enough(world: FlowWorld) -> None:
    world.flows.save(listener(DEPENDS + "    mode: ANY"))
    world.ran("a", outputs={"x": 1})
    [started] = world.started()
    assert started.trigger is not None
    assert started.trigger.variables["outputs"] == {"a": {"x": 1}, "x": 1}


def test_at_least_counts_dependencies(world: FlowWorld) -> None:
    third = "      - {namespace: n, flowId: c}\n    mode: AT_LEAST\n    minSatisfied: 2\n"
    world.flows.save(listener(DEPENDS + third))
    world.ran("c")
    assert world.started() == []
    world.ran("a")
    assert len(world.started()) == 1


def test_fire_once_fires_once_in_a_window(world: FlowWorld) -> None:
    world.flows.save(
        listener(DEPENDS + "    mode: ANY\n    window: {every: PT12H, fireOnce: true}")
    )
    world.ran("a")
    world.ran("a")
    assert len(world.started()) == 1
    world.advance(hours=12)
    world.ran("a")
    assert len(world.started()) == 2


def test_missed_deadline_makes_a_failed_execution(world: FlowWorld) -> None:
    world.flows.save(
        listener(
            DEPENDS + "    window: {deadline: '14:00', timezone: UTC}\n"
            "    onMiss: {behavior: FAIL, labels: {missed: 'yes'}}"
        )
    )
    world.look()
    world.ran("a")
    world.advance_to("2024-01-01T15:00:00")
    [failed] = world.started()
    assert "1 of 2 dependencies met" in (failed.error or "")
    assert Label("missed", "yes") in failed.labels
    world.advance_to("2024-01-02T13:00:00")
    world.ran("a")
    world.ran("b", outputs={"ok": True})
    world.advance_to("2024-01-02T15:00:00")
    assert [one.error is None for one in world.started()] == [False, True]


# -- delivery ---------------------------------------------------------------------------------


def test_record_that_comes_again_starts_nothing_new(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    world.flows.save(listener(BOTH, flow_id="both"))
    world.ran("a")
    world.ran("b")
    assert len(world.started()) == 2
    world.looked = 0
    world.watch()
    world.look()
    assert len(world.started()) == 2


def test_half_met_window_is_not_met_twice_by_a_repeated_record(world: FlowWorld) -> None:
    """The same change of state, told again after the window fired, is no new half."""
    world.flows.save(listener(BOTH))
    world.ran("a")
    world.ran("b")
    world.looked = 0
    world.watch()
    world.look()
    world.ran("b")
    assert len(world.started()) == 1


def test_snapshot_keeps_running_executions_over_a_restart(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    execution_id = world.begin("a")
    world.ran("b")
    world.watcher.close()
    world.watch()
    world.finish(execution_id)
    assert len(world.started()) == 1


def test_snapshot_that_is_lost_is_folded_again(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    execution_id = world.begin("a")
    world.watch()
    world.finish(execution_id)
    assert len(world.started()) == 1


def test_ended_execution_that_runs_again_triggers_again(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    execution_id = world.ran("a")
    world.historian.step(execution_id, e.LabelsChanged(labels=[]))
    world.historian.step(execution_id, e.ExecutionRestarted(), e.ExecutionStarted())
    world.finish(execution_id)
    assert len(world.started()) == 2


def test_flow_triggers_may_ask_the_outside_world(world: FlowWorld) -> None:
    world.answers.answers["kv"] = "stored"
    world.flows.save(listener(AFTER_A + "    inputs: {x: \"{{ kv('k') }}\"}"))
    world.ran("a")
    assert world.started()[0].inputs == {"x": "stored"}


def test_condition_that_cannot_be_evaluated_keeps_no_other_trigger(world: FlowWorld) -> None:
    world.flows.save(listener("    when: '{{ nothing.there }}'", flow_id="broken"))
    world.flows.save(listener(AFTER_A))
    world.ran("a")
    assert [one.flow_id for one in world.started()] == ["listener"]


# -- ends of scheduled executions -------------------------------------------------------------

SCHEDULED = """
id: f
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: hello}]
triggers: [{id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 * * * *'}]
"""


def test_end_of_a_scheduled_execution_frees_its_trigger(world: FlowWorld) -> None:
    world.flows.save(SCHEDULED)
    world.advance_to("2024-01-01T13:10:00")
    [creation] = world.started()
    assert world.state().is_locked
    world.historian.create(
        creation.execution_id, namespace="n", flow_id="f", trigger=creation.trigger
    )
    world.look()
    assert world.state().is_locked
    world.finish(creation.execution_id, S.FAILED)
    assert not world.state().is_locked


def test_refused_execution_frees_its_trigger(world: FlowWorld) -> None:
    world.flows.save(SCHEDULED)
    world.advance_to("2024-01-01T13:10:00")
    [record] = world.log.all(EXECUTION_COMMANDS)
    world.historian.step(
        record.key,
        e.CommandRejected(command="execution.create", code="X", message="no such flow"),
        sequence=0,
    )
    world.look()
    assert not world.state().is_locked


def test_other_executions_tell_no_trigger(world: FlowWorld) -> None:
    world.ran("a")
    assert world.log.all(TRIGGER_COMMANDS) == []


def test_unreadable_record_is_put_aside(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A))
    world.log.send(Outgoing(EXECUTION_EVENTS, "x", b"no json"))
    world.ran("a")
    assert len(world.log.all("deadletter")) == 1
    assert len(world.started()) == 1


def test_failure_that_a_retry_follows_at_once_starts_nothing(world: FlowWorld) -> None:
    world.flows.save(listener(AFTER_A.replace("SUCCESS", "FAILED")))
    execution_id = world.begin("a")
    world.historian.step(execution_id, e.ExecutionRetrying(failed=True))
    world.look()
    assert world.started() == []
    world.historian.step(execution_id, e.ExecutionStarted())
    world.finish(execution_id, S.FAILED)
    assert len(world.started()) == 1
