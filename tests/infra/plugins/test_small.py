"""log, debug, output, metric, state, templating, execution, sleep, namespace tasks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from domain.errors import InvalidInput, NotFound
from domain.execution.commands import ResumeExecution
from domain.log import Level, LogEntry
from domain.record.topics import METRICS
from domain.trigger.commands import SetTriggerDisabled
from infra.plugins.catalogue import core_plugins
from infra.storage.namespace_files import StoredNamespaceFiles
from streams.worker.binding import bind
from streams.worker.errors import Interrupted, TaskFailed
from tests.infra.plugins.conftest import Run
from tests.support.tasks import NOW, Bench, MemoryBlobs, StillClock


def entry(number: int, level: Level, task: str, namespace: str = "io.test") -> LogEntry:
    return LogEntry(
        id=str(number),
        tenant="main",
        namespace=namespace,
        flow_id="flow_a",
        level=level,
        message=f"line {number}",
        timestamp=NOW,
        execution_id="e1",
        task_id=task,
    )


def test_echo_writes_its_text_to_the_log(run: Run, bench: Bench) -> None:
    run("debug.Echo", format="task {{ taskrun.id }}", level="WARN")
    assert [(e.message, e.level) for e in bench.lines()] == [("task r1", Level.WARN)]


def test_return_without_a_format_returns_nothing(run: Run) -> None:
    assert run("debug.Return") == {"value": None}


def test_a_format_that_is_no_text_is_made_one(run: Run) -> None:
    assert run("debug.Return", format=1) == {"value": "1"}


def test_output_values_are_rendered_as_text(run: Run) -> None:
    out = run("output.OutputValues", values={"a": "{{ 1 + 1 }}", "b": ["{{ taskrun.id }}", 3]})
    assert out == {"values": {"a": "2", "b": ["r1", 3]}}


def test_metrics_are_published_with_tags(run: Run, bench: Bench) -> None:
    run(
        "metric.Publish",
        metrics=[
            {"type": "counter", "name": "rows", "value": 2, "tags": {"source": "csv"}},
            {"type": "timer", "name": "took", "value": "PT1.5S"},
            {"type": "gauge", "name": "level", "value": "{{ 3 }}"},
        ],
    )
    bench.context.out.flush()
    (record,) = [r for r in bench.sent if r.topic == METRICS]
    found = msgspec.json.decode(record.value or b"")["entries"]
    assert [(m["type"], m["name"], m["value"], m.get("tags")) for m in found] == [
        ("counter", "rows", 2.0, {"source": "csv"}),
        ("timer", "took", 1500.0, None),
        ("gauge", "level", 3.0, None),
    ]


def test_a_metric_that_is_no_number_is_refused(run: Run) -> None:
    with pytest.raises(InvalidInput, match="rows"):
        run("metric.Publish", metrics=[{"type": "counter", "name": "rows", "value": "many"}])


def test_a_state_merges_and_is_told_by_name_and_value(run: Run, bench: Bench) -> None:
    """A number written literally stays a number, a rendered one is text."""
    assert run("state.Get")["count"] == 0
    assert run("state.Set", data={"{{ 'a' ~ 'b' }}": "{{ 1 }}", "n": 1})["count"] == 2
    assert run("state.Set", data={"c": "2"})["count"] == 3
    assert run("state.Get")["data"] == {"ab": "1", "n": 1, "c": "2"}
    assert run("state.Get", name="other")["count"] == 0
    bench.context.variables["taskrun"]["value"] = "x"
    assert run("state.Get")["count"] == 0
    assert run("state.Get", taskrunValue=False)["count"] == 3


def test_a_state_can_be_deleted_and_missed(run: Run) -> None:
    run("state.Set", data={"a": 1}, namespace=True)
    assert run("state.Get")["count"] == 0
    assert run("state.Delete", namespace=True) == {"deleted": True}
    assert run("state.Delete", namespace=True) == {"deleted": False}
    for name in ("state.Get", "state.Delete"):
        with pytest.raises(TaskFailed):
            run(name, errorOnMissing=True)


def test_a_templated_task_runs_as_what_it_renders_to(run: Run, bench: Bench) -> None:
    bench.context.variables["kind"] = "io.kestra.plugin.core.debug.Return"  # type: ignore[index]
    assert run("templating.TemplatedTask", spec="type: {{ kind }}\nformat: It's alive!\n") == {
        "value": "It's alive!"
    }


@pytest.mark.parametrize(
    "spec",
    [
        "format: x",
        "type: io.kestra.plugin.core.templating.TemplatedTask\nspec: x",
        "type: io.kestra.plugin.core.flow.Sequential\ntasks: []",
        "type: io.nobody.Knows",
    ],
)
def test_a_templated_task_must_be_a_runnable_one(run: Run, spec: str) -> None:
    with pytest.raises(TaskFailed):
        run("templating.TemplatedTask", spec=spec)


def test_sleep_ends_as_soon_as_it_is_interrupted(run: Run, bench: Bench) -> None:
    bench.interruption.tell()
    with pytest.raises(Interrupted):
        run("flow.Sleep", duration="PT1H")


def test_sleep_takes_seconds_too_and_says_what_it_waits_for(run: Run, bench: Bench) -> None:
    assert run("flow.Sleep", duration=0) is None
    run("flow.Sleep", duration="PT0.001S")
    assert [e.message for e in bench.lines()] == ["Waiting for PT0S", "Waiting for PT0.001S"]


def test_resume_is_a_command_to_the_other_execution(tmp_path: Path) -> None:
    sent: list[object] = []
    bench = Bench(str(tmp_path), command=sent.append)
    plugin = core_plugins().get("io.kestra.plugin.core.execution.Resume")
    assert plugin is not None
    written = {"executionId": "e2", "inputs": {"a": "{{ taskrun.id }}"}}
    plugin.run(bench.context, bind(plugin, written, bench.context))
    (command,) = sent
    assert isinstance(command, ResumeExecution)
    assert (command.execution_id, command.inputs) == ("e2", {"a": "r1"})


def test_toggle_is_a_command_to_the_trigger(tmp_path: Path) -> None:
    sent: list[object] = []
    bench = Bench(str(tmp_path), command=sent.append)
    plugin = core_plugins().get("io.kestra.plugin.core.trigger.Toggle")
    assert plugin is not None
    written = {"trigger": "schedule", "enabled": True}
    plugin.run(bench.context, bind(plugin, written, bench.context))
    (command,) = sent
    assert isinstance(command, SetTriggerDisabled)
    assert (command.key.text, command.disabled) == ("main/io.test/flow_a/schedule", False)


def test_fetched_lines_are_filtered_by_level_and_task(tmp_path: Path) -> None:
    lines = [entry(1, Level.INFO, "a"), entry(2, Level.DEBUG, "a"), entry(3, Level.WARN, "b")]
    bench = Bench(str(tmp_path), logs=lambda _: iter(lines))
    plugin = core_plugins().get("io.kestra.plugin.core.log.Fetch")
    assert plugin is not None
    everything = plugin.run(bench.context, bind(plugin, {}, bench.context))
    assert everything.size == 2
    one = plugin.run(bench.context, bind(plugin, {"tasksId": ["b"]}, bench.context))
    (line,) = bench.blobs.read(one.uri).splitlines()
    assert msgspec.json.decode(line)["message"] == "line 3"


def test_lines_of_other_namespaces_are_not_fetched(tmp_path: Path) -> None:
    bench = Bench(str(tmp_path), logs=lambda _: iter([entry(1, Level.INFO, "a", "io.other")]))
    plugin = core_plugins().get("io.kestra.plugin.core.log.Fetch")
    assert plugin is not None
    with pytest.raises(TaskFailed):
        plugin.run(bench.context, bind(plugin, {"executionId": "e9"}, bench.context))


class TestNamespaceFiles:
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        blobs = MemoryBlobs()
        files = StoredNamespaceFiles(blobs, StillClock())
        return Bench(str(tmp_path), blobs=blobs, files=files)

    def test_files_go_up_and_come_down(self, run: Run, bench: Bench) -> None:
        run("namespace.UploadFiles", filesMap={"a.txt": "A", "b/c.py": "C"}, destination="/x")
        out = run("namespace.DownloadFiles", files=["**.txt"])
        assert list(out["files"]) == ["x/a.txt"]
        assert bench.blobs.read(out["files"]["x/a.txt"]) == b"A"
        assert list(run("namespace.DeleteFiles", files="/x/b/c.py")["files"]) == ["x/b/c.py"]
        with pytest.raises(NotFound):
            run("namespace.DownloadFiles", files="/x/b/c.py")

    def test_a_conflict_is_settled_as_asked(self, run: Run, bench: Bench) -> None:
        for text, conflict in (("one", "ERROR"), ("two", "SKIP")):
            run("namespace.UploadFiles", filesMap={"a": text}, conflict=conflict)
        with pytest.raises(TaskFailed):
            run("namespace.UploadFiles", filesMap={"a": "three"}, conflict="ERROR")
        found = bench.services.files.find("main", "io.test", "/a")
        assert found is not None
        assert bench.blobs.read(found.uri) == b"one"

    def test_old_versions_are_purged(self, run: Run, bench: Bench) -> None:
        for text in ("one", "two", "three"):
            run("namespace.UploadFiles", filesMap={"a.txt": text})
        behavior = {"type": "version", "keepAmount": 1}
        out = run("namespace.PurgeFiles", namespaces=["io.test"], behavior=behavior)
        assert out == {"size": 2}
        found = bench.services.files.find("main", "io.test", "/a.txt")
        assert found is not None
        assert bench.blobs.read(found.uri) == b"three"

    def test_versions_are_purged_by_date_but_never_the_latest(self, run: Run, bench: Bench) -> None:
        for text in ("one", "two"):
            run("namespace.UploadFiles", filesMap={"a.txt": text})
        behavior = {"type": "version", "before": "2030-01-01T00:00:00Z"}
        assert run("namespace.PurgeFiles", namespacePattern="io.*", behavior=behavior) == {
            "size": 1
        }


@pytest.mark.parametrize("condition", ["{{ 1 == 1 }}", True, None])
def test_fail_fails_when_its_condition_holds(run: Run, condition: object) -> None:
    said = {} if condition is None else {"condition": condition}
    with pytest.raises(TaskFailed, match="why"):
        run("execution.Fail", errorMessage="why", **said)


@pytest.mark.parametrize("condition", ["{{ 1 == 2 }}", False])
def test_fail_does_not_when_it_does_not(run: Run, condition: object) -> None:
    assert run("execution.Fail", condition=condition) is None


def test_assert_tells_of_every_condition_that_does_not_hold(run: Run) -> None:
    with pytest.raises(TaskFailed) as found:
        run(
            "execution.Assert",
            conditions=["{{ 1 == 1 }}", "{{ 1 == 2 }}", "{{ nothing }}"],
            errorMessage="why",
        )
    lines = str(found.value).splitlines()
    assert lines[:2] == ["2 assertions failed.", "why"]
    assert lines[2] == "Assertion `{{ 1 == 2 }}` failed"
    assert "an error occurred" in lines[3]
    run("execution.Assert", conditions="{{ [true, 1] }}")
