from __future__ import annotations

import msgspec
import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from infra.plugins.catalogue import core_plugins
from infra.plugins.reference import PAGE, page
from streams.worker.plugin import TaskPlugin

WITHOUT_CODE = {
    "execution.Count",
    "execution.PurgeExecutions",
    "http.SseRequest",
    "log.PurgeLogs",
    "metric.PurgeMetrics",
}
"""Types that the language knows and no worker runs yet."""


def test_every_runnable_type_of_the_language_has_code() -> None:
    wanted = {
        name.removeprefix("io.kestra.plugin.core.")
        for name, spec in CORE_CATALOGUE.tasks.items()
        if spec.runnable
    }
    have = {plugin.name.removeprefix("io.kestra.plugin.core.") for plugin in core_plugins()}
    assert wanted - have == WITHOUT_CODE


@pytest.mark.parametrize("plugin", list(core_plugins()), ids=lambda plugin: plugin.name)
def test_the_code_reads_every_property_that_the_language_allows(plugin: TaskPlugin) -> None:
    spec = CORE_CATALOGUE.task(plugin.name)
    assert spec is not None
    known = {field.encode_name for field in msgspec.structs.fields(plugin.properties)}
    required = {
        field.encode_name for field in msgspec.structs.fields(plugin.properties) if field.required
    }
    assert set(spec.properties) - known <= {"sslOptions"}
    assert required <= {name for name, one in spec.properties.items() if one.required}


def test_the_reference_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m infra.plugins.reference"
