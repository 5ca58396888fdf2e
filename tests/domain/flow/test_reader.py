from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidFlow, NotFound
from domain.flow import tasks as t
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.reader import FlowReading, parse_flow, parse_task, parse_trigger, read_flow
from domain.flow.triggers import Expression, FlowTrigger, Schedule
from domain.flow.violations import entity_errors
from domain.plugin import TaskCatalogue, TaskSpec
from tests.domain.flow.conformance import SHARED, cases, flow_files, sources

API = SHARED / "golden" / "api"
_REFUSED_BY_1_3 = {
    "pause.yaml": "reserved keyword",
    "kv.yaml": "must be required",
}
"""Flows of 0.21 that 1.3 refuses; the conformance cases change these lines."""


def read(source: str) -> FlowReading:
    return parse_flow(source, catalogue=CORE_CATALOGUE)


def messages(source: str) -> list[str]:
    return [violation.message for violation in read(source).violations]


def flow_with(tasks: str, more: str = "") -> str:
    return f"id: f\nnamespace: n\n{more}\ntasks:\n{tasks}"


LOG = "  - {id: t, type: io.kestra.plugin.core.log.Log, message: x}\n"


@pytest.mark.parametrize("folder", ["flows/valids", "flows-13/valids"])
def test_every_valid_conformance_flow_reads(folder: str) -> None:
    for path in flow_files(folder):
        reading = read(path.read_text())
        expected = _REFUSED_BY_1_3.get(path.name) if folder == "flows/valids" else None
        if expected is None:
            assert reading.constraints is None, path.name
            assert reading.flow is not None
        else:
            assert expected in (reading.constraints or ""), path.name


@pytest.mark.parametrize(
    "case", [case for case in cases() if case["kind"] == "invalid"], ids=lambda case: case["id"]
)
def test_every_invalid_conformance_flow_is_refused_with_its_cause(case: dict[str, Any]) -> None:
    for source in sources(case):
        reading = read(source)
        assert reading.flow is None
        text = "\n".join(f"{item.subject}: {item.message}" for item in reading.violations)
        for expected in case["expect"]["errors"]:
            assert expected in text
        for violation in reading.violations:
            assert violation.line > 0
            assert violation.remedy


@pytest.mark.parametrize(
    "case", [case for case in cases() if case["kind"] != "invalid"], ids=lambda case: case["id"]
)
def test_every_flow_of_a_conformance_case_reads(case: dict[str, Any]) -> None:
    for source in sources(case):
        assert read(source).constraints is None


def _golden(kind: str) -> list[Any]:
    found = []
    for path in sorted(API.glob(f"*-flows-{kind}*.json")):
        recorded = json.loads(path.read_text())
        if isinstance(recorded["request"].get("body"), str) and recorded["request"]["body"]:
            found.append(recorded)
    return found


@pytest.mark.parametrize("recorded", _golden("create"), ids=lambda item: item["name"])
def test_creation_finds_the_recorded_errors(recorded: dict[str, Any]) -> None:
    reading = read(recorded["request"]["body"])
    answer = recorded["response"]
    if answer["status"] != 422 or "not allowed" in str(answer["body"]):
        return
    body = answer["body"]
    if "already exists" in body["message"]:
        return
    errors = body["_embedded"].get("errors", [])
    if not errors:
        return
    recorded_errors = [(item["message"], item["path"]) for item in errors]
    assert sorted(entity_errors(reading.violations)) == sorted(recorded_errors)


@pytest.mark.parametrize("recorded", _golden("validate"), ids=lambda item: item["name"])
def test_validation_gives_the_recorded_constraints(recorded: dict[str, Any]) -> None:
    name = recorded["name"]
    body = recorded["response"]["body"]
    if name == "flows-validate-duplicate-key":
        assert "Duplicate field 'id'" in messages(recorded["request"]["body"])[0]
        return
    if not isinstance(body, list):
        return
    for entry in body:
        reading = read(recorded["request"]["body"])
        text = reading.constraints
        expected = entry.get("constraints")
        if expected is None:
            assert text is None
            continue
        assert text is not None
        expected = expected.removeprefix("Validation error: ")
        assert sorted(text.splitlines()) == sorted(expected.splitlines())
        if reading.is_readable:
            assert (reading.namespace, reading.id) == (entry["namespace"], entry["flow"])


def test_a_task_by_itself_is_checked() -> None:
    task, violations = parse_task(
        {"id": "t", "type": "io.kestra.plugin.core.log.Log"}, catalogue=CORE_CATALOGUE
    )
    assert task is None
    assert [(item.subject, item.message) for item in violations] == [
        ("message", "must not be null")
    ]


def test_a_trigger_by_itself_is_checked() -> None:
    content = {"id": "t", "type": "io.kestra.plugin.core.trigger.Schedule", "cron": "nope"}
    trigger, violations = parse_trigger(content, catalogue=CORE_CATALOGUE)
    assert trigger is None
    assert violations[0].subject == ""
    assert violations[0].message == (
        "invalid cron expression 'nope': Cron expression contains 1 parts but we expect one of [5]"
    )


def test_all_violations_come_at_once_with_path_place_and_remedy() -> None:
    source = (
        "id: a!\nnamespace: n\ninputs:\n  - {id: bad id, type: STRING}\ntasks:\n"
        "  - id: t t\n    type: io.kestra.plugin.core.log.Lgo\n    mesage: x\n"
        "  - id: u\n    type: io.kestra.plugin.core.log.Log\n    message: y\n    retri: 1\n"
        "nope: 1\n"
    )
    found = {violation.path: violation for violation in read(source).violations}
    assert set(found) == {
        "$.id",
        "$.inputs[0].id",
        "$.tasks[0]",
        "$.tasks[0].id",
        "$.tasks[1].retri",
        "$.nope",
    }
    assert (found["$.tasks[0]"].line, found["$.tasks[0]"].column) == (7, 11)
    assert "io.kestra.plugin.core.log.Log" in found["$.tasks[0]"].remedy
    assert (found["$.tasks[1].retri"].line, found["$.tasks[1].retri"].column) == (12, 5)
    assert "`retry`" in found["$.tasks[1].retri"].remedy


def test_an_invalid_flow_is_raised_with_its_violations() -> None:
    with pytest.raises(InvalidFlow, match="tasks: must not be empty") as caught:
        read_flow("id: a\nnamespace: b\n", catalogue=CORE_CATALOGUE)
    assert caught.value.violations[0].path == "$.tasks"


def test_json_is_yaml_too() -> None:
    source = json.dumps(
        {
            "id": "f",
            "namespace": "n",
            "tasks": [{"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "x"}],
        }
    )
    assert read(source).flow is not None


def test_old_names_are_understood_and_noted() -> None:
    source = flow_with(
        "  - {id: t, type: io.kestra.core.tasks.log.Log, message: x}\n"
        "  - id: w\n    type: io.kestra.plugin.core.flow.WaitFor\n    condition: 'true'\n"
        "    tasks: [{id: u, type: io.kestra.core.tasks.debugs.Return, format: x}]\n"
    )
    reading = read(source)
    assert reading.flow is not None
    task = reading.flow.task_by_id("t")
    assert task.type == "io.kestra.plugin.core.log.Log"
    assert task.spelling == "io.kestra.core.tasks.log.Log"
    assert isinstance(reading.flow.task_by_id("w"), t.LoopUntil)
    assert "io.kestra.core.tasks.log.Log is replaced by io.kestra.plugin.core.log.Log" in (
        reading.infos
    )


def test_both_dialects_read_into_one_model() -> None:
    source = flow_with(
        "  - {id: a, type: io.kestra.plugin.core.log.Log, message: x, when: '{{ false }}'}\n"
        "  - {id: b, type: io.kestra.plugin.core.log.Log, message: x, runIf: '{{ false }}'}\n"
        "  - id: c\n    type: io.kestra.plugin.core.flow.Loop\n    values: [1]\n"
        "    tasks: [{id: d, type: io.kestra.plugin.core.log.Log, message: x}]\n",
        "workerSelector: {tags: [gpu]}\n"
        "checks: [{when: '{{ true }}', message: m}]\n"
        "triggers:\n"
        "  - id: up\n    type: io.kestra.plugin.core.trigger.Flow\n"
        "    dependsOn: [{flowId: x, namespace: n}]\n"
        "    window: {every: P1D, offset: PT1H}\n"
        "  - id: s\n    type: io.kestra.plugin.core.trigger.Schedule\n    cron: '@daily'\n"
        "    when: '{{ true }}'\n",
    )
    reading = read(source)
    assert reading.constraints is None
    flow = reading.flow
    assert flow is not None
    assert flow.task_by_id("a").run_if == flow.task_by_id("b").run_if == "{{ false }}"
    assert isinstance(flow.task_by_id("c"), t.Loop)
    assert flow.checks[0].condition == "{{ true }}"
    upstream = flow.triggers[0]
    assert isinstance(upstream, FlowTrigger)
    assert upstream.depends_on[0].flow_id == "x"
    assert flow.triggers[1].when == "{{ true }}"
    assert not reading.deprecations


def test_conditions_are_typed_under_old_and_new_names() -> None:
    source = flow_with(
        LOG,
        "triggers:\n  - id: s\n    type: io.kestra.core.models.triggers.types.Schedule\n"
        "    cron: '* * * * *'\n    conditions:\n"
        "      - {type: io.kestra.core.models.conditions.types.VariableCondition, "
        "expression: '{{ true }}'}\n"
        "      - {type: io.kestra.plugin.core.condition.Expression, expression: 'x'}\n",
    )
    flow = read(source).flow
    assert flow is not None
    schedule = flow.triggers[0]
    assert isinstance(schedule, Schedule)
    assert [type(condition) for condition in schedule.conditions] == [Expression, Expression]


def test_the_flow_knows_where_each_task_stands() -> None:
    source = flow_with(
        "  - id: p\n    type: io.kestra.plugin.core.flow.Parallel\n"
        "    tasks: [{id: c, type: io.kestra.plugin.core.debug.Return}]\n"
        "    errors: [{id: e, type: io.kestra.plugin.core.debug.Return}]\n"
        "  - id: w\n    type: io.kestra.plugin.core.flow.Switch\n    value: x\n"
        "    cases: {a: [{id: k, type: io.kestra.plugin.core.debug.Return}]}\n",
        "finally: [{id: z, type: io.kestra.plugin.core.debug.Return}]\n",
    )
    flow = read(source).flow
    assert flow is not None
    assert [task.id for task in flow.all_tasks()] == ["p", "c", "e", "w", "k", "z"]
    parent = flow.parent_of("c")
    assert parent is not None
    assert parent.id == "p"
    assert flow.parent_of("p") is None
    assert flow.placements["e"].branch == "errors"
    assert flow.placements["k"].branch == "cases.a"
    assert flow.placements["k"].ancestors == ("w",)
    assert (flow.block_of("k"), flow.block_of("z")) == ("tasks", "finally")
    with pytest.raises(NotFound):
        flow.task_by_id("nobody")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (flow_with(LOG).replace("id: f", "id: search"), "reserved keyword"),
        (flow_with(LOG).replace("id: f", "id: " + "x" * 101), "size must be between 1 and 100"),
        (flow_with(LOG, "retry: {type: constant}"), "must not be null"),
        (flow_with(LOG, "retry: {type: constant, interval: PT1S, maxAttempts: 0}"), "must be gr"),
        (
            flow_with(LOG, "retry: {type: exponential, interval: PT9S, maxInterval: PT1S}"),
            "'interval' must be less than 'maxInterval'",
        ),
        (flow_with(LOG, "concurrency: {limit: 0}"), "must be greater than or equal to 1"),
        (flow_with(LOG, "inputs: [{id: a, type: ARRAY, itemType: ARRAY}]"), "cannot be ARRAY"),
        (
            flow_with(LOG, "inputs: [{id: a, type: STRING, required: false, defaults: x}]"),
            "must be required",
        ),
        (
            flow_with(LOG, "inputs: [{id: a, type: FILE, defaults: 'http://x'}]"),
            "only support `defaults` as local files",
        ),
        (
            flow_with(LOG, "inputs: [{id: a, type: STRING, dependsOn: {inputs: [b]}}]"),
            "Input with id 'a' depends on a non-existent input 'b'.",
        ),
        (
            flow_with(
                LOG,
                "inputs:\n  - {id: a, type: STRING, dependsOn: {inputs: [b]}}\n"
                "  - {id: b, type: STRING, dependsOn: {inputs: [a]}}",
            ),
            "Cycle dependency detected for input with id 'a'",
        ),
        (flow_with(LOG, "inputs: [{id: a, type: STRING, validator: '['}]"), "invalid pattern ["),
        (
            flow_with("  - {id: s, type: io.kestra.plugin.core.flow.Switch, value: x}\n"),
            "No task defined",
        ),
        (
            flow_with(
                "  - id: d\n    type: io.kestra.plugin.core.flow.Dag\n    tasks:\n"
                "      - task: {id: a, type: io.kestra.plugin.core.debug.Return}\n"
                "        dependsOn: [zz]\n"
            ),
            "Not existing task id in dependency: zz",
        ),
        (
            flow_with(
                "  - id: d\n    type: io.kestra.plugin.core.flow.WorkingDirectory\n    tasks:\n"
                "      - id: p\n        type: io.kestra.plugin.core.flow.Parallel\n"
                "        tasks: [{id: a, type: io.kestra.plugin.core.debug.Return}]\n"
            ),
            "Only runnable tasks",
        ),
        (
            flow_with(
                LOG,
                "triggers: [{id: s, type: io.kestra.plugin.core.trigger.Schedule, "
                "cron: '@daily', timezone: Mars/Base}]",
            ),
            "not a valid time-zone ID",
        ),
        (
            flow_with(
                LOG,
                "triggers: [{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: k, "
                "conditions: [{type: io.kestra.plugin.core.condition.Not, conditions: "
                "[{type: io.kestra.plugin.core.condition.MultipleCondition, id: m, conditions: "
                "{a: {type: io.kestra.plugin.core.condition.Weekend}}}]}]}]",
            ),
            "conditions of type MultipleCondition are not supported",
        ),
        ("- a\n- b\n", "A flow is a mapping"),
        (flow_with("  - x\n"), "A task is a mapping"),
        (flow_with("  x: y\n"), "a list is wanted"),
    ],
)
def test_a_broken_rule_is_named(source: str, expected: str) -> None:
    assert any(expected in message for message in messages(source))


@pytest.mark.parametrize(
    ("cron", "fires"), [("0 0 30 2 *", False), ("0 0 29 2 *", True), ("0 0 30 2 1", True)]
)
def test_a_cron_that_no_date_fits_is_told(cron: str, fires: bool) -> None:
    schedule = f"{{id: s, type: io.kestra.plugin.core.trigger.Schedule, cron: '{cron}'}}"
    warnings = read(flow_with(LOG, f"triggers: [{schedule}]")).warnings
    assert [("never fires" in text) for text in warnings] == [True] * (not fires)


def test_a_flow_trigger_that_anything_fires_is_told() -> None:
    listener = "triggers: [{{id: any, type: io.kestra.plugin.core.trigger.Flow{}}}]"
    [warning] = read(flow_with(LOG, listener.format(""))).warnings
    assert "EVERY execution of EVERY flow" in warning
    assert "'any'" in warning
    for narrowed in (
        ", when: '{{ true }}'",
        ", dependsOn: [{flowId: a, namespace: b}]",
        ", preconditions: {id: p, flows: [{flowId: a, namespace: b}]}",
        ", conditions: [{type: io.kestra.plugin.core.condition.Weekend}]",
    ):
        assert not read(flow_with(LOG, listener.format(narrowed))).warnings


def test_what_only_a_worker_uses_is_told_on_tasks_that_run_nothing() -> None:
    package = "io.kestra.plugin.core.flow"
    more = "timeout: PT1H, taskCache: {enabled: true}"
    inner = f"tasks: [{LOG.strip(' -').strip()[:-1]}, {more}}}]"
    for kind, names in (
        ("Sequential", ["timeout", "taskCache"]),
        ("Pause", ["taskCache"]),
        ("WorkingDirectory", []),
    ):
        source = flow_with(f"  - {{id: s, type: {package}.{kind}, {more}, {inner}}}\n")
        assert list(read(source).warnings) == [
            f"The task 's' cannot use the '{name}' property as it's only relevant for runnable "
            "tasks."
            for name in names
        ]


def test_unknown_types_may_be_let_through() -> None:
    source = flow_with("  - {id: t, type: com.example.Unknown, any: thing}\n")
    assert messages(source) == ["Invalid type: com.example.Unknown"]
    reading = parse_flow(source, catalogue=CORE_CATALOGUE, allow_unknown_types=True)
    assert reading.flow is not None
    task = reading.flow.tasks[0]
    assert isinstance(task, t.PluginTask)
    assert task.properties == {"any": "thing"}
    assert reading.warnings


def test_a_plugins_types_are_known_once_they_are_in_the_catalogue() -> None:
    catalogue = CORE_CATALOGUE.with_types([TaskSpec(type="com.example.Mine")])
    assert isinstance(catalogue, TaskCatalogue)
    source = flow_with("  - {id: t, type: com.example.Mine}\n")
    assert parse_flow(source, catalogue=catalogue).flow is not None


def test_a_source_is_outdated_when_its_revision_is_not_the_next() -> None:
    reading = read(flow_with(LOG, "revision: 1"))
    assert reading.is_outdated(4)
    assert not reading.is_outdated(0)
    assert not read(flow_with(LOG)).is_outdated(4)


_YAML = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "{{ y }}", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "type",
                    "tasks",
                    "errors",
                    "then",
                    "cases",
                    "value",
                    "inputs",
                    "triggers",
                    "conditions",
                    "retry",
                    "labels",
                    "concurrency",
                    "outputs",
                    "sla",
                    "checks",
                    "dependsOn",
                    "preconditions",
                    "cron",
                    "interval",
                    "task",
                ]
            ),
            inner | st.sampled_from([*t.FLOWABLES, "constant", "STRING", "MAX_DURATION"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(
    content=st.dictionaries(
        st.sampled_from(
            [
                "id",
                "namespace",
                "tasks",
                "inputs",
                "triggers",
                "labels",
                "errors",
                "outputs",
                "retry",
                "sla",
                "checks",
                "variables",
                "concurrency",
                "pluginDefaults",
            ]
        ),
        _YAML,
    )
)
def test_no_structure_does_anything_but_be_read_or_refused(content: dict[str, Any]) -> None:
    reading = read(json.dumps(content))
    assert (reading.flow is None) == bool(reading.violations)


@pytest.mark.parametrize("package", ["plugin.core.flow", "core.tasks.flows"])
def test_a_template_is_refused_with_what_to_write_instead(package: str) -> None:
    reading = read(
        "id: f\nnamespace: n\ntasks:\n"
        f"  - {{id: t, type: io.kestra.{package}.Template, templateId: x}}"
    )
    assert any("io.kestra.plugin.core.flow.Subflow" in x.remedy for x in reading.violations)


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("type: io.kestra.plugin.core.execution.Fail", True),
        ("type: io.kestra.plugin.core.execution.Assert, conditions: ['true']", True),
        ("type: io.kestra.plugin.core.execution.SetVariables, variables: {a: b}", False),
        ("type: io.kestra.plugin.core.execution.Labels, labels: {a: b}", False),
    ],
)
def test_tasks_that_change_the_execution_do_not_stand_in_a_working_directory(
    said: str, allowed: bool
) -> None:
    reading = read(
        "id: f\nnamespace: n\ntasks:\n"
        "  - id: w\n    type: io.kestra.plugin.core.flow.WorkingDirectory\n"
        f"    tasks: [{{id: t, {said}}}]"
    )
    assert any("Only runnable tasks" in x.message for x in reading.violations) is not allowed


_LOG = "io.kestra.plugin.core.log.Log"
_HEAD = "id: f\nnamespace: n\n"
_TASKS = f"tasks:\n  - id: a\n    type: {_LOG}\n    message: x\n"


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        (
            f"{_HEAD}tasks:\n  - id: a\n   type: {_LOG}\n",
            "like the others of the list or mapping that begins in line 4, column 3.",
        ),
        (
            f'{_HEAD}tasks:\n  - id: a\n    message: "x\n',
            "Close the quote that begins in line 5, column 14.",
        ),
        (
            f"{_HEAD}tasks:\n  - id: a\n    message: [x\n",
            "Close the bracket that begins in line 5, column 14, or put the text in quotes.",
        ),
        (f"{_HEAD}tasks:\n  - id:a\n    type: x\n", "write a blank after each colon"),
        (
            f"{_HEAD}tasks:\n  - id: a\n    message: |\n    one\n    two\n",
            "indent lines of a longer text more than its key",
        ),
        (f"{_HEAD}tasks:\n  id: a\n", "Write a list: a dash and a blank before each item."),
        (
            f"{_HEAD}{_TASKS}variables:\n  - a\n",
            "Write a mapping: lines of `key: value`, without dashes.",
        ),
        (f"id: f\nnamespace: My.Team\n{_TASKS}", "Use small letters, digits, dots,"),
        (
            f"{_HEAD}tasks: [{{id: d, type: io.kestra.plugin.core.flow.Dag, tasks: [{{id: a}}]}}]",
            "Put the task under `task`, beside `dependsOn`.",
        ),
        (
            f"{_HEAD}{_TASKS}triggers:\n  - id: t\n    type: io.kestra.plugin.core.trigger.Cron\n",
            "Mend the name: no such type is part of the core.",
        ),
    ],
)
def test_a_mistake_that_people_make_comes_with_the_remedy(source: str, remedy: str) -> None:
    assert remedy in read(source).violations[0].remedy


@pytest.mark.parametrize(
    "more",
    [
        "states: [FAILURE]",
        "stopAfter: [FAILURE]",
        "preconditions: {id: p, flows: [{namespace: n, flowId: g, states: [FAILURE]}]}",
        "dependsOn: [{namespace: n, flowId: g, states: [FAILURE]}]",
        "conditions: [{type: io.kestra.plugin.core.condition.ExecutionStatus, in: [FAILURE]}]",
    ],
)
def test_a_state_that_there_is_not_is_refused(more: str) -> None:
    trigger = f"{{id: t, type: io.kestra.plugin.core.trigger.Flow, {more}}}"
    [violation] = read(f"{_HEAD}{_TASKS}triggers: [{trigger}]\n").violations
    assert violation.message.startswith("'FAILURE' is not one of the values accepted: [CREATED,")
    assert violation.line == 7
