"""Files of namespaces over HTTP."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main/namespaces/gold.team/files"


async def put(client: ApiClient, path: str, data: bytes, name: str = "file") -> int:
    answer = await client.post(
        ROOT, params={"path": path}, files={"fileContent": (name, data, "text/plain")}
    )
    return answer.status_code


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


async def test_a_file_is_stored_read_and_listed(client: ApiClient) -> None:
    assert await put(client, "/src/main.py", b"print(1)") == 200
    answer = await client.get(ROOT, params={"path": "/src/main.py"})
    assert answer.content == b"print(1)"
    assert answer.headers["content-type"] == "application/octet-stream"
    [folder] = (await client.get(f"{ROOT}/directory")).json()
    assert (folder["type"], folder["fileName"]) == ("Directory", "src")
    [file] = (await client.get(f"{ROOT}/directory?path=/src")).json()
    assert (file["type"], file["fileName"], file["size"]) == ("File", "main.py", 8)
    assert (await client.get(f"{ROOT}/stats?path=/src/main.py")).json() == file
    assert (await client.get(f"{ROOT}/search?q=main")).json() == ["/src/main.py"]


async def test_what_is_not_there_is_a_404(client: ApiClient) -> None:
    assert (await client.get(f"{ROOT}?path=/none")).status_code == 404
    assert (await client.get(f"{ROOT}/directory?path=/none")).status_code == 404
    assert (await client.get(f"{ROOT}/stats?path=/none")).status_code == 404
    assert (await client.get(f"{ROOT}/revisions?path=/none")).status_code == 404


async def test_a_path_that_leaves_the_tree_is_refused(client: ApiClient) -> None:
    assert await put(client, "/a/../../b", b"x") == 422
    for route in ("", "/directory", "/stats"):
        answer = await client.get(f"{ROOT}{route}", params={"path": "../../etc/passwd"})
        assert answer.status_code == 422


async def test_revisions_of_a_file_stay(client: ApiClient) -> None:
    await put(client, "/a", b"one")
    await put(client, "/a", b"two")
    assert (await client.get(f"{ROOT}/revisions?path=/a")).json() == [
        {"revision": 1},
        {"revision": 2},
    ]
    assert (await client.get(f"{ROOT}?path=/a&revision=1")).content == b"one"


async def test_folders_move_and_go_with_all_in_them(client: ApiClient) -> None:
    await put(client, "/src/a", b"one")
    await put(client, "/src/b", b"two")
    assert (await client.put(f"{ROOT}?from=/src&to=/lib")).status_code == 200
    assert (await client.get(f"{ROOT}?path=/lib/b")).content == b"two"
    assert (await client.get(f"{ROOT}?path=/src/b")).status_code == 404
    await client.delete(f"{ROOT}?path=/lib")
    assert (await client.get(f"{ROOT}/directory")).json() == []


async def test_a_zip_is_unpacked_and_its_flows_are_saved(client: ApiClient, world: World) -> None:
    text = HELLO.replace("gold.team", "elsewhere")
    data = zipped(**{"docs/a.txt": "hi", "_flows/hello.yml": text})
    assert await put(client, "/", data, "all.zip") == 200
    assert (await client.get(f"{ROOT}?path=/docs/a.txt")).content == b"hi"
    assert world.flow_store.get("main", "gold.team", "hello") is not None
    exported = await client.get(f"{ROOT}/export")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert sorted(archive.namelist()) == ["_flows/hello.yml", "docs/a.txt"]


@pytest.mark.parametrize(
    "data",
    [b"no zip", zipped(**{"../up": "x"}), zipped(**{"a": "x", "_flows/bad.yml": "id: bad"})],
    ids=["not a zip", "leaves the tree", "holds a flow that is not valid"],
)
async def test_a_bad_zip_stores_nothing(client: ApiClient, data: bytes) -> None:
    assert await put(client, "/", data, "all.zip") == 422
    assert (await client.get(f"{ROOT}/directory")).json() == []
