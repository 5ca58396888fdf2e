"""WorkingDirectory on a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain.execution.commands import RecordTaskResult
from domain.execution.lifecycle import StateType
from domain.ids import task_run_id
from infra.storage.namespace_files import StoredNamespaceFiles
from tests.support.tasks import MemoryBlobs, StillClock, services
from tests.support.worker import RETURN, Gate, Rig, plugin, running

WORKDIR = "io.kestra.plugin.core.flow.WorkingDirectory"
FILES = "io.kestra.plugin.core.storage.LocalFiles"
FAIL = "io.nobody.Knows"


def workdir(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "w", "type": WORKDIR, "tasks": list(tasks), **more}


def states(result: RecordTaskResult) -> list[StateType]:
    return [child.state for child in result.children]


def test_children_share_a_folder_and_see_earlier_outputs(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    with running(Rig(tmp_path, own=services(blobs=blobs))) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": FILES, "inputs": {"out/x.txt": "{{ taskrun.id }}"}},
                {"id": "b", "type": FILES, "outputs": ["out/*"]},
                {"id": "c", "type": RETURN, "format": "{{ outputs.b.uris['out/x.txt'] }}"},
            ),
            variables={"taskrun": {"id": "r1"}, "outputs": {}},
        )
    first, _, third = result.children
    assert result.state is StateType.SUCCESS
    assert first.task_run_id == task_run_id("e1", "a", "r1", "", 0)
    assert third.outputs is not None
    assert blobs.read(third.outputs["value"]).decode() == first.task_run_id


def test_the_first_failed_child_ends_it(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir({"id": "a", "type": FAIL}, {"id": "b", "type": RETURN, "format": "x"})
        )
    assert (result.state, states(result)) == (StateType.FAILED, [StateType.FAILED])


def test_a_child_that_may_fail_leaves_a_warning(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": FAIL, "allowFailure": True},
                {"id": "b", "type": RETURN, "format": "x"},
            )
        )
    assert result.state is StateType.WARNING
    assert states(result) == [StateType.FAILED, StateType.SUCCESS]


def test_disabled_children_are_absent_and_unwanted_ones_skipped(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": RETURN, "disabled": True},
                {"id": "b", "type": RETURN, "runIf": "{{ 1 == 2 }}"},
                {"id": "c", "type": RETURN, "format": "x"},
            )
        )
    assert states(result) == [StateType.SKIPPED, StateType.SUCCESS]


def test_a_condition_that_cannot_be_rendered_fails_the_block_only(tmp_path: Path) -> None:
    """Kestra 1.3.25: the child gets no task run."""
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": RETURN, "format": "x"},
                {"id": "b", "type": RETURN, "runIf": "{{ nothing.here }}"},
            )
        )
    assert (result.state, states(result)) == (StateType.FAILED, [StateType.SUCCESS])


def test_input_files_come_in_and_output_files_are_kept(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    with running(Rig(tmp_path, own=services(blobs=blobs))) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": FILES, "outputs": ["in.txt"]},
                inputFiles={"in.txt": "Hello {{ name }}"},
                outputFiles=["*.txt"],
            ),
            variables={"name": "World", "taskrun": {"id": "r1"}},
        )
    assert result.outputs is not None
    assert result.children[0].outputs is not None
    for uris in (result.outputs["outputFiles"], result.children[0].outputs["uris"]):
        assert blobs.read(uris["in.txt"]) == b"Hello World"
        assert uris["in.txt"].endswith("in.txt")


def test_namespace_files_come_in_by_pattern(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    files = StoredNamespaceFiles(blobs, StillClock())
    for path in ("/a/x.py", "/a/y.txt", "/z.py"):
        files.put("main", "io.test", path, path.encode())
    with running(Rig(tmp_path, own=services(blobs=blobs, files=files))) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": FILES, "outputs": ["**"]},
                namespaceFiles={"include": ["*.py"], "exclude": ["z.py"]},
            )
        )
    assert result.children[0].outputs is not None
    assert list(result.children[0].outputs["uris"]) == ["a/x.py"]


def test_cached_files_come_back_in_the_next_execution(tmp_path: Path) -> None:
    own = services()
    cache = {"patterns": ["dep/**"], "ttl": "PT1H"}
    with running(Rig(tmp_path, own=own)) as rig:
        rig.run(workdir({"id": "a", "type": FILES, "inputs": {"dep/x": "kept"}}, cache=cache))
        again = rig.run(
            workdir({"id": "a", "type": FILES, "outputs": ["**"]}, cache=cache), run="r2"
        )
    assert again.children[0].outputs is not None
    assert list(again.children[0].outputs["uris"]) == ["dep/x"]


def test_a_kill_ends_the_running_child_and_the_block(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask(workdir({"id": "a", "type": "gate"}, {"id": "b", "type": RETURN}))
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.kill()
        (result,) = rig.commands(1)
    assert (result.state, states(result)) == (StateType.KILLED, [StateType.KILLED])


def test_a_child_out_of_time_fails_the_block(tmp_path: Path) -> None:
    gate = Gate("gate")
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask(workdir({"id": "a", "type": "gate", "timeout": "PT0.01S"}))
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.deadlines.advance(0.02)
        (result,) = rig.commands(1)
    assert (result.state, states(result)) == (StateType.FAILED, [StateType.FAILED])


def test_a_deaf_child_is_left_alone_with_the_block(tmp_path: Path) -> None:
    gate = Gate("deaf", heeds=False)
    with running(Rig(tmp_path, plugins=(plugin(gate),))) as rig:
        rig.ask(workdir({"id": "a", "type": "deaf"}))
        rig.consumer.pump()
        assert gate.entered.wait(10)
        rig.kill()
        rig.deadlines.advance(rig.options.interrupt_grace_seconds)
        result = rig.commands(2)[-1]
        gate.opened.set()
    assert result.state is StateType.KILLED


def test_outputs_of_children_inside_a_loop_stand_below_the_loops_value(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir(
                {"id": "a", "type": RETURN, "format": "from a"},
                {"id": "b", "type": RETURN, "format": "{{ outputs.a.outer.inner.value }}"},
            ),
            variables={
                "taskrun": {"id": "r1", "value": "inner"},
                "parents": [{"taskrun": {"value": "outer"}}],
            },
        )
    assert result.children[1].outputs == {"value": "from a"}


def test_a_child_sees_what_is_around_the_block_and_the_blocks_task_run(tmp_path: Path) -> None:
    said = "{{ taskrun.value }} {{ workerTaskrun.id }} {{ parent }} {{ parents | length }}"
    around = {"taskrun": {"value": "outer"}}
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            workdir({"id": "a", "type": RETURN, "format": said}),
            variables={
                "taskrun": {"id": "r1", "value": "inner"},
                "parent": around,
                "parents": [around],
            },
        )
    outputs = {"value": 'inner r1 {"taskrun":{"value":"outer"}} 1'}
    assert result.children[0].outputs == outputs
