"""Sequences, branches, and the blocks `errors`, `finally` and `afterExecution`."""

from __future__ import annotations

import pytest

from domain.execution.state import Execution
from tests.support.heart import World, history, order, runs, states

LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FAIL = "type: io.kestra.plugin.core.execution.Fail"
FLOW = "io.kestra.plugin.core.flow."


def run(body: str, **more: object) -> Execution:
    return World(f"id: f\nnamespace: n\n{body}").run(**more)  # type: ignore[arg-type]


def test_a_failed_task_stops_the_sequence_and_starts_the_errors() -> None:
    execution = run(f"""
tasks:
  - {{id: a, {LOG}}}
  - {{id: b, {FAIL}}}
  - {{id: c, {LOG}}}
errors:
  - {{id: e, {LOG}}}
finally:
  - {{id: z, {LOG}}}
""")
    assert order(execution) == ["a", "b", "e", "z"]
    assert execution.state.current.value == "FAILED"


def test_finally_runs_while_the_execution_still_runs_and_after_it_runs_after_the_end() -> None:
    execution = run(f"""
tasks:
  - {{id: a, {LOG}}}
finally:
  - {{id: z, type: io.kestra.plugin.core.debug.Return, format: "{{{{ execution.state }}}}"}}
afterExecution:
  - {{id: after, type: io.kestra.plugin.core.debug.Return, format: "{{{{ execution.state }}}}"}}
""")
    assert runs(execution, "z")[0].outputs == {"value": "RUNNING"}
    assert runs(execution, "after")[0].outputs == {"value": "SUCCESS"}
    assert runs(execution, "after")[0].force_execution


def test_a_failing_task_in_finally_neither_stops_the_block_nor_changes_the_state() -> None:
    execution = run(f"""
tasks:
  - {{id: a, {LOG}}}
finally:
  - {{id: y, {FAIL}}}
  - {{id: z, {LOG}}}
""")
    assert order(execution) == ["a", "y", "z"]
    assert execution.state.current.value == "SUCCESS"


def test_a_failing_task_in_after_execution_changes_nothing() -> None:
    execution = run(f"""
tasks: [{{id: a, {LOG}}}]
afterExecution:
  - {{id: y, {FAIL}}}
  - {{id: z, {LOG}}}
""")
    assert order(execution) == ["a", "y", "z"]
    assert execution.state.current.value == "SUCCESS"
    assert execution.closed


def test_local_errors_do_not_mend_the_flowable() -> None:
    execution = run(f"""
tasks:
  - id: seq
    type: {FLOW}Sequential
    tasks: [{{id: a, {FAIL}}}, {{id: b, {LOG}}}]
    errors: [{{id: e, {LOG}}}]
  - {{id: c, {LOG}}}
errors: [{{id: g, {LOG}}}]
""")
    assert order(execution) == ["seq", "a", "e", "g"]
    assert states(execution)["seq"] == "FAILED"


def test_allow_failure_makes_what_failed_inside_a_warning() -> None:
    execution = run(f"""
tasks:
  - id: allowed
    type: {FLOW}AllowFailure
    tasks: [{{id: a, {FAIL}}}]
  - {{id: b, {LOG}}}
""")
    assert states(execution) == {"allowed": "WARNING", "a": "FAILED", "b": "SUCCESS"}
    assert execution.state.current.value == "WARNING"


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        ("allowFailure: true", "WARNING"),
        ("allowFailure: true, allowWarning: true", "SUCCESS"),
        ("allowWarning: true", "FAILED"),
    ],
)
def test_a_tasks_own_rules_make_its_end_milder(rules: str, state: str) -> None:
    execution = run(f"tasks: [{{id: a, {FAIL}, {rules}}}]")
    assert states(execution) == {"a": state}
    assert execution.state.current.value == state


def test_a_task_that_is_not_wanted_is_skipped_with_an_attempt_and_counts_as_done() -> None:
    execution = run(f"""
tasks:
  - {{id: a, {LOG}, runIf: "{{{{ false }}}}"}}
  - {{id: b, {LOG}}}
""")
    assert states(execution) == {"a": "SKIPPED", "b": "SUCCESS"}
    assert [x.state.current.value for x in runs(execution, "a")[0].attempts] == ["SKIPPED"]
    assert execution.state.current.value == "SUCCESS"


@pytest.mark.parametrize("text", ["", "false", "0", "-0"])
def test_only_these_texts_are_falsy(text: str) -> None:
    execution = run(f"""tasks: [{{id: a, {LOG}, runIf: "{{{{ '{text}' }}}}"}}]""")
    assert states(execution) == {"a": "SKIPPED"}


@pytest.mark.parametrize("text", [" ", "False", "null", "[]", "no"])
def test_every_other_text_is_truthy(text: str) -> None:
    execution = run(f"""tasks: [{{id: a, {LOG}, runIf: "{{{{ '{text}' }}}}"}}]""")
    assert states(execution) == {"a": "SUCCESS"}


def test_if_renders_its_condition_once_and_shows_it() -> None:
    execution = run(f"""
tasks:
  - id: if
    type: {FLOW}If
    condition: "{{{{ 1 == 1 }}}}"
    then: [{{id: yes_, {LOG}}}]
    else: [{{id: no_, {LOG}}}]
""")
    assert order(execution) == ["if", "yes_"]
    assert runs(execution, "if")[0].outputs == {"evaluationResult": True}
    assert history(runs(execution, "if")[0]) == ["CREATED", "RUNNING", "SUCCESS"]
    assert len(runs(execution, "if")[0].attempts) == 1


def test_switch_without_case_and_defaults_fails() -> None:
    execution = run(f"""
tasks:
  - id: s
    type: {FLOW}Switch
    value: z
    cases: {{a: [{{id: a, {LOG}}}]}}
""")
    assert states(execution) == {"s": "FAILED"}


def test_tasks_of_a_branch_have_no_value_of_their_own() -> None:
    execution = run(f"""
tasks:
  - id: s
    type: {FLOW}Switch
    value: a
    cases: {{a: [{{id: a, {LOG}}}]}}
""")
    assert runs(execution, "a")[0].value is None


def test_disabled_tasks_leave_no_task_run() -> None:
    execution = run(f"tasks: [{{id: a, {LOG}, disabled: true}}, {{id: b, {LOG}}}]")
    assert order(execution) == ["b"]


def test_outputs_are_typed_and_a_required_one_that_fails_fails_the_execution() -> None:
    good = run(f"""
tasks: [{{id: a, {LOG}}}]
outputs:
  - {{id: n, type: INT, value: "{{{{ 40 + 2 }}}}"}}
  - {{id: o, type: STRING, value: "{{{{ nothing }}}}", required: false}}
""")
    assert good.outputs == {"n": 42, "o": None}
    bad = run(f"""
tasks: [{{id: a, {LOG}}}]
outputs: [{{id: n, type: INT, value: "{{{{ nothing }}}}"}}]
""")
    assert bad.state.current.value == "FAILED"
    assert bad.error is not None


def test_plugin_defaults_fill_what_a_task_leaves_out() -> None:
    execution = run("""
pluginDefaults:
  - {type: io.kestra.plugin.core.debug.Return, values: {format: by default}}
  - {type: io.kestra.plugin.core.log, forced: true, values: {message: forced, allowFailure: true}}
tasks:
  - {id: a, type: io.kestra.plugin.core.debug.Return}
  - {id: b, type: io.kestra.plugin.core.debug.Return, format: own}
  - {id: c, type: io.kestra.plugin.core.log.Log, message: "{{ nothing }}"}
""")
    assert runs(execution, "a")[0].outputs == {"value": "by default"}
    assert runs(execution, "b")[0].outputs == {"value": "own"}
    assert states(execution)["c"] == "SUCCESS"
