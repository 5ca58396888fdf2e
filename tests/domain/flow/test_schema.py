from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.documentation import type_documentation
from domain.flow.reader import parse_flow
from domain.flow.schema import language_schema
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml
from tests.domain.flow.conformance import cases, flow_files, sources

VALIDATOR = Draft7Validator(language_schema(CORE_CATALOGUE))


def _errors(content: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(content)]


def test_the_schema_is_a_schema() -> None:
    for kind in ("FLOW", "TASK", "TRIGGER", "PLUGINDEFAULT"):
        for array_of in (False, True):
            schema = language_schema(CORE_CATALOGUE, kind, array_of=array_of)
            Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("folder", ["flows/valids", "flows-13/valids"])
def test_every_valid_conformance_flow_fits_the_schema(folder: str) -> None:
    refused = 0
    for path in flow_files(folder):
        source = path.read_text()
        if parse_flow(source, catalogue=CORE_CATALOGUE).flow is None:
            refused += 1
            continue
        assert _errors(read_yaml(source).value) == [], path.name
    assert refused <= 2


def test_every_flow_of_a_case_fits_the_schema_unless_it_is_misshapen() -> None:
    for case in cases():
        for source in sources(case):
            reading = parse_flow(source, catalogue=CORE_CATALOGUE)
            try:
                content = read_yaml(source).value
            except YamlError:
                continue
            if reading.flow is not None:
                assert _errors(content) == [], case["id"]


_BEYOND_A_SCHEMA = {
    *("file default", "bad validator", "input dash", "output dash", "output dash in outputs"),
    *("dup input", "dup output", "dep missing", "dep cycle", "form path conflict", "system label"),
    *("dag missing", "cron", "timezone", "atleast too many", "wd not runnable"),
    *("retry const", "retry exp", "retry exp dur", "retry rnd", "retry rnd2", "retry rnd3"),
    *("plugin default null", "bad after", "after>before", "schema that is not JSON"),
}


def test_every_broken_rule_about_one_place_does_not_fit() -> None:
    table = yaml.safe_load(Path(__file__).with_name("constraints.yaml").read_text())
    fitting = {case["name"] for case in table if not _errors(read_yaml(case["flow"]).value)}
    assert fitting == _BEYOND_A_SCHEMA


@pytest.mark.parametrize("folder", ["docs/examples"])
def test_every_example_fits_the_schema(folder: str) -> None:
    files = sorted((Path(__file__).parents[3] / folder).glob("*.yaml"))
    assert files
    for path in files:
        assert _errors(read_yaml(path.read_text()).value) == [], path.name


@pytest.mark.parametrize(
    "tasks",
    [
        [{"id": "t", "type": "com.example.Nobody"}],
        [{"id": "t", "type": "io.kestra.plugin.core.log.Log"}],
        [{"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "x", "nope": 1}],
        [{"id": "t t", "type": "io.kestra.plugin.core.debug.Return"}],
        [
            {
                "id": "p",
                "type": "io.kestra.plugin.core.flow.Parallel",
                "tasks": [{"id": "t", "type": "io.kestra.plugin.core.log.Log"}],
            }
        ],
    ],
)
def test_misshapen_tasks_do_not_fit(tasks: list[Any]) -> None:
    assert _errors({"id": "f", "namespace": "n", "tasks": tasks})


def test_the_documentation_of_a_type_shows_its_own_properties() -> None:
    shown = type_documentation(CORE_CATALOGUE, "io.kestra.core.tasks.debugs.Return")
    assert shown is not None
    assert list(shown["properties"]["properties"]) == ["format", "pluginDefaultsRef"]
    assert list(shown["outputs"]["properties"]) == ["value"]
    everything = type_documentation(CORE_CATALOGUE, "io.kestra.plugin.core.log.Log", shared=True)
    assert everything is not None
    assert {"id", "timeout", "message"} <= set(everything["properties"]["properties"])
    assert everything["properties"]["required"] == ["id", "message", "type"]
    assert type_documentation(CORE_CATALOGUE, "com.example.Nobody") is None


def test_flowables_triggers_and_conditions_are_documented_too() -> None:
    for name in ("flow.Parallel", "trigger.Schedule", "condition.DayWeek"):
        shown = type_documentation(CORE_CATALOGUE, f"io.kestra.plugin.core.{name}")
        assert shown is not None
        assert shown["properties"]["title"]
        assert shown["properties"]["properties"]
