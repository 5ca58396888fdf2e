"""Rules of one attempt: what it sees, says and hands out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from domain.execution.commands import RecordTaskResult
from domain.execution.lifecycle import StateType
from domain.record.topics import EXECUTION_COMMANDS, METRICS
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.plugin import Ended, TaskPlugin
from tests.support.tasks import MemoryBlobs, MirrorEncryption, SecretsOnly, StillClock, services
from tests.support.worker import LOG, RETURN, Free, Gate, Rig, plugin, running

ENCRYPTED = "io.kestra.datatype:aes_encrypted"


def code(run: Any, properties: Any = Free, **more: Any) -> TaskPlugin:
    """A function as the task type `code`."""
    return TaskPlugin(name="code", properties=properties, run=run, **more)


def test_a_secret_is_masked_in_logs_and_errors_but_not_in_the_task(tmp_path: Path) -> None:
    seen: list[str] = []

    def run(context: RunContext, properties: Free) -> None:
        seen.append(properties.value)
        context.out.info(f"got {properties.value}")
        raise TaskFailed(f"no good: {properties.value}")

    own = services(lookups=lambda _: SecretsOnly({"TOKEN": "s3cret-token"}))
    with running(Rig(tmp_path, plugins=(code(run),), own=own)) as rig:
        result = rig.run({"type": "code", "value": "{{ secret('TOKEN') }}"})
    assert seen == ["s3cret-token"]
    assert result.error is None  # it stands in the log
    assert rig.texts("ERROR") == ["no good: ******"]
    assert rig.texts("INFO") == ["got ******"]
    assert not any("s3cret" in text for text in rig.texts())


def test_a_secret_input_is_opened_for_the_task_and_masked_in_logs(tmp_path: Path) -> None:
    """Kestra 1.3.25 shows six stars, whatever the length."""
    sealed = {"type": ENCRYPTED, "value": MirrorEncryption().encrypt("hidden text")}
    with running(Rig(tmp_path)) as rig:
        result = rig.run(
            {"type": RETURN, "format": "{{ inputs.pw }}"}, variables={"inputs": {"pw": sealed}}
        )
        rig.run(
            {"type": LOG, "message": "my secret: {{ inputs.pw }}"},
            run="r2",
            variables={"inputs": {"pw": sealed}},
        )
    assert result.outputs == {"value": "hidden text"}
    assert rig.texts("INFO") == ["my secret: ******"]


def test_a_sealed_value_that_does_not_open_fails_the_task_only(tmp_path: Path) -> None:
    sealed = {"type": ENCRYPTED, "value": "broken"}
    with running(Rig(tmp_path)) as rig:
        result = rig.run({"type": RETURN, "format": "x"}, variables={"inputs": {"pw": sealed}})
        other = rig.run({"type": RETURN, "format": "x"}, run="r2")
    assert (result.state, other.state) == (StateType.FAILED, StateType.SUCCESS)
    assert rig.failures == []


def test_outputs_by_reference_are_read_before_rendering(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    blobs.put("kestra:///big.json", b'{"value": "large"}')
    with running(Rig(tmp_path, own=services(blobs=blobs))) as rig:
        result = rig.run(
            {"type": RETURN, "format": "{{ outputs.a.value }}"},
            variables={"outputs": {"a": {"kestra:outputs": "kestra:///big.json"}}},
        )
    assert result.outputs == {"value": "large"}


def test_large_outputs_go_to_storage_and_small_ones_do_not(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    with running(Rig(tmp_path, own=services(blobs=blobs), output_limit_bytes=1000)) as rig:
        small = rig.run({"type": RETURN, "format": "x"})
        large = rig.run({"type": RETURN, "format": "x" * 2000}, run="r2")
    assert small.outputs_uri is None
    assert large.outputs is None
    assert large.outputs_uri is not None
    assert large.outputs_uri.startswith("kestra:///io/test/flow-a/executions/e1/tasks/t/r2/")
    assert msgspec.json.decode(blobs.read(large.outputs_uri)) == {"value": "x" * 2000}


def test_a_storage_that_fails_fails_the_task_not_the_worker(tmp_path: Path) -> None:
    class Full(MemoryBlobs):
        def put(self, uri: str, data: object) -> str:
            raise OSError("disk full")

    with running(Rig(tmp_path, own=services(blobs=Full()), output_limit_bytes=100)) as rig:
        result = rig.run({"type": RETURN, "format": "x" * 2000})
    assert result.state is StateType.FAILED
    assert "disk full" in (result.error or "")
    assert rig.failures == []


def test_no_record_is_larger_than_the_limit(tmp_path: Path) -> None:
    def run(context: RunContext, properties: Free) -> None:
        for _ in range(200):
            context.out.info("ü" * 15_000)
        raise TaskFailed("e" * 3_000_000)

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        result = rig.run({"type": "code"})
    assert result.state is StateType.FAILED
    assert all(len(r.value or b"") < 1_000_000 for r in rig.log.all("logs"))
    assert all(len(r.value or b"") < 1_000_000 for r in rig.log.all(EXECUTION_COMMANDS))


def test_a_long_line_is_split_into_entries_a_millisecond_apart(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.run({"type": LOG, "message": "a" * 15_360 + "b"})
    first, second = rig.lines()
    assert (len(first.message), second.message) == (15_360, "b")
    assert (second.timestamp - first.timestamp).total_seconds() == 0.001
    assert first.id != second.id


def test_lines_carry_whole_milliseconds_as_the_executors_do(tmp_path: Path) -> None:
    """With a fraction, what the executor said later in that millisecond would come first."""
    clock = StillClock(datetime(2024, 5, 6, 7, 8, 9, 724_125, tzinfo=UTC))
    with running(Rig(tmp_path, own=services(clock=clock))) as rig:
        rig.run({"type": LOG, "message": "hi"})
    [line] = rig.lines()
    assert line.timestamp.microsecond == 724_000


def test_lines_below_the_log_level_are_dropped(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.run({"type": LOG, "message": "fine", "level": "TRACE", "logLevel": "INFO"})
        rig.run({"type": LOG, "message": "bad", "level": "ERROR", "logLevel": "INFO"}, run="r2")
    assert rig.texts() == ["bad"]


def test_lines_of_a_long_task_flow_while_it_runs(tmp_path: Path) -> None:
    gate, said = Gate("gate"), Event()

    def run(context: RunContext, properties: Free) -> None:
        context.out.info("one")
        gate.run(context, properties)
        context.out.info("two")
        said.set()
        context.sleep(30)

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        rig.ask({"type": "code"})
        rig.consumer.pump()
        assert gate.entered.wait(10)
        assert rig.texts() == []
        rig.deadlines.advance(0.03)
        assert rig.texts() == ["one"]
        gate.opened.set()
        assert said.wait(10)
        rig.deadlines.advance(0.1)
        assert rig.texts() == ["one", "two"]
        rig.kill()


def test_a_log_file_holds_every_line_and_is_named_in_the_log(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    with running(Rig(tmp_path, own=services(blobs=blobs))) as rig:
        rig.run({"type": LOG, "message": ["one", "two"], "logToFile": True})
    (uri,) = blobs.files
    assert [line.split(" ", 2)[2] for line in blobs.read(uri).decode().splitlines()] == [
        "one",
        "two",
    ]
    assert uri in rig.texts()[-1]


def test_metrics_of_a_task_are_on_the_log(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        rig.run({"type": RETURN, "format": "four"})
    (record,) = rig.log.all(METRICS)
    length, duration = msgspec.json.decode(record.value or b"")["entries"]
    assert (length["name"], length["type"], length["value"]) == ("length", "counter", 4.0)
    assert (duration["name"], duration["type"]) == ("duration", "timer")


def test_a_task_may_choose_its_state(tmp_path: Path) -> None:
    def run(context: RunContext, properties: Free) -> Ended:
        return Ended(StateType.WARNING, {"a": 1})

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        result = rig.run({"type": "code"})
    assert (result.state, result.outputs) == (StateType.WARNING, {"a": 1})


def test_a_failed_task_keeps_the_outputs_it_has(tmp_path: Path) -> None:
    def run(context: RunContext, properties: Free) -> None:
        raise TaskFailed("too bad", {"exitCode": 3})

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        result = rig.run({"type": "code"})
    assert (result.state, result.outputs) == (StateType.FAILED, {"exitCode": 3})


def test_whatever_a_task_raises_is_its_failure(tmp_path: Path) -> None:
    def run(context: RunContext, properties: Free) -> None:
        raise ZeroDivisionError("by zero")

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        result = rig.run({"type": "code"})
    assert result.state is StateType.FAILED
    assert rig.texts("ERROR") == ["ZeroDivisionError: by zero"]
    assert "Traceback" in rig.texts("TRACE")[0]


def test_outputs_that_json_cannot_say_fail_the_task(tmp_path: Path) -> None:
    def run(context: RunContext, properties: Free) -> list[int]:
        return [1]

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        result = rig.run({"type": "code"})
    assert result.state is StateType.FAILED


class Typed(msgspec.Struct):
    number: int = 0
    flag: bool = False
    items: list[Any] = []
    text: str = ""


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        ({"number": "{{ n }}"}, Typed(number=7)),
        ({"number": "12"}, Typed(number=12)),
        ({"flag": "true"}, Typed(flag=True)),
        ({"items": "{{ list }}"}, Typed(items=[1, "b"])),
        ({"items": '["{{ n }}", 2]'}, Typed(items=["7", 2])),
        ({"items": ["{{ n }}", 3]}, Typed(items=["7", 3])),
        ({"text": 5}, Typed(text="5")),
        ({"text": True}, Typed(text="true")),
        ({"text": "{{ n }}!"}, Typed(text="7!")),
        ({"text": None, "unknown": 1}, Typed()),
    ],
    ids=str,
)
def test_properties_are_rendered_and_then_converted(
    tmp_path: Path, written: dict[str, Any], bound: Typed
) -> None:
    seen: list[Typed] = []

    def run(context: RunContext, properties: Typed) -> None:
        seen.append(properties)

    with running(Rig(tmp_path, plugins=(code(run, Typed),))) as rig:
        result = rig.run({"type": "code", **written}, variables={"n": 7, "list": [1, "b"]})
    assert result.state is StateType.SUCCESS
    assert seen == [bound]


def test_a_property_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    with running(Rig(tmp_path, plugins=(code(lambda c, p: None, Typed),))) as rig:
        result = rig.run({"type": "code", "number": "many"})
    assert result.state is StateType.FAILED
    assert "`number`" in rig.texts("ERROR")[0]


def test_properties_may_stand_apart_from_the_common_ones(tmp_path: Path) -> None:
    with running(Rig(tmp_path)) as rig:
        result = rig.run({"type": RETURN, "properties": {"format": "apart"}})
    assert result.outputs == {"value": "apart"}


def test_the_working_directory_is_made_on_demand_and_removed_after(tmp_path: Path) -> None:
    seen: list[Path] = []

    def run(context: RunContext, properties: Free) -> None:
        seen.append(Path(properties.value))
        assert seen[0].is_dir()
        context.folder.path("a/b.txt").write_text("x")

    with running(Rig(tmp_path, plugins=(code(run),))) as rig:
        rig.run({"type": RETURN, "format": "none"})
        assert list(tmp_path.iterdir()) == []
        rig.run({"type": "code", "value": "{{ workingDir }}"}, run="r2")
    assert not seen[0].exists()


def test_the_task_cache_hands_out_earlier_outputs_until_they_are_too_old(tmp_path: Path) -> None:
    clock, gate = StillClock(), Gate("gate")
    gate.opened.set()
    task = {"type": "gate", "value": "{{ v }}", "taskCache": {"enabled": True, "ttl": "PT1H"}}
    own = services(clock=clock)
    with running(Rig(tmp_path, plugins=(plugin(gate),), own=own)) as rig:
        results: list[RecordTaskResult] = []
        for run, value in (("r1", "a"), ("r2", "a"), ("r3", "b")):
            results.append(rig.run(task, run=run, variables={"v": value}))
        clock.advance(3601)
        results.append(rig.run(task, run="r4", variables={"v": "a"}))
    assert [r.outputs for r in results] == [{"value": v} for v in ("a", "a", "b", "a")]
    assert gate.runs == 3
