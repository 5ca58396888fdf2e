from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InvalidInput, NotFound
from infra.storage.local import LocalBlobs
from infra.storage.namespace_files import StoredNamespaceFiles
from streams.worker.context import slug
from streams.worker.folder import WorkingFolder
from streams.worker.globs import file_pattern
from streams.worker.interruption import Interruption
from tests.support.tasks import Bench, MemoryBlobs, StillClock


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("a.txt", "-a.txt"),
        (".csv", ".csv"),
        ("../../x", "-x"),
        ("a\\b c?.txt", "-b-c-.txt"),
        ("x" * 500 + ".json", "x.json"),
    ],
)
def test_a_stored_file_has_a_plain_name_of_its_own(tmp_path: Path, name: str, end: str) -> None:
    bench = Bench(str(tmp_path / "work"), blobs=LocalBlobs(tmp_path / "store", sync=False))
    uris = {bench.context.store(b"x", name) for _ in range(3)}
    assert len(uris) == 3
    for uri in uris:
        assert uri.startswith("kestra:///io/test/flow-a/executions/e1/tasks/t/r1/")
        assert uri.endswith(end)
        assert bench.context.size(uri) == 1


def test_a_namespace_file_is_found_by_its_uri(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    files = StoredNamespaceFiles(blobs, StillClock())
    files.put("main", "io.test", "/a/b.txt", b"own")
    files.put("main", "io.other", "/a/b.txt", b"other")
    context = Bench(str(tmp_path), blobs=blobs, files=files).context
    assert context.open("nsfile:///a/b.txt").read() == b"own"
    assert context.open("nsfile://io.other/a/b.txt").read() == b"other"
    with pytest.raises(NotFound):
        context.open("nsfile:///nope")


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("out/*", ["out/a"], ["out/a/b", "a"]),
        ("test/**", ["test/a", "test/a/b"], ["a"]),
        ("*.{txt,md}", ["a.txt", "b.md"], ["a.py", "d/a.txt"]),
        ("a?[b-d]", ["axb"], ["axe", "a/b"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("regex:.*\\.py", ["a/b.py"], ["a.pyc"]),
        ("glob:x.y", ["x.y"], ["xzy"]),
    ],
)
def test_patterns_match_as_flows_mean_them(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    wanted = file_pattern(pattern)
    assert all(wanted.fullmatch(name) for name in matching)
    assert not any(wanted.fullmatch(name) for name in others)


@pytest.mark.parametrize("pattern", ["[a", "{a", "regex:("])
def test_a_pattern_that_cannot_be_read_is_told(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        file_pattern(pattern)


def test_paths_are_held_inside_the_working_directory(tmp_path: Path) -> None:
    folder = WorkingFolder(str(tmp_path))
    assert folder.path("a/b").parent.is_dir()
    (folder.root / "link").symlink_to("/etc")
    for path in ("../x", "/etc/passwd", "a/../../x", "link/passwd", "a\x00b"):
        with pytest.raises(InvalidInput):
            folder.path(path)


def test_links_that_lead_out_are_not_kept(tmp_path: Path) -> None:
    folder = WorkingFolder(str(tmp_path))
    folder.path("in.txt").write_text("x")
    (folder.root / "out.txt").symlink_to("/etc/hostname")
    assert folder.glob(["**"]) == ["in.txt"]


def test_scratch_files_are_no_part_of_the_working_directory(tmp_path: Path) -> None:
    folder = WorkingFolder(str(tmp_path))
    folder.scratch().write_text("x")
    assert folder.glob(["**"]) == []
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_whoever_comes_late_hears_of_the_interruption_at_once() -> None:
    heard: list[int] = []
    interruption = Interruption()
    interruption.on_told(lambda: heard.append(1))
    interruption.on_told(lambda: heard.append(2))()  # taken back
    interruption.tell()
    interruption.tell()
    interruption.on_told(lambda: heard.append(3))
    assert heard == [1, 3]


def test_ids_become_plain_parts_of_paths() -> None:
    assert slug("Each_split") == "each-split"
