from __future__ import annotations

import msgspec
import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.tasks import EXECUTOR_TYPES, FLOWABLES
from domain.plugin import TaskCatalogue, TaskSpec, TriggerSpec, nearest


class Properties(msgspec.Struct, rename="camel"):
    run_as: str
    many: list[int] = []


class Outputs(msgspec.Struct, rename="camel"):
    row_count: int


def test_a_spec_is_made_of_structs() -> None:
    spec = TaskSpec.of("com.example.Run", Properties, Outputs, title="Run it.")
    assert spec.properties["runAs"].required
    assert spec.properties["many"].schema["items"] == {"type": "integer"}
    assert spec.outputs["rowCount"] == {"type": "integer"}
    assert spec.title == "Run it."


def test_types_are_found_by_name_and_by_older_name() -> None:
    catalogue = TaskCatalogue(
        [TaskSpec(type="a.B", aliases=("old.B",))], [TriggerSpec(type="a.T", aliases=("old.T",))]
    )
    assert catalogue.task("old.B") is catalogue.task("a.B") is not None
    assert catalogue.trigger("old.T") is catalogue.trigger("a.T") is not None
    assert catalogue.task("a.T") is None


def test_added_types_win() -> None:
    mine = TaskSpec(type="io.kestra.plugin.core.log.Log", title="mine")
    assert CORE_CATALOGUE.with_types([mine]).task(mine.type) is mine


def test_the_core_knows_what_the_executor_runs_and_nothing_twice() -> None:
    own = {name for name, spec in CORE_CATALOGUE.tasks.items() if not spec.runnable}
    assert own == EXECUTOR_TYPES
    assert not set(CORE_CATALOGUE.tasks) & set(FLOWABLES)
    aliases = [alias for spec in CORE_CATALOGUE.tasks.values() for alias in spec.aliases]
    assert len(aliases) == len(set(aliases))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("io.kestra.plugin.core.debug.Retrun", "io.kestra.plugin.core.debug.Return"),
        ("Return", "io.kestra.plugin.core.debug.Return"),
        ("core.log", "io.kestra.plugin.core.log.Log"),
        ("zzzzzz", None),
    ],
)
def test_the_nearest_known_name_is_suggested(written: str, meant: str | None) -> None:
    assert nearest(written, CORE_CATALOGUE.tasks) == meant
