"""Namespace files in internal storage.

The latest version stands at `/<namespace>/_files/<path>`, older ones and what is known of them at
`/<namespace>/_versions/<hash of the path>/`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from datetime import datetime
from threading import RLock
from typing import BinaryIO

import msgspec

from domain.errors import InvalidInput, NotFound
from domain.ports.clock import Clock
from domain.ports.files import FileVersion
from domain.ports.stores import Blobs


class _Known(msgspec.Struct):
    """One version that is kept."""

    size: int
    modified: datetime


class _Record(msgspec.Struct):
    """What is known of a file."""

    path: str
    latest: int
    versions: dict[int, _Known]


_DECODER = msgspec.json.Decoder(_Record)
_IN_MEMORY = 1024 * 1024
_MARKS = "kestra:///_namespaces_with_files/"


class StoredNamespaceFiles:
    """NamespaceFiles port on internal storage. One process writes a namespace at a time."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._lock = RLock()

    def put(self, tenant: str, namespace: str, path: str, data: BinaryIO | bytes) -> FileVersion:
        """Write a new version of a file. Raises InvalidInput on a path that leaves the tree."""
        del tenant
        path = _clean(path)
        with self._lock, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            if isinstance(data, bytes):
                spool.write(data)
            else:
                shutil.copyfileobj(data, spool)
            size = spool.tell()
            spool.seek(0)
            record = self._record(namespace, path) or _Record(path, 0, {})
            if record.latest in record.versions:
                with self._blobs.open(_plain(namespace, path)) as old:
                    self._blobs.put(_old(namespace, path, record.latest), old)
            self._blobs.put(_plain(namespace, path), spool)  # type: ignore[arg-type]
            if not self._blobs.exists(_MARKS + namespace):
                self._blobs.put(_MARKS + namespace, b"")
            record.latest += 1
            record.versions[record.latest] = _Known(size, self._clock.now())
            self._write(namespace, record)
            return _version(namespace, record, record.latest)

    def find(
        self, tenant: str, namespace: str, path: str, version: int | None = None
    ) -> FileVersion | None:
        """A file's latest version, or the one asked for; None when there is none."""
        del tenant
        record = self._record(namespace, _clean(path))
        if record is None:
            return None
        wanted = record.latest if version is None else version
        return _version(namespace, record, wanted) if wanted in record.versions else None

    def versions(self, tenant: str, namespace: str, path: str) -> list[FileVersion]:
        """All versions of a file, oldest first."""
        del tenant
        record = self._record(namespace, _clean(path))
        if record is None:
            return []
        return [_version(namespace, record, number) for number in sorted(record.versions)]

    def below(self, tenant: str, namespace: str, folder: str = "/") -> list[FileVersion]:
        """The latest versions of all files below a folder, by path."""
        root = _root(namespace)
        below = root if folder in ("", "/") else root + _clean(folder)
        found = [
            self.find(tenant, namespace, uri.removeprefix(root)) for uri in self._blobs.list(below)
        ]
        return [version for version in found if version is not None]

    def namespaces(self, tenant: str) -> list[str]:
        """The namespaces that have files, in order."""
        del tenant
        return [uri.removeprefix(_MARKS) for uri in self._blobs.list(_MARKS)]

    def delete(self, tenant: str, namespace: str, path: str, version: int | None = None) -> int:
        """Delete a file, or a folder with all in it, or one version; returns how many files."""
        path = _clean(path)
        with self._lock:
            record = self._record(namespace, path)
            if record is None:
                inside = self.below(tenant, namespace, path)
                return sum(self.delete(tenant, namespace, file.path) for file in inside)
            if version is None or set(record.versions) == {version}:
                self._blobs.delete(_plain(namespace, path))
                self._blobs.delete(_folder(namespace, path))
                return 1
            if version not in record.versions:
                return 0
            if version == record.latest:
                raise InvalidInput("The latest version of a file goes with the file only.")
            self._blobs.delete(_old(namespace, path, version))
            del record.versions[version]
            self._write(namespace, record)
            return 1

    def _record(self, namespace: str, path: str) -> _Record | None:
        try:
            with self._blobs.open(_folder(namespace, path) + "/known.json") as file:
                return _DECODER.decode(file.read())
        except NotFound:
            return None

    def _write(self, namespace: str, record: _Record) -> None:
        uri = _folder(namespace, record.path) + "/known.json"
        self._blobs.put(uri, msgspec.json.encode(record))


def _clean(path: str) -> str:
    parts = path.strip("/").split("/")
    if not path.strip("/") or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(f"{path[:200]!r} is not the path of a file.")
    return "/" + "/".join(parts)


def _root(namespace: str) -> str:
    return f"kestra:///{namespace.replace('.', '/')}/_files"


def _plain(namespace: str, path: str) -> str:
    return _root(namespace) + path


def _folder(namespace: str, path: str) -> str:
    name = hashlib.sha256(path.encode()).hexdigest()[:40]
    return f"kestra:///{namespace.replace('.', '/')}/_versions/{name}"


def _old(namespace: str, path: str, version: int) -> str:
    return f"{_folder(namespace, path)}/{version}"


def _version(namespace: str, record: _Record, number: int) -> FileVersion:
    known = record.versions[number]
    return FileVersion(
        namespace=namespace,
        path=record.path,
        version=number,
        size=known.size,
        modified=known.modified,
        uri=_plain(namespace, record.path)
        if number == record.latest
        else _old(namespace, record.path, number),
    )
