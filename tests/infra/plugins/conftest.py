from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from infra.plugins.catalogue import core_plugins
from streams.worker.binding import bind
from streams.worker.job import plain_outputs
from tests.support.tasks import Bench

Run = Callable[..., Any]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path / "work"))


@pytest.fixture
def run(bench: Bench) -> Run:
    """Run a core task on the bench: `run("kv.Get", key="a")`; its outputs as plain data."""
    plugins = core_plugins()

    def go(name: str, /, **properties: Any) -> Any:
        plugin = plugins.get("io.kestra.plugin.core." + name)
        assert plugin is not None
        assert CORE_CATALOGUE.task(plugin.name) is not None
        written = {key.rstrip("_"): value for key, value in properties.items()}
        return plain_outputs(plugin.run(bench.context, bind(plugin, written, bench.context)))

    return go
