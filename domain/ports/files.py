"""Namespace files: the tree of files that every namespace has, with versions."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO, Protocol

import msgspec


class FileVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a file."""

    namespace: str
    path: str
    """Begins with `/`."""
    version: int
    """From 1."""
    size: int
    """Bytes."""
    modified: datetime
    uri: str
    """Where its bytes are in internal storage."""


class NamespaceFiles(Protocol):
    """Reads and writes the files of namespaces, confined to the namespace. Thread-safe."""

    def put(self, tenant: str, namespace: str, path: str, data: BinaryIO | bytes) -> FileVersion:
        """Write a new version of a file. Raises InvalidInput on a path that leaves the tree."""
        ...

    def find(
        self, tenant: str, namespace: str, path: str, version: int | None = None
    ) -> FileVersion | None:
        """A file's latest version, or the one asked for; None when there is none."""
        ...

    def versions(self, tenant: str, namespace: str, path: str) -> list[FileVersion]:
        """All versions of a file, oldest first."""
        ...

    def below(self, tenant: str, namespace: str, folder: str = "/") -> list[FileVersion]:
        """The latest versions of all files below a folder, by path."""
        ...

    def namespaces(self, tenant: str) -> list[str]:
        """The namespaces that have files, in order."""
        ...

    def delete(self, tenant: str, namespace: str, path: str, version: int | None = None) -> int:
        """Delete a file, or a folder with all in it, or one version; returns how many files."""
        ...
