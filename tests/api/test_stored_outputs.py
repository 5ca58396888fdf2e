"""Outputs that stand in files are read for whoever looks, within a bound, and once per follower."""

from __future__ import annotations

from typing import Any, BinaryIO

import pytest

from api import stored_outputs
from api.stored_outputs import with_stored_outputs
from domain.execution.state import Execution
from domain.execution.variables import BY_REFERENCE
from tests.support.heart import World, runs
from tests.support.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.anyio

FLOW = """
id: f
namespace: n
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}
  - {id: b, type: io.kestra.plugin.core.log.Log, message: x}
"""
URI = "kestra:///n/f/outputs.json"


class Counting(MemoryBlobs):
    """Counts what is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    def open(self, uri: str) -> BinaryIO:
        self.opened.append(uri)
        return super().open(uri)


@pytest.fixture
def blobs() -> Counting:
    made = Counting()
    made.put(URI, b'{"value": "large"}')
    return made


@pytest.fixture
def execution() -> Execution:
    found = World(FLOW).run()
    [run] = runs(found, "a")
    run.outputs, run.outputs_uri = None, URI
    return found


def shown(execution: Execution) -> dict[str, Any] | None:
    return runs(execution, "a")[0].outputs


async def test_the_answer_has_the_outputs_and_the_execution_itself_stays_as_it_is(
    blobs: Counting, execution: Execution
) -> None:
    [answer] = await with_stored_outputs(blobs, [execution])
    assert shown(answer) == {"value": "large"}
    assert shown(execution) is None


async def test_what_is_beyond_the_bound_is_shown_as_a_reference(
    blobs: Counting, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_outputs, "MOST_BYTES", 20)
    answers = await with_stored_outputs(blobs, [execution, execution])
    assert [shown(answer) for answer in answers] == [{"value": "large"}, {BY_REFERENCE: URI}]


async def test_a_file_that_is_gone_shows_no_outputs(execution: Execution) -> None:
    [answer] = await with_stored_outputs(MemoryBlobs(), [execution])
    assert shown(answer) == {}


async def test_one_who_looks_again_and_again_has_each_file_read_once(
    blobs: Counting, execution: Execution
) -> None:
    known: dict[str, dict[str, Any]] = {}
    for _ in range(3):
        [answer] = await with_stored_outputs(blobs, [execution], known)
        assert shown(answer) == {"value": "large"}
    assert blobs.opened == [URI]
