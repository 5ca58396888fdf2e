from __future__ import annotations

from typing import Any

from domain.flow.common import PluginDefault
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.defaults import ScopedDefaults, merged
from domain.flow.reader import FlowReading, parse_flow
from domain.flow.tasks import Pause, PluginTask, Sequential
from domain.flow.triggers import Schedule

LOG = "io.kestra.plugin.core.log.Log"


def _read(source: str, *defaults: PluginDefault) -> FlowReading:
    """Read a flow of namespace `n`: all defaults but the last are the server's."""
    scoped = ScopedDefaults(everywhere=defaults[:-1], namespaces={"n": defaults[-1:]})
    return parse_flow(source, catalogue=CORE_CATALOGUE, defaults=scoped)


def _flow(task: str, more: str = "") -> str:
    return f"id: f\nnamespace: n\n{more}\ntasks:\n  - {{id: t, type: {LOG}, {task}}}\n"


def _properties(reading: FlowReading) -> dict[str, Any]:
    assert reading.flow is not None, reading.constraints
    task = reading.flow.effective.task_by_id("t")
    assert isinstance(task, PluginTask)
    return task.properties


def _default(level: str, *, forced: bool = False, type_: str = LOG) -> PluginDefault:
    return PluginDefault(type=type_, values={"level": level}, forced=forced)


def test_the_task_wins_over_the_flow_the_namespace_and_the_server() -> None:
    own = "pluginDefaults: [{type: io.kestra.plugin.core.log, values: {level: WARN}}]"
    outer = (_default("DEBUG"), _default("TRACE"))
    assert _properties(_read(_flow("message: x, level: ERROR", own), *outer))["level"] == "ERROR"
    assert _properties(_read(_flow("message: x", own), *outer))["level"] == "WARN"
    assert _properties(_read(_flow("message: x"), *outer))["level"] == "TRACE"


def test_forced_values_win_the_outermost_most() -> None:
    own = f"pluginDefaults: [{{type: {LOG}, forced: true, values: {{level: WARN}}}}]"
    task = "message: x, level: ERROR"
    assert _properties(_read(_flow(task, own)))["level"] == "WARN"
    outer = (_default("DEBUG", forced=True), _default("TRACE", forced=True))
    assert _properties(_read(_flow(task, own), *outer))["level"] == "DEBUG"


def test_a_type_matches_by_whole_parts_of_its_name_and_by_older_names() -> None:
    source = _flow("message: x")
    assert "level" not in _properties(_read(source, _default("WARN", type_=LOG[:-1])))
    old = _default("WARN", type_="io.kestra.core.tasks.log.Log")
    assert _properties(_read(source, old))["level"] == "WARN"


def test_a_required_property_may_come_from_a_default() -> None:
    default = PluginDefault(type=LOG, values={"message": "from afar"})
    reading = _read(f"id: f\nnamespace: n\ntasks: [{{id: t, type: {LOG}}}]\n", default)
    assert _properties(reading)["message"] == "from afar"
    assert reading.flow is not None
    written = reading.flow.tasks[0]
    assert isinstance(written, PluginTask)
    assert written.properties == {}


def test_shared_properties_flowables_triggers_and_nested_tasks_are_reached() -> None:
    source = (
        "id: f\nnamespace: n\n"
        "pluginDefaults:\n"
        "  - {type: io.kestra.plugin.core.log.Log, values: {timeout: PT1M}}\n"
        "  - {type: io.kestra.plugin.core.flow.Sequential, values: {allowFailure: true}}\n"
        "  - {type: io.kestra.plugin.core.trigger, values: {timezone: Europe/Paris}}\n"
        "tasks:\n  - id: s\n    type: io.kestra.plugin.core.flow.Sequential\n"
        f"    tasks: [{{id: t, type: {LOG}, message: x}}]\n"
        "triggers: [{id: c, type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'}]\n"
    )
    reading = _read(source)
    assert reading.flow is not None
    runs_as = reading.flow.effective
    assert runs_as.task_by_id("t").timeout == "PT1M"
    sequential = runs_as.task_by_id("s")
    assert isinstance(sequential, Sequential)
    assert sequential.allow_failure
    trigger = runs_as.triggers[0]
    assert isinstance(trigger, Schedule)
    assert trigger.timezone == "Europe/Paris"
    assert reading.flow.task_by_id("t").timeout is None


def test_a_value_that_the_type_has_not_is_left_out_with_a_warning() -> None:
    default = PluginDefault(type="io.kestra.plugin.core", values={"level": "WARN", "nope": 1})
    reading = _read(_flow("message: x"), default)
    assert _properties(reading) == {"level": "WARN", "message": "x"}
    assert any("`nope`" in warning for warning in reading.warnings)


def test_a_default_with_a_reference_is_for_those_who_name_it() -> None:
    default = PluginDefault(type=LOG, ref="loud", values={"level": "ERROR"})
    assert "level" not in _properties(_read(_flow("message: x"), default))
    named = _flow("message: x, pluginDefaultsRef: loud")
    assert _properties(_read(named, default))["level"] == "ERROR"


def test_a_namespace_gives_its_defaults_to_those_below_it() -> None:
    scoped = ScopedDefaults(
        everywhere=(_default("ERROR"),),
        namespaces={
            "a": (_default("WARN"),),
            "a.b": (_default("DEBUG"),),
            "ab": (_default("TRACE"),),
        },
    )
    found = {
        name: [one.values["level"] for place in scoped.of(name) for one in place]
        for name in ("a.b.c", "ab")
    }
    assert found == {"a.b.c": ["ERROR", "WARN", "DEBUG"], "ab": ["ERROR", "TRACE"]}


def test_forced_values_of_a_parent_namespace_win_over_those_of_its_child() -> None:
    scoped = ScopedDefaults(
        namespaces={
            "a": (_default("WARN", forced=True),),
            "a.b": (_default("DEBUG", forced=True), _default("TRACE")),
        }
    )
    source = _flow("message: x").replace("namespace: n", "namespace: a.b")
    reading = parse_flow(source, catalogue=CORE_CATALOGUE, defaults=scoped)
    assert _properties(reading)["level"] == "WARN"


def test_other_spellings_of_a_property_are_the_same_property() -> None:
    pause = "io.kestra.plugin.core.flow.Pause"
    for default, own in (
        ({"delay": "PT1M"}, "pauseDuration: PT5M"),
        ({"pauseDuration": "PT1M"}, "delay: PT5M"),
    ):
        reading = _read(
            f"id: f\nnamespace: n\ntasks: [{{id: t, type: {pause}, {own}}}]\n",
            PluginDefault(type=pause, values=default),
        )
        assert reading.flow is not None, reading.constraints
        task = reading.flow.effective.task_by_id("t")
        assert isinstance(task, Pause)
        assert task.pause_duration == "PT5M"


def test_without_defaults_a_flow_runs_as_written() -> None:
    flow = _read(_flow("message: x")).flow
    assert flow is not None
    assert flow.effective is flow


def test_mappings_merge_at_any_depth_and_lists_get_the_elements_of_both() -> None:
    base = {"a": {"x": 1, "l": [1]}, "b": 1}
    over = {"a": {"l": [2], "y": 2}}
    assert merged(base, over) == {"a": {"x": 1, "l": [1, 2], "y": 2}, "b": 1}
    assert base == {"a": {"x": 1, "l": [1]}, "b": 1}


def test_the_first_of_one_place_wins_whether_forced_or_not() -> None:
    for forced in ("false", "true"):
        own = ", ".join(
            f"{{type: {type_}, forced: {forced}, values: {{level: {level}}}}}"
            for type_, level in ((LOG, "WARN"), ("io.kestra.plugin.core", "DEBUG"))
        )
        source = _flow("message: x", f"pluginDefaults: [{own}]")
        assert _properties(_read(source))["level"] == "WARN"


def test_elements_of_lists_come_from_the_default_and_then_from_the_task() -> None:
    default = PluginDefault(type=LOG, values={"message": ["all", "both"]})
    reading = _read(_flow("message: [both, own]"), default)
    assert _properties(reading)["message"] == ["all", "both", "own"]
