from __future__ import annotations

import io
from pathlib import Path

import pytest

from domain.errors import InvalidInput, NotFound
from infra.storage.local import LocalBlobs

URI = "kestra:///io/test/flow/executions/e1/file.txt"


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path, sync=False)


def test_what_was_put_is_read_back(blobs: LocalBlobs) -> None:
    assert blobs.put(URI, b"one") == URI
    assert blobs.put(URI, io.BytesIO(b"two!")) == URI
    with blobs.open(URI) as file:
        assert file.read() == b"two!"
    assert blobs.size(URI) == 4
    assert blobs.exists(URI)


def test_bytes_reach_the_disk_when_asked_to(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, sync=True)
    blobs.put(URI, b"x")
    assert blobs.size(URI) == 1


def test_a_missing_file_is_not_found(blobs: LocalBlobs) -> None:
    assert not blobs.exists(URI)
    with pytest.raises(NotFound):
        blobs.open(URI)
    with pytest.raises(NotFound):
        blobs.size(URI)


def test_a_folder_is_no_file(blobs: LocalBlobs) -> None:
    blobs.put(URI, b"x")
    with pytest.raises(NotFound):
        blobs.open("kestra:///io/test")


@pytest.mark.parametrize(
    "uri",
    [
        "kestra:///../outside",
        "kestra:///a/../../outside",
        "kestra:///a/./b",
        "kestra:////etc/passwd",
        "kestra:///a//b",
        "kestra:///a\\..\\b",
        "kestra:///a\x00b",
        "kestra:///" + "x" * 300,
        "file:///etc/passwd",
        "/etc/passwd",
        "kestra://host/a",
        "",
    ],
)
def test_a_uri_that_could_lead_out_is_refused(blobs: LocalBlobs, uri: str) -> None:
    with pytest.raises(InvalidInput):
        blobs.put(uri, b"x")
    with pytest.raises(InvalidInput):
        blobs.open(uri)
    with pytest.raises(InvalidInput):
        blobs.exists(uri)


def test_a_link_that_leads_out_is_not_followed(blobs: LocalBlobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("hidden")
    (tmp_path / "main" / "link").symlink_to(secret)
    assert not blobs.exists("kestra:///link/file")
    with pytest.raises(NotFound):
        blobs.open("kestra:///link/file")
    with pytest.raises(InvalidInput):
        blobs.put("kestra:///link/new", b"x")
    assert list(blobs.list("kestra:///link")) == []
    assert blobs.delete("kestra:///link/file") == 0
    assert (secret / "file").exists()


def test_a_write_that_fails_leaves_nothing_behind(blobs: LocalBlobs, tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        blobs.put(URI, Broken())  # type: ignore[arg-type]
    assert not blobs.exists(URI)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_file_in_the_way_of_a_folder_is_told(blobs: LocalBlobs) -> None:
    blobs.put("kestra:///a", b"x")
    with pytest.raises(InvalidInput):
        blobs.put("kestra:///a/b", b"x")
    blobs.put("kestra:///c/d", b"x")
    with pytest.raises(InvalidInput):
        blobs.put("kestra:///c", b"x")


def test_files_below_a_folder_are_listed_in_order(blobs: LocalBlobs) -> None:
    for name in ("b/2", "b/1", "a/x/y"):
        blobs.put(f"kestra:///root/{name}", b"x")
    assert list(blobs.list("kestra:///root")) == [
        "kestra:///root/a/x/y",
        "kestra:///root/b/1",
        "kestra:///root/b/2",
    ]
    assert list(blobs.list("kestra:///nobody")) == []


def test_a_folder_is_deleted_with_all_in_it(blobs: LocalBlobs, tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b"):
        blobs.put(f"kestra:///root/{name}", b"x")
    assert blobs.delete("kestra:///root/a") == 2
    assert blobs.delete("kestra:///root/b") == 1
    assert blobs.delete("kestra:///root/b") == 0
    assert list((tmp_path / "main").iterdir()) == []
    with pytest.raises(InvalidInput):
        blobs.delete("kestra:///")


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    LocalBlobs(tmp_path, "one", sync=False).put(URI, b"x")
    assert not LocalBlobs(tmp_path, "two", sync=False).exists(URI)
