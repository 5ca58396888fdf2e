from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput, NotFound
from streams.worker.errors import TaskFailed
from tests.infra.plugins.conftest import Run
from tests.support.tasks import Bench

ROOT = "kestra:///io/test/flow-a/executions/e1"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path), {"name": "World", "uri": f"{ROOT}/in.txt"})


def put(bench: Bench, text: str, name: str = "in.txt") -> str:
    return str(bench.blobs.put(f"{ROOT}/{name}", text.encode()))


def text(bench: Bench, uri: str) -> str:
    return bytes(bench.blobs.read(uri)).decode()


def test_write_makes_a_file_with_an_extension(run: Run, bench: Bench) -> None:
    out = run("storage.Write", content="Hello {{ name }}", extension=".txt")
    assert out["uri"].startswith(f"{ROOT}/tasks/t/r1/")
    assert out["uri"].endswith(".txt")
    assert text(bench, out["uri"]) == "Hello World"
    assert text(bench, run("storage.Write", content={"a": 1})["uri"]) == '{"a":1}'


@pytest.mark.parametrize(
    "files", [["{{ uri }}", "{{ uri }}"], '["{{ uri }}", "{{ uri }}"]'], ids=["list", "json"]
)
def test_the_separator_follows_every_file(run: Run, bench: Bench, files: Any) -> None:
    put(bench, "one")
    out = run("storage.Concat", files=files, separator="\n", extension="yml")
    assert text(bench, out["uri"]) == "one\none\n"
    assert out["uri"].endswith(".yml")


def test_concat_makes_a_tmp_file_by_default(run: Run, bench: Bench) -> None:
    put(bench, "one")
    assert run("storage.Concat", files="{{ uri }}")["uri"].endswith(".tmp")


def test_split_by_rows_bytes_partitions_and_pattern(run: Run, bench: Bench) -> None:
    uri = put(bench, "".join(f"{n % 3} line\n" for n in range(10)))
    rows = run("storage.Split", from_=uri, rows=4)["uris"]
    assert [text(bench, part).count("\n") for part in rows] == [4, 4, 2]
    assert rows[0].endswith(".txt")
    parts = run("storage.Split", from_=uri, partitions=4)["uris"]
    assert [text(bench, part).count("\n") for part in parts] == [3, 3, 2, 2]
    sized = run("storage.Split", from_=uri, bytes="14B")["uris"]
    assert [len(text(bench, part)) for part in sized] == [14] * 5
    named = run("storage.Split", from_=uri, regexPattern="^([01]) ")["uris"]
    assert [text(bench, part).count("\n") for part in named] == [4, 3]


def test_split_keeps_another_separator(run: Run, bench: Bench) -> None:
    parts = run("storage.Split", from_=put(bench, "a;b;c"), rows=2, separator=";")["uris"]
    assert [text(bench, part) for part in parts] == ["a;b;", "c"]


def test_split_wants_to_know_how(run: Run, bench: Bench) -> None:
    with pytest.raises(InvalidInput):
        run("storage.Split", from_=put(bench, "a"))
    with pytest.raises(InvalidInput):
        run("storage.Split", from_=put(bench, "a"), rows=0)


@pytest.mark.parametrize(
    ("before", "after"), [("1\n2\n3\n", "3\n2\n1\n"), ("1\n2", "2\n1\n"), ("", ""), ("\n", "\n")]
)
def test_reverse_turns_lines_around(run: Run, bench: Bench, before: str, after: str) -> None:
    out = run("storage.Reverse", from_=put(bench, before))
    assert text(bench, out["uri"]) == after
    assert out["uri"].endswith(".txt")


def test_size_and_delete(run: Run, bench: Bench) -> None:
    uri = put(bench, "12345")
    assert run("storage.Size", uri=uri) == {"size": 5}
    assert run("storage.Delete", uri=uri) == {"uri": uri, "deleted": True}
    assert run("storage.Delete", uri=uri) == {"uri": uri, "deleted": False}
    with pytest.raises(TaskFailed):
        run("storage.Delete", uri=uri, errorOnMissing=True)
    with pytest.raises(NotFound):
        run("storage.Size", uri=uri)


def test_local_files_come_in_as_text_or_uri_and_go_out_by_glob(run: Run, bench: Bench) -> None:
    put(bench, "some content")
    out = run(
        "storage.LocalFiles",
        inputs={"test/hello.txt": "Hello {{ name }}", "test/sub/copy.yml": "{{ uri }}", "x": "y"},
        outputs=["test/**"],
    )
    assert sorted(out["uris"]) == ["test/hello.txt", "test/sub/copy.yml"]
    assert text(bench, out["uris"]["test/hello.txt"]) == "Hello World"
    assert text(bench, out["uris"]["test/sub/copy.yml"]) == "some content"


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt"])
def test_a_local_file_cannot_be_written_outside(run: Run, name: str) -> None:
    with pytest.raises(InvalidInput):
        run("storage.LocalFiles", inputs={name: "x"})


def test_the_files_of_the_execution_can_be_purged(run: Run, bench: Bench) -> None:
    uri = put(bench, "x")
    other = bench.blobs.put("kestra:///io/test/flow-a/executions/e2/x", b"x")
    assert run("storage.PurgeCurrentExecutionFiles") == {"uris": [uri]}
    assert bench.blobs.exists(other)
    assert not bench.blobs.exists(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "kestra:///io/other/flow/executions/e9/x",
        "kestra:///io/test/../other/x",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_files_of_others_are_refused(run: Run, bench: Bench, uri: str) -> None:
    bench.blobs.put(uri, b"x")
    with pytest.raises(InvalidInput):
        run("storage.Size", uri=uri)


def test_files_of_the_execution_that_started_this_one_may_be_read(
    tmp_path: Path, run: Run, bench: Bench
) -> None:
    uri = bench.blobs.put("kestra:///io/other/flow/executions/e9/x", b"x")
    bench.context.variables["trigger"] = {"executionId": "e9"}  # type: ignore[index]
    assert run("storage.Size", uri=uri) == {"size": 1}


DEDUP = """{"key":"k1","value":"v1"}
{"key":"k2","value":"v1"}
{"key":"k3","value":"v1"}
{"key":"k1","value":"v2"}
{"key":"k2","value":null}
{"key":"k3","value":"v2"}
{"key":"k1","value":"v3"}
"""


def test_the_last_item_of_a_key_stays_in_place(run: Run, bench: Bench) -> None:
    out = run("storage.DeduplicateItems", from_=put(bench, DEDUP), expr=" {{ key }} ")
    lines = DEDUP.splitlines(keepends=True)
    assert text(bench, out["uri"]) == lines[4] + lines[5] + lines[6]
    counts = {"numKeys": 3, "processedItemsTotal": 7, "droppedItemsTotal": 4}
    assert {key: value for key, value in out.items() if key != "uri"} == counts


ITEMS = "".join(f'{{"key":"k{n}","value":{n}}}\n' for n in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("condition", "kind", "kept"),
    [
        (" {{ value % 2 == 0 }} ", "INCLUDE", [2, 4]),
        (" {{ value % 2 == 0 }} ", "EXCLUDE", [1, 3]),
        ("{{ value }}", "INCLUDE", [1, 2, 3, 4]),
        ("{{ value == 4 and name == 'World' }}", "INCLUDE", [4]),
    ],
)
def test_items_are_kept_by_a_condition(
    run: Run, bench: Bench, condition: str, kind: str, kept: list[int]
) -> None:
    out = run(
        "storage.FilterItems", from_=put(bench, ITEMS), filterCondition=condition, filterType=kind
    )
    assert text(bench, out["uri"]) == "".join(f'{{"key":"k{n}","value":{n}}}\n' for n in kept)
    assert (out["processedItemsTotal"], out["droppedItemsTotal"]) == (4, 4 - len(kept))


def test_an_item_whose_condition_fails_is_treated_as_asked(run: Run, bench: Bench) -> None:
    items = {"from_": put(bench, ITEMS), "filterCondition": "{{ nothing.here }}"}
    with pytest.raises(Exception, match="nothing"):
        run("storage.FilterItems", **items)
    assert (
        run("storage.FilterItems", errorOrNullBehavior="EXCLUDE", **items)["droppedItemsTotal"] == 4
    )
    assert (
        run("storage.FilterItems", errorOrNullBehavior="INCLUDE", **items)["droppedItemsTotal"] == 0
    )


def test_ion_items_are_read_too(run: Run, bench: Bench) -> None:
    uri = put(bench, '{key:"k1",value:1}\n{key:"k2",value:2}\n', "in.ion")
    out = run("storage.FilterItems", from_=uri, filterCondition="{{ value > 1 }}")
    assert text(bench, out["uri"]) == '{key:"k2",value:2}\n'
