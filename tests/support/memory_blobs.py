"""Internal storage in memory for tests."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from domain.errors import NotFound


class MemoryBlobs:
    """Blobs port: files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, uri: str, data: BinaryIO | bytes) -> str:
        self.files[uri] = data if isinstance(data, bytes) else data.read()
        return uri

    def open(self, uri: str) -> BinaryIO:
        if uri not in self.files:
            raise NotFound(f"no file {uri}")
        return BytesIO(self.files[uri])

    def size(self, uri: str) -> int:
        if uri not in self.files:
            raise NotFound(f"no file {uri}")
        return len(self.files[uri])

    def exists(self, uri: str) -> bool:
        return uri in self.files

    def list(self, uri: str) -> Iterator[str]:
        return iter([name for name in self.files if name.startswith(uri.rstrip("/") + "/")])

    def delete(self, uri: str) -> int:
        doomed = [n for n in self.files if n == uri or n.startswith(uri.rstrip("/") + "/")]
        for name in doomed:
            del self.files[name]
        return len(doomed)
