"""Documentation pages of types. Source: golden recordings 788 to 802."""

from __future__ import annotations

import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.documentation import input_documentation, type_documentation
from domain.flow.input_types import INPUT_TYPES
from domain.flow.schema import language_schema

LOG = "io.kestra.plugin.core.log.Log"


def test_shared_properties_of_tasks_are_shown_when_asked_for() -> None:
    own = type_documentation(CORE_CATALOGUE, LOG)
    assert own is not None
    assert set(own["properties"]["properties"]) == {"level", "message", "pluginDefaultsRef"}
    assert own["definitions"] == {}
    every = type_documentation(CORE_CATALOGUE, LOG, shared=True)
    assert every is not None
    shown = every["properties"]["properties"]
    assert shown["allowFailure"] == {
        "type": "boolean",
        "default": False,
        "$dynamic": False,
        "$group": "core",
        "$required": False,
    }
    assert {"io.kestra.core.models.tasks.retrys.Constant"} <= set(every["definitions"])


def test_examples_and_metrics_of_a_type_are_shown() -> None:
    shown = type_documentation(CORE_CATALOGUE, "io.kestra.plugin.core.debug.Return")
    assert shown is not None
    assert [item["full"] for item in shown["properties"]["$examples"]] == [True, False]
    assert {item["name"] for item in shown["properties"]["$metrics"]} == {"length", "duration"}
    assert shown["outputs"]["properties"]["value"]["title"]


def test_every_type_has_a_page_whose_references_lead_somewhere() -> None:
    for name in (*CORE_CATALOGUE.tasks, *CORE_CATALOGUE.triggers):
        shown = type_documentation(CORE_CATALOGUE, name, shared=True)
        assert shown is not None
        text = str(shown)
        for definition in text.split("#/$defs/")[1:]:
            assert definition.partition("'")[0] in shown["definitions"]


@pytest.mark.parametrize("name", sorted(INPUT_TYPES))
def test_every_input_type_has_a_page(name: str) -> None:
    shown = input_documentation(name)
    assert shown is not None
    assert "type" not in shown["properties"]["properties"]
    assert shown["properties"]["properties"]["id"]["minLength"] == 1


def test_schema_of_tasks_knows_how_http_tasks_say_who_asks() -> None:
    definitions = language_schema(CORE_CATALOGUE, "TASK")["definitions"]
    options = definitions["io.kestra.plugin.core.http.Request"]["properties"]["options"]
    references = [item.get("$ref") for item in options["properties"]["auth"]["anyOf"]]
    assert references[0].removeprefix("#/definitions/") in definitions
