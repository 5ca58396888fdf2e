from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from infra.storage.local import LocalBlobs
from infra.storage.namespace_files import StoredNamespaceFiles
from tests.support.tasks import StillClock


@pytest.fixture
def files(tmp_path: Path) -> StoredNamespaceFiles:
    return StoredNamespaceFiles(LocalBlobs(tmp_path, sync=False), StillClock())


def test_every_write_is_a_version_and_the_plain_uri_is_the_latest(
    files: StoredNamespaceFiles, tmp_path: Path
) -> None:
    written = [files.put("main", "io.test", "/a.txt", t) for t in (b"one", b"two", b"three")][-1]
    assert (written.version, written.size) == (3, 5)
    assert written.uri == "kestra:///io/test/_files/a.txt"
    blobs = LocalBlobs(tmp_path, sync=False)
    texts: list[bytes] = []
    for version in files.versions("main", "io.test", "a.txt"):
        with blobs.open(version.uri) as file:
            texts.append(file.read())
    assert texts == [b"one", b"two", b"three"]


def test_an_old_version_can_be_deleted_but_not_the_latest_alone(
    files: StoredNamespaceFiles,
) -> None:
    for text in (b"one", b"two"):
        files.put("main", "io.test", "/a.txt", text)
    with pytest.raises(InvalidInput):
        files.delete("main", "io.test", "/a.txt", 2)
    assert files.delete("main", "io.test", "/a.txt", 1) == 1
    assert [v.version for v in files.versions("main", "io.test", "/a.txt")] == [2]
    assert files.put("main", "io.test", "/a.txt", b"x").version == 3


def test_a_folder_lists_and_deletes_what_is_below_it(files: StoredNamespaceFiles) -> None:
    for path in ("/a/1.txt", "/a/b/2.txt", "/c.txt"):
        files.put("main", "io.test", path, b"x")
    assert [v.path for v in files.below("main", "io.test", "/a")] == ["/a/1.txt", "/a/b/2.txt"]
    assert files.delete("main", "io.test", "/a") == 2
    assert [v.path for v in files.below("main", "io.test")] == ["/c.txt"]


def test_namespaces_do_not_see_each_other(files: StoredNamespaceFiles) -> None:
    files.put("main", "io.test", "/a.txt", b"x")
    assert files.find("main", "io.other", "/a.txt") is None
    assert files.find("main", "io", "/a.txt") is None
    assert files.below("main", "io") == []


@pytest.mark.parametrize("path", ["/../a", "/a/../../b", "", "/", "/a//b"])
def test_a_path_that_leaves_the_tree_is_refused(files: StoredNamespaceFiles, path: str) -> None:
    with pytest.raises(InvalidInput):
        files.put("main", "io.test", path, b"x")
